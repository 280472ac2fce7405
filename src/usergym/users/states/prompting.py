"""Prompts from the schema: what somebody is told who is to write one level of a hierarchy, or all of them."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from usergym.users.states.parsing import without_tags
from usergym.users.states.spec import Hierarchy, Level

PROMPTS = Path(__file__).parent / "prompts"
SLOTS = ("persona", "habits", "held", "task", "thinking", "format")
"""What a prompt file may hold in braces; everything else in it stays as it is."""

_SLOT = re.compile("{(" + "|".join(SLOTS) + ")}")


def system_prompt(
    hierarchy: Hierarchy,
    level: str | None,
    persona: str | Mapping[str, Any],
    *,
    tags: bool = True,
    thinking: bool = False,
    prefix: Mapping[str, str] = {},
    shared: bool = False,
) -> str:
    """The prompt for one level, or with None for all levels that `prefix` does not hold yet.

    `prefix` has the states held so far: a level is told those that it needs, all levels together all of them.
    `shared`: one level is asked for by the prompt of the whole hierarchy, not by its own. Without `tags`, or for a
    level that is written bare, there is no format section. The file of a level fills `SLOTS`; a paragraph whose slots
    are all empty is left out.

    LookupError for an unknown level, also in `prefix`; ValueError where nothing is left to write, or several texts
    were to be told apart without tags.
    """
    for name in prefix:
        hierarchy.level(name)
    asked = (
        [hierarchy.level(level)] if level is not None else [one for one in hierarchy.levels if one.name not in prefix]
    )
    needed = hierarchy.before(level) if level is not None else hierarchy.levels
    tags = tags and hierarchy.tagged
    if not asked:
        raise ValueError(f"all levels of {hierarchy.name} are in the prefix; nothing is left to write")
    if len(asked) > 1 and not tags:
        raise ValueError(f"{len(asked)} texts ({', '.join(hierarchy.names)}) cannot be told apart without tags")
    parts = _parts()
    slots = {
        "persona": persona_text(persona),
        "habits": parts["habits"].strip(),
        "held": _held(hierarchy, needed, prefix),
        "task": _task(hierarchy.levels if shared else asked, asked, tags),
        "thinking": parts["thinking"].strip() if thinking else "",
        "format": _format(asked) if tags else "",
    }
    own = asked[0].template if level is not None and not shared else _common(hierarchy)
    return _filled(own or _file("person.md"), slots)


def persona_text(persona: str | Mapping[str, Any]) -> str:
    """A persona as lines: a text as it is, a table (or its JSON text) one line a field, whatever is empty left out.

    Each line is indented, so that no text of a persona can pass for a line of the prompt.
    """
    table = _table(persona) if isinstance(persona, str) else persona
    if table is None:
        lines = str(persona).strip().splitlines()
    else:
        told = ((key, _told(value)) for key, value in table.items())
        lines = [f"{_field(key)}: {words}" for key, words in told if words]
    return "\n".join(f"  {line}" for line in lines if line.strip()) or f"  {_parts()['nobody']}"


def transcript(turns: Sequence[tuple[str, str]]) -> str:
    """Named turns as one text: `name: words`, an empty line between turns, further lines of a turn indented.

    So whatever somebody wrote, only a turn begins at the left margin.
    """
    return "\n\n".join(_turn(name, words) for name, words in turns)


def room(
    hierarchy: Hierarchy,
    level: str | None,
    *,
    tags: bool = True,
    thinking: int = 0,
    count: Callable[[str], int] | None = None,
) -> int:
    """The most tokens that a generation of one level, or of all of them (None), may take: the cap of each text, its
    tags, and `thinking` tokens before it.

    `count` gives the tokens of a text; without it a tag is taken for one token every two letters, which is enough
    for every vocabulary of words or pieces.
    """
    asked = [hierarchy.level(level)] if level is not None else hierarchy.levels
    size = count or (lambda text: (len(text) + 1) // 2)
    around = sum(size(f"<{one.name}></{one.name}>\n") for one in asked) if tags and hierarchy.tagged else 0
    return thinking + around + sum(one.max_tokens for one in asked)


@cache
def _parts() -> Mapping[str, str]:
    return tomllib.loads(_file("parts.toml"))


@cache
def _file(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8")


def _filled(template: str, slots: Mapping[str, str]) -> str:
    """One pass, so that a persona which holds the name of a slot is not filled in again."""
    paragraphs = re.split(r"\n\s*\n", template.strip())
    kept = []
    for paragraph in paragraphs:
        inside = _SLOT.findall(paragraph)
        if not inside or any(slots[slot] for slot in inside):
            kept.append(_SLOT.sub(lambda slot: slots[slot[1]], paragraph))
    return "\n\n".join(kept)


def _common(hierarchy: Hierarchy) -> str:
    """The prompt file that all levels share, if they do."""
    templates = {level.template for level in hierarchy.levels}
    return templates.pop() if len(templates) == 1 else ""


def _held(hierarchy: Hierarchy, needed: Sequence[Level], prefix: Mapping[str, str]) -> str:
    lines = []
    for level in needed:
        if words := " ".join(without_tags(prefix.get(level.name, ""), hierarchy.names).split()):
            lines.append(f"- {level.name}: {words}")
    return "\n".join([_parts()["held"].strip(), *lines]) if lines else ""


def _task(told: Sequence[Level], asked: Sequence[Level], tags: bool) -> str:
    parts = _parts()
    lines = [f"- {level.name}: {_demand(level)}" for level in told]
    if len(told) == 1:
        head = Template(parts["one"].strip()).substitute(level=told[0].name)
        return "\n".join([head, *lines, *([] if tags else [parts["alone"]])])
    if len(asked) == 1:
        head = Template(parts["next"].strip()).substitute(level=asked[0].name)
        return "\n".join([parts["shared"].strip(), *lines, head, *([] if tags else [parts["alone"]])])
    return "\n".join([parts["many"].strip(), *lines])


def _demand(level: Level) -> str:
    desc = level.desc.strip()
    if desc[-1] not in ".!?":
        desc += "."
    return desc + (Template(_parts()["limit"]).substitute(words=level.limit) if level.max_words else "")


def _format(asked: Sequence[Level]) -> str:
    return "\n".join([_parts()["format"].strip(), *(f"<{level.name}>...</{level.name}>" for level in asked)])


def _table(text: str) -> Mapping[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _told(value: object) -> str:
    """A value of a persona on one line."""
    if isinstance(value, Mapping):
        told = [(key, _told(inner)) for key, inner in value.items()]
        return "; ".join(f"{_field(key)} {words}" for key, words in told if words)
    if isinstance(value, list | tuple):
        return "; ".join(filter(None, map(_told, value)))
    return "" if value is None else " ".join(str(value).split())


def _field(key: object) -> str:
    return " ".join(str(key).replace("_", " ").split())


def _turn(name: str, words: str) -> str:
    said = [line.strip() for line in words.splitlines() if line.strip()]
    return f"{' '.join(name.split()) or '(no name)'}: " + ("\n  ".join(said) or "(nothing)")
