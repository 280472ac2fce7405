"""The variables of a script, read from the environment: what is asked for is what a dry run lists."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from usergym.training.record import without_secrets
from usergym.types import stable_hash

SECRETS = ("HF_TOKEN", "WANDB_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY")
"""Passed on as they are, and shown as set or not set."""
ELSEWHERE = ("REPO_ROOT", "TRAIN_SCRIPT", "PREP_SCRIPT")
"""Known to the published scripts, and without a meaning here."""


class Variables:
    """ValueError names the variable whose text is no such value."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.shown: dict[str, str] = {}

    def text(self, name: str, default: str = "") -> str:
        value = self.environ.get(name) or default
        self.shown[name] = value
        return value

    def path(self, name: str, default: str = "") -> Path | None:
        value = self.text(name, default)
        return Path(value).expanduser() if value else None

    def whole(self, name: str, least: int = 1) -> int:
        value = self.text(name)
        if not re.fullmatch(r"[0-9]{1,12}", value.strip()) or int(value) < least:
            raise ValueError(f"{name}={value!r}: expected a whole number, {least} or more")
        return int(value)

    def number(self, name: str, above: bool = True) -> float:
        value = self.text(name)
        try:
            found = float(value)
        except ValueError:
            found = float("nan")
        if not 0 <= found < float("inf") or (above and not found):
            raise ValueError(f"{name}={value!r}: expected a number, {'more than 0' if above else '0 or more'}")
        return found

    def steps(self, name: str) -> tuple[int, ...]:
        """Numbers divided by spaces or commas; `all` is none of them."""
        parts = self.text(name).replace(",", " ").split()
        if parts == ["all"]:
            return ()
        if not parts or not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
            raise ValueError(f"{name}={self.text(name)!r}: expected steps such as '3 6 9', or all")
        return tuple(map(int, parts))

    def choice(self, name: str, among: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in among:
            raise ValueError(f"{name}={value!r}: expected {' or '.join(among)}")
        return value

    def yes(self, name: str) -> bool:
        return self.choice(name, ("true", "false")) == "true"

    def run_id(self, named: Sequence[str], extras: Sequence[str]) -> str:
        """Of the settings themselves, so that the same command goes on with its run, and another begins another."""
        told = "-".join(re.sub(r"[^\w.=+-]+", "_", part).strip("_.")[:40] for part in named)
        key = stable_hash(*sorted(self.shown.items()), *extras) & 0xFFFFFFFF
        name = self.environ.get("RUN_ID") or f"{told}-{key:08x}"
        if "/" in name or name in (".", ".."):
            raise ValueError(f"RUN_ID={name!r}: expected the name of a folder; OUTPUT_DIR takes a whole path")
        self.shown["RUN_ID"] = name
        return name

    def output(self, name: str, default: str) -> Path:
        return Path(self.text(name, default)).expanduser()

    def cache(self) -> dict[str, str]:
        """What CACHE_DIR adds to the environment: the hub's files go there, and its token stays where it is."""
        folder = self.text("CACHE_DIR")
        return {"HF_HUB_CACHE": f"{folder}/hub", "HF_DATASETS_CACHE": f"{folder}/datasets"} if folder else {}

    def table(self) -> list[str]:
        names = [*self.shown, *SECRETS]
        width = max(map(len, names))
        told = {name: printable(value) or "not set" for name, value in self.shown.items()}
        told |= {name: "set" if self.environ.get(name) else "not set" for name in SECRETS}
        return [f"{name:{width}}  {told[name]}" for name in names]

    def unused(self) -> list[str]:
        return [f"{name} has no meaning here, and is not used" for name in ELSEWHERE if self.environ.get(name)]


def several(count: int, noun: str) -> str:
    """`1 step`, `1,200 steps`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def printable(value: str) -> str:
    return without_secrets(value if value.isprintable() else ascii(value))


def folder(path: Path) -> str:
    """A path that usergym takes for one: a bare name would be a name in runs/."""
    if "/" not in str(path):
        return str(path.absolute())
    return str(path) if path.is_absolute() or str(path).startswith("..") else f"./{path}"
