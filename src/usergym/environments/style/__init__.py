"""Style: a user with a taste asks for something, and reacts to how it is answered."""

from usergym.environments.style.gym import Style as environment

__all__ = ["environment"]
