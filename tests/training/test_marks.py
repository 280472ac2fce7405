"""Chat templates whose marks tell which tokens are the assistant's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training import tokenizers
from usergym.training.chat import TemplateError
from usergym.training.marks import marked

CHATML = tokenizers.tokenizer(tokenizers.CHATML)
MARKED = marked(CHATML)
words = st.text(st.characters(codec="utf-8"), max_size=12).map(lambda text: f"a{text}z")


@settings(max_examples=40, deadline=None)
@given(said=st.lists(words, min_size=2, max_size=6), system=st.none() | words)
def test_chatml_with_marks_renders_the_same_and_marks_the_assistant(said: list[str], system: str | None) -> None:
    rows = [{"role": "user" if place % 2 == 0 else "assistant", "content": text} for place, text in enumerate(said)]
    rows = [*([{"role": "system", "content": system}] if system else []), *rows]
    found = CHATML.apply_chat_template(
        rows, chat_template=MARKED, return_dict=True, return_assistant_tokens_mask=True, add_generation_prompt=True
    )
    assert found["input_ids"] == CHATML.apply_chat_template(rows, add_generation_prompt=True)["input_ids"]
    own = [each for each, mine in zip(found["input_ids"], found["assistant_masks"], strict=True) if mine]
    assert CHATML.decode(own) == "".join(f"{text}<|im_end|>" for text in said[1::2])


def test_a_template_with_marks_of_its_own_is_kept() -> None:
    assert marked(tokenizers.tokenizer(MARKED)) == MARKED


def test_marks_that_leave_out_the_end_token_are_replaced() -> None:
    wrong = MARKED.replace('message.content + "<|im_end|>" }}', "message.content }}", 1)
    wrong = wrong.replace('{{- "\\n" }}', '{{- "<|im_end|>\\n" }}', 1)
    tokenizer = tokenizers.tokenizer(wrong)
    assert CHATML.apply_chat_template([{"role": "user", "content": "a"}], tokenize=False, chat_template=wrong)
    assert wrong not in (MARKED, marked(tokenizer))
    assert marked(tokenizer) == MARKED


def test_families_that_trl_knows_get_its_template() -> None:
    utils = pytest.importorskip("trl.chat_template_utils")
    for family in ("qwen3", "llama3", "gemma"):
        tokenizer = tokenizers.tokenizer(getattr(utils, f"{family}_chat_template"), bos_token="<|begin|>")
        assert marked(tokenizer) == getattr(utils, f"{family}_training_chat_template")


def test_a_template_that_nothing_fits_is_refused_with_what_to_do() -> None:
    with pytest.raises(TemplateError, match=r"no \{% generation %\} marks around .* add the marks to it"):
        marked(tokenizers.tokenizer(tokenizers.LLAMA))
