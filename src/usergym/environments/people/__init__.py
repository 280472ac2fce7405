"""People: the agent speaks as a given person, and is graded by what that person thought and wrote."""

from usergym.environments.people.gym import People as environment

__all__ = ["environment"]
