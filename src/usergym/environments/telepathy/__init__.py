"""Twenty questions: the user thinks of something, the agent asks what can be answered with yes or no, and names it."""

from usergym.environments.telepathy.world import Telepathy as environment

__all__ = ["environment"]
