"""Whether a run's model reads reactions is told from its first steps."""

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from usergym.training.progress import RecordCallback
from usergym.training.record import Record
from usergym.training.unread import STEPS, Unread


def after(effect: float, control: float | None, steps: int = STEPS) -> list[str]:
    watched = Unread()
    logs = {"sdpo/effect": effect, "sdpo/control_effect": control}
    return [told for step in range(1, steps + 1) if (told := watched.after(step, logs))]


def test_reactions_that_move_a_model_no_more_than_unrelated_remarks_are_told_once() -> None:
    (told,) = after(0.28, 0.286, steps=5 * STEPS)
    assert "0.28 nats a token against 0.286" in told
    assert "usergym signal" in told


def test_nothing_is_said_of_reactions_that_are_read_nor_early_nor_without_controls() -> None:
    assert not after(0.213, 0.165)
    assert not after(0.28, 0.286, steps=STEPS - 1)
    assert not after(0.28, None)


def test_a_taste_that_is_met_by_then_is_not_taken_for_one_that_is_not_read() -> None:
    watched = Unread()
    for step in range(1, 3 * STEPS):
        told = watched.after(step, {"sdpo/effect": 0.2 if step <= STEPS else 0.1, "sdpo/control_effect": 0.15})
        assert told is None


def test_a_run_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = SimpleNamespace(is_world_process_zero=True, global_step=0)
    with closing(Record.start(tmp_path, {})) as record:
        follower = RecordCallback(record)
        for step in range(1, STEPS + 2):
            state.global_step = step
            follower.on_log(None, state, None, {"sdpo/effect": 0.28, "sdpo/control_effect": 0.286})
    told = capsys.readouterr().err
    assert told.count("WARNING: in 10 steps reactions moved the model hardly more") == 1
