"""What a step of multi-turn GRPO spends beside TRL's own generation, forward and backward passes and optimizer.

    python benchmarks/training.py                          # a model of 2 million weights, made on the spot
    python benchmarks/training.py --model local/smollm2    # SmolLM2-135M; --steps 2 takes some minutes on a CPU

32 conversations of 4 turns with a rule-based user, replies of 32 tokens. Ours is users, tools and rewards, chat
templates, rows of tokens, credit and the file of conversations; what TRL does between generation and training (padding,
decoding, metrics) is counted apart and belongs to neither. The first step warms up and is not counted.
"""

import argparse
import json
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from usergym.environments.base import Environment, World
from usergym.models.base import Model
from usergym.rollouts.engine import Cast
from usergym.training import grpo, tiny, trl_seam
from usergym.training.courses import Course
from usergym.training.grpo_config import GrpoConfig
from usergym.training.policy import Sampled
from usergym.types import Reward, Speaker, Task
from usergym.users.base import Participant
from usergym.users.scripted import ScriptedParticipant

TURNS, PROMPTS, GROUP, TOKENS = 4, 4, 8, 32
LINES = [f"This is message {n} of the user, about as long as such a message usually is." for n in range(TURNS)]
SYSTEM = "You help people with their plans. " * 20


class Chat(World):
    system = SYSTEM

    def user(self, model: Model | None) -> Participant:
        return ScriptedParticipant("user", LINES)

    async def hears(self, speaker: Speaker, words: str) -> None:
        if speaker == "assistant":
            self.reward("even", float(len(words) % 2))

    async def score(self) -> list[Reward]:
        return [Reward("done", 1.0)]


class ChatEnvironment(Environment):
    max_replies = TURNS

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        for number in range(1000):
            yield Task(f"chat-{number}", "chat")

    def start(self, task: Task) -> World:
        return Chat(task)


class Clock:
    """Adds up the seconds that methods take."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.steps: list[dict[str, float]] = []

    def watch(self, owner: Any, method: str, name: str) -> None:
        inner: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **more: Any) -> Any:
            started = time.perf_counter()
            try:
                return inner(*args, **more)
            finally:
                self.seconds[name] += time.perf_counter() - started

        setattr(owner, method, timed)

    def step(self) -> None:
        self.steps.append(dict(self.seconds))
        self.seconds.clear()


def ending_replies() -> None:
    """An untrained model never ends a reply: its last token is made the end, so that there are four turns."""
    generated = trl_seam.ConversationTrainer._generated

    def ended(self: Any, prompts: list[list[int]]) -> list[Sampled]:
        return [Sampled([*each.ids[: TOKENS - 1], self.chat.end_ids[0]]) for each in generated(self, prompts)]

    trl_seam.ConversationTrainer._generated = ended  # type: ignore[method-assign]


def watched() -> Clock:
    clock, trainer = Clock(), trl_seam.ConversationTrainer
    ending_replies()
    clock.watch(trainer, "_generate_single_turn", "generation")
    clock.watch(trainer, "_prepare_inputs", "batch")
    clock.watch(trainer, "training_step", "passes and batch")
    clock.watch(trainer, "played", "played")
    clock.watch(trainer, "_advantages", "credit")
    clock.watch(trl_seam, "member_of", "rows")
    inner = trl_seam.ConversationTrainer.__init__

    def made(self: Any, *args: Any, **more: Any) -> None:
        inner(self, *args, **more)
        clock.watch(self, "keep", "files")
        self.add_callback(_Steps(clock))

    trl_seam.ConversationTrainer.__init__ = made  # type: ignore[method-assign]
    return clock


class _Steps(trl_seam.Pauses):
    def __init__(self, clock: Clock) -> None:
        super().__init__(1, False)
        self.clock = clock
        self.began = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self.clock.seconds["step"] = time.perf_counter() - self.began
        self.clock.step()


def shares(clock: Clock) -> dict[str, float]:
    """Mean seconds of a step by what they went to; `step` is their sum."""
    steps = clock.steps[1:]
    mean = {name: sum(step.get(name, 0.0) for step in steps) / len(steps) for name in clock.steps[0]}
    conversations = mean["played"] - mean["generation"] - mean["rows"] - mean["files"]
    ours = {
        "users, rewards, templates": conversations,
        "rows of tokens": mean["rows"],
        "credit": mean["credit"],
        "file of conversations": mean["files"],
    }
    passes = mean["passes and batch"] - mean["batch"]
    return {
        "generation": mean["generation"],
        "forward, loss, backward": passes,
        "optimizer and logging": mean["step"] - mean["passes and batch"],
        "TRL between the two": mean["batch"] - mean["played"] - mean["credit"],
        **ours,
        "ours": sum(ours.values()),
        "step": mean["step"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a checkpoint in place of the one that is made")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    clock = watched()
    with tempfile.TemporaryDirectory() as folder:
        texts = [*LINES, SYSTEM]
        model = options.model or str(tiny.make(Path(folder) / "tiny", texts, fixed=[SYSTEM], vocabulary=2048))
        config = GrpoConfig(
            model,
            Path(folder) / "run",
            steps=options.steps + 1,
            prompts=PROMPTS,
            group=GROUP,
            micro_batch=8,
            max_tokens=TOKENS,
            eval_every=0,
            validation=0,
            patience=60,
            lora=options.lora,
            track=(),
        )
        grpo.train(config, [Course("chat", ChatEnvironment(), ChatEnvironment().tasks)], Cast(None))
        lines = [json.loads(line) for line in (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()]
    found = shares(clock)
    tokens = lines[-1]["completions/mean_length"] * PROMPTS * GROUP
    told = {
        "model": options.model or "tiny",
        "seconds": found,
        "ours_share": found["ours"] / found["step"],
        "sampled_tokens_per_second": tokens / found["generation"],
        "step_tokens_per_second": tokens / found["step"],
        "peak_rss_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    if options.json:
        print(json.dumps(told))
        return
    table = Table("", "ms a step", "share", title=f"{told['model']}: {PROMPTS * GROUP} conversations of {TURNS} turns")
    for name, seconds in found.items():
        if name in ("ours", "step"):
            table.add_section()
        table.add_row(name, f"{1000 * seconds:,.1f}", f"{seconds / found['step']:.1%}")
    console = Console(width=100)
    console.print(table)
    console.print(
        f"{told['sampled_tokens_per_second']:,.0f} tokens/s while generating, {told['step_tokens_per_second']:,.0f} "
        f"over the whole step; peak memory {told['peak_rss_gib']:.2f} GiB"
    )


if __name__ == "__main__":
    main()
