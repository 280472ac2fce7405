"""Reading tagged text: the recorded verdicts, the rules behind them against a naive reading, failures by name."""

import json
import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.terminal import SHARED
from usergym.users.states import Hierarchy, Level, States, over_limit, parse_states, parse_whole, written
from usergym.users.states.parsing import without_tags, word_count

CASES = SHARED / "cases" / "state_parsing.jsonl"
LEVELS = ("stance", "emotion", "response")
RECORDED = ("strict", "strict_thinking", "any")
WHOLE = "<stance>for</stance>\n<emotion>joy</emotion>\n<response>Yes!</response>"


def cases() -> list[dict]:
    if not CASES.exists():
        return []
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


@pytest.mark.skipif(not CASES.exists(), reason="the recorded cases are not here")
@pytest.mark.parametrize("mode", RECORDED)
def test_every_recorded_verdict_is_ours(mode: str) -> None:
    assert len(cases()) >= 80
    for case in cases():
        found = parse_states(case["text"], case["levels"], mode)
        assert found == case[mode], case["id"]
        assert list(found) == list(case[mode]), case["id"]


@pytest.mark.skipif(not CASES.exists(), reason="the recorded cases are not here")
@pytest.mark.parametrize("mode", RECORDED)
def test_a_recorded_text_that_was_refused_has_a_named_failure(mode: str) -> None:
    named = {"unclosed": "truncated", "outside": "format", "extra": "format"}
    for case in cases():
        found = parse_states(case["text"], case["levels"], mode)
        if not case[mode]:
            assert found.failure, case["id"]
            if case["text"]:
                assert found.failure == named.get(case["kind"], found.failure), case["id"]
            else:
                assert found.failure == "empty", case["id"]
        elif any(case[mode].values()) and set(case["levels"]) <= case[mode].keys():
            assert found.failure is None, case["id"]


PIECE = st.sampled_from(
    [f"<{slash}{level}>" for level in (*LEVELS, "b", "think") for slash in ("", "/")]
    + [
        "<STANCE>",
        "</Response>",
        "<ſtance>",
        "</ſtance>",
        "<b",
        "</",
        ">",
        "<",
        " ",
        "\n",
        "\t",
        "x",
        "é",
        "<İ>",
        "</i>",
    ]
)
BROKEN = st.lists(PIECE, max_size=24).map("".join)


def by_one_expression(text: str, levels: tuple[str, ...]) -> dict[str, str]:
    """The rule of the strict reading as one backtracking expression: slow, and plain to see."""
    blocks = r"[ \n]*".join(f"<{level}>(.*?)</{level}>" for level in levels)
    found = re.fullmatch(blocks, text.strip(" \n"), re.DOTALL | re.IGNORECASE)
    return dict(zip(levels, found.groups(), strict=True)) if found else {}


@settings(max_examples=400, deadline=None)
@given(BROKEN, st.sampled_from([LEVELS, LEVELS[:2], ("response",), ("think", "response")]))
def test_a_strict_reading_is_what_backtracking_would_find(text: str, levels: tuple[str, ...]) -> None:
    assert parse_states(text, levels) == by_one_expression(text, levels)
    begins = re.match(f"<{levels[0]}>", text.strip(" \n"), re.IGNORECASE)
    said = text if begins or "think" in levels else re.split("</think>", text, maxsplit=1, flags=re.IGNORECASE)[-1]
    assert parse_states(text, levels, "strict_thinking") == by_one_expression(said, levels)


@settings(max_examples=400, deadline=None)
@given(BROKEN)
def test_any_reading_is_what_looking_ahead_from_every_tag_would_find(text: str) -> None:
    found = re.findall(r"<(\w+)>(.*?)</\1>", text, re.DOTALL | re.IGNORECASE)
    assert parse_states(text, LEVELS, "any") == {name.lower(): words.strip() for name, words in found}


@settings(max_examples=300, deadline=None)
@given(BROKEN, st.sampled_from(["strict", "strict_thinking", "any", "exact", "exact_thinking"]))
def test_a_failure_is_named_exactly_where_there_is_one(text: str, mode: str) -> None:
    found = parse_states(text, LEVELS, mode)
    whole = set(LEVELS) <= found.keys() and any(found[level].strip() for level in LEVELS)
    assert (found.failure is None) == whole
    for level in LEVELS:
        assert (found.lack(level) is None) == bool(found.get(level, "").strip())
    if not text.strip():
        assert found.failure == "empty"


