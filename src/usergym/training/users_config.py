"""The settings of a run that trains simulated users. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from usergym.training.grpo_config import GrpoConfig
from usergym.training.run_folder import RunFolder


@dataclass(frozen=True)
class UsersConfig(GrpoConfig):
    """As for GRPO; a step is `prompts` things that people were asked for, each answered `group` times."""

    out: RunFolder = Path("runs/users")
    """Run folder; a bare name means runs/NAME."""
    prompts: int = 16
    """What is asked for in a step: a level of one person's thoughts on one thread each."""
    group: int = 4
    """Answers to each, which are judged against each other."""
