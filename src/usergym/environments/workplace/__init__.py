"""An assistant in an office: mail, calendar, website traffic, project boards and customers, 27 tools."""

from usergym.environments.workplace.office import Office
from usergym.environments.workplace.verdict import outcome_reward
from usergym.environments.workplace.world import Workplace as environment

__all__ = ["Office", "environment", "outcome_reward"]
