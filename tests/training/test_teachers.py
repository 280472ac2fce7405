"""Teachers against their formulas, and over the end of a process."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.orchard import Orchard
from tests.training.orchards import course, watched
from tests.training.sdpo_runs import (
    Echo,
    advantages,
    asked,
    exact,
    logprobs,
    reader,
    settings,
    signals,
    trained,
)
from usergym.models.base import StopRun
from usergym.training import checkpoints
from usergym.training.teachers import FILE, Teacher
from usergym.types import Task

__all__ = ["reader"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: each.double() for name, each in load_file(folder).items()}


def checkpoint(out: Path, step: int, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return weights(out / "checkpoints" / f"checkpoint-{step}" / name)


def same(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> None:
    assert some.keys() == others.keys()
    for name, each in some.items():
        torch.testing.assert_close(each, others[name], rtol=1e-5, atol=1e-6)


def moved(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return any(not each.equal(others[name]) for name, each in some.items())


@pytest.mark.parametrize("kind", ["live", "base", "ema", "periodic"])
def test_a_teacher_is_what_its_formula_says_and_it_is_what_reads_the_reactions(
    reader: Path, tmp_path: Path, kind: Any
) -> None:
    out = tmp_path / "run"
    with watched() as seen:
        more = {"teacher": kind, "ema_rate": 0.2, "renew_every": 2, "save_every": 1, "eval_every": 1, "keep": 9}
        trained(settings(reader, out, steps=4, **more), course(Echo()))
    policies = [weights(reader / "model.safetensors"), *(checkpoint(out, step) for step in (1, 2, 3, 4))]
    teachers = [policies[0]]
    for step in (1, 2, 3, 4):
        before = teachers[-1]
        averaged = {name: 0.8 * each + 0.2 * policies[step][name] for name, each in before.items()}
        renewed = before if step % 2 else policies[step]
        teachers.append({"live": policies[step], "base": before, "ema": averaged, "periodic": renewed}[kind])
    assert moved(policies[4], teachers[4]) == (kind in ("base", "ema"))
    for step in (1, 2, 3, 4):
        if kind in ("ema", "periodic"):
            same(checkpoint(out, step, FILE), teachers[step])
        else:
            assert not (out / "checkpoints" / f"checkpoint-{step}" / FILE).exists()

    model, tokenizer = exact(reader)
    rows = asked(tokenizer, seen.played[3])
    for found, row in zip(advantages(seen.batches[3], rows), rows, strict=True):
        scores = []
        for ids, state in ((row.behind(row.o), teachers[3]), (row.x, policies[3])):
            model.load_state_dict(state, strict=False)
            with torch.no_grad():
                scores.append(logprobs(model, ids, row.y))
        torch.testing.assert_close(found, scores[0] - scores[1], rtol=1e-3, atol=2e-4)


def test_the_teacher_of_an_adapter_is_an_adapter_and_base_is_the_model_without_it(reader: Path, tmp_path: Path) -> None:
    for kind in ("ema", "base"):
        out = tmp_path / kind
        more = {"lora": True, "lora_r": 2, "learning_rate": 0.1, "save_every": 1, "eval_every": 1}
        with watched() as seen:
            trained(settings(reader, out, steps=2, teacher=kind, **more), course(Echo()))
    copied = checkpoint(tmp_path / "ema", 2, FILE)
    trained_on = checkpoint(tmp_path / "ema", 2, "adapter_model.safetensors")
    assert len(copied) == len(trained_on) > 0
    assert sum(each.numel() for each in copied.values()) == sum(each.numel() for each in trained_on.values())
    start, tokenizer = exact(reader)
    later, _ = checkpoints.load(str(out / "checkpoints" / "checkpoint-1"), trainable=False)
    rows = asked(tokenizer, seen.played[1])
    drift = 0.0
    for found, row in zip(advantages(seen.batches[1], rows), rows, strict=True):
        with torch.no_grad():
            drift += float((logprobs(start, row.x, row.y) - logprobs(later, row.x, row.y)).abs().sum())
            wanted = logprobs(start, row.behind(row.o), row.y) - logprobs(later, row.x, row.y)
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    assert drift > 1


def test_an_average_in_half_precision_does_not_stand_still() -> None:
    model = torch.nn.Linear(4, 4).to(torch.bfloat16)
    with torch.no_grad():
        model.weight.fill_(1.0)
    teacher = Teacher("ema", model, rate=0.01)
    with torch.no_grad():
        model.weight.fill_(1.125)
    for _ in range(100):
        teacher.on_step_end(None, None, None, model=model)
    wanted = 1.125 - 0.125 * 0.99**100
    torch.testing.assert_close(teacher.weights["weight"], torch.full((4, 4), wanted))
    with teacher.seated(model):
        assert model.weight.dtype == torch.bfloat16
        torch.testing.assert_close(model.weight.float(), torch.full((4, 4), wanted), rtol=0.01, atol=0)
    assert model.weight.eq(1.125).all()


class Spent(Echo):
    """Its users stop the run once so many worlds were started."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def start(self, task: Task) -> Any:
        self.left -= 1
        if self.left < 0:
            raise StopRun("the budget is spent")
        return super().start(task)


def test_a_run_that_was_stopped_goes_on_with_its_teacher_to_the_same_weights(reader: Path, tmp_path: Path) -> None:
    """A world is started to be looked at, and for each of six conversations to be played and to be scored: the 28th is
    of the third step, which has no checkpoint of its own before it."""
    more = {"teacher": "ema", "ema_rate": 0.3, "steps": 4}
    trained(settings(reader, tmp_path / "whole", **more), course(Echo()))
    out = tmp_path / "broken"
    with pytest.raises(StopRun, match="the budget is spent"):
        trained(settings(reader, out, **more), course(Spent(27)))
    assert [path.name for path in (out / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]
    assert (out / "checkpoints" / "checkpoint-2" / FILE).exists()
    told: list[str] = []
    trained(settings(reader, out, **more), course(Echo()), say=told.append)
    assert told == ["going on from step 2"]
    for name in ("model/model.safetensors", f"checkpoints/checkpoint-4/{FILE}"):
        some, others = load_file(out / name), load_file(tmp_path / "whole" / name)
        assert all(each.equal(others[key]) for key, each in some.items()), name
    assert signals(out) == signals(tmp_path / "whole")


def test_a_checkpoint_without_its_teacher_is_refused(reader: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    config = settings(reader, out, teacher="periodic", steps=3)
    with pytest.raises(StopRun):
        trained(config, course(Spent(27)))
    (out / "checkpoints" / "checkpoint-2" / FILE).unlink()
    with pytest.raises(
        ValueError, match=r"checkpoint-2 has no teacher.safetensors, so its periodic teacher is lost; .*"
    ):
        trained(config, course(Orchard()))
    assert trained(config, course(Orchard()), resume=False).steps == 3
