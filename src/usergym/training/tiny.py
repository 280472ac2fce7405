"""A tiny model with a tokenizer of its own, made on the spot: small enough to learn a gym on one core of a CPU.

Two things keep it cheap. Its tokenizer has learned the words of the gym and no others, though it can write any text;
and a line of a fixed text, such as a system prompt, is one token, however long it is.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

END, PAD = "<|im_end|>", "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
"""Before each message the role that speaks, as one token: on a CPU every token of a frame counts."""

BYTES = 256
"""Every text can be written with these, so a vocabulary has no fewer."""

TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""With the marks by which a trainer finds the assistant's tokens. It knows no tools, as SmolLM2's does not."""


def make(
    folder: Path | str,
    texts: Iterable[str],
    *,
    fixed: Sequence[str] = (),
    vocabulary: int = 2048,
    phrases: bool = False,
    hidden: int = 192,
    layers: int = 4,
    heads: int = 6,
    context: int = 2048,
    seed: int = 0,
) -> Path:
    """Writes an untrained model of the Llama type and its tokenizer into `folder`, as transformers reads them.

    texts: what the tokenizer learns its words from. fixed: texts whose lines become one token each.
    vocabulary: tokens at most, lines of `fixed` not counted. phrases: a token may be several words, so that what is
    said again and again becomes one; for long conversations on little compute. hidden, layers, heads: the size of the
    model; 192 and 4 make about 2 million parameters. context: the longest conversation, in tokens. seed: of the
    weights.
    ValueError for sizes that do not fit together.
    """
    if hidden % heads or (hidden // heads) % 2:
        raise ValueError(f"hidden={hidden}, heads={heads}: hidden / heads must be a whole even number")
    tokenizer = tokenizer_of(texts, fixed, vocabulary, phrases)
    folder = Path(folder)
    model = _model(tokenizer, hidden, layers, heads, context, seed)
    model.save_pretrained(folder)
    tokenizer.model_max_length = context
    tokenizer.save_pretrained(folder)
    return folder


def tokenizer_of(
    texts: Iterable[str], fixed: Sequence[str] = (), vocabulary: int = 2048, phrases: bool = False
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with a chat template; what it has read it gives back to the letter."""
    special = [PAD, END, *ROLES]
    if vocabulary < BYTES + len(special):
        raise ValueError(f"vocabulary={vocabulary}: expected {BYTES + len(special)} or more, to write any text")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not phrases)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(line, normalized=False, special=False) for line in _lines(fixed)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=list(ROLES),
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast


def _lines(fixed: Sequence[str]) -> list[str]:
    """Those with a space, each once: a token without one would be read as the name of bytes."""
    lines = (line for text in fixed for line in text.splitlines())
    return list(dict.fromkeys(line for line in lines if " " in line.strip() or len(line) > len(line.strip()) > 0))


def _model(tokenizer: Any, hidden: int, layers: int, heads: int, context: int, seed: int) -> Any:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=-(-hidden * 8 // 3 // 32) * 32,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)
