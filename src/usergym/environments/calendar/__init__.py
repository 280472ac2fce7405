"""Calendar: a user adds events and constraints turn by turn, the agent keeps a schedule without conflicts."""

from usergym.environments.calendar.grading import Grade, grade
from usergym.environments.calendar.world import Calendar as environment

__all__ = ["Grade", "environment", "grade"]
