"""The styles are what they say they are: their examples keep their rules, and they fit together."""

import re

import pytest

from tests.cli.terminal import SHARED
from usergym.users.styles.rules import RULES, score, verdicts
from usergym.users.styles.spec import ALIASES, POLES, Plan, StyleSpec, get, names, parse

REFERENCE = SHARED / "reference" / "humanlm_sdpo.md"
EVERY = [get(name) for name in names()]


def plain(**more: object) -> StyleSpec:
    given = {"name": "own", "about": "a", "persona": "p", "axes": {}, "example": "e", "counterexample": "c"}
    return StyleSpec(**{**given, **more})


def test_there_are_thirty_one_and_most_have_an_exact_rule() -> None:
    assert len(names()) == len(set(names())) == 31
    assert sum(bool(style.rules) for style in EVERY) >= 15
    assert len({rule for style in EVERY for rule in style.rules}) >= 18


@pytest.mark.skipif(not REFERENCE.exists(), reason="no reference beside the repository")
def test_the_names_are_the_documented_ones() -> None:
    section = REFERENCE.read_text().split("STYLE_PERSONAS, 31 entries")[1].split("\n\nLocal")[0]
    pattern = r"[a-z]+(?:_[a-z0-9]+)+|\b(?:poetic|exclamation|formatting|committing|opinionated)\b"
    assert set(re.findall(pattern, section)) >= set(names())


@pytest.mark.parametrize("style", EVERY, ids=lambda style: style.name)
def test_a_style_is_told_in_two_to_four_sentences_to_the_user(style: StyleSpec) -> None:
    sentences = re.split(r"(?<=[.!?])\s+", style.persona)
    assert 2 <= len(sentences) <= 4
    assert re.search(r"\byou\b", style.persona, re.IGNORECASE)
    assert style.about.endswith(".")
    assert len(style.about) < 80
    assert style.axes


@pytest.mark.parametrize("style", EVERY, ids=lambda style: style.name)
def test_an_example_keeps_every_rule_and_a_counterexample_breaks_one(style: StyleSpec) -> None:
    assert [found for found in verdicts([style], style.example) if found.score < 1] == []
    assert min(found.score for found in verdicts([style], style.counterexample)) <= 0.5
    assert style.example != style.counterexample


@pytest.mark.parametrize("style", EVERY, ids=lambda style: style.name)
def test_a_style_fits_the_others(style: StyleSpec) -> None:
    for name in style.opposites:
        other = get(name)
        assert style.name in other.opposites
        assert any(other.axes.get(axis, pole) != pole for axis, pole in style.axes.items())
    for name in style.secondary:
        other = get(name)
        assert name != style.name
        assert name not in style.opposites
        assert all(other.axes.get(axis, pole) == pole for axis, pole in style.axes.items())


@pytest.mark.parametrize("style", EVERY, ids=lambda style: style.name)
def test_a_rule_measures_an_axis_on_which_its_style_takes_a_side(style: StyleSpec) -> None:
    for name in style.rules:
        assert RULES[name].axis in style.axes


def test_an_example_of_one_style_is_worse_under_its_opposites() -> None:
    for style in EVERY:
        for opposite in map(get, style.opposites):
            there = score([opposite], style.example)
            assert there is not None
            assert there < 1, (style.name, opposite.name)


def test_an_axis_or_a_side_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="no axis 'colour'; there are length"):
        plain(axes={"colour": "red"})
    with pytest.raises(ValueError, match="length is 'huge'; give one of short, long"):
        plain(axes={"length": "huge"})
    assert {axis for style in EVERY for axis in style.axes} == set(POLES)


def test_both_spellings_of_the_misspelt_name_mean_one_style() -> None:
    (right, documented), *others = ALIASES.items()
    assert others == []
    assert get(right) is get(documented)
    assert right not in names()
    assert parse(f"{right}>{documented}").at(0, 1) == parse(documented).at(0, 1)


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("no_list", "no_lists"), ("No_Emoji", "no_emojis"), ("answer_frist", "answer_first")]
)
def test_a_name_that_does_not_exist_is_refused_with_the_nearest_ones(wrong: str, nearest: str) -> None:
    with pytest.raises(LookupError, match=rf"no style '{wrong}'; did you mean .*{nearest}.*`usergym styles` lists all"):
        get(wrong)


def test_a_name_like_no_other_is_refused_too() -> None:
    with pytest.raises(LookupError, match="no style 'qqq'; `usergym styles` lists all 31"):
        parse("no_lists+qqq")


def test_styles_are_combined_and_put_in_sequence() -> None:
    plan = parse(" no_lists + no_emojis > more_lists>poetic ")
    assert [[style.name for style in stage] for stage in plan.stages] == [
        ["no_lists", "no_emojis"],
        ["more_lists"],
        ["poetic"],
    ]
    assert [plan.stages.index(plan.at(number, 2)) for number in (0, 1, 2, 3, 4, 5, 99)] == [0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a name is missing"),
        ("no_lists+", "a name is missing"),
        ("no_lists>>poetic", "a name is missing"),
        ("no_lists+no_lists", "no_lists is there twice"),
        ("no_lists+more_lists", "no_lists and more_lists are opposites"),
    ],
)
def test_a_combination_that_makes_no_sense_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(text)


def test_a_plan_asks_for_tasks_that_exist() -> None:
    plan = Plan(((get("poetic"),),))
    with pytest.raises(ValueError, match="every is 0"):
        plan.at(3, 0)
    with pytest.raises(ValueError, match="task number -1"):
        plan.at(-1, 5)


def test_a_style_without_an_exact_rule_is_not_scored() -> None:
    assert score([plain()], "Anything.") is None
    assert verdicts([plain()], "Anything.") == []
    assert score([plain(), get("no_emojis")], "Anything.") == 1.0


def test_a_rule_that_two_styles_share_counts_once() -> None:
    both = parse("less_filler_praise_sycophancy+sycophantic_and_praise").stages[0]
    assert [found.rule for found in verdicts(both, "Fine!")] == ["no_praise", "no_filler", "no_exclamation"]
    assert score(both, "Water it!") == pytest.approx(2 / 3)