TEXT = st.text(st.characters(codec="utf-8"), max_size=40).filter(lambda text: "<" not in text)


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z0-9_]{1,9}", fullmatch=True), TEXT, min_size=1, max_size=7))
def test_written_states_read_back(states: dict[str, str]) -> None:
    text = written(states)
    for mode in ("strict", "exact"):
        assert parse_states(text, list(states), mode) == states
    assert parse_states(text, list(states), "any") == {level: words.strip() for level, words in states.items()}
    if "think" not in states:
        assert parse_states(f"<think>why</think>\n{text}", list(states), "exact_thinking") == states


@settings(max_examples=300, deadline=None)
@given(BROKEN, st.sampled_from(["strict", "strict_thinking", "exact"]))
def test_reading_what_was_read_changes_nothing(text: str, mode: str) -> None:
    found = parse_states(text, ("response",), mode)
    if found:
        again = parse_states(written(found), ("response",), mode)
        assert (again, again.failure) == (found, found.failure)


@settings(deadline=None)
@given(st.integers(0, len(WHOLE)))
def test_a_text_that_stops_anywhere_is_truncated_and_keeps_what_was_whole(length: int) -> None:
    cut = WHOLE[:length]
    expected = "empty" if not cut else None if cut == WHOLE else "truncated"
    for mode in ("strict", "strict_thinking", "any", "exact"):
        assert parse_states(cut, LEVELS, mode).failure == expected
    kept = parse_states(cut, LEVELS, "any")
    assert all(kept[level] == {"stance": "for", "emotion": "joy", "response": "Yes!"}[level] for level in kept)
    assert kept.lack("stance") == (None if "stance" in kept else expected)


@pytest.mark.parametrize(
    "text",
    [
        "I agree.",
        "Sure! <stance>for</stance>",
        "<emotion>joy</emotion>",
        "<stance>for</stance>\n<response>Yes!</response>",
        "<stance>for<emotion>joy</emotion><response>Yes!</response>",
        "<stance>for</stance> so there <emotion>joy",
        f"{WHOLE} Thanks!",
        f"{WHOLE}\n<mood>x</mood>",
    ],
)
def test_a_text_that_leaves_the_order_is_a_failure_of_format(text: str) -> None:
    assert parse_states(text, LEVELS).failure == "format"
    assert parse_states(text, LEVELS) == {}


@pytest.mark.parametrize("text", ["", " \n", "\t", "<stance></stance><emotion> </emotion><response>\n</response>"])
def test_nothing_written_is_empty(text: str) -> None:
    for mode in ("strict", "strict_thinking", "any", "exact"):
        assert parse_states(text, LEVELS, mode).failure == "empty"


@pytest.mark.parametrize("unseen", ["\u200b\u200b", "\u2060", "\ufeff \u00ad", "\u3164", "\u2800\n"])
def test_what_cannot_be_seen_is_empty_as_if_it_were_not_there(unseen: str) -> None:
    for mode in ("strict", "exact_thinking", "any"):
        assert parse_states(unseen, LEVELS, mode).failure == "empty"
        states = parse_states("".join(f"<{level}>{unseen}</{level}>" for level in LEVELS), LEVELS, mode)
        assert states.failure == "empty"
        assert {states.lack(level) for level in LEVELS} == {"empty"}
    assert parse_whole(unseen).failure == "empty"
    assert parse_whole(f"so{unseen}").failure is None


def test_thinking_that_never_ends_is_truncated() -> None:
    for mode in ("strict_thinking", "exact_thinking", "any"):
        assert parse_states("<think>well, what if", LEVELS, mode).failure == "truncated"
    assert parse_states("<think>well, what if", LEVELS).failure == "format"
    assert parse_states("<think>well</think>", LEVELS, "strict_thinking").failure == "empty"


def test_the_exact_reading_refuses_a_text_repeated_whole() -> None:
    twice = "<response>Yes!</response>\n<response>Yes!</response>"
    assert parse_states(twice, ["response"]) == {"response": "Yes!</response>\n<response>Yes!"}
    refused = parse_states(twice, ["response"], "exact")
    assert (refused, refused.failure) == ({}, "format")


