"""Lateral-thinking puzzles: a strange scene, and the story behind it to be found by questions of yes and no."""

from usergym.environments.turtle.world import Turtle as environment

__all__ = ["environment"]
