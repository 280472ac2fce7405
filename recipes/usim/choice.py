"""Which configuration is meant: the documented key, or what the documented switches turn it into."""

from collections.abc import Mapping
from dataclasses import dataclass

from settings import Variables

from usergym.users.states.modes import MODES, Mode
from usergym.users.states.spec import Hierarchy, load

SWITCHES = {
    "ENABLE_THINKING": "thinking",
    "ENABLE_HIERARCHY": "conditioned",
    "SEPARATE_GENERATION": "separate",
    "USE_DIFF_H_SYS_PROMPTS": "own_prompts",
}
"""The variables of what a mode is."""


@dataclass(frozen=True)
class Choice:
    mode: Mode
    hierarchy: Hierarchy
    config: str
    """HIERARCHY_CONFIG where it is given."""
    notes: tuple[str, ...]


def chosen(key: Mode, v: Variables) -> Choice:
    """ValueError for switches that no configuration has together, and for a hierarchy that cannot be used."""
    config = v.text("HIERARCHY_CONFIG")
    hierarchy = load(config or key.levels)
    v.shown["HIERARCHY_CONFIG"] = config or key.levels
    own = _switches(key)
    wanted = {name: switch(v, name, own[name]) for name in SWITCHES}
    if wanted == own:
        return Choice(key, hierarchy, config, ())
    found = _turned_into(key, wanted)
    notes = [] if found == key else [f"with these variables CONFIG {key.name} is {found.name}"]
    unused = [f"{name}={wanted[name]}" for name, value in _switches(found).items() if wanted[name] != value]
    if unused:
        why = "states stand in no other level's prompt" if found.own_prompts else "it has one level"
        notes.append(f"{', '.join(unused)} changes nothing in {found.name}: {why}")
    return Choice(found, hierarchy, config, tuple(notes))


def switch(v: Variables, name: str, default: bool) -> bool:
    value = v.text(name, str(default)).capitalize()
    if value not in ("True", "False"):
        raise ValueError(f"{name}={v.text(name)!r}: expected True or False")
    v.shown[name] = value
    return value == "True"


def _switches(mode: Mode) -> Mapping[str, bool]:
    return {name: getattr(mode, field) for name, field in SWITCHES.items()}


def _turned_into(key: Mode, wanted: Mapping[str, bool]) -> Mode:
    """The configuration of the same levels that has what is wanted, as far as it means anything there."""
    alike = [each for each in MODES.values() if each.trains and each.levels == key.levels]
    several = any(each.separate or each.conditioned for each in alike)
    for each in alike:
        free = {"ENABLE_HIERARCHY"} if each.own_prompts else set()
        counting = set(SWITCHES) - free if several else {"ENABLE_THINKING"}
        if all(_switches(each)[name] == wanted[name] for name in counting):
            return each
    asked = " ".join(f"{name}={value}" for name, value in wanted.items())
    there = "; ".join(
        f"{each.name}: {', '.join(name for name, value in _switches(each).items() if value) or 'none of them'}"
        for each in alike
    )
    raise ValueError(f"no configuration has {asked}. Those of the same levels, with what is True in them: {there}")
