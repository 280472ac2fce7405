"""Intention: somebody asks for something without saying enough; the agent finds out what is missing by asking."""

from usergym.environments.intention.gym import Intention as environment

__all__ = ["environment"]