def test_a_block_inside_a_block_is_part_of_its_text() -> None:
    text = "<response>He said <b>no</b>, <q>never</q>.</response>"
    for mode in ("strict", "exact", "any"):
        assert parse_states(text, ["response"], mode) == {"response": "He said <b>no</b>, <q>never</q>."}


def test_an_untagged_text_is_its_one_level() -> None:
    assert parse_whole(" Yes!\n") == {"response": "Yes!"}
    assert parse_whole("<think>hm</think> Yes!", "comment") == {"comment": "Yes!"}
    assert [parse_whole(text).failure for text in ("Yes!", " ", "<think>hm", "<think>hm</think>")] == [
        None,
        "empty",
        "truncated",
        "empty",
    ]


def test_states_that_would_not_read_back_are_not_written() -> None:
    with pytest.raises(ValueError, match="take the tags out"):
        written({"stance": "for</stance><emotion>x", "emotion": "joy"})
    assert without_tags("for</stance><Emotion>x <b>", ["stance", "emotion"]) == "for  x <b>"
    assert written({}) == ""


@pytest.mark.parametrize(("levels", "mode"), [([], "strict"), ("response", "strict"), (["response"], "loose")])
def test_levels_or_a_mode_that_cannot_be_meant_are_refused(levels: list[str], mode: str) -> None:
    with pytest.raises(ValueError, match=r"give a list|there are strict"):
        parse_states("x", levels, mode)


def test_states_are_a_plain_table_with_a_failure() -> None:
    assert States({"a": "b"}) == {"a": "b"}
    assert json.dumps(States({"a": "b"}, "truncated")) == '{"a": "b"}'
    assert States().failure is None


HIERARCHY = Hierarchy(
    "own",
    (Level("stance", "a side", 8, max_words=4), Level("goal", "a wish within 3 words", 8), Level("response", "it", 8)),
)


def test_words_and_tokens_over_a_limit_are_named_by_level() -> None:
    within = {"stance": "firmly for the plan", "goal": "be heard soon", "response": "a b c d e f g h"}
    assert over_limit(within, HIERARCHY, lambda text: len(text.split())) == {}
    over = {"stance": "firmly for the new plan", "goal": "to be heard soon", "response": "a b c d e f g h i"}
    assert over_limit(over, HIERARCHY, lambda text: len(text.split())) == {
        "stance": "5 words; at most 4",
        "goal": "4 words; at most 3",
        "response": "9 tokens; at most 8",
    }
    assert "response" not in over_limit(over, HIERARCHY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("... !", 0),
        ("strongly agrees; mild doubt", 4),
        ("strongly agrees;mild_doubt/fear", 5),
        ("a well-known plan, 3.5 of them — don't", 7),
        ("agrees-with-the-whole-plan", 5),
        ("agrees.with.it", 3),
        ("अच्छी बात है", 3),
        ("我同意这个计划", 7),
        ("agree 👍 fully", 2),
        *((f"a{sign}b{sign}c{sign}d", 4) for sign in "!·&*?()\\'\"~\u2060\u00ad\u200d\u2011\u0301·#@<>{}[]^`$%"),
        ("a.1.b.2", 4),
        ("rock'n'roll, co\u00adoperate and cafe\u0301s", 4),
        ("مى‌خواهم بروم", 2),
    ],
)
def test_words_are_counted_however_they_are_joined(text: str, words: int) -> None:
    assert word_count(text) == words


HOSTILE = """
from usergym.users.states import parse_states
size = 1_000_000
units = ["<stance>", "</stance>", "<", "</", "<a", "<a></b>", "<stance>x</stance>", "</stance>" + " " * 60, " ", "\\n",
         "<think>", "</think>", "<stance></stance><emotion>", "a-", "<\\u0130>", "</stance>\\n<emotion"]
texts = ["<stance>" + unit * (size // len(unit)) + "<" for unit in units]
texts.append("".join(f"<a{place}>" for place in range(120_000)))
for text in texts:
    for mode in ("any", "exact_thinking"):
        parse_states(text, ["stance", "emotion", "response"], mode)
"""


def test_hostile_texts_of_a_megabyte_are_read_in_linear_time() -> None:
    subprocess.run([sys.executable, "-c", HOSTILE], check=True, timeout=240)
