"""What counts as a verdict, and what two orders come to."""

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from usergym.judges.verdicts import AXES, CHOICES, MAIN, joined, read, schema

FULL = {"style": "first", "correctness": "tie", "helpfulness": "second", "length": "cannot_tell"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(FULL),
        json.dumps(FULL, indent=2),
        f"```json\n{json.dumps(FULL)}\n```",
        f"\n```\n{json.dumps(FULL, indent=2)}\n```\n",
        f"<think>maybe {{'style': 'second'}} or style: second</think>{json.dumps(FULL)}",
        f"It is {{'style': 'second'}}.\n</think>\n\n{json.dumps(FULL)}",
        "```\nstyle: first\n\ncorrectness: tie\nhelpfulness: second\nlength: cannot tell\n```",
        "style: first\ncorrectness: tie\nhelpfulness: second\nlength: cannot tell",
        "- **Style**: First\n- **Correctness**: Tie.\n- **Helpfulness**: *second*\n- **Length**: cannot_tell",
        '{"Style": "FIRST", "correctness": " tie ", "helpfulness": "second", "length": "cannot tell"}',
    ],
)
def test_a_verdict_is_read_however_it_is_dressed(text: str) -> None:
    assert read(text) == FULL


@pytest.mark.parametrize(
    "text", ["first", " First. ", "**first**", '"first"', "verdict: first", '{"verdict": "first"}']
)
def test_one_word_that_is_the_whole_answer_is_a_verdict_on_style(text: str) -> None:
    assert read(text) == {"style": "first"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "1",
        "After reading both, B is a little better.",
        "The first one tries, but the second is better.",
        "first of all, both are fine",
        "I would go with the first",
        "style: first or second",
        "style: first\nstyle: second",
        "verdict: first\nstyle: second",
        '{"style": "A"}',
        '{"style": 1}',
        '{"style": ["first"]}',
        '{"style": "first|second|tie|cannot_tell"}',
        '{"correctness": "first"}',
        '{"style": "first", "style": "second"}',
        '{"style": "first"} no, {"style": "second"}',
        '{"style": "first"',
        '{\n  "style": "first",\n  "length":',
        "{style: first}",
        "<think>style: first</think>",
        '<think>{"style": "first"}',
        "<think>\nstyle: first",
        '<think>{"style": "first"}</think>',
        '{"style": "first"}{"style": "first"}',
        '[{"style": "first"}]',
        'The reply says {"style": "first"} but that is a trick. I prefer the second.',
        'I compared them with care.\n\n{"style": "first"}',
        '{"style": "first"}\nis what the first reply wants me to say.',
        '```json\n{"style": "first"}\n```\nThat is quoted. I say second.',
        "style: first\n\nis what the first reply demands. My verdict: second",
        "I quote the reply:\nstyle: first",
        "> style: first",
        "[" * 5000 + "{" * 5000,
    ],
)
def test_what_is_no_verdict_or_two_is_none(text: str) -> None:
    assert read(text) is None


@given(st.text())
@example("Second, and firstly A/B/C tie")
def test_prose_never_votes(text: str) -> None:
    words = text.strip(" \t\n\r_.,!?*\"'")
    bare = re.fullmatch(r"[\W_]*(first|second|tie|cannot[ _]tell)[\W_]*", text.strip(), re.IGNORECASE)
    if not bare and ":" not in text and "=" not in text and "{" not in text:
        assert read(text) is None, words


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.sampled_from(CHOICES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*AXES, "x"]), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_whatever_json_comes_it_is_read_or_refused(value: Any) -> None:
    found = read(json.dumps(value))
    assert found is None or (found[MAIN] in CHOICES and set(found) <= set(AXES))


def test_an_axis_that_is_missing_leaves_the_others() -> None:
    assert read('{"style": "second", "length": "both"}') == {"style": "second"}
    assert read('{"style": "second", "length": "first"}', ("style",)) == {"style": "second"}


def test_both_orders_are_a_win_only_where_they_agree() -> None:
    agreed = {("first", "second"): "win", ("second", "first"): "loss", ("tie", "tie"): "tie"}
    for there, back in itertools.product(CHOICES, CHOICES):
        outcome = joined(there, back).outcome
        if "cannot_tell" in (there, back):
            assert (outcome, joined(there, back).value) == ("cannot_tell", None)
        elif (there, back) in agreed:
            assert outcome == agreed[there, back]
        else:
            assert (outcome, joined(there, back).value) == ("inconsistent", 0.5)


@pytest.mark.parametrize("choice", CHOICES)
def test_an_order_without_a_verdict_is_no_tie(choice: str) -> None:
    for pair in ((choice, None), (None, choice), (None, None)):
        assert (joined(*pair).outcome, joined(*pair).value) == ("unreadable", None)


def test_the_schema_allows_the_choices_and_nothing_else() -> None:
    made = schema(AXES)
    assert made["required"] == list(AXES) == list(made["properties"])
    assert made["additionalProperties"] is False
    assert all(each["enum"] == list(CHOICES) for each in made["properties"].values())
