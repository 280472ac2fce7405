"""Flags of `usergym eval users`: who is simulated, who is asked, who judges, and where it is kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from usergym.cli.options import Json, ReachOptions, at_least
from usergym.evaluation.users import Play
from usergym.types import Sampling


@dataclass
class PeopleOptions:
    """Who is simulated, and what is asked for."""

    split: Literal["train", "validation", "test"] = "test"
    """Which people."""
    config: Annotated[str, Parameter(name=["--mode", "--config"])] = "separate_system_prompt"
    """How levels are asked for: a mode of docs/states.md, the same for all models."""
    hierarchy: str = ""
    """The levels: a shipped hierarchy or a JSON file. Default: that of the mode."""
    levels: str = ""
    """Ask for these levels only, a+b."""
    people: int = 300
    """Without data: so many people of the synthetic population."""
    posts: int = 60
    """Without data: so many posts they write about."""
    population_seed: int = 0
    """Without data: which population."""
    thinking: int = 512
    """Tokens of free thought before a reply, in modes that think."""
    controls: Annotated[tuple[Literal["shuffled", "none"], ...], Parameter(negative="", consume_multiple=True)] = ()
    """Ask again in the same contexts with another person's persona, or none: a model that knows people does worse."""
    plays: Annotated[tuple[Play, ...], Parameter(negative="", consume_multiple=True)] = ("asked", "spoken")
    """asked: each level by itself. spoken: states first, then the words in sight of them."""

    def __post_init__(self) -> None:
        at_least(1, people=self.people, posts=self.posts)
        at_least(0, thinking=self.thinking)
        self.controls = tuple(dict.fromkeys(self.controls))
        self.plays = tuple(dict.fromkeys(self.plays))


@dataclass
class AskOptions(ReachOptions):
    """How models are reached and asked."""

    temperature: float = 0.4
    """Of the models that are evaluated."""
    top_p: float | None = None
    """Likewise; the server's default unless given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, temperature=self.temperature, top_p=self.top_p)

    def sampling(self) -> Sampling:
        return Sampling(self.temperature, self.top_p)


@dataclass
class JudgeOptions:
    """Who judges, beside the overlap of words."""

    judge_model: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = ()
    """Models that judge; two of different families tell how far to believe one. The first one's numbers are shown."""
    human: Path | None = None
    """The export of a study on these texts (usergym study export FOLDER --json --out FILE): how far judges agree with
    people."""
    embedding_model: str | None = None
    """Adds the cosine of embeddings, and energy distance on them: openai/text-embedding-3-large, http://HOST/v1/M,
    local/PATH.gguf."""


@dataclass
class PlaceOptions:
    """Where it is kept, and how much is done."""

    out: str | None = None
    """Folder for replies and results; a bare name means runs/NAME. Default: named after the models."""
    limit: int = 100
    """Contexts, each person's alike many."""
    repeats: int = 1
    """Replies to each; with several, calibration is of their mean."""
    concurrency: int = 16
    """Replies or judgements in flight."""
    seed: int = 0
    """Decides contexts, draws and the bootstrap."""
    resume: Annotated[bool, Parameter(negative="--fresh")] = True
    """Go on where it stopped, or start over."""
    plan: Annotated[bool, Parameter(name=["--plan", "--dry-run"], negative="")] = False
    """Check everything, print what would be asked of whom, and stop."""
    json: Json = False
    """Print one JSON object instead of tables."""

    def __post_init__(self) -> None:
        at_least(1, limit=self.limit, repeats=self.repeats, concurrency=self.concurrency)
