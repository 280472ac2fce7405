"""A configuration as the peer writes it: YAML files that include each other, `env.yaml`, and the command line.

The command line wins over `env.yaml`, that over the files, a file over what it includes, a later file over an
earlier one. What is missing is told all at once.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usergym.cli.ng.directives import directed
from usergym.cli.ng.overrides import DEEPEST, Override, did_you_mean, may_be_secret, merged, put_together, removed
from usergym.cli.ng.shipped import known, shipped

MISSING = "???"


class ConfigError(ValueError):
    """A configuration that cannot be used: what is wrong, where, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, its references resolved."""

    values: dict[str, Any]
    sources: tuple[str, ...]
    """Where it came from, in the order in which it was read."""
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Of each block's name, kind and implementation, the file that says it."""

    def origin(self, *path: str) -> str:
        """The file that says what stands at `path`."""
        return next((file for key, file in self.origins.items() if key[: len(path)] == path), "the command line")


def load(paths: Sequence[str], overrides: Sequence[Override], extra: Mapping[str, Any] = {}) -> Config:
    """The configuration of these files and overrides. `extra` are values that the files may refer to."""
    reader = _Reader()
    values: dict[str, Any] = {}
    own = env_yaml()
    listed = own.pop("config_paths", None)
    for path in paths or _listed(listed, "env.yaml"):
        values = merged(values, reader.read(path))
    in_files = set(values)
    values = merged(values, own)
    for override in overrides:
        if override.delete:
            values = removed(values, override.path)
    values = merged(merged(values, extra), put_together(overrides))
    values = directed(values)
    if _deeper(values, 2 * DEEPEST):
        raise ConfigError(f"the configuration is nested more than {2 * DEEPEST} deep")
    _refuse_unknown(overrides, in_files | set(own) | set(extra), values)
    return Config(_resolved(values), tuple(reader.sources), reader.origins)


def env_yaml() -> dict[str, Any]:
    """What `env.yaml` in the current folder holds."""
    path = Path("env.yaml")
    return _parsed(_read(path), str(path)) if path.is_file() else {}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start + 1} is no UTF-8; save the file as UTF-8") from None


def roots() -> list[Path]:
    """Folders in which the files of a NeMo Gym checkout are looked for, the current one first."""
    given = [*os.environ.get("NEMO_GYM_EXTRA_ROOTS", "").split(os.pathsep), os.environ.get("NEMO_GYM_ROOT", "")]
    return [Path(), *(Path(root) for root in given if root)]


class _Reader:
    def __init__(self) -> None:
        self.sources: list[str] = []
        self.origins: dict[tuple[str, ...], str] = {}

    def read(self, path: str, trail: tuple[str, ...] = ()) -> dict[str, Any]:
        """The file's values over those of the files it includes."""
        if path in trail:
            raise ConfigError(f"config_paths run in a circle: {' -> '.join((*trail, path))}")
        text, source = _text(path)
        values = _parsed(text, source)
        out: dict[str, Any] = {}
        for inner in _listed(values.pop("config_paths", None), source):
            out = merged(out, self.read(inner, (*trail, path)))
        self.sources.append(source)
        self.origins.update((key, source) for key in _levels(values))
        return merged(out, values)


