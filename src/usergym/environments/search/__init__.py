"""Questions that are answered by searching: over generated worlds, a collection of one's own, or the web."""

from usergym.environments.search.world import Search as environment

__all__ = ["environment"]
