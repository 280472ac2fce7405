"""A hierarchy: the levels a person's reaction is made of, in the order in which they are written."""

import difflib
import json
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from usergym.types import Record, is_blank, stable_hash

CONFIGS = Path(__file__).parent / "configs"
LAST = "response"
"""The level that is said aloud; nothing comes after it."""
THINK = "think"
"""The level of free thought: written and never judged, since nobody's thoughts are on record."""

RESERVED = ("all", "prefix", "prefixes", "prefix_age", "success", "turn_grade")
"""Names that records and metrics of a run have for something else."""
KEPT = "_kept"
"""How the names of records end that say whether a level was kept to."""
MOST_TOKENS = 1_000_000

_NAME = re.compile(r"[a-z0-9_]+")
_WORDS = re.compile(r"(?:within|at most|no more than|up to) (\d{1,6}) words", re.IGNORECASE)


class HierarchyError(ValueError):
    """A hierarchy that cannot be used: which file, which level, what is wrong and what helps."""


class Level(Record, frozen=True):
    """One thing that is written about a person, or by them."""

    name: str
    desc: str
    """What the text must hold, told to whoever writes it and to whoever judges it."""
    max_tokens: int
    """Of the text; its tags and the thinking before it are counted apart."""
    threshold: float | None = None
    """The alignment, in [0, 1], from which a text is good enough to be built on; None: any above 0."""
    system_prompt: str = ""
    """A path beside the JSON; "": rendered from the schema."""
    max_words: int | None = None
    """None: as the description says ("within 15 words"), or no limit."""
    needs: tuple[str, ...] | None = None
    """The levels it is conditioned on; None: all before it."""
    tags: bool = True
    """False: written bare, without `<level>` around it; only where there is one level."""
    template: str = ""
    """The text of `system_prompt`, filled in by `load`."""

    @property
    def limit(self) -> int | None:
        """The words a text may have, as given or as the description says."""
        if self.max_words is not None:
            return self.max_words
        said = _WORDS.search(self.desc)
        return int(said[1]) if said else None


