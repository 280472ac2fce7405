"""SDPO by whole distributions against the same of full logits, worked out by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.orchard import Orchard
from tests.training.orchards import course, steps, watched
from tests.training.sdpo_runs import (
    Asked,
    Echo,
    asked,
    close,
    distributions,
    exact,
    gradient,
    reader,
    settings,
    trained,
)
from usergym.training import checkpoints
from usergym.training.teachers import FILE

__all__ = ["reader"]


def apart(student: torch.Tensor, teacher: torch.Tensor, kind: str, alpha: float = 0.5) -> torch.Tensor:
    """(T,) of (T, V) log-probabilities."""
    if kind == "reverse_kl":
        return (student.exp() * (student - teacher)).sum(-1)
    if kind == "forward_kl":
        return (teacher.exp() * (teacher - student)).sum(-1)
    mixed = ((1 - alpha) * student.exp() + alpha * teacher.exp()).log()
    parts = [(each.exp() * (each - mixed)).sum(-1) for each in (student, teacher)]
    return (1 - alpha) * parts[0] + alpha * parts[1]


def best(student: torch.Tensor, teacher: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The student's k likeliest tokens, and all others as one."""
    places = student.topk(k).indices
    made = []
    for each in (student, teacher):
        some = each.gather(-1, places)
        made.append(torch.cat([some, (1 - some.exp().sum(-1, keepdim=True)).log()], -1))
    return made[0], made[1]


def divergences(student: Any, teacher: Any, row: Asked, estimator: str, kind: str, alpha: float) -> torch.Tensor:
    own = distributions(student, row.x, row.y)
    with torch.no_grad():
        other = distributions(teacher, row.behind(row.o), row.y)
    return apart(*(best(own, other, 5) if estimator == "topk" else (own, other)), kind, alpha)


@pytest.mark.parametrize(
    ("estimator", "kind", "loss", "more"),
    [
        ("full", "reverse_kl", "dapo", {}),
        ("full", "forward_kl", "dapo", {"ignore_first_k": 2}),
        ("full", "jsd", "grpo", {"alpha": 0.3}),
        ("topk", "reverse_kl", "grpo", {"ignore_first_k": 2}),
        ("topk", "forward_kl", "dapo", {}),
        ("topk", "jsd", "dapo", {}),
    ],
)
def test_the_gradient_is_that_of_the_divergence_of_full_logits(
    reader: Path, tmp_path: Path, estimator: Any, kind: Any, loss: Any, more: dict[str, Any]
) -> None:
    config = settings(reader, tmp_path, estimator=estimator, divergence=kind, top_k=5, loss=loss, **more)
    with watched() as seen:
        trained(config, course(Echo(asks=3)))
    (found,) = seen.gradients
    model, tokenizer = exact(reader)
    rows = asked(tokenizer, seen.played[0])
    skip = more.get("ignore_first_k", 0)
    each = [divergences(model, model, row, estimator, kind, more.get("alpha", 0.5))[skip:] for row in rows]
    if loss == "dapo":
        wanted = torch.cat(each).mean()
    else:
        of = [[part for part, row in zip(each, rows, strict=True) if row.conversation == n] for n in range(6)]
        assert max(map(len, of)) > 1
        wanted = sum((torch.cat(parts).mean() for parts in of if parts), torch.zeros(())) / 6
    close(found, gradient(model, wanted))
    assert steps(tmp_path, "sdpo/divergence")[1] > 0


def test_a_slow_teacher_is_compared_with_by_its_own_weights(reader: Path, tmp_path: Path) -> None:
    more = {"estimator": "full", "teacher": "ema", "ema_rate": 0.2, "save_every": 1, "eval_every": 1}
    with watched() as seen:
        trained(settings(reader, tmp_path, steps=2, learning_rate=3e-2, **more), course(Echo()))
    first = tmp_path / "checkpoints" / "checkpoint-1"
    model, tokenizer = exact(first)
    teacher, _ = exact(reader)
    teacher.load_state_dict({name: each.double() for name, each in load_file(first / FILE).items()}, strict=False)
    rows = asked(tokenizer, seen.played[1])
    parts = [divergences(model, teacher, row, "full", "reverse_kl", 0.5) for row in rows]
    close(seen.gradients[1], gradient(model, torch.cat(parts).mean()))


def test_where_nobody_reacts_nothing_moves_and_it_is_said_once(reader: Path, tmp_path: Path) -> None:
    for estimator in ("sampled", "full"):
        told: list[str] = []
        out = tmp_path / estimator
        more = {"estimator": estimator, "lora": True, "lora_r": 2, "steps": 2}
        trained(settings(reader, out, **more), course(Orchard(asks=1)), say=told.append)
        (line,) = told
        assert line.startswith("a step had nothing to learn from: all its replies are left out (")
        assert " unanswered" in line
        some, _ = checkpoints.load(str(out / "model"), trainable=False)
        start, _ = checkpoints.load(str(reader), trainable=False)
        for (name, each), other in zip(some.named_parameters(), start.parameters(), strict=True):
            assert each.equal(other), name


def test_whole_distributions_are_of_one_process_and_replies_are_scored_with_whole_weights(
    reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(
        ValueError, match="--estimator full runs in one process, and 2 were started; start one, or give"
    ):
        trained(settings(reader, tmp_path / "run", estimator="full"))
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(
        ValueError, match="replies are scored with whole weights, which FSDP and ZeRO-3 cut; start with"
    ):
        trained(settings(reader, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
