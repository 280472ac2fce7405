"""What a token costs: a table in US dollars per million tokens, which a user's own file extends and overrides."""

import re
from importlib import resources
from pathlib import Path

import msgspec

from usergym.types import Usage

FREE = ("local/", "scripted", "fake")
"""Models that run in this process."""


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """US dollars per million tokens."""

    input: float
    output: float
    cached: float | None = None
    """Input read from the server's prompt cache; None: as other input."""
    cache_write: float | None = None
    """Input written to it; None: as other input."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ValueError(f"a price of {value} for {name!r}; give US dollars per million tokens, 0 or more")

    def cost(self, usage: Usage, written: int = 0) -> float:
        """US dollars for `usage`; `written` of its input tokens went into the prompt cache."""
        cached = self.input if self.cached is None else self.cached
        write = self.input if self.cache_write is None else self.cache_write
        plain = usage.input_tokens - usage.cached_tokens - written
        dollars = plain * self.input + usage.cached_tokens * cached + written * write
        return (dollars + usage.output_tokens * self.output) / 1e6


Prices = dict[str, Price]
"""By model name as it is given to usergym: `openai/gpt-4o-mini`."""

_DATED = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


def load(path: str | Path | None = None) -> Prices:
    """The shipped table, with the entries of the JSON file at `path` over it:
    `{"vllm/Qwen/Qwen3-8B": {"input": 0.05, "output": 0.1}}`. ValueError names what is wrong in it."""
    shipped = resources.files("usergym.models").joinpath("prices.json").read_bytes()
    prices = msgspec.json.decode(shipped, type=Prices)
    if path is not None:
        try:
            prices |= msgspec.json.decode(Path(path).read_bytes(), type=Prices)
        except OSError as error:
            raise ValueError(f"prices file {path}: {error.strerror}") from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            form = '{"MODEL": {"input": 0.15, "output": 0.6}}, US dollars per million tokens'
            raise ValueError(f"prices file {path}: {error}; expected {form}") from None
    return prices


def find(prices: Prices, name: str) -> Price | None:
    """The price of the model called `name`; a dated version costs what its undated name costs. None: unknown."""
    if name.startswith(FREE):
        return prices.get(name, Price(0.0, 0.0))
    return prices.get(name) or prices.get(_DATED.sub("", name))
