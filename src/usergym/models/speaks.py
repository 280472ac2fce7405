"""Models that speak as a person, which write words and little else: what a seat must know of them before it asks."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from usergym.models.base import Model
from usergym.models.sampled import SampledModel


@runtime_checkable
class Speaks(Protocol):
    """Is told who it is in the system message and what was said in the others, and follows no instruction beside."""

    def cannot_write(self, schema: Mapping[str, Any]) -> str | None:
        """Why it cannot reply in JSON of this schema; None where it can."""
        ...


def person(model: Model) -> Speaks | None:
    """The model as one that speaks as a person, whatever sampling is put around it; None for any other."""
    inner = model.model if isinstance(model, SampledModel) else model
    return inner if isinstance(inner, Speaks) else None
