"""A judge without a model: exact at both ends, dense between them, and nothing to be had from it by tricks."""

import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.judges.alignment_scores import Alignment
from usergym.judges.overlap import key_points, overlap
from usergym.types import is_blank

LEVELS = ("stance", "emotion", "belief", "value", "goal", "communication", "response", "a level of one's own")
STANCE = "strongly agrees with student loan forgiveness"
EMOTION = "moderate heartbreak for the wildfire victims; mild irritation about the government"
BELIEF = "people don't change unless they're forced to"
RESPONSE = (
    "I had the same thing happen with my sister. Honestly you should just tell her no and stop paying her rent. "
    "She will be fine."
)
THREAD = (
    "My sister has been living with me for a year and does not pay rent. I told her to leave, and now the whole family "
    "is angry with me. Am I wrong?"
)
TRUTHS = {"stance": STANCE, "emotion": EMOTION, "belief": BELIEF, "response": RESPONSE}

NOUNS = ("harbour", "lantern", "meadow", "violin", "glacier", "pepper", "copper", "rocket", "walnut", "zebra", "quartz")
bags = st.lists(st.sampled_from(NOUNS), min_size=1, max_size=8, unique=True)


def score(truth: str, text: str, level: str = "stance", context: str = "") -> float:
    return overlap(truth, [text], level=level, context=context)[0].score


seen = st.text(min_size=1).filter(lambda text: not is_blank(text))


@given(seen, st.sampled_from(LEVELS))
def test_an_exact_copy_is_one_whatever_the_truth(truth: str, level: str) -> None:
    found = overlap(truth, [truth], level=level)[0]
    assert found.score == pytest.approx(1.0)
    assert 1 <= len(found.matches) <= 3


@given(seen, st.text(), st.sampled_from(LEVELS), st.text(max_size=30))
def test_any_two_texts_give_a_score_that_is_coverage_less_penalty(truth: str, text: str, level: str, said: str) -> None:
    found = overlap(truth, [text], level=level, context=said)[0]
    assert 0 <= found.score <= 1
    assert 0 <= found.penalty <= 1
    assert found.score == pytest.approx(found.coverage - found.penalty)
    assert found.coverage == pytest.approx(sum(found.matches) / len(found.matches))


@pytest.mark.parametrize("level", TRUTHS)
def test_nothing_in_common_is_zero(level: str) -> None:
    assert score(TRUTHS[level], "purple bananas fly over Lisbon", level) == 0
    assert (
        overlap(TRUTHS[level], ["", "  \n"], level=level)
        == [Alignment(0.0, 0.0, 0.0, (0.0,) * len(key_points(TRUTHS[level], level)))] * 2
    )


@pytest.mark.parametrize(
    "inverse",
    [
        "strongly disagrees with student loan forgiveness",
        "does not agree with student loan forgiveness",
        "student loan forgiveness: strongly opposed",
        "STRONGLY AGAINST STUDENT LOAN FORGIVENESS!",
    ],
)
def test_the_same_target_with_the_other_stance_is_worth_next_to_nothing(inverse: str) -> None:
    assert score(STANCE, inverse) < 0.05
    assert score(STANCE, "undecided about student loan forgiveness") > score(STANCE, inverse)


def test_a_denied_opposite_is_the_stance_itself() -> None:
    assert score(STANCE, "strongly not opposed to student loan forgiveness") > 0.75


def test_degrees_of_a_stance_are_steps() -> None:
    grades = [score(STANCE, f"{degree} agrees with student loan forgiveness") for degree in ("slightly", "", "very")]
    assert grades == sorted(set(grades))
    assert grades[-1] == 1.0


def test_the_order_of_words_hardly_matters() -> None:
    assert score(STANCE, "student loan forgiveness is something he strongly agrees with") > 0.9
    assert score(BELIEF, "unless they're forced to, people don't change", "belief") > 0.85


def test_two_stances_in_any_order_and_however_joined_are_the_same_two() -> None:
    truth = "strongly agrees with a carbon tax; somewhat disagrees with fuel subsidies"
    for text in (
        "somewhat disagrees with fuel subsidies; strongly agrees with a carbon tax",
        "strongly agrees with a carbon tax, but somewhat disagrees with fuel subsidies",
    ):
        assert score(truth, text) == pytest.approx(1.0)
    assert 0.25 < score(truth, "strongly agrees with a carbon tax") < 0.6
    assert score(truth, "strongly disagrees with a carbon tax; somewhat agrees with fuel subsidies") < 0.05


def test_a_related_feeling_is_worth_more_than_an_opposite_one() -> None:
    feelings = ("joy", "fear", "deep sadness", "heartbreak")
    grades = [score("heartbreak for the victims", f"{each} for the victims", "emotion") for each in feelings]
    assert grades == sorted(set(grades))
    assert grades[0] < 0.05


