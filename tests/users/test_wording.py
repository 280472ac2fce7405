"""Style: a draw that fits the persona, and what its axes do to a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.users.persona import Persona, persona
from usergym.users.persona_tables import people
from usergym.users.wording import punctuated, style, without_contractions


def test_a_style_is_drawn_from_the_persona_and_the_seed_alone() -> None:
    who = persona(1, 5)
    assert style(who, 3) == style(who, 3)
    assert len({style(Persona("Somebody."), seed) for seed in range(100)}) > 10


def test_a_style_keeps_what_the_persona_is_said_to_be_like() -> None:
    axes = {manner.name: manner.style for manner in people().manners}
    for index in range(300):
        who = persona(6, index)
        drawn = style(who, index)
        for axis in ("formality", "verbosity", "politeness"):
            assert getattr(drawn, axis) == axes[who.communication][axis]
        assert not (drawn.formality == "formal" and drawn.contractions)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("I'm sure it can't wait.", "I am sure it cannot wait."),
        ("We've done it and I'd do it again.", "We have done it and I would do it again."),
        ("It's Ana's plan; they won't mind.", "It is Ana's plan; they will not mind."),
        ("we'd rather, shouldn't we", "we would rather, should not we"),
    ],
)
def test_contractions_are_spelled_out_and_possessives_stay(short: str, long: str) -> None:
    assert without_contractions(short) == long


@given(st.text(max_size=200))
def test_spelling_out_twice_changes_nothing_more(text: str) -> None:
    once = without_contractions(text)
    assert without_contractions(once) == once


def test_punctuation_changes_the_last_full_stop_only() -> None:
    assert punctuated("One. Two.", "light") == "One. Two"
    assert punctuated("One. Two.", "lively") == "One. Two!"
    assert punctuated("One. Two.", "standard") == "One. Two."
    assert punctuated("Now?", "lively") == "Now?"
    assert punctuated("By 2 p.m.", "light") == "By 2 p.m."
