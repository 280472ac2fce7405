"""Flags of `usergym eval style`: how replies are asked for, and who judges them."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from usergym.cli.eval_asking_options import AskOptions
from usergym.cli.options import at_least
from usergym.judges.pairwise import LONGEST
from usergym.judges.rules import MARGIN
from usergym.judges.verdicts import AXES, MAIN, Axis
from usergym.types import Sampling


@dataclass
class ReplyOptions(AskOptions):
    """How models are reached, and how those that are compared are asked."""

    temperature: float = 0.0
    """Of the models that are compared; 0: their likeliest words."""
    max_tokens: int = 512
    """Longest reply, in tokens. A reply cut there is left out and counted, unless --keep-cut."""

    def __post_init__(self) -> None:
        super().__post_init__()
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
