"""SDPO runs of a tiny model: what they compute, against the same worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.orchard import Orchard
from tests.training.orchards import Seen, course, steps, watched
from tests.training.sdpo_runs import (
    Echo,
    advantages,
    asked,
    close,
    exact,
    gradient,
    logprobs,
    reader,
    settings,
    signal,
    signals,
    trained,
)
from usergym.environments.base import World
from usergym.rollouts.engine import Cast, Limits
from usergym.training.credit import turn_advantages
from usergym.training.played import member_of
from usergym.training.sdpo import sdpo_loss
from usergym.training.sdpo_config import SdpoConfig
from usergym.training.sdpo_rows import UNRELATED
from usergym.types import Task
from usergym.users.scripted import ScriptedParticipant

__all__ = ["reader"]

ONCE = Cast(None, limits=Limits(1))
"""Ends a conversation behind the first reply, which the user answers."""


def seen_run(config: SdpoConfig, environment: Orchard | None = None, cast: Cast | None = None, **more: Any) -> Seen:
    with watched() as seen:
        trained(config, course(environment or Echo(asks=3)), cast=cast, **more)
    return seen


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_the_first_gradient_is_that_of_the_formula_however_the_rows_are_packed(
    reader: Path, tmp_path: Path, temperature: float
) -> None:
    found = {}
    for micro in (6, 2):
        config = settings(reader, tmp_path / str(micro), micro_batch=micro, temperature=temperature)
        seen = seen_run(config)
        (found[micro],) = seen.gradients
        assert len(seen.passes) == 6 // micro
    model, tokenizer = exact(reader)
    rows = asked(tokenizer, seen.played[0])
    assert len({len(row.y) for row in rows}) > 2, "replies of one length have no padding"
    assert max(row.place for row in rows) > 0, "no row has several turns"
    assert len({len(row.x) + len(row.y) for row in rows}) > 3
    tokens = sum(len(row.y) for row in rows)
    loss = sum(-(signal(model, row, temperature) * logprobs(model, row.x, row.y, temperature)).sum() for row in rows)
    wanted = gradient(model, loss / tokens)
    for each in found.values():
        close(each, wanted)


@pytest.mark.parametrize(
    ("preset", "template", "more"),
    [
        ("usergym", "neutral", {}),
        ("usergym", "neutral", {"ignore_first_k": 3}),
        ("legacy-online", "neutral", {}),
        ("legacy-offline", "improve", {}),
    ],
)
def test_each_form_moves_the_weights_as_the_published_loss_of_its_name(
    reader: Path, tmp_path: Path, preset: Any, template: str, more: dict[str, Any]
) -> None:
    seen = seen_run(settings(reader, tmp_path / "run", sdpo=preset, prompts=6, group=1, **more), cast=ONCE)
    model, tokenizer = exact(reader)
    rows = asked(tokenizer, seen.played[0], template)
    assert 2 < len(rows) < 6, "some replies have to be cut, and get no reaction"
    assert len({len(row.y) for row in rows}) > 1
    shape = 6, max(len(row.y) for row in rows)
    policy, teacher, mask = (torch.zeros(shape, dtype=torch.double) for _ in range(3))
    for row in rows:
        place = row.conversation, slice(len(row.y))
        policy[place] = logprobs(model, row.x, row.y)
        teacher[place] = policy[place].detach() + signal(model, row)
        mask[place] = 1
    loss = sdpo_loss(policy, policy.detach(), teacher, mask, preset, **more)
    close(seen.gradients[0], gradient(model, loss))
    assert signals(tmp_path / "run")[0]["template"] == template


def test_centring_takes_off_the_mean_that_it_names(reader: Path, tmp_path: Path) -> None:
    model, tokenizer = exact(reader)
    for kind in ("none", "sequence", "batch", "sibling"):
        seen = seen_run(settings(reader, tmp_path / kind, centring=kind, group=3, prompts=2))
        rows = asked(tokenizer, seen.played[0])
        plain = [signal(model, row) for row in rows]
        means = [each.mean() for each in plain]
        siblings = [
            [n for n, other in enumerate(rows) if n != m and (other.task, other.place) == (row.task, row.place)]
            for m, row in enumerate(rows)
        ]
        assert {bool(each) for each in siblings} == {True, False}, "one reply has to be without a sibling"
        off = {
            "none": [torch.tensor(0.0)] * len(rows),
            "sequence": means,
            "batch": [torch.cat(plain).mean()] * len(rows),
            "sibling": [
                torch.stack([means[n] for n in each]).mean() if each else torch.tensor(0.0) for each in siblings
            ],
        }[kind]
        for found, each, less in zip(advantages(seen.batches[0], rows), plain, off, strict=True):
            torch.testing.assert_close(found, each - less, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "shared", "teacher"),
    [("empty", False, "live"), ("unrelated", True, "live"), ("unrelated", True, "base"), ("shuffled", False, "base")],
)
def test_a_control_takes_the_place_of_the_bare_context(
    reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, shared: bool, teacher: Any
) -> None:
    if shared:
        monkeypatch.setattr("usergym.training.sdpo_seam.SHARED_FROM", 0)
    seen = seen_run(settings(reader, tmp_path / "run", control=kind, teacher=teacher))
    model, tokenizer = exact(reader)
    rows = asked(tokenizer, seen.played[0])
    lines = [line for line in signals(tmp_path / "run") if not line["left_out"]]
    assert len(lines) == len(rows)
    told = {"empty": [""], "unrelated": UNRELATED, "shuffled": [row.o for row in rows]}[kind]
    for found, row, line in zip(advantages(seen.batches[0], rows), rows, lines, strict=True):
        control = line["control"]
        assert control in told
        if kind == "shuffled":
            assert all(other.task != row.task for other in rows if other.o == control)
        with torch.no_grad():
            o, c, x = (logprobs(model, ids, row.y) for ids in (row.behind(row.o), row.behind(control), row.x))
        torch.testing.assert_close(found, o - c, rtol=1e-3, atol=1e-4)
        assert line["effect"] == pytest.approx(float((o - x).mean()), abs=1e-4)
        assert line["control_effect"] == pytest.approx(float((c - x).mean()), abs=1e-4)
    assert len({line["control"] for line in lines}) > 1 or kind == "empty"


def test_the_gate_leaves_out_what_moves_the_model_no_more_than_small_talk(reader: Path, tmp_path: Path) -> None:
    seen = seen_run(settings(reader, tmp_path / "run", gate=0.8, prompts=4))
    model, tokenizer = exact(reader)
    rows = asked(tokenizer, seen.played[0])
    lines = [line for line in signals(tmp_path / "run") if not line["left_out"]]
    shut = []
    for found, row, line in zip(advantages(seen.batches[0], rows), rows, lines, strict=True):
        with torch.no_grad():
            o, c, x = (logprobs(model, ids, row.y) for ids in (row.behind(row.o), row.behind(line["control"]), row.x))
        shut.append(bool((o - x).abs().mean() <= 0.8 * (c - x).abs().mean()))
        torch.testing.assert_close(found, (o - x) * (not shut[-1]), rtol=1e-3, atol=1e-4)
    assert {True, False} == set(shut)
    assert steps(tmp_path / "run", "sdpo/gated")[1] == pytest.approx(np.mean(shut))
    kept = sum(len(row.y) for row, out in zip(rows, shut, strict=True) if not out)
    assert seen.passes[0]["num_items_in_batch"] == kept, "what says nothing is part of no mean"


def test_signals_are_cut_and_first_tokens_left_out(reader: Path, tmp_path: Path) -> None:
    seen = seen_run(settings(reader, tmp_path / "run", signal_clip=0.05, ignore_first_k=2))
    model, tokenizer = exact(reader)
    rows = asked(tokenizer, seen.played[0])
    cut = []
    for found, row in zip(advantages(seen.batches[0], rows), rows, strict=True):
        plain = signal(model, row)
        wanted = plain.clamp(-0.05, 0.05)
        wanted[:2] = 0
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
        cut += (plain[2:].abs() >= 0.05).tolist()
    assert steps(tmp_path / "run", "sdpo/clipped")[1] == pytest.approx(np.mean(cut))
    assert 0 < np.mean(cut) < 1


def test_a_crossed_reaction_is_a_siblings_at_the_same_place_and_no_other(reader: Path, tmp_path: Path) -> None:
    seen = seen_run(settings(reader, tmp_path / "run", cross_fit=True, group=3, prompts=2))
    model, tokenizer = exact(reader)
    rows = asked(tokenizer, seen.played[0])
    lines = {(line["sample"], line["turn"]): line for line in signals(tmp_path / "run")}
    found = dict(zip(((row.conversation, row.turn) for row in rows), _all(seen, rows), strict=True))
    crossed = 0
    for row in rows:
        line = lines[row.conversation, row.turn]
        siblings = {
            other.conversation: other.o
            for other in rows
            if (other.task, other.x) == (row.task, row.x) and other.conversation != row.conversation
        }
        if not siblings:
            assert line["left_out"] == "no_sibling"
            assert not found[row.conversation, row.turn].any()
            continue
        crossed += 1
        assert line["reaction"] == siblings[line["reaction_to"]]
        with torch.no_grad():
            wanted = logprobs(model, row.behind(line["reaction"]), row.y) - logprobs(model, row.x, row.y)
        torch.testing.assert_close(found[row.conversation, row.turn], wanted, rtol=1e-3, atol=1e-4)
    assert crossed > 1
    assert any(line["left_out"] == "no_sibling" for line in lines.values())
    assert any(line["left_out"] == "cut" for line in lines.values())
    silent = [line for key, line in lines.items() if key not in found]
    assert {line["left_out"] for line in silent} <= {"cut", "no_sibling"}


def _all(seen: Seen, rows: Any) -> list[torch.Tensor]:
    batch = seen.batches[0]["advantages"]
    return [batch[row.conversation, row.start : row.start + len(row.y)].double() for row in rows]


def test_the_anchor_pulls_every_token_of_a_step_towards_the_model_as_it_began(reader: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    config = settings(reader, out, steps=2, anchor=0.7, ignore_first_k=1, save_every=1, eval_every=1, keep=5)
    seen = seen_run(config)
    start, tokenizer = exact(reader)
    model, _ = exact(out / "checkpoints" / "checkpoint-1")
    rows = asked(tokenizer, seen.played[1])
    loss, held = torch.zeros(()), torch.zeros(())
    for row in rows:
        own = logprobs(model, row.x, row.y)
        with torch.no_grad():
            apart = own - logprobs(start, row.x, row.y)
            held += apart.abs().sum()
        wanted = signal(model, row)
        wanted[:1] = 0
        loss = loss - ((wanted - 0.7 * apart) * own).sum()
    assert held > 1
    close(seen.gradients[1], gradient(model, loss / sum(len(row.y) for row in rows)))


def test_rewards_are_mixed_in_by_their_weight_also_where_nobody_reacted(reader: Path, tmp_path: Path) -> None:
    seen = seen_run(settings(reader, tmp_path / "run", reward_weight=0.5))
    model, tokenizer = exact(reader)
    members = [member_of(each, "assistant", 0) for each in seen.played[0]]
    given = seen.batches[0]["advantages"].double()
    wanted = 0.5 * torch.from_numpy(
        turn_advantages(
            [member.earned.rewards for member in members],
            [member.earned.spans for member in members],
            [0, 0, 1, 1, 2, 2],
            given.size(1),
        )
    )
    rows = asked(tokenizer, seen.played[0])
    silent = wanted.clone()
    for row in rows:
        place = row.conversation, slice(row.start, row.start + len(row.y))
        wanted[place] += signal(model, row)
        silent[place] = 0
    torch.testing.assert_close(given, wanted, rtol=1e-3, atol=1e-4)
    assert silent.any()
    assert seen.passes[0]["num_items_in_batch"] == sum(sum(member.mask) for member in members)


def test_the_same_task_of_two_environments_is_two_tasks(reader: Path, tmp_path: Path) -> None:
    with watched() as seen:
        config = settings(reader, tmp_path / "run", control="shuffled", prompts=2, group=2)
        trained(config, course(Echo()), course(Echo(), name="meadow"))
    assert len({each.task.id for each in seen.played[0]}) == 1
    lines = signals(tmp_path / "run")
    assert not any(line["left_out"] == "no_stranger" for line in lines)
    assert any(line["control"] != line["reaction"] for line in lines if "control" in line)


class Shouting(Orchard):
    """Its user answers with so many words."""

    def __init__(self, words: int) -> None:
        super().__init__(asks=3)
        self.words = words

    def start(self, task: Task) -> World:
        world = super().start(task)
        lines = [f"{task.id}. Which fruit is ripe?", "No! " * self.words]
        world.user = lambda model: ScriptedParticipant("user", lines)  # type: ignore[method-assign]
        return world


@pytest.mark.parametrize(("words", "why"), [(100, "no_room"), (3000, "too_long")])
def test_an_enormous_reaction_is_left_out_and_never_cut(reader: Path, tmp_path: Path, words: int, why: str) -> None:
    told: list[str] = []
    with watched() as seen:
        trained(settings(reader, tmp_path / "run"), course(Shouting(words)), say=told.append)
    reasons = [line["left_out"] for line in signals(tmp_path / "run")]
    assert why in reasons
    assert {*reasons} <= {why, "cut"}
    assert not seen.gradients[0].any()
    assert "a step had nothing to learn from" in told[0]
    assert why in told[0]
    assert steps(tmp_path / "run", f"sdpo/left_out/{why}")[1] == pytest.approx(reasons.count(why) / len(reasons))
