import math
from random import Random

import pytest

from usergym.evaluation.outcomes import Outcome
from usergym.evaluation.published import gym_of, table, weight_of
from usergym.evaluation.scores import averages, measured, sheets
from usergym.evaluation.statistics import Estimate, combined, estimate


def outcome(env: str, task: str, score: float | None, sample: int = 0, **more: object) -> Outcome:
    values: dict[str, object] = {
        "model": "m", "env": env, "task": task, "sample": sample, "score": score, "userrl": None, "published": None,
        "success": None if score is None else float(score >= 1), "replies": 2, "effective_turns": 1,
        "time_weighted": score, "user_turns": 1, "user_words": 5, "calls": 1, "input_tokens": 10, "output_tokens": 1,
        "cost": 0.5, "seconds": 1.0, "reply_seconds": 1.0, "stop": "done", "error": None,
    }  # fmt: skip
    return Outcome(**{**values, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("line", table().models, ids=lambda line: line.name)
def test_the_published_averages_are_those_of_the_published_weights(line) -> None:
    weights = {gym: weight_of(gym) for gym in line.gyms}
    assert sum(weights.values()) == 1010
    mean = sum(weights[gym] * value for gym, value in line.gyms.items()) / 1010
    assert mean == pytest.approx(line.average, abs=1.01e-4)


def test_every_evaluation_name_has_its_gym_and_weight() -> None:
    names = table().tasks
    assert len(names) == 15
    assert {gym_of(name) for name in names} == set(table().models[0].gyms)
    assert sum(weight_of(name) for name in names) == 1010
    assert weight_of("travel") == 471
    assert weight_of("travel22:level=22") == 101
    assert weight_of("search") == weight_of("bamboogle") == 125
    assert weight_of("calendar") == 0


def test_an_evaluation_with_the_published_means_has_the_published_average() -> None:
    line = next(each for each in table().models if each.name == "GPT-4o")
    found = sheets(
        outcome(name, str(task), 0.5, published=line.gyms[gym_of(name)]) for name in table().tasks for task in range(3)
    )
    (weighted,) = (each for each in averages([sheet.scores() for sheet in found.values()]) if each.name == "weighted")
    assert weighted.estimate.mean == pytest.approx(line.average, abs=1e-4)
    assert weighted.missing == ()
    told = measured([sheet.scores() for sheet in found.values()])
    assert told is not None
    assert told.gyms == pytest.approx(line.gyms)
    assert (told.average, told.effective_turns) == (pytest.approx(line.average, abs=1e-4), 1.0)


def test_gyms_that_were_not_evaluated_are_told_and_weigh_nothing() -> None:
    rows = [outcome("turtle", "1", 1.0, published=0.2), outcome("turtle", "2", 1.0, published=0.4)]
    rows += [outcome("calendar", "1", 0.0), outcome("calendar", "2", 1.0)]
    of = {(each.name, each.metric): each for each in averages([s.scores() for s in sheets(rows).values()])}
    weighted = of["weighted", "published"]
    assert weighted.estimate.mean == pytest.approx(0.3)
    assert "function" in weighted.missing
    assert "turtle" not in weighted.missing
    assert of["macro", "score"].estimate.mean == 0.75


def test_micro_weighs_conversations_and_macro_environments() -> None:
    rows = [outcome("a", str(n), 1.0) for n in range(30)] + [outcome("b", str(n), 0.0) for n in range(10)]
    of = {(each.name, each.metric): each.estimate for each in averages([s.scores() for s in sheets(rows).values()])}
    assert of["macro", "score"].mean == 0.5
    assert of["micro", "score"].mean == 0.75


def test_what_failed_or_was_not_scored_moves_no_mean_and_is_told() -> None:
    rows = [outcome("a", "1", 1.0), outcome("a", "2", None), outcome("a", "3", None, error="unavailable")]
    (sheet,) = sheets(rows).values()
    scores = sheet.scores()
    assert scores.score is not None
    assert scores.score.mean == 1.0
    assert (scores.scored, scores.unscored, scores.errors, scores.tasks) == (1, 1, {"unavailable": 1}, 3)
    assert scores.total["cost"] == 1.5


def test_pass_at_k_follows_what_the_environment_calls_a_success() -> None:
    rows = [outcome("a", "1", 0.4, sample=n, success=float(n == 0)) for n in range(4)]
    (sheet,) = sheets(rows).values()
    scores = sheet.scores()
    assert scores.pass_at == pytest.approx({1: 0.25, 2: 0.5, 4: 1.0})
    assert scores.pass_hat == pytest.approx({1: 0.25, 2: 0.0, 4: 0.0})


def test_intervals_of_parts_are_put_together_as_those_of_independent_means() -> None:
    parts = [Estimate(0.5, 0.4, 0.6, 9, 9), Estimate(0.2, 0.1, 0.3, 9, 9)]
    whole = combined([(0.5, part) for part in parts])
    assert whole is not None
    assert whole.mean == pytest.approx(0.35)
    assert whole.high == pytest.approx(0.35 + math.hypot(0.05, 0.05))
    difference = combined(zip((1.0, -1.0), parts, strict=True))
    assert difference is not None
    assert (difference.low, difference.high) == (
        pytest.approx(0.3 - math.hypot(0.1, 0.1)),
        pytest.approx(0.44142, 1e-4),
    )
    assert combined([]) is None
    unknown = combined([(0.5, parts[0]), (0.5, Estimate(0.1, None, None, 1, 1))])
    assert unknown is not None
    assert unknown.low is None


def test_combined_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = Random(1)
    covered, rounds = 0, 1500
    for _ in range(rounds):
        parts = []
        for chance, tasks in ((0.2, 25), (0.6, 40), (0.9, 30)):
            values = [float(random.random() < chance) for _ in range(tasks)]
            part = estimate((1, value, True) for value in values)
            assert part
            parts.append((1 / 3, part))
        whole = combined(parts)
        assert whole
        assert whole.low is not None
        assert whole.high is not None
        covered += whole.low <= (0.2 + 0.6 + 0.9) / 3 <= whole.high
    assert 0.93 <= covered / rounds <= 0.975
