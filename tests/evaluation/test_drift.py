"""Drift is looked for where something was measured, and what was not says so."""

from pathlib import Path

import pytest

from usergym.evaluation.drift import Round, judged, played, standing
from usergym.rollouts.store import Store
from usergym.types import Failure, Message, Reward, Task, Trajectory, Turn

OPENING = Turn("user", Message("assistant", "I hold this."))


def conversation(place: int, value: float | None, replies: bool, error: Failure | None = None) -> Trajectory:
    done = Trajectory(Task(f"task-{place}", "persuasion", opening=(OPENING,)), 0, place)
    done.turns = [OPENING, Turn("assistant", Message("assistant", "Why?"))]
    done.turns += [Turn("user", Message("assistant", "Because."))] * replies
    done.rewards = [] if error else [Reward("score", value)]
    done.stop, done.error = (None if error else "reply_limit"), error
    return done


def run(folder: Path, *values: float | None, replies: bool = True, error: Failure | None = None) -> Path:
    store = Store.open(folder, {"verb": "rollout"})
    for place, value in enumerate(values):
        done = conversation(place, value, replies, error)
        if error:
            store.fail(done, 0)
        else:
            store.finish([done])
    store.close()
    return folder


def test_a_gain_with_the_own_user_alone_is_an_alarm(tmp_path: Path) -> None:
    before = run(tmp_path / "before", *[0.0, 0.1] * 4)
    own = standing("its own user", before, run(tmp_path / "own", *[0.9, 0.95] * 4))
    rules = standing("rules", before, run(tmp_path / "rules", *[0.0, 0.1] * 4))
    found = judged(1, own, [rules])
    assert found.alarm == "with its own user the agent gained 0.875, with no frozen user anything"
    assert found.unmeasured == ""


REFUSED = Failure("refused", "a trained user writes words")


@pytest.mark.parametrize(
    ("values", "replies", "error", "why"),
    [
        ([0.0] * 2, False, None, "the user never spoke in 2 conversations"),
        ([0.0] * 2, True, REFUSED, "all 2 conversations failed, the first by refused: a trained user writes words"),
        ([None] * 2, True, None, "none of 2 conversations has a score"),
        ([], True, None, "no conversation was played"),
    ],
)
def test_what_was_not_measured_has_no_gain_and_says_why(
    tmp_path: Path, values: list[float | None], replies: bool, error: Failure | None, why: str
) -> None:
    good, bad = run(tmp_path / "good", 0.0, 0.1), run(tmp_path / "bad", *values, replies=replies, error=error)
    assert played(bad).unmeasured == why
    own, rules = standing("its own user", bad, bad), standing("rules", good, good)
    assert (own.gain, own.unmeasured) == (None, why)
    found: Round = judged(1, own, [rules])
    assert (found.alarm, found.unmeasured) == ("", f"with its own user: {why}")
    late = standing("its own user", bad, good)
    assert (late.gain, late.unmeasured) == (None, f"before training, {why}")
    assert judged(1, rules, [own]).unmeasured == f"with its own user: {why}"
    assert judged(1, rules, [own, rules]).unmeasured == ""


def test_silence_is_counted_where_some_users_spoke(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "some", {"verb": "rollout"})
    store.finish([conversation(0, 0.0, True)])
    store.finish([conversation(1, 0.0, False)])
    store.close()
    found = standing("rules", tmp_path / "some", tmp_path / "some")
    assert (found.silent, found.lost, found.unmeasured) == (1, 0, "")
    assert found.gain is not None


def test_a_failure_that_was_played_again_is_not_lost(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "again", {"verb": "rollout"})
    store.fail(conversation(0, None, True, REFUSED), 0)
    store.finish([conversation(0, 0.5, True)])
    store.close()
    assert played(tmp_path / "again").lost == 0
