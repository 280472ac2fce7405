"""The best states so far: bounded, fresh, safe to save."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.environments.people.reservoir import NEAR, Offer, Prefix, Reservoir, Saved
from usergym.types import is_blank

texts = st.text(min_size=1, max_size=12).filter(lambda text: not is_blank(text))
offers = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["stance", "emotion"]), texts, st.floats(0, 1)), max_size=40
)


@given(offers, st.integers(1, 3))
def test_it_holds_the_best_and_no_more_than_it_may(made: list[tuple[str, str, str, float]], size: int) -> None:
    reservoir = Reservoir(size)
    for context, level, said, score in made:
        reservoir.offer(Offer(context, level, None, said, score))
    assert len(reservoir) <= 6 * size
    for context in "abc":
        scores = [score for where, level, _, score in made if (where, level) == (context, "stance") and score > 0]
        drawn = reservoir.draw(context, ["stance"], 0)
        assert (drawn is None) == (not scores)
        if drawn and len({said for where, level, said, _ in made if (where, level) == (context, "stance")}) == len(
            scores
        ):
            assert drawn.score >= max(scores) - NEAR


@given(made=offers)
def test_what_is_saved_is_what_was_held(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, str, str, float]]
) -> None:
    reservoir = Reservoir()
    reservoir.step = 7
    for context, level, said, score in made:
        reservoir.offer(Offer(context, level, None, said, score))
    path = tmp_path_factory.mktemp("saved") / "prefixes.json"
    reservoir.save(path)
    again = Reservoir()
    again.restore(path)
    assert (again.step, len(again)) == (7, len(reservoir))
    for context in "abc":
        for seed in range(3):
            assert again.draw(context, ["stance", "emotion"], seed) == reservoir.draw(
                context, ["stance", "emotion"], seed
            )


def test_a_prefix_of_an_old_policy_is_dropped() -> None:
    reservoir = Reservoir(size=2, max_age=10)
    reservoir.offer(Offer("a", "stance", None, "old", 1.0))
    reservoir.step = 11
    assert reservoir.draw("a", ["stance"], 0) is None
    reservoir.offer(Offer("a", "stance", None, "new", 0.1))
    drawn = reservoir.draw("a", ["stance"], 0)
    assert drawn
    assert drawn.states == {"stance": "new"}


def test_a_score_is_the_mean_over_the_states_and_a_missing_level_falls_back_to_the_one_before() -> None:
    reservoir = Reservoir()
    reservoir.offer(Offer("a", "stance", None, "yes", 1.0))
    before = reservoir.draw("a", ["stance", "emotion"], 0)
    assert before == Prefix({"stance": "yes"}, 1.0, 0)
    reservoir.offer(Offer("a", "emotion", before, "joy", 0.5))
    drawn = reservoir.draw("a", ["stance", "emotion"], 0)
    assert drawn == Prefix({"stance": "yes", "emotion": "joy"}, 0.75, 0)


def test_the_oldest_contexts_make_room() -> None:
    reservoir = Reservoir(contexts=2)
    for context in "abc":
        reservoir.offer(Offer(context, "stance", None, "yes", 1.0))
    assert reservoir.draw("a", ["stance"], 0) is None
    assert reservoir.draw("b", ["stance"], 0) is not None


@pytest.mark.parametrize("text", ["", "{}", '{"version": 1}', '{"version": 2, "step": 0, "prefixes": {}}', "\x00"])
def test_a_file_that_is_not_one_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prefixes.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"prefixes\.json"):
        Reservoir().restore(path)


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        (Prefix({}, 0.5, 1), "must end with it"),
        (Prefix({"mood": "grim"}, 0.5, 1), "must end with it"),
        (Prefix({"stance": "\u200b"}, 0.5, 1), "the state 'stance' is empty"),
        (Prefix({"stance": "yes"}, 1e308, 1), "is not above 0 and at most 1"),
        (Prefix({"stance": "yes"}, -5, 1), "is not above 0 and at most 1"),
        (Prefix({"stance": "yes"}, 0.5, 10**9), "the step 1,000,000,000 is after the last one, 7"),
    ],
)
def test_what_was_never_held_is_not_taken_from_a_file(tmp_path: Path, prefix: Prefix, said: str) -> None:
    path = tmp_path / "prefixes.json"
    path.write_bytes(msgspec.json.encode(Saved(1, 7, {"a": {"stance": [prefix]}})))
    reservoir = Reservoir()
    with pytest.raises(ValueError, match=r"prefixes\.json cannot be built on: ") as refused:
        reservoir.restore(path)
    assert said in str(refused.value)
    assert len(reservoir) == 0
