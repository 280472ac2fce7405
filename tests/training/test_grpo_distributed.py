"""One run on two processes, which torchrun starts and gloo connects."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.training.both import on_two_processes
from tests.training.orchard import Orchard
from tests.training.orchards import course, settings, steps, trained
from tests.training.policies import policy
from usergym.training.played import Credit, member_of
from usergym.types import Trajectory

__all__ = ["policy"]


def test_two_processes_learn_the_same_and_share_groups_and_validation(policy: Path, tmp_path: Path) -> None:
    told = on_two_processes("two_processes.py", policy, tmp_path)
    assert told[0]["sums"] == told[1]["sums"]
    assert told[0]["model"] == told[1]["model"]

    # Twelve conversations a step, six on each process, so the second of three groups is on both.
    assert [each["samples"] for each in told] == [
        [[0, 1, 2, 3, 4, 5], [12, 13, 14, 15, 16, 17]],
        [[6, 7, 8, 9, 10, 11], [18, 19, 20, 21, 22, 23]],
    ]
    run = tmp_path / "run"
    played = {}
    for path in (run / "trajectories.jsonl", run / "trajectories-1.jsonl"):
        for line in path.open("rb"):
            trajectory = msgspec.json.decode(line, type=Trajectory)
            played[trajectory.sample] = trajectory
    for step in (0, 1):
        members = [member_of(played[12 * step + place], "assistant", 0) for place in range(12)]
        wanted = Credit().advantages([member.earned for member in members], [place // 4 for place in range(12)])
        assert np.abs(wanted).max() > 0
        for rank in (0, 1):
            found = np.array(told[rank]["advantages"][step])
            mine = wanted[6 * rank : 6 * rank + 6, : found.shape[1]]
            np.testing.assert_allclose(found[:, : mine.shape[1]], mine, atol=1e-6)
            assert not found[:, mine.shape[1] :].any()
            assert not wanted[6 * rank : 6 * rank + 6, found.shape[1] :].any()

    alone = settings(policy, tmp_path / "alone", micro_batch=2, prompts=3, eval_every=2, validation=5, steps=2)
    trained(alone, course(Orchard(asks=3), held_out=5))
    assert steps(run, "eval_reward")[0] == pytest.approx(steps(tmp_path / "alone", "eval_reward")[0])
    assert [*steps(run)] == [1, 2], "one process writes"
