"""Whether a run can build on prefixes that it did not find itself: of its data and levels, and as it writes them."""

from collections.abc import Callable, Sequence

from usergym.environments.people.contexts import Context
from usergym.environments.people.reservoir import Prefix
from usergym.users.states import Hierarchy, over_limit
from usergym.users.states.parsing import word_count
from usergym.users.states.speaking import holds_tags


def fits(contexts: Sequence[Context], hierarchy: Hierarchy) -> Callable[[str, str, Prefix], None]:
    """A check of context, level and prefix, which raises ValueError for one that cannot be built on."""
    known = {context.id for context in contexts}
    names = hierarchy.names

    def check(context: str, level: str, prefix: Prefix) -> None:
        if context not in known:
            raise ValueError(f"context {context!r} is not in the data")
        for name in (level, *prefix.states):
            if name not in names:
                raise ValueError(f"no level {name!r} in the hierarchy {hierarchy.name}")
        if list(prefix.states) != [name for name in names if name in prefix.states]:
            raise ValueError(f"the levels {', '.join(prefix.states)} are not in the order of {', '.join(names)}")
        for name, text in prefix.states.items():
            _check(name, text, hierarchy)
        for name, long in over_limit(prefix.states, hierarchy).items():
            raise ValueError(f"the state {name!r} has {long}")

    return check


def _check(name: str, text: str, hierarchy: Hierarchy) -> None:
    if holds_tags(text, hierarchy):
        raise ValueError(f"the state {name!r} holds tags: {text!r:.80}")
    if word_count(text) > hierarchy.level(name).max_tokens:  # no word has less than one token
        raise ValueError(f"the state {name!r} is longer than its {hierarchy.level(name).max_tokens:,} tokens")
