"""Persuasion: somebody strongly agrees with a claim; the agent moves them, argument by argument, to disagree."""

from usergym.environments.persuasion.gym import Persuasion as environment

__all__ = ["environment"]
