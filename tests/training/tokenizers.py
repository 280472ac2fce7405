"""Small tokenizers made on the spot, and chat templates that behave like those of well-known families."""

import json
from functools import cache
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = (
    "<|begin|>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<start_of_turn>", "<end_of_turn>", "<pad>", "</s>", "<unk>",
)  # fmt: skip
PLAIN = ("<think>", "</think>", "<tool_call>", "</tool_call>")
"""Tokens of their own that mean nothing to the frame."""

CHATML = """\
{% for message in messages %}{% if loop.first and message.role != 'system' %}{{ '<|im_start|>system
You are "tiny", a \\\\ model.<|im_end|>
' }}{% endif %}{{ '<|im_start|>' + message.role + '
' + message.content + '<|im_end|>' + '
' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""
"""As SmolLM2's: no tools, a system message of its own where none is given."""

LLAMA = """\
{{- '<|begin|>' }}{% for message in messages %}{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' \
+ message.content | trim + '<|eot_id|>' }}{% endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"""
"""As Llama 3's: contents trimmed, nothing between two messages."""

GEMMA = """\
{{- '<|begin|>' }}{% if messages[0].role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}
{%- for message in messages %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}
{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' + message.content + \
'<end_of_turn>\n' }}{% endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{% endif %}"""
"""As Gemma's: no system message, user and model in turn."""

THINKER = """\
{%- set last = namespace(user=-1) %}
{%- if tools %}{{- '<|im_start|>system\n' }}{% if messages[0].role == 'system' %}{{ messages[0].content + '\n\n' }}\
{% endif %}{{- 'Tools:' }}{% for tool in tools %}{{ '\n' + (tool | tojson) }}{% endfor %}{{ '<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{% endif %}
{%- for message in messages %}{% if message.role == 'user' %}{% set last.user = loop.index0 %}{% endif %}{% endfor %}
{%- for message in messages %}
{%- if message.role == 'user' %}{{- '<|im_start|>user\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == 'tool' %}
  {%- if loop.first or messages[loop.index0 - 1].role not in ['tool', 'assistant'] %}\
{{ raise_exception('a result without a call') }}{% endif %}
  {%- if messages[loop.index0 - 1].role == 'assistant' and not messages[loop.index0 - 1].tool_calls %}\
{{ raise_exception('a result without a call') }}{% endif %}
  {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- elif message.role == 'assistant' %}
  {{- '<|im_start|>assistant\n' }}
  {%- if loop.index0 > last.user %}
    {{- '<think>\n' + (message.reasoning_content or '') + '\n</think>\n\n' }}
  {%- endif %}
  {{- message.content }}
  {%- for call in message.tool_calls or [] %}
    {%- if message.content or not loop.first %}{{ '\n' }}{% endif %}
    {{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + \
'}\n</tool_call>' }}
  {%- endfor %}
  {{- '<|im_end|>\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}"""
"""As Qwen3's: tools, and reasoning that is dropped as soon as the user has spoken again. Refuses a result without a
call."""

BEGUN = CHATML.replace("<|im_start|>assistant\n' }}{% endif %}", "<|im_start|>assistant\n<think>\n' }}{% endif %}")
"""The generation prompt opens the reasoning."""

JSON_CALLS = """\
{%- for tool in tools or [] %}{{- tool | tojson + '\n' }}{% endfor %}
{%- for message in messages %}{{- '<|im_start|>' + message.role + '\n' }}
{%- if message.tool_calls %}{{- 'CALL ' + message.tool_calls[0].function.name + ' ' + \
(message.tool_calls[0].function.arguments | tojson) }}{% else %}{{- message.content }}{% endif %}
{{- '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}"""
"""Tools in a form that only a response schema reads."""

ENDLESS = """{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""
"""Nothing ends a message."""

_TEXT = """The quick brown fox jumps over the lazy dog. What is the weather in Paris today? It is sunny, I think.
user assistant system tool Hello there! Yes, please: tell me more about it. {"name": "look", "arguments": {"word": 1}}
"""


def tokenizer(template: str | None = CHATML, **tokens: str) -> Any:
    """A byte-level BPE tokenizer, as GPT-2's descendants have."""
    tokens = {"eos_token": "<|im_end|>", "pad_token": "<pad>", **tokens}
    return _wrapped(Tokenizer.from_str(_byte_level()), template, tokens)


def spaced_tokenizer(template: str | None = CHATML) -> Any:
    """A tokenizer that puts a space before the first word of a text, as Llama 2's does."""
    return _wrapped(Tokenizer.from_str(_spaced()), template, {"eos_token": "<|im_end|>", "unk_token": "<unk>"})


def _wrapped(inner: Tokenizer, template: str | None, tokens: dict[str, str]) -> Any:
    made = PreTrainedTokenizerFast(tokenizer_object=inner, clean_up_tokenization_spaces=False, **tokens)
    made.chat_template = template
    return made


@cache
def _byte_level() -> str:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    inner.train_from_iterator([_TEXT], trainer)
    return _with_added(inner)


@cache
def _spaced() -> str:
    inner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    inner.normalizer = normalizers.Sequence([])
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    hexes = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>", *hexes], show_progress=False)
    inner.train_from_iterator([_TEXT], trainer)
    made = json.loads(inner.to_str())
    made["added_tokens"] = []  # the bytes are pieces of words
    return _with_added(Tokenizer.from_str(json.dumps(made)))


def _with_added(inner: Tokenizer) -> str:
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    inner.add_tokens([AddedToken(name, special=False, normalized=False) for name in PLAIN])
    return str(inner.to_str())
