"""One file or folder here is one environment; `load` finds it by its name."""

from usergym.environments.base import load, names

__all__ = ["load", "names"]
