"""Short SDPO runs in the orchard, and what they should compute, worked out the plain way: one reply at a time, contexts
written by the tokenizer's own chat template, the whole softmax, double precision."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from tests.training.orchard import ASKED, Orchard, OrchardWorld
from tests.training.orchards import course
from tests.training.policies import grown
from usergym.environments.base import World
from usergym.models.base import Model
from usergym.rollouts.engine import Cast
from usergym.training import checkpoints
from usergym.training.courses import Course
from usergym.training.grpo import Trained
from usergym.training.hindsight import TEMPLATES
from usergym.training.sdpo_config import SdpoConfig
from usergym.training.sdpo_run import online
from usergym.types import Message, Task, Trajectory
from usergym.users.base import Participant
from usergym.users.scripted import ScriptedParticipant, replies_in

_made: list[Path] = []


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that plays the orchard and has room for what is said afterwards, made once."""
    if not _made:
        _made.append(grown(tmp_path_factory.mktemp("reader"), context=512))
    return _made[0]


def settings(model: Path, out: Path, **more: Any) -> SdpoConfig:
    small: dict[str, Any] = {
        "steps": 1,
        "prompts": 3,
        "group": 2,
        "micro_batch": 2,
        "max_tokens": 12,
        "max_length": 220,
        "learning_rate": 3e-3,
        "max_grad_norm": 1e9,
        "eval_every": 0,
        "validation": 0,
        "patience": 60.0,
        "track": (),
    }
    bare = (
        {"control": "none", "anchor": 0.0}
        if "estimator" not in more and more.get("sdpo", "usergym") == "usergym"
        else {}
    )
    return SdpoConfig(str(model), out, **{**small, **bare, **more})


def trained(config: SdpoConfig, *courses: Course, cast: Cast | None = None, **more: Any) -> Trained:
    with patch("usergym.training.progress.curves"):
        given = courses or [course(Orchard(asks=3))]
        return online(config, given, cast or Cast(None), **{"say": lambda line: None, **more})


def signals(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "signals.jsonl").read_text().splitlines()]


class Echo(Orchard):
    """Its user says again what they were told, so that no two reactions are alike."""

    def start(self, task: Task) -> World:
        return _EchoWorld(task, self.asks, self.letter)


class _EchoWorld(OrchardWorld):
    def user(self, model: Model | None) -> Participant:
        def line(view: Sequence[Message]) -> str | None:
            place = replies_in(view)
            if place >= self.asks:
                return None
            heard = f" You said {view[-1].content}." if place else ""
            return f"{self.task.id}. {ASKED[place]}{heard}"

        return ScriptedParticipant("user", line)


echo = Echo


@dataclass
class Asked:
    """A reply, and what was said to it."""

    conversation: int
    turn: int
    task: str
    place: int
    """Among the replies of its conversation."""
    start: int
    """Where it begins in the completion."""
    x: list[int]
    behind: Callable[[str], list[int]]
    """(x, o) for a reaction o."""
    y: list[int]
    o: str
    """"" where nobody answered it."""


def asked(tokenizer: Any, played: Sequence[Trajectory], template: str = "neutral") -> list[Asked]:
    return [row for row in replies(tokenizer, played, template) if row.o]


def replies(tokenizer: Any, played: Sequence[Trajectory], template: str = "neutral") -> list[Asked]:
    """Those that nobody answered too."""
    made = []
    for number, trajectory in enumerate(played):
        context, place, begins = [("system", OrchardWorld.system)], 0, 0
        head: list[int] = []
        for turn_number, turn in enumerate(trajectory.turns):
            if turn.speaker == "user":
                context.append(("user", turn.message.content))
                continue
            assert turn.tokens
            y = np.frombuffer(turn.tokens.output_ids, "<i4").tolist()
            x = _with(tokenizer, head, context)
            begins = begins or len(x)
            after = trajectory.turns[turn_number + 1 :]
            said = after[0].message.content if after else ""
            behind = _behind(tokenizer, head, context, template)
            start = len(x) - begins
            made.append(Asked(number, turn_number, trajectory.task.id, place, start, x, behind, y, said))
            head, context, place = x + y, [], place + 1
    return made


def _with(tokenizer: Any, head: list[int], context: list[tuple[str, str]]) -> list[int]:
    messages = [{"role": role, "content": words} for role, words in context]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return [*head, *tokenizer(text, add_special_tokens=False)["input_ids"]]


def _behind(
    tokenizer: Any, head: list[int], context: list[tuple[str, str]], template: str
) -> Callable[[str], list[int]]:
    def behind(reaction: str) -> list[int]:
        words = TEMPLATES[template].text.replace("{reaction}", reaction)
        return _with(tokenizer, head, [*context[:-1], (context[-1][0], context[-1][1] + words)])

    return behind


def exact(folder: Path) -> tuple[Any, Any]:
    """The model in double precision, and its tokenizer."""
    model, tokenizer = checkpoints.load(str(folder))
    return model.double().eval(), tokenizer


def logprobs(model: Any, context: list[int], y: list[int], temperature: float = 1.0) -> torch.Tensor:
    return distributions(model, context, y, temperature).gather(1, torch.tensor(y)[:, None])[:, 0]


def distributions(model: Any, context: list[int], y: list[int], temperature: float = 1.0) -> torch.Tensor:
    """(T, V) log-probabilities."""
    logits = model(input_ids=torch.tensor([context + y])).logits[0, len(context) - 1 : -1]
    said: torch.Tensor = (logits / temperature).log_softmax(-1)
    return said


def signal(model: Any, row: Asked, temperature: float = 1.0) -> torch.Tensor:
    with torch.no_grad():
        with_reaction = logprobs(model, row.behind(row.o), row.y, temperature)
        return with_reaction - logprobs(model, row.x, row.y, temperature)


def gradient(model: Any, loss: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([each.flatten() for each in found]).float()


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert wanted.norm() > 1e-4
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5 * wanted.norm().item())


def advantages(batch: dict[str, torch.Tensor], rows: Sequence[Asked]) -> list[torch.Tensor]:
    """What a trainer gave the tokens of each reply; all others must have none."""
    given = batch["advantages"].clone()
    found = []
    for row in rows:
        place = row.conversation, slice(row.start, row.start + len(row.y))
        found.append(given[place].clone().double())
        given[place] = 0
    assert not given.any()
    return found