class Hierarchy(Record, frozen=True):
    """Levels in the order in which they are written. HierarchyError where they cannot be."""

    name: str
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        check(self)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(level.name for level in self.levels)

    @property
    def judged(self) -> tuple[Level, ...]:
        """The levels that a judge can hold against what a person wrote."""
        return tuple(level for level in self.levels if level.name != THINK)

    @property
    def tagged(self) -> bool:
        return all(level.tags for level in self.levels)

    def level(self, name: str) -> Level:
        """LookupError names the levels there are."""
        for level in self.levels:
            if level.name == name:
                return level
        raise LookupError(f"no level {name!r} in the hierarchy {self.name}; there are {', '.join(self.names)}")

    def before(self, name: str) -> tuple[Level, ...]:
        """What the level called `name` is conditioned on, in the order of the hierarchy."""
        needs = self.level(name).needs
        earlier = self.levels[: self.names.index(name)]
        return earlier if needs is None else tuple(level for level in earlier if level.name in needs)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change with every word told to a model; for manifests and caches."""
        return f"{stable_hash(msgspec.json.encode(self).decode()):016x}"


@cache
def names() -> tuple[str, ...]:
    """The shipped hierarchies, as `load` takes them."""
    found = (path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.json"))
    return tuple(sorted(found, key=lambda name: ("/" in name, name)))


def load(name_or_path: str | Path) -> Hierarchy:
    """A shipped hierarchy by its name, or one's own from a JSON file of the shape
    `{level: {desc, max_tokens, threshold, system_prompt, max_words, needs, tags}}`.

    A path that does not exist but ends in `hierarchy_config/NAME.json` means the shipped one of that name, as the
    documented commands have it. HierarchyError for everything that cannot be used.
    """
    given = str(name_or_path)
    if given in names():
        return _read(CONFIGS / f"{given}.json", given)
    if os.path.isfile(given):
        return _read(Path(given), Path(given).stem)
    shipped = given.rpartition("hierarchy_config/")[2].removesuffix(".json")
    if shipped in names():
        return _read(CONFIGS / f"{shipped}.json", shipped)
    near = difflib.get_close_matches(shipped, names(), 3, 0.5)
    maybe = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names())}."
    raise HierarchyError(f"no hierarchy {given!r}: {maybe} Or give the path of a JSON file")


def _read(path: Path, name: str) -> Hierarchy:
    if name.startswith(".") or not re.search(r"\w", name):
        raise HierarchyError(f"{path}: folders get the name of a hierarchy, and {name!r} is none; rename the file")
    try:
        table = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except (OSError, ValueError, RecursionError) as error:
        raise HierarchyError(f"{path} cannot be read as a hierarchy: {error}") from error
    if not isinstance(table, dict) or not table:
        raise HierarchyError(
            f'{path} holds no level; give an object {{"response": {{"desc": ..., "max_tokens": ...}}}}'
        )
    try:
        return Hierarchy(name, tuple(_level(path, key, fields) for key, fields in table.items()))
    except HierarchyError as error:
        raise HierarchyError(f"{path}: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    for place, (key, _) in enumerate(pairs):
        if key in dict(pairs[:place]):
            raise ValueError(f"{key!r} is there twice; keep one")
    return fields


def _level(path: Path, name: str, fields: object) -> Level:
    if not isinstance(fields, Mapping):
        raise HierarchyError(f"level {name!r} is {fields!r}; give an object with desc and max_tokens")
    if kept := {"name", "template"} & fields.keys():
        raise HierarchyError(f"level {name!r}: the field {min(kept)!r} is filled in by reading; leave it out")
    try:
        level = msgspec.convert({"name": name, **fields}, Level)
    except msgspec.ValidationError as error:
        raise HierarchyError(f"level {name!r}: {error}") from error
    if not level.system_prompt:
        return level
    prompt = path.parent / level.system_prompt
    home = CONFIGS.parent if path.is_relative_to(CONFIGS) else path.parent
    if not prompt.resolve().is_relative_to(home.resolve()):
        raise HierarchyError(
            f"level {name!r}: its system_prompt {level.system_prompt!r} is outside the folder of the JSON; put the "
            "file there"
        )
    try:
        text = prompt.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise HierarchyError(
            f"level {name!r}: its system_prompt {level.system_prompt!r} cannot be read beside the JSON ({error}); "
            'write the file, or give "" to have the prompt rendered from the schema'
        ) from error
    if is_blank(text):
        raise HierarchyError(f'level {name!r}: its system_prompt {level.system_prompt!r} is empty; give "" or a text')
    return msgspec.structs.replace(level, template=text)


def check(hierarchy: Hierarchy) -> None:
    """HierarchyError for what cannot be written, or what nothing would come of."""
    if not hierarchy.levels:
        raise HierarchyError(f"the hierarchy {hierarchy.name} has no level; give at least one")
    for place, level in enumerate(hierarchy.levels):
        _check_level(level)
        if level.name in hierarchy.names[:place]:
            raise HierarchyError(f"level {level.name!r} is there twice; give it another name")
        if not level.tags and len(hierarchy.levels) > 1:
            raise HierarchyError(f"level {level.name!r} has no tags, so it cannot be told from the others; set tags")
    if not hierarchy.judged:
        raise HierarchyError(f"the hierarchy {hierarchy.name} is nothing but thoughts; give a level that is said, too")
    _check_needs(hierarchy)
    _check_reached(hierarchy)


def _check_level(level: Level) -> None:
    where = f"level {level.name!r}"
    if not _NAME.fullmatch(level.name):
        raise HierarchyError(f"{where}: a name is a tag; use small letters, digits and _")
    if level.name in RESERVED or level.name.endswith(KEPT):
        raise HierarchyError(f"{where}: what a run records has that name; give it another")
    if is_blank(level.desc):
        raise HierarchyError(f"{where}: its desc is empty; say what the text must hold")
    if level.max_tokens < 1:
        raise HierarchyError(f"{where}: max_tokens is {level.max_tokens}; give 1 or more")
    if level.max_tokens > MOST_TOKENS or (level.limit or 0) > MOST_TOKENS:
        raise HierarchyError(f"{where}: more than {MOST_TOKENS:,} tokens or words, which nobody reads; give fewer")
    if level.limit is not None and level.limit < 1:
        raise HierarchyError(f"{where}: at most {level.limit} words; give 1 or more, or leave the limit out")
    if level.threshold is not None and not 0 <= level.threshold <= 1:
        raise HierarchyError(f"{where}: threshold is {level.threshold}; give a number from 0 to 1, or null")


def _check_needs(hierarchy: Hierarchy) -> None:
    places = {name: place for place, name in enumerate(hierarchy.names)}
    needs = {level.name: level.needs or () for level in hierarchy.levels}
    for name, wanted in needs.items():
        if unknown := [need for need in wanted if need not in places]:
            raise HierarchyError(
                f"level {name!r} needs {unknown[0]!r}, which is no level; there are {', '.join(hierarchy.names)}"
            )
    if circle := _circle(needs):
        raise HierarchyError(f"the levels need each other in a cycle: {' -> '.join(circle)}; take one need away")
    for name, wanted in needs.items():
        if later := [need for need in wanted if places[need] > places[name]]:
            raise HierarchyError(
                f"level {name!r} needs {later[0]!r}, which is written after it; put {later[0]!r} first"
            )


def _circle(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """One cycle of needs, its first level repeated at its end; empty where there is none."""
    done: set[str] = set()
    for root in needs:
        trail: list[str] = []
        open_ = [(root, False)]
        while open_:
            name, left = open_.pop()
            if left:
                done.add(trail.pop())
            elif name in trail:
                return [*trail[trail.index(name) :], name]
            elif name not in done:
                trail.append(name)
                open_ += [(name, True), *((need, False) for need in needs[name])]
    return []


def _check_reached(hierarchy: Hierarchy) -> None:
    """Every level must lead somewhere: to the response, or to some level where there is no response."""
    behind = hierarchy.names[hierarchy.names.index(LAST) + 1 :] if LAST in hierarchy.names else ()
    if behind:
        raise HierarchyError(f"no text reaches level {behind[0]!r}: it is behind the response; put the response last")
    used = {need.name for level in hierarchy.levels for need in hierarchy.before(level.name)}
    if LAST in hierarchy.names:
        used, news = {LAST}, [LAST]
        while news:
            fresh = {level.name for level in hierarchy.before(news.pop())} - used
            used |= fresh
            news += fresh
    for level in hierarchy.levels:
        alone = not hierarchy.before(level.name) if LAST not in hierarchy.names else True
        if level.name not in used and alone and len(hierarchy.levels) > 1:
            raise HierarchyError(
                f"no text reaches level {level.name!r}: nothing that is said depends on it; "
                f"name it in the needs of a later level, or take it away"
            )
