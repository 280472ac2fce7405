"""A run's folder as it was typed: what has a separator in it stays where it points, and a bare name means runs/NAME."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter


def as_typed(kind: object, typed: Sequence[Any]) -> Path:
    """A path drops the dot of ./x and the end of x/, which would make bare names of them."""
    (token,) = typed
    folder = Path(token.value)
    return folder if "/" in str(folder) or "/" not in token.value else folder.absolute()


RunFolder = Annotated[Path, Parameter(converter=as_typed)]
