"""The signal of a reaction, token by token: of real (tiny) models, against log-probabilities computed the long way."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.tokenizers import spaced_tokenizer, tokenizer
from usergym.training import checkpoints, signal_cases, tiny
from usergym.training.chat import Chat
from usergym.training.hindsight import LONGEST, TEMPLATES, with_reaction
from usergym.training.signal_cases import Case, repeated, with_replies
from usergym.training.signal_figures import (
    ENOUGH,
    LeftOut,
    Token,
    TokenSignal,
    aggregate,
    auc,
    figures,
    limit,
    thirds,
)
from usergym.training.token_signal import read_tokens, sampled, token_signals
from usergym.types import Message

WORDS = ["Where does the tram stop?", "It stops behind the market.", "Thanks, that is short and good.", "Too long!"]
SIZES: dict[str, Any] = {"hidden": 32, "layers": 2, "heads": 2, "vocabulary": 320, "context": 512}
ASKED = (Message("system", "Answer."), Message("user", WORDS[0]))
CASE = Case("tram", ASKED, WORDS[2], "reinforce", "It snows.", reply=WORDS[1])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Chat]:
    folder = tiny.make(tmp_path_factory.mktemp("tiny"), WORDS * 4, **SIZES)
    model, words = checkpoints.load(str(folder), trainable=False)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)  # so that what stands before a token matters
    return model, Chat(words)


def changed(case: Case, **fields: Any) -> Case:
    return msgspec.structs.replace(case, **fields)


def the_long_way(model: Any, context: Sequence[int], reply: Sequence[int]) -> list[float]:
    with torch.no_grad():
        logits = model(torch.tensor([[*context, *reply]])).logits[0].double().log_softmax(-1)
    return [float(logits[len(context) + place - 1, each]) for place, each in enumerate(reply)]


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_signal_is_the_difference_of_log_probabilities_that_whole_logits_give(
    loaded: tuple[Any, Chat], template: str
) -> None:
    model, chat = loaded
    frame = TEMPLATES[template]
    (made,) = token_signals(model, chat, [CASE], template=frame)
    assert isinstance(made, TokenSignal)
    reply = chat.write(Message("assistant", WORDS[1]))
    assert [token.id for token in made.tokens] == reply
    x = the_long_way(model, chat.first(ASKED), reply)
    xo = the_long_way(model, chat.first(with_reaction(ASKED, WORDS[2], frame)), reply)
    xc = the_long_way(model, chat.first(with_reaction(ASKED, "It snows.", frame)), reply)
    assert made.lp_xc is not None
    for ours, theirs in ((made.lp_x, x), (made.lp_xo, xo), (made.lp_xc, xc)):
        assert ours == pytest.approx(theirs, abs=1e-4)
    assert made.signal == pytest.approx(np.subtract(xo, x), abs=2e-4)
    assert made.control_signal == pytest.approx(np.subtract(xc, x), abs=2e-4)
    assert made.adjusted == pytest.approx(np.subtract(xo, xc), abs=2e-4)
    assert np.abs(made.signal).max() > 0.01
    assert made.template == template


def test_a_recorded_reply_is_scored_behind_the_ids_it_was_sampled_behind(loaded: tuple[Any, Chat]) -> None:
    model, chat = loaded
    head = [*chat.first(ASKED), *chat.write(Message("assistant", WORDS[1]))]
    since = (Message("user", "And the bus?"),)
    prompt = [*head, *chat.more(since)]
    reply = [*chat.write(Message("assistant", "It"))[:-1], *chat.write(Message("assistant", " stops."))]
    case = Case("2", since, WORDS[3], reply_ids=tuple(reply), prompt_ids=tuple(prompt), head=tuple(head))
    (made,) = token_signals(model, chat, [case], control="none")
    assert isinstance(made, TokenSignal)
    assert [token.id for token in made.tokens] == reply
    assert made.lp_x == pytest.approx(the_long_way(model, prompt, reply), abs=1e-4)
    behind = [*head, *chat.more(with_reaction(since, WORDS[3], TEMPLATES["neutral"]))]
    assert made.lp_xo == pytest.approx(the_long_way(model, behind, reply), abs=1e-4)
    assert made.lp_xc is made.control is made.adjusted is None


UNFIT = {
    "no_reaction": changed(CASE, reaction=" \n"),
    "long_reaction": changed(CASE, reaction="a" * (LONGEST + 1)),
    "no_reply": changed(CASE, reply=""),
    "window": changed(CASE, reaction="It stops behind the market. " * 100),
    "frame": changed(CASE, prompt_ids=(5, 6, 7)),
}


@pytest.mark.parametrize("why", UNFIT)
def test_what_cannot_be_scored_is_left_out_with_its_reason_and_its_neighbours_are_scored(
    loaded: tuple[Any, Chat], why: str
) -> None:
    found = token_signals(*loaded, [CASE, UNFIT[why], changed(CASE, id="after")])
    assert [type(each) for each in found] == [TokenSignal, LeftOut, TokenSignal]
    left = found[1]
    assert isinstance(left, LeftOut)
    assert left.why == why
    assert left.message
    assert aggregate(found).left_out == {why: 1}
    assert aggregate(found).scored == 2


def test_a_reply_that_fills_the_window_to_the_last_token_is_scored_and_one_more_is_not(
    loaded: tuple[Any, Chat],
) -> None:
    model, chat = loaded
    context = len(chat.first(with_reaction(ASKED, WORDS[2], TEMPLATES["neutral"])))
    room = SIZES["context"] - context
    fits = changed(CASE, reply=None, reply_ids=(60,) * room)
    (made, left) = token_signals(model, chat, [fits, changed(fits, reply_ids=(60,) * (room + 1))], control="none")
    assert isinstance(made, TokenSignal)
    assert len(made.lp_xo) == room
    assert isinstance(left, LeftOut)
    assert "513 tokens, the model's window is 512" in left.message


def test_a_control_that_does_not_fit_is_named_as_what_is_in_the_way(loaded: tuple[Any, Chat]) -> None:
    long, blank = token_signals(*loaded, [changed(CASE, control="a" * (LONGEST + 1)), changed(CASE, control=" ")])
    assert isinstance(long, LeftOut)
    assert "unrelated reaction" in long.message
    assert isinstance(blank, LeftOut)
    assert "unrelated reaction" in blank.message


def test_a_model_that_gives_no_number_leaves_the_case_out(tmp_path: Path) -> None:
    model, words = checkpoints.load(str(tiny.make(tmp_path, WORDS, **SIZES)), trainable=False)
    with torch.no_grad():
        model.model.norm.weight.fill_(math.nan)
    (left,) = token_signals(model, Chat(words), [CASE])
    assert isinstance(left, LeftOut)
    assert left.why == "not_finite"


def test_the_control_is_the_own_remark_one_of_ours_another_reaction_the_empty_frame_or_none(
    loaded: tuple[Any, Chat],
) -> None:
    cases = [CASE, changed(CASE, id="b", request="b", control=None, reaction=WORDS[3])]

    def controls(kind: Any, seed: int = 0) -> list[str | None]:
        found = token_signals(*loaded, cases, control=kind, seed=seed)
        return [each.control for each in found if isinstance(each, TokenSignal)]

    own, drawn = controls("unrelated")
    assert own == "It snows."
    assert drawn
    assert [own, drawn] == controls("unrelated")
    assert len({controls("unrelated", seed)[1] for seed in range(8)}) > 1
    assert controls("shuffled") == [WORDS[3], WORDS[2]]
    assert controls("empty") == ["", ""]
    assert controls("none") == [None, None]


def test_a_reaction_of_the_same_request_is_never_the_shuffled_control(loaded: tuple[Any, Chat]) -> None:
    pair = [CASE, changed(CASE, id="b", request="tram", reaction=WORDS[3])]
    found = token_signals(*loaded, pair, control="shuffled")
    assert [each.control for each in found if isinstance(each, TokenSignal)] == [None, None]


def test_sampling_is_seeded_gives_a_pair_one_reply_and_leaves_the_generator_alone(loaded: tuple[Any, Chat]) -> None:
    pair = [changed(CASE, id=name, request="tram", reply=None) for name in ("a", "b")]
    cases = [*pair, changed(CASE, id="c", request="c", reply=None), changed(CASE, id="d", request="d")]
    before = torch.random.get_rng_state()
    made = sampled(*loaded, cases, max_tokens=24, min_tokens=24, tries=3, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert list(made) == [("tram", 0), ("c", 0)]
    assert made["tram", 0] != made["c", 0]
    assert made == sampled(*loaded, cases, max_tokens=24, min_tokens=24, tries=3, seed=1)
    assert made != sampled(*loaded, cases, max_tokens=24, min_tokens=24, tries=3, seed=2)
    first, second, third, given_ = with_replies(cases, made)
    assert list(first.reply_ids) == list(second.reply_ids) == made["tram", 0]
    assert list(third.reply_ids) == made["c", 0]
    assert given_.reply == WORDS[1]
    assert not given_.reply_ids


def test_a_reply_that_ends_early_is_sampled_again_and_the_longest_is_kept(loaded: tuple[Any, Chat]) -> None:
    model, chat = loaded
    case = changed(CASE, reply=None)
    end = chat.end_ids[0]
    lengths = {}
    with torch.no_grad():
        kept = model.lm_head.weight[end].clone()
        model.lm_head.weight[end] *= 1.5
        try:
            for tries in (1, 2, 6):
                lengths[tries] = len(sampled(model, chat, [case], max_tokens=64, min_tokens=64, tries=tries)["tram", 0])
        finally:
            model.lm_head.weight[end] = kept
    assert lengths[1] <= lengths[2] <= lengths[6] <= 64
    assert lengths[6] > lengths[1] or lengths[1] == 64


def test_a_prompt_without_room_for_a_reply_has_none_and_is_told(loaded: tuple[Any, Chat]) -> None:
    case = changed(CASE, messages=(Message("user", "tram " * 600),), reply=None)
    assert sampled(*loaded, [case], max_tokens=8) == {}
    (left,) = token_signals(*loaded, [case])
    assert isinstance(left, LeftOut)
    assert left.why == "no_reply"


TOKENIZERS = {"bytes": tokenizer(), "byte fallback": spaced_tokenizer()}


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_texts_of_the_tokens_join_to_the_reply_whatever_was_sampled(kind: str, data: st.DataObject) -> None:
    words = TOKENIZERS[kind]
    ids = data.draw(st.lists(st.integers(0, len(words) - 1), max_size=40))
    made = read_tokens(words, ids)
    assert [token.id for token in made] == ids
    joined = "".join(token.text for token in made)
    assert joined == words.decode(ids, skip_special_tokens=True)
    assert all(not token.text for token in made if token.special)


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="�"), max_size=30))
def test_a_character_of_several_tokens_is_whole_and_its_tokens_are_numbered(text: str) -> None:
    words = TOKENIZERS["bytes"]
    made = read_tokens(words, words.encode(text, add_special_tokens=False, split_special_tokens=True))
    assert "".join(token.text for token in made) == text
    assert "�" not in "".join(token.text for token in made)
    for place, token in enumerate(made):
        if token.part:
            part, parts = token.part
            assert (part == parts) == bool(token.text)
            assert made[place - part + 1].part == (1, parts)
        else:
            assert token.text


def test_an_emoji_of_four_byte_tokens_is_one_character_in_four_parts_and_the_end_token_has_its_name() -> None:
    words = TOKENIZERS["bytes"]
    ids = words.encode("a🙂", add_special_tokens=False)
    made = read_tokens(words, [*ids, words.eos_token_id])
    assert [token.text for token in made] == ["a", "", "", "", "🙂", ""]
    assert [token.part for token in made[1:5]] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert made[-1].special == "<|im_end|>"


NUMBERS = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=12)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_the_auc_is_the_share_of_pairs_that_are_in_order_with_ties_as_half(
    more: list[float], less: list[float]
) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in more for b in less]
    assert auc(more, less) == pytest.approx(sum(pairs) / len(pairs))


def made_up(request: str, kind: Any, signal: Sequence[float], control: Sequence[float] | None = None) -> TokenSignal:
    zeros = (0.0,) * len(signal)
    tokens = tuple(Token(1, "a") for _ in signal)
    lp_xc = None if control is None else tuple(control)
    return TokenSignal(
        f"{request}/{kind}",
        request,
        kind,
        ASKED,
        "o",
        "c",
        "neutral",
        "a",
        tokens,
        zeros,
        tuple(signal),
        lp_xc,
    )


def test_the_figures_of_a_reply_are_what_its_numbers_say() -> None:
    signal = [3.0, 3.0, 0.0, 0.0, -3.0, 0.0]
    made = figures(made_up("a", None, signal, [1.0, -1.0, 1.0, -1.0, 1.0, -1.0]))
    assert made.mean == pytest.approx(0.5)
    assert made.control_mean == pytest.approx(0)
    assert made.adjusted_mean == pytest.approx(0.5)
    assert made.thirds == pytest.approx((3.0, 0.0, -1.5))
    assert made.control_thirds == pytest.approx((0.0, 0.0, 0.0))
    assert made.beyond == pytest.approx(3 / 6)
    alone = figures(made_up("a", None, signal))
    assert alone.control_mean is alone.adjusted_mean is alone.control_thirds is alone.beyond is None
    assert thirds(np.array([1.0])) == (1.0, None, None)


def test_the_colours_end_at_one_limit_for_reactions_and_controls() -> None:
    assert limit([made_up("a", None, [1.0], [9.0] * 1), made_up("b", None, [1.0], [1.0])]) > 1
    assert limit([]) == 1


def test_the_aggregate_tells_reinforcing_from_constraining_reactions_with_an_interval_over_requests() -> None:
    random = np.random.default_rng(0)
    pairs = []
    for number in range(12):
        own = random.normal()
        control = [own] * 4
        pairs.append(made_up(str(number), "reinforce", [own + 0.4 + random.normal() / 9] * 4, control))
        pairs.append(made_up(str(number), "constrain", [own - 0.4 + random.normal() / 9] * 4, control))
    whole = aggregate(pairs)
    assert whole.auc
    assert whole.adjusted_auc
    assert whole.adjusted_auc.value == 1  # what any remark does to a reply hid it, and is taken off
    assert whole.auc.low is not None
    assert whole.auc.high is not None
    assert 0.5 <= whole.auc.low < whole.auc.value < whole.auc.high <= 1
    assert whole.paired == (12, 12)
    assert whole.groups["reinforce"].count == whole.groups["constrain"].count == 12
    assert whole.groups["all"].count == 24
    assert whole.groups["reinforce"].adjusted_thirds == pytest.approx((0.4,) * 3, abs=0.1)
    assert whole == aggregate(pairs)
    few = aggregate(pairs[: 2 * ENOUGH - 2])
    assert few.auc
    assert few.auc.low is few.auc.high is None
    assert aggregate(pairs[::2]).auc is aggregate(pairs[::2]).paired is None
    assert aggregate([]).groups == {}


def test_our_fourteen_cases_are_seven_requests_with_two_reactions_and_a_remark_each() -> None:
    cases = signal_cases.own()
    assert len(cases) == len({case.id for case in cases}) == 14
    assert len({case.reaction for case in cases}) == 14
    by_request: dict[str, list[Case]] = {}
    for case in cases:
        by_request.setdefault(case.request, []).append(case)
    assert len(by_request) == 7
    for reinforce, constrain in by_request.values():
        assert (reinforce.kind, constrain.kind) == ("reinforce", "constrain")
        assert reinforce.messages == constrain.messages
        assert reinforce.control == constrain.control
        assert reinforce.control
    assert len({case.control for case in cases}) == 7


def test_more_cases_than_there_are_begin_again_with_other_replies() -> None:
    cases = repeated(signal_cases.own(), 24)
    assert len({case.id for case in cases}) == 24
    assert cases[14].id == "moving/reinforce#2"
    assert cases[14].sample == cases[15].sample == ("moving", 1) != cases[0].sample
    assert len(repeated(signal_cases.own(), 3)) == 3


def test_a_file_of_cases_is_read_in_our_shape_and_in_the_documented_one(tmp_path: Path) -> None:
    toml = tmp_path / "own.toml"
    toml.write_text('[[request]]\nprompt = "Hi"\nsystem = "Be kind."\nreinforce = "Yes"\nreply = "Hello"\n')
    (case,) = signal_cases.read(toml)
    assert case == Case(
        "1/reinforce",
        (Message("system", "Be kind."), Message("user", "Hi")),
        "Yes",
        "reinforce",
        request="1",
        reply="Hello",
    )
    documented = tmp_path / "cases.json"
    rows = [
        {"raw_prompt": "Hi", "unrelated_followup": "Rain.", "feedback_followup": "More!", "kind": "reinforce", "n": 1},
        {"raw_prompt": [{"role": "user", "content": "Hi"}], "feedback_followup": "Less!"},
        {"raw_prompt": "Bye", "feedback_followup": "Less!"},
    ]
    documented.write_text(json.dumps(rows))
    first, second, third = signal_cases.read(documented)
    assert (first.reaction, first.control, first.kind) == ("More!", "Rain.", "reinforce")
    assert (second.reaction, second.control, second.kind) == ("Less!", None, None)
    assert first.request == second.request != third.request


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.toml", "[[request]\n", "cannot be read"),
        ("a.json", "[", "cannot be read"),
        ("a.json", "[]", "holds no cases"),
        ("a.json", '{"a": 1}', "holds no cases"),
        ("a.json", '[{"prompt": "Hi", "unrelated": "Rain."}]', "case 1: it has no reaction"),
        ("a.json", '[{"prompt": " ", "reinforce": "Yes"}]', "case 1: its prompt is empty"),
        ("a.json", '[{"prompt": "Hi", "reinforce": "Yes", "colour": "red"}]', "case 1: .*colour"),
        ("a.json", '[{"raw_prompt": "Hi"}]', "case 1: .*feedback_followup"),
        ("a.json", '[{"prompt": [{"role": "cook", "content": "Hi"}], "reinforce": "Yes"}]', "case 1: .*cook"),
        (
            "a.json",
            '[{"id": "a", "prompt": "A", "reinforce": "B"}, {"id": "a", "prompt": "A", "reinforce": "B"}]',
            "'a",
        ),
        ("a.json", '["Hi"]', "case 1"),
    ],
)
def test_a_file_of_cases_that_cannot_be_used_is_refused_with_the_place(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        signal_cases.read(path)
