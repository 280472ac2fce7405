"""The settings of a run that trains simulated users. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from usergym.training.grpo_config import GrpoConfig
from usergym.training.run_folder import RunFolder
from usergym.types import Speaker


@dataclass(frozen=True)
class UsersConfig(GrpoConfig):
    """As for GRPO; a step is `prompts` things that people were asked for, each answered `group` times."""

    out: RunFolder = Path("runs/users")
    """Run folder; a bare name means runs/NAME."""
    prompts: int = 16
    """What is asked for in a step: a level of one person's thoughts on one thread each."""
    group: int = 4
    """Answers to each, which are judged against each other."""
    speaker: Annotated[Speaker, Parameter(show=False)] = "assistant"
    """The seat of the agent, in which people speak here."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.speaker != "assistant":
            raise ValueError(
                f"--speaker {self.speaker}: people speak in one seat here, and there is nobody else; leave it out, or "
                "train the user of another gym with `usergym train grpo --speaker user`"
            )
