"""Planning a trip for somebody who says little: search, ask, and choose one best option for each thing needed."""

from usergym.environments.travel.gym import Travel as environment

__all__ = ["environment"]
