"""Flags of `usergym eval style`: how replies are asked for, who judges them, and where it is kept."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from usergym.cli.options import Json, ReachOptions, at_least
from usergym.judges.pairwise import LONGEST
from usergym.judges.rules import MARGIN
from usergym.judges.verdicts import AXES, MAIN, Axis
from usergym.types import Sampling


@dataclass
class ReplyOptions(ReachOptions):
    """How models are reached, and how those that are compared are asked."""

    temperature: float = 0.0
    """Of the models that are compared; 0: their likeliest words."""
    top_p: float | None = None
    """Likewise; the server's default unless given."""
    max_tokens: int = 512
    """Longest reply, in tokens. A reply cut there is left out and counted, unless --keep-cut."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, temperature=self.temperature, top_p=self.top_p)
        at_least(1, max_tokens=self.max_tokens)

    def sampling(self) -> Sampling:
        return Sampling(self.temperature, self.top_p, self.max_tokens)


@dataclass
class JudgeOptions:
    """Who judges, and how."""

    judge_model: str | None = None
    """Judges every pair in both orders. Default: the exact rules of the style, without a model."""
    axes: Annotated[tuple[Axis, ...], Parameter(negative="", consume_multiple=True)] = AXES
    """What such a model is asked about, always style; a verdict for each."""
    judge_temperature: float = 0.0
    """Of such a model."""
    judge_tokens: int = 1024
    """Of its answer, its reasoning included."""
    longest: int = LONGEST
    """Characters of request and replies; a longer pair is not judged, and counted. Nothing is cut."""
    margin: float = MARGIN
    """By how much the larger exact score must be larger to win by the rules."""

    def __post_init__(self) -> None:
        at_least(0, judge_temperature=self.judge_temperature, margin=self.margin)
        at_least(1, longest=self.longest, judge_tokens=self.judge_tokens)
        if self.margin >= 1:
            raise ValueError(f"--margin is {self.margin}; give less than 1, the largest score")
        if MAIN not in self.axes:
            self.axes = (MAIN, *self.axes)


@dataclass
class PlaceOptions:
    """Where it is kept, and how much is done."""

    out: str | None = None
    """Folder for replies and verdicts; a bare name means runs/NAME. Default: named after style and models."""
    limit: int = 100
    """Prompts."""
    samples: int = 1
    """Replies to each prompt."""
    concurrency: int = 16
    """Replies or verdicts in flight."""
    seed: int = 0
    """Decides prompts, draws and the bootstrap."""
    resume: Annotated[bool, Parameter(negative="--fresh")] = True
    """Go on where it stopped, or start over."""
    plan: Annotated[bool, Parameter(name=["--plan", "--dry-run"], negative="")] = False
    """Check everything, print what would be asked of whom, and stop."""
    json: Json = False
    """Print one JSON object instead of tables."""

    def __post_init__(self) -> None:
        at_least(1, samples=self.samples, concurrency=self.concurrency)
        at_least(2, limit=self.limit)
