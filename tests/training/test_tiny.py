"""Tiny models made on the spot: any text survives their tokenizer, and the trainer's door takes them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.training import checkpoints, tiny
from usergym.training.chat import Chat
from usergym.types import Message

SYSTEM = 'You find out what somebody wants. Ask one thing at a time.\n\nThere are tools:\n{"name": "finish"}'
SAID = ["Plan my meals for the week.", "For how many people?", "Two adults, please.", "Is there a budget?", "No."]
SIZES: dict[str, Any] = {"hidden": 32, "layers": 1, "heads": 2, "vocabulary": 320}
TALK = [Message("system", SYSTEM), Message("user", SAID[0]), Message("assistant", SAID[1]), Message("user", SAID[2])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("tiny"), SAID * 4, fixed=[SYSTEM], context=256, **SIZES)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tuple[Any, Any]:
    return checkpoints.load(str(folder))


@pytest.fixture(scope="module")
def phrased() -> Any:
    return tiny.tokenizer_of(SAID * 4, [SYSTEM], vocabulary=400, phrases=True)


TEXTS = st.text() | st.lists(
    st.sampled_from([*SAID, *SYSTEM.splitlines(), "<|im_end|>", "<|user|>", "\n", " ", "é"])
).map("".join)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_what_is_read_is_given_back_to_the_letter(loaded: tuple[Any, Any], text: str) -> None:
    tokenizer = loaded[1]
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_each_line_of_a_fixed_text_is_one_token(loaded: tuple[Any, Any]) -> None:
    tokenizer = loaded[1]
    for line in filter(None, SYSTEM.splitlines()):
        assert len(tokenizer.encode(line)) == 1
    assert len(tokenizer.encode("You find out what nobody wants.")) > 5


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_tokens_of_several_words_lose_nothing_either(phrased: Any, text: str) -> None:
    assert phrased.decode(phrased.encode(text)) == text


def test_what_is_said_again_and_again_is_one_token_where_phrases_are_learned(
    phrased: Any, loaded: tuple[Any, Any]
) -> None:
    assert len(phrased.encode("For how many people?")) == 1
    assert len(loaded[1].encode("For how many people?")) > 1


def test_the_model_is_as_large_as_told_and_its_output_is_tied_to_its_input(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    assert model.config.max_position_embeddings == tokenizer.model_max_length == 256
    assert model.num_parameters() < 30_000
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert model.config.vocab_size == len(tokenizer) <= 320 + 3
    assert model.config.eos_token_id == tokenizer.eos_token_id != tokenizer.pad_token_id


def test_the_template_marks_what_the_assistant_said_and_its_end_token(loaded: tuple[Any, Any]) -> None:
    tokenizer = loaded[1]
    rows = [{"role": message.role, "content": message.content} for message in TALK]
    made = tokenizer.apply_chat_template(rows, return_dict=True, return_assistant_tokens_mask=True)
    own = [each for each, kept in zip(made["input_ids"], made["assistant_masks"], strict=True) if kept]
    assert tokenizer.decode(own) == f"{SAID[1]}<|im_end|>"


def test_a_conversation_goes_on_from_its_own_ids_as_if_it_were_rendered_whole(loaded: tuple[Any, Any]) -> None:
    chat = Chat(loaded[1])
    first = chat.first(TALK[:2])
    own = chat.write(TALK[2])
    assert chat.ended(own)
    assert chat.read(own, 2).content == SAID[1]
    assert [*first, *own, *chat.more(TALK[3:])] == chat.first(TALK)


def test_it_learns_a_sentence_in_a_few_steps(folder: Path) -> None:
    model, tokenizer = checkpoints.load(str(folder))
    ids = torch.tensor([tokenizer.encode(SAID[0] + tiny.END)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(30):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_the_seed_decides_the_weights(tmp_path: Path, loaded: tuple[Any, Any]) -> None:
    def weights(seed: int) -> Any:
        made = tiny.make(tmp_path / str(seed), SAID * 4, fixed=[SYSTEM], context=256, seed=seed, **SIZES)
        return checkpoints.load(str(made))[0].get_input_embeddings().weight

    before = torch.random.get_rng_state()
    assert torch.equal(weights(0), loaded[0].get_input_embeddings().weight)
    assert not torch.equal(weights(1), loaded[0].get_input_embeddings().weight)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"hidden": 100, "heads": 6}, "hidden=100, heads=6"),
        ({"hidden": 30, "heads": 6}, "hidden=30, heads=6"),
        ({"vocabulary": 200}, "vocabulary=200: expected 261 or more"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_what_would(tmp_path: Path, sizes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        tiny.make(tmp_path, SAID, **sizes)
