"""Flags that mean the same in every verb."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from usergym.types import Sampling

Json = Annotated[bool, Parameter(name="--json", negative="")]


@dataclass
class ReachOptions:
    """How models are reached, and what they may cost."""

    endpoint: Literal["openai", "nims", "vllm"] | None = None
    """Where a model name goes unchanged: OpenAI, NVIDIA NIM, or a vLLM server on localhost:8000."""
    base_url: str | None = None
    """The URL of an OpenAI-compatible endpoint, ending in /v1."""
    api: Literal["chat", "responses"] = "chat"
    """Which of the endpoint's two dialects to speak."""
    deadline: float = 600.0
    """Seconds one reply may take, with all its retries."""
    retries: int = 5
    """How often a call is tried again after a 408, 429, 5xx or a lost connection."""
    max_requests: int | None = None
    """Stop, resumable, before one model call more than this."""
    max_cost: float | None = None
    """Stop, resumable, once this many US dollars are spent."""
    max_total_tokens: int | None = None
    """Stop, resumable, once this many tokens are used."""
    prices: Path | None = None
    """JSON file with prices of your own, {"model": {"input": USD per million tokens, "output": ...}}."""
    context: int = 8192
    """Of a local model: tokens one conversation may have."""
    parallel: int = 4
    """Of a local model: replies that are written at once; memory grows with context x parallel."""
    threads: int | None = None
    """Of a local model: CPUs it may use; one fewer than there are unless given."""
    cache: Annotated[Path | None, Parameter(show_default=False)] = None
    """File of a response cache: the same request and draw is answered from it, free."""

    def __post_init__(self) -> None:
        at_least(0, retries=self.retries, max_cost=self.max_cost)
        at_least(
            1,
            max_requests=self.max_requests,
            max_total_tokens=self.max_total_tokens,
            context=self.context,
            parallel=self.parallel,
            threads=self.threads,
        )
        above_zero(deadline=self.deadline)

    def sampling(self) -> Sampling:
        return Sampling()


@dataclass
class ModelOptions(ReachOptions):
    """How models are reached and asked."""

    temperature: float | None = None
    """Of the agent (in generate: of the model that plays the user); the server's default unless given."""
    top_p: float | None = None
    """Likewise."""
    max_tokens: int | None = None
    """Likewise: longest reply, in tokens. An agent's reply cut there is its own doing, and graded."""
    reasoning_effort: str | None = None
    """Passed to models that reason: low, medium, high."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, temperature=self.temperature, top_p=self.top_p)
        at_least(1, max_tokens=self.max_tokens)

    def sampling(self) -> Sampling:
        return Sampling(self.temperature, self.top_p, self.max_tokens, reasoning_effort=self.reasoning_effort)


@dataclass
class RunOptions:
    """Where a run is kept and how much of it is done."""

    out: str | None = None
    """Run folder; a bare name means runs/NAME. Default: named after environment and model."""
    limit: int | None = None
    """How many tasks."""
    concurrency: int = 64
    """Conversations in flight."""
    seed: int = 0
    """Decides tasks, users and draws."""
    resume: Annotated[bool, Parameter(negative="--fresh")] = True
    """Go on where the run stopped, or start over."""
    plan: Annotated[bool, Parameter(negative="")] = False
    """Print calls, tokens, dollars and disk, and stop before the first call."""
    json: Json = False
    """Print one JSON object instead of tables."""

    def __post_init__(self) -> None:
        at_least(1, limit=self.limit, concurrency=self.concurrency)

    def folder(self, default: str) -> Path:
        """The run folder; `default` names it where --out does not."""
        return run_folder(self.out, default)


def at_least(least: int, **given: float | None) -> None:
    """ValueError that names the flag. NaN is no number either."""
    for name, value in given.items():
        if value is not None and not value >= least:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; give {least} or more")


def above_zero(**given: float | None) -> None:
    """Likewise. Infinity is none either."""
    for name, value in given.items():
        if value is not None and not 0 < value < math.inf:
            wanted = "a number; leave it out for the default" if value == math.inf else "more than 0"
            raise ValueError(f"--{name.replace('_', '-')} is {value}; give {wanted}")


def run_folder(out: str | None, default: str) -> Path:
    """A bare name means runs/NAME."""
    name = out or re.sub(r"[^\w.=-]+", "-", default).strip("-.")
    return Path("runs") / name if "/" not in name and name not in (".", "..") else Path(name)


def identity(**parts: Any) -> dict[str, Any]:
    """What must be the same when a run is resumed, without what was not given."""
    return {key: value for key, value in parts.items() if value is not None}
