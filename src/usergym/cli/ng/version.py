"""`ng_version`: what is installed."""

import os
import platform
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Annotated

import msgspec

from usergym import __version__
from usergym.cli.ng.command import Command, says
from usergym.cli.ng.overrides import Override


class Version(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters."""

    json: Annotated[bool, msgspec.Meta(description="Print one JSON object.")] = False


def versions() -> dict[str, str]:
    """This package, Python, the system, and every package that the core needs, and which extras are whole."""
    import re

    found = {"usergym": __version__, "python": platform.python_version(), "system": platform.platform(terse=True)}
    found["cpus"] = str(os.cpu_count() or 1)
    extras: dict[str, bool] = {}
    for requirement in requires("usergym") or ():
        name = re.split(r"[^\w.-]", requirement)[0]
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = ""
        if extra := re.search(r"extra == ['\"]([\w-]+)['\"]", requirement):
            # One of our own extras inside another is as much there as what it names.
            extras[extra[1]] = extras.get(extra[1], True) and bool(installed)
        else:
            found[name] = installed or "not installed"
    found["extras"] = ", ".join(name for name, whole in sorted(extras.items()) if whole) or "none"
    if lacking := [name for name, whole in sorted(extras.items()) if not whole]:
        found["extras not installed"] = ", ".join(lacking)
    return found


def show(parameters: Version, overrides: list[Override]) -> None:
    found = versions()
    if parameters.json:
        print(msgspec.json.encode(found).decode())
        return
    says("usergym --version, and the versions of what it needs")
    width = max(map(len, found))
    for name, value in found.items():
        print(f"{name:<{width}}  {value}")


COMMAND = Command(
    "ng_version",
    "Prints the versions of this package, of Python and of what it depends on.",
    Version,
    show,
    ("ng_version", "ng_version +json=true"),
)


def main() -> None:
    COMMAND.main()
