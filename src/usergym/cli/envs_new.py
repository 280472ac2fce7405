"""`usergym envs new`: a working environment in one file, and its test, to change into your own."""

import keyword
import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from usergym.cli.errors import told_in_one_line
from usergym.cli.options import Json
from usergym.cli.tables import console, print_json

FOLDER = "gyms"
"""Where a name without dots goes, so that it is found by a dotted path."""


@told_in_one_line
def envs_new(name: str, /, *, json: Json = False) -> None:
    """Write a working environment in one file, and its test, into the current folder.

    Both run as they are; change them into what you want to train on.

    Examples:

        usergym envs new lamp
        usergym envs new my_company.support_desk

    Parameters
    ----------
    name
        What it is called: lamp becomes gyms/lamp.py, my_company.support_desk becomes my_company/support_desk.py.
    json
        Print one JSON object.
    """
    if not name.strip():
        raise ValueError("the name is empty; give one, such as lamp or my_company.support_desk")
    module = name if "." in name else f"{FOLDER}.{name}"
    parts = module.split(".")
    if wrong := [part for part in parts if not part.isidentifier() or keyword.iskeyword(part)]:
        raise ValueError(f"{name}: {wrong[0]!r} is no name in Python; give letters, digits and underscores")
    if taken := [part for part in parts if re.fullmatch(r"__\w*__", part)]:
        raise ValueError(f"{name}: {taken[0]!r} has a meaning of its own in Python; give another name, such as lamp")
    source = Path(*parts).with_suffix(".py")
    test = Path(f"test_{parts[-1]}.py")
    _refuse_taken(parts[0])
    for path in (source, test):
        if path.exists():
            raise ValueError(f"{path} exists; give another name, or move it away")
    source.parent.mkdir(parents=True, exist_ok=True)
    words = {
        "TITLE": parts[-1].replace("_", " ").capitalize(),
        "CLASS": "".join(part.capitalize() for part in parts[-1].split("_")) or "Own",
        "MODULE": module,
    }
    for path, template in ((source, "environment.py.txt"), (test, "test_environment.py.txt")):
        text = (files("usergym.cli") / "templates" / template).read_text(encoding="utf-8")
        path.write_text(re.sub("|".join(words), lambda found: words[found.group()], text), encoding="utf-8")
    commands = (f"usergym rollout --env {module} --model oracle --limit 20", f"pytest {test}")
    if json:
        print_json({"name": module, "environment": str(source), "test": str(test), "commands": commands})
        return
    console.print(f"{source} and {test} are written. Next:", highlight=False)
    for command in commands:
        console.print(f"  {command}", highlight=False)


def _refuse_taken(package: str) -> None:
    """ValueError where a package of that name would be imported from elsewhere."""
    found = find_spec(package)
    places = (
        [] if found is None else [Path(each).resolve() for each in found.submodule_search_locations or ["elsewhere"]]
    )
    if places and Path(package).resolve() not in places:
        raise ValueError(f"{package} is the name of something that is installed; give another name")