def _levels(values: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, block in values.items():
        for kind, inner in block.items() if isinstance(block, Mapping) else ():
            yield from ((name, kind, each) for each in (inner if isinstance(inner, Mapping) else ()))


def _text(path: str) -> tuple[str, str]:
    """The text behind a path and where it was found."""
    for root in roots():
        if (file := root / path).is_file():
            return _read(file), str(file)
    if (text := shipped(path)) is not None:
        return text, f"{path} (shipped with usergym)"
    raise ConfigError(f"config_paths: no file {path}{_nearest(path)}")


def _nearest(path: str) -> str:
    """What there is in place of a path. Of paths that are alike but for the name, the name is what is compared."""
    kind, _, rest = path.partition("/")
    name = rest.partition("/")[0]
    there = [each for each in known() if each.startswith(f"{kind}/")]
    names = [each.split("/")[1] for each in there]
    if near := did_you_mean(name, names):
        name = near.rpartition(" ")[2].rstrip("?")
        return f"; did you mean {next(each for each in there if each.split('/')[1] == name)}?"
    if there:
        return f"; shipped with usergym are {', '.join(there)}"
    return did_you_mean(path, known()) or f"; shipped with usergym are {', '.join(known())}"


def _listed(value: Any, source: str) -> list[str]:
    paths = [value] if isinstance(value, str) else value or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ConfigError(f"{source}: config_paths is {value!r:.80}; write a list of files, [a.yaml, b.yaml]")
    return paths


def _parsed(text: str, source: str) -> dict[str, Any]:
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        found = OmegaConf.to_container(OmegaConf.create(text)) if text.strip() else {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{source} is no YAML: {_without_the_line(error)}") from None
    except RecursionError:
        raise ConfigError(f"{source} is nested too deep; write at most {DEEPEST} levels") from None
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        what = "it holds a value that cannot be read" if may_be_secret(str(error)) else str(error).splitlines()[0]
        raise ConfigError(f"{source}: {what}") from None
    if _deeper(found, DEEPEST):
        raise ConfigError(f"{source} is nested too deep; write at most {DEEPEST} levels")
    if isinstance(found, dict) and list(found.values()) == [None] and ":" not in text:
        found = None  # a bare word
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ConfigError(f"{source}: expected names with values, NAME: VALUE")
    return dict(found)


def _without_the_line(error: Any) -> str:
    """What is wrong and where, but not what stands there, which may be a key."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or type(error).__name__
    return f"{what}, line {mark.line + 1}, column {mark.column + 1}" if mark else what


def _deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other more than `levels` deep."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(isinstance(each, (Mapping, list)) and (levels <= 1 or _deeper(each, levels - 1)) for each in inner)


def _refuse_unknown(overrides: Sequence[Override], there: set[str], values: Mapping[str, Any]) -> None:
    """A key of the command line that nothing reads is a typing error. A whole block makes a new server."""
    used = there | {name.split(".")[0] for name in _referred(values)}
    for override in overrides:
        name = override.path[0]
        if not override.delete and name not in used and not isinstance(values.get(name), dict):
            raise ConfigError(f"+{override.key}: nothing in the configuration uses it{did_you_mean(name, used)}")


def _referred(value: Any) -> Iterator[str]:
    """Names that `${name}` in the values refer to."""
    import re

    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _referred(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _referred(inner)
    elif isinstance(value, str):
        yield from re.findall(r"\$\{([\w.]+)\}", value)


def _resolved(values: dict[str, Any]) -> dict[str, Any]:
    """References followed. Everything that is missing is one error."""
    from omegaconf import OmegaConf

    config = OmegaConf.create(values)
    problems = list(dict.fromkeys(_problems(config, "")))
    if problems:
        raise ConfigError("the configuration is not complete:\n" + "\n".join(f"  {problem}" for problem in problems))
    out = OmegaConf.to_container(config, resolve=True)
    assert isinstance(out, dict)
    return out  # type: ignore[return-value]


def _problems(node: Any, path: str) -> Iterator[str]:
    from omegaconf import DictConfig, ListConfig
    from omegaconf.errors import InterpolationKeyError, MissingMandatoryValue, OmegaConfBaseException

    keys: Any = node.keys() if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        where = f"{path}.{key}" if path else str(key)
        try:
            value = node[key]
        except MissingMandatoryValue:
            yield f"{where} has no value (???): give +{where}=VALUE"
        except InterpolationKeyError as error:
            name = str(error).split("'")[1] if "'" in str(error) else str(error)
            yield f"{name} is missing (needed by {where}): give +{name}=VALUE, or put it into env.yaml"
        except OmegaConfBaseException as error:
            what = str(error).splitlines()[0]
            shown = "Environment variable '" in what
            yield f"{where}: {what if shown or not may_be_secret(where) else 'cannot be resolved'}"
        else:
            if isinstance(value, (DictConfig, ListConfig)):
                yield from _problems(value, where)
