"""The tools of both domains: functions of a desk and the published arguments, which answer with the published texts.

Two kinds of published bug are kept, since agreement is text for text: what a tool forgets to update (the cabin of a
changed reservation) and the faults that it shows as they come (`Error: 'HAT001'`).
"""

from collections.abc import Callable, Mapping

from usergym.environments.tau.tools import airline, retail, shared

TRANSFER = "transfer_to_human_agents"
"""The tool that ends a conversation."""


def _published(functions: Mapping[str, Callable[..., str]]) -> dict[str, Callable[..., str]]:
    """Python names a function when arguments are missing or unknown, so each gets the name that is published."""
    for name, function in functions.items():
        kind = "".join(map(str.capitalize, name.split("_")))
        function.__qualname__ = f"{kind}.invoke"
    return dict(functions)


TOOLS: dict[str, dict[str, Callable[..., str]]] = {
    "airline": _published({**shared.TOOLS, **airline.TOOLS}),
    "retail": _published({**shared.TOOLS, **retail.TOOLS}),
}
WRITES = {"airline": frozenset(airline.WRITES), "retail": frozenset(retail.WRITES)}
"""Tools that change the database."""