def test_mixed_feelings_are_no_contradiction_where_the_truth_has_them() -> None:
    truth = "mild hope for the town; strong fear for the town"
    assert score(truth, "strong fear for the town; mild hope for the town", "emotion") == pytest.approx(1.0)
    assert score("mild hope for the town", truth, "emotion") < 0.2


def test_a_belief_and_its_denial_are_not_alike() -> None:
    assert score(BELIEF, "people change", "belief") < 0.2
    assert score(BELIEF, "people do not change without force", "belief") > 0.35


@given(bags, st.data())
def test_a_word_of_the_truth_more_is_a_higher_score(bag: list[str], data: st.DataObject) -> None:
    order = data.draw(st.permutations(bag))
    grades = [score(" ".join(bag), " ".join(order[:count]), "value") for count in range(1, len(order) + 1)]
    assert all(less < more for less, more in pairwise(grades))


@given(bags, st.data())
def test_a_word_that_the_truth_does_not_have_is_a_lower_score(bag: list[str], data: st.DataObject) -> None:
    foreign = data.draw(st.sampled_from(["umbrella", "jungle", "fiddlesticks"]))
    text = " ".join(data.draw(st.lists(st.sampled_from(bag), min_size=1, unique=True)))
    assert score(" ".join(bag), f"{text} {foreign}", "value") < score(" ".join(bag), text, "value")


@given(st.sampled_from(list(TRUTHS)), st.integers(2, 20))
def test_saying_it_again_and_again_only_costs(level: str, times: int) -> None:
    truth = TRUTHS[level]
    once, again, more = overlap(truth, ["; ".join([truth] * n) for n in (1, times, times + 1)], level=level)
    assert once.score > again.score > more.score
    assert again.score < 2 / times


def test_repeating_the_words_that_count_gains_nothing() -> None:
    plain = score(STANCE, "strongly agrees with student loan")
    assert score(STANCE, "strongly agrees with student student student loan loan loan") < plain


@pytest.mark.parametrize("level", TRUTHS)
def test_a_dump_of_many_words_is_worth_next_to_nothing(level: str) -> None:
    everything = sorted({word for text in (*TRUTHS.values(), THREAD) for word in text.split()})
    letters = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase]
    assert score(TRUTHS[level], " ".join(everything + letters), level) < 0.02
    assert score(TRUTHS[level], ". ".join(everything + letters), level) < 0.02
    assert score(TRUTHS[level], " ".join(everything), level) < 0.1


@pytest.mark.parametrize(
    ("level", "guesses"),
    [
        ("stance", [f"{each} student loan forgiveness" for each in ("agrees with", "opposes", "undecided about")]),
        ("emotion", [f"{each} for the victims" for each in ("joy", "fear", "grief", "anger", "shame")]),
        ("goal", ["wants to warn others", "tries to sell a house", "asks about dinner recipes"]),
        ("belief", ["honesty wins trust", "honesty never wins trust"]),
    ],
)
def test_naming_every_guess_is_no_better_than_one_guess(level: str, guesses: list[str]) -> None:
    """Whichever of them is the truth: the mean over all."""
    hedged = [score(truth, "; ".join(guesses), level) for truth in guesses]
    single = [score(truth, guess, level) for truth in guesses for guess in guesses]
    assert sum(hedged) / len(hedged) <= sum(single) / len(single) + 1e-9


def test_copying_the_context_is_worth_next_to_nothing() -> None:
    honest = "Just tell her no, and stop paying the rent."
    assert score(RESPONSE, THREAD, "response") < 0.1
    assert score(RESPONSE, THREAD, "response", THREAD) < 0.02
    assert score(RESPONSE, honest, "response", THREAD) > 5 * score(RESPONSE, THREAD, "response", THREAD)


def test_what_the_context_gives_away_counts_less_than_what_it_does_not() -> None:
    given_away, own = overlap("the harbour needs a lantern", ["harbour", "lantern"], level="goal", context="a harbour")
    assert own.score > 2 * given_away.score > 0


def test_a_text_much_longer_than_the_truth_loses() -> None:
    whole = score(RESPONSE, RESPONSE, "response")
    longer = score(RESPONSE, RESPONSE + " Dinner was nice." * 2, "response")
    longest = score(RESPONSE, RESPONSE + " Dinner was nice." * 40, "response")
    assert whole > longer > longest
    assert longest < 0.3


@pytest.mark.parametrize(("truth", "other"), [("no", "yes"), ("Yes!", "no"), ("👍", "👎"), ("你好", "再见")])
def test_a_truth_of_small_words_or_signs_is_judged_as_it_stands(truth: str, other: str) -> None:
    assert score(truth, truth, "response") == 1.0
    assert score(truth, other, "response") == 0.0


def test_a_truth_that_says_nothing_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="leave its row out"):
        overlap(" \n", ["a text"], level="stance")
    with pytest.raises(ValueError, match="leave its row out"):
        overlap("\u200b\u200b", ["a text"], level="stance")
    assert score("\u200b!", "\u200b\u200b", "response") == 0


