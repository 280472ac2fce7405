"""Flags of `usergym eval users`: who is simulated, what is asked for, and who judges."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from usergym.cli.options import at_least
from usergym.evaluation.users import Play


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
