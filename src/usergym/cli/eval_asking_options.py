"""Flags that verbs share which ask models and have their replies judged."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from usergym.cli.options import Json, ReachOptions, at_least
from usergym.types import Sampling


@dataclass
class AskOptions(ReachOptions):
    """How models are reached and asked."""

    temperature: float = 0.4
    """Of the models that are evaluated; 0: their likeliest words."""
    top_p: float | None = None
    """Likewise; the server's default unless given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, temperature=self.temperature, top_p=self.top_p)

    def sampling(self) -> Sampling:
        return Sampling(self.temperature, self.top_p)


@dataclass
class PlaceOptions:
    """Where it is kept, and how much is done."""

    out: str | None = None
    """Folder for replies and judgements; a bare name means runs/NAME. Default: named after what is evaluated."""
    limit: int = 100
    """Prompts, or of people: contexts, each person's alike many."""
    repeats: int = 1
    """Replies to each."""
    concurrency: int = 16
    """Replies or judgements in flight."""
    seed: int = 0
    """Decides what is asked, draws and the bootstrap."""
    resume: Annotated[bool, Parameter(negative="--fresh")] = True
    """Go on where it stopped, or start over."""
    plan: Annotated[bool, Parameter(name=["--plan", "--dry-run"], negative="")] = False
    """Check everything, print what would be asked of whom, and stop."""
    json: Json = False
    """Print one JSON object instead of tables."""

    def __post_init__(self) -> None:
        at_least(1, limit=self.limit, repeats=self.repeats, concurrency=self.concurrency)
