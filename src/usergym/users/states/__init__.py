"""What a person holds before they speak: levels of a hierarchy, the prompts that ask for them, the texts read back."""

from usergym.users.states.parsing import States, over_limit, parse_states, parse_whole, written
from usergym.users.states.spec import Hierarchy, HierarchyError, Level, load, names

__all__ = [
    "Hierarchy",
    "HierarchyError",
    "Level",
    "States",
    "load",
    "names",
    "over_limit",
    "parse_states",
    "parse_whole",
    "written",
]
