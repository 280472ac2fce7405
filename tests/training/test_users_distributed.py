"""States that condition, on two processes, which torchrun starts and gloo connects."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.cli.terminal import environment, usergym
from usergym.environments.people.gym import HELD, People
from usergym.training import tiny
from usergym.types import Trajectory
from usergym.users.states.prompting import system_prompt

BOTH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "usergym"]


SAID = {
    "stance": [f"{how} {side} it" for how in ("strongly", "somewhat", "mildly") for side in ("supports", "opposes")],
    "emotion": [f"{how} {what}" for how in ("mild", "moderate", "deep") for what in ("anger", "joy")],
}


def conversations(people: People) -> Iterator[dict[str, object]]:
    random = Random(0)
    for task in people.tasks("train"):
        level, thread = task.data["level"], task.opening[0].said
        if level in SAID:
            system = system_prompt(people.hierarchy, level, "", shared=True)
            said = f"<{level}>{random.choice(SAID[level])}</{level}>"
            turns = (("system", system), ("user", thread), ("assistant", said))
            yield {"messages": [{"role": role, "content": words} for role, words in turns]}


@pytest.fixture
def speaker(tmp_path: Path) -> Path:
    """It keeps to the form, and says one thing as often as another."""
    people = People("separate_generation", people=20, posts=4)
    rows = list(conversations(people))
    texts = [text for task in people.tasks("train") for text in (task.opening[0].said,)]
    frames = [system_prompt(people.hierarchy, level, "", shared=True) for level in people.hierarchy.names]
    frames += [f"<{level}>{each}</{level}>" for level in SAID for each in SAID[level]]
    tiny.make(tmp_path / "new", texts, fixed=frames, vocabulary=900, hidden=32, layers=1, heads=2, context=512)
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    usergym(
        *(tmp_path, "train", "sft", "said.jsonl", "--model", tmp_path / "new", "--out", tmp_path / "taught"),
        *("--steps", 40, "--batch", 16, "--micro-batch", 16, "--learning-rate", 2e-2),
    )
    return tmp_path / "taught" / "model"


def test_what_one_process_found_is_built_on_by_the_other(speaker: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = (
        *("train", "users", "--mode", "separate_generation", "--model", speaker, "--out", out, "--people", 20),
        *("--posts", 4, "--prompts", 3, "--group", 4, "--micro-batch", 2, "--steps", 4, "--max-tokens", 40),
        *("--validation", 0, "--eval-every", 0, "--save-every", 4, "--temperature", 1),
    )
    done = subprocess.run(
        [*BOTH, *map(str, arguments)],
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said: list[set[tuple[str, str]]] = []
    held: list[set[tuple[str, str]]] = []
    within: dict[str, set[tuple[str, ...]]] = {}
    for name in ("trajectories.jsonl", "trajectories-1.jsonl"):
        played = [msgspec.json.decode(line, type=Trajectory) for line in (out / name).read_bytes().splitlines()]
        said.append({(each.task.data["context"], text(each)) for each in played if each.reward()})
        held.append({(each.task.data["context"], line) for each in played for line in behind(each)})
        for each in played:
            within.setdefault(each.task.id, set()).add(tuple(behind(each)))
    assert held[0] | held[1] <= said[0] | said[1], "nothing is built on that nobody said"
    # Six of twelve conversations are on each process, so the second of three groups is on both.
    assert (held[0] - said[0]) | (held[1] - said[1]), "some was said in the other process"
    assert all(len(prefixes) == 1 for prefixes in within.values()), "a group is conditioned alike"
    found = json.loads((out / "checkpoints" / "checkpoint-4" / "prefixes.json").read_bytes())["prefixes"]
    assert {*found} == {context for each in said for context, _ in each}


def text(trajectory: Trajectory) -> str:
    return next(turn.message.content for turn in trajectory.turns if turn.speaker == "assistant").strip()


def behind(trajectory: Trajectory) -> list[str]:
    return [line for reward in trajectory.rewards if reward.name == HELD for line in reward.reason.splitlines()]