@given(st.lists(st.sampled_from(["a lake", "a river", "a pond", "rain", "an old boat"]), min_size=1, max_size=12))
def test_however_many_clauses_there_are_one_to_three_key_points(parts: list[str]) -> None:
    groups = key_points(". ".join(parts), "response")
    assert len(groups) == min(3, len(parts))
    assert all(groups)
    assert sum(map(len, groups)) == len(parts)


def test_scores_do_not_depend_on_what_else_is_judged() -> None:
    texts = [RESPONSE, "stop paying", "sisters", THREAD, ""]
    together = overlap(RESPONSE, texts, level="response")
    assert together == [overlap(RESPONSE, [text], level="response")[0] for text in texts]
    assert overlap(RESPONSE, texts[::-1], level="response") == together[::-1]


SAID = "I am not keen on the ferry cut because nobody could get home. Really angry. Who thought of that?"
NAMES = ("the ferry cut", "the night bus", "a carbon tax")
DEGREES = ("strongly", "somewhat", "")
SIDES = ("supports", "opposes")


@pytest.mark.parametrize(
    ("own", "most"),
    [
        (SAID.replace("not keen on", "very keen on"), 0.2),
        (SAID.replace("am not keen on", "strongly support"), 0.2),
        ("Not " + SAID, 0.3),
        (SAID.replace("I am not keen on", "So,"), 0.4),
    ],
)
def test_a_response_that_takes_the_other_side_is_worth_little_whatever_else_it_says(own: str, most: float) -> None:
    assert 0 < score(SAID, own, "response") < most
    assert score(SAID, SAID.replace("am not keen on", "would rather oppose"), "response") > 2 * most


def test_a_side_is_the_first_one_that_is_taken_whoever_is_spoken_to() -> None:
    assert score("No, Ann. I support the ferry.", "No, Ann. I oppose the ferry.", "response") < 0.2
    assert score("I like the ferry. Ann opposes it.", "I like the ferry. Ann supports it.", "response") > 0.4


@given(st.sampled_from(SIDES), st.sampled_from(DEGREES), st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_a_right_target_is_worth_more_than_a_right_degree_and_a_guess_more_than_silence(
    side: str, degree: str, target: str, wrong: str
) -> None:
    truth = f"{degree} {side} {target}".strip()
    other = "slightly" if degree == "strongly" else "strongly"
    guesses = [score(truth, f"{each} {target}") for each in SIDES]
    assert sum(guesses) / 2 > 3 * score(truth, target)
    if wrong != target:
        assert score(truth, f"{other} {side} {target}") > 3 * score(truth, truth.replace(target, wrong)) > 0


@given(st.sampled_from(list(TRUTHS)), st.data())
def test_every_word_of_the_truth_more_is_worth_no_less(level: str, data: st.DataObject) -> None:
    said = {"belief": BELIEF, "stance": STANCE, "emotion": "heartbreak for the wildfire victims", "response": SAID}[
        level
    ]
    grades = [score(said, " ".join(said.split()[:count]), level) for count in range(1, len(said.split()) + 1)]
    place = data.draw(st.integers(0, len(grades) - 2))
    assert grades[place] <= grades[place + 1] + 1e-9
    assert grades[-1] == pytest.approx(1.0)


@given(st.permutations(["supports", "opposes", "unsure about"]))
def test_several_attitudes_in_one_clause_are_worth_less_than_one(named: list[str]) -> None:
    alone = [score(f"{each} the ferry", f"{guess} the ferry") for each in named for guess in named]
    for text in (f"{' '.join(named)} the ferry", f"{', '.join(named)} the ferry", f"{' and '.join(named)} the ferry"):
        assert sum(score(f"{each} the ferry", text) for each in named) / 3 < sum(alone) / 9


@pytest.mark.parametrize(
    ("truth", "bag"),
    [
        ("everyone should get the same chance", "chance"),
        (
            "blunt and direct; long and formal; ends with advice",
            "ends blunt polite direct long short formal casual advice",
        ),
        ("speak up for the ferry by proposing a next step", "speak up proposing giving next step advice example"),
    ],
)
def test_a_bag_of_words_is_worth_less_than_half(truth: str, bag: str) -> None:
    assert score(truth, bag, "communication") < 0.45


def test_a_response_that_only_repeats_the_thread_is_worth_little_even_where_it_is_the_truth() -> None:
    assert score("I like plan 3", "I like plan 3", "response", "Ann: I like plan 3") < 0.4
    assert score("I like plan 3", "I like plan 3", "response", "Ann: I like plan 4") == 1.0
    assert score("yes", "yes", "response", "Ann: yes") == 1.0


@pytest.mark.parametrize("level", ["stance", "value", "response"])
def test_of_a_very_long_truth_the_beginning_is_read_and_a_copy_is_still_whole(level: str) -> None:
    long = ", ".join(f"supports plan{place}" for place in range(20_000))
    assert score(long, long, level) == pytest.approx(1.0)
    assert score(long, long[:20_000], level) == pytest.approx(score(long, long[:20_000] + "x", level))
