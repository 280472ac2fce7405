"""What the commands have in common: parameters read from overrides, help made from them, errors in one line."""

import inspect
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from usergym.cli.errors import told_in_one_line
from usergym.cli.ng.overrides import BadOverride, Override, did_you_mean, may_be_secret, parse, put_together
from usergym.serving.masking import without_secrets

P = TypeVar("P", bound=msgspec.Struct)

TOKEN = "Token that servers want of clients; an address beyond this machine needs one."

_KINDS = {"N": "a whole number", "NUMBER": "a number", "true|false": "true or false", "[A,B]": "a list", "TEXT": "text"}
"""What a person calls the kinds of parameters."""

_HELP = ("-h", "--help", "+help=true", "help=true", "+h=true", "h=true")


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the head server is."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 11000

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter, for help and for reading."""

    name: str
    kind: str
    required: bool
    default: Any
    text: bool
    """Whether it is text, so that 007 stays 007."""
    about: str
    fields: Mapping[str, str]
    """Of an object, the kinds of its fields."""


@dataclass(frozen=True, slots=True)
class Command(Generic[P]):
    """One command: what it takes and what it does."""

    name: str
    about: str
    parameters: type[P]
    act: Callable[[P, list[Override]], int | None]
    """Gets the parameters, and the overrides that are none of them where it is `open`."""
    examples: tuple[str, ...] = ()
    positional: str = ""
    """The parameter that may be given without its name."""
    open: bool = False
    """Takes overrides beyond its parameters: those of a configuration."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that it reads, and what they do."""

    def main(self, arguments: Sequence[str] | None = None) -> None:
        try:
            told_in_one_line(self._run)(sys.argv[1:] if arguments is None else arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads what is still to be written
            sys.exit(141)

    def _run(self, arguments: Sequence[str]) -> int | None:
        if any(argument in _HELP for argument in arguments):
            print(self.help())
            return None
        parameters, others = self.read(arguments)
        try:
            return self.act(parameters, others)
        except KeyboardInterrupt:
            return 130

    def read(self, arguments: Sequence[str]) -> tuple[P, list[Override]]:
        """Parameters from the arguments, over those that `env.yaml` in the current folder names."""
        known = {field.name: field for field in self.fields()}
        for place, argument in enumerate(arguments, 1):
            if argument.encode(errors="replace").decode() != argument:
                raise BadOverride(f"argument {place} of {self.name} holds bytes that are no UTF-8; write it anew")
        given = [self._override(argument, known) for argument in arguments if argument.strip()]
        mine = [override for override in given if override.path[0] in known]
        # What is taken out of the parameters is taken out of a configuration's files, too.
        others = [each for each in given if each.path[0] not in known or (self.open and each.delete)]
        if others and not self.open:
            name = others[0].path[0]
            raise BadOverride(
                f"{self.name} has no parameter {name!r}{did_you_mean(name, known)} (there are: {', '.join(known)})"
            )
        values = {**self._from_env_yaml(known), **put_together(mine)}
        for override in mine:
            if override.delete:
                values.pop(override.path[0], None)
        for each in known.values():
            if each.required and each.name not in values:
                form = f" or {self.name} {each.name.upper()}" if each.name == self.positional else ""
                raise BadOverride(f"{self.name} needs +{each.name}={each.kind}{form}: {each.about}")
        try:
            return msgspec.convert(values, self.parameters, strict=False), others
        except msgspec.ValidationError as error:
            raise BadOverride(self._wrong(str(error), mine, known)) from None

    def _override(self, argument: str, known: Mapping[str, Field]) -> Override:
        if self.positional and not re.match(r"(\+|~|-)|[\w.]+=", argument):
            return Override((self.positional,), argument, argument)
        if argument.startswith("-"):
            name = argument.lstrip("-").partition("=")[0].replace("-", "_")
            shown = argument.partition("=")[0] if may_be_secret(argument) else argument
            raise BadOverride(f"{shown}: parameters are written +{name}=VALUE{did_you_mean(name, known)}")
        override = parse(argument)
        field = known.get(override.key)
        if field and field.text and isinstance(override.value, (int, float, bool)):
            return Override(override.path, override.text.strip(), override.text, again=override.again)
        return override

    def _from_env_yaml(self, known: Mapping[str, Field]) -> dict[str, Any]:
        from usergym.cli.ng.config import env_yaml

        found = env_yaml()
        return {key: value for key, value in found.items() if key in known}

    def _wrong(self, problem: str, given: Sequence[Override], known: Mapping[str, Field]) -> str:
        what, _, where = problem.partition(" - at `$.")
        name = re.split(r"[.\[]", where.rstrip("`"))[0]
        given = [override for override in given if override.path[0] == name]
        parameter = known[name]
        if found := re.search(r"unknown field `(.*)`", what):
            inner = list(parameter.fields)
            near = f"{did_you_mean(found[1], inner)} (there are: {', '.join(inner)})"
            return f"{_as_given(given, found[1])}: {name} has no field {found[1]!r}{near}"
        last = where.rstrip("`").rpartition(".")[2]
        kind = parameter.fields.get(last, parameter.kind)
        bound = re.search(r"([<>]=?) [\d.]+", what)
        expected = _KINDS.get(kind, kind) + (f" {bound[0]}" if bound else "")
        text = next((override.text for override in given), "")
        listed = kind == "[A,B]" and not text.startswith("[") and not may_be_secret(text)
        write = f"+{name}=[{without_secrets(text)}]" if listed else f"+{where.rstrip('`')}={kind}"
        shown = _as_given(given, last)
        return f"{shown}: expected {expected}; write {write}"

    def fields(self) -> list[Field]:
        hints = get_type_hints(self.parameters, include_extras=True)
        return [_field(field, hints[field.name]) for field in msgspec.structs.fields(self.parameters)]

    def help(self) -> str:
        wide = min(shutil.get_terminal_size().columns, 120)
        usage = f" [{self.positional.upper()}]" if self.positional else ""
        lines = [f"Usage: {self.name}{usage} [+parameter=value ...]", ""]
        lines += [*wrap(" ".join(self.about.split()), wide), "", "Parameters:"]
        fields = self.fields()
        column = 2 + min(max((len(_form(each)) for each in fields), default=0), 30) + 2
        for each in fields:
            default = "" if each.required or each.default is None else f" Default: {_shown(each.default)}."
            about = each.about + (" Required." if each.required else "") + default
            lines += _entry(_form(each), about, column, wide)
        if self.open:
            every = "Any key of the configuration may be given in the same way, nested ones with dots."
            lines += ["", *wrap(every, wide)]
        if self.variables:
            lines += ["", "Environment variables:"]
            for name, about in self.variables.items():
                lines += _entry(name, about, column, wide)
        if self.examples:
            lines += ["", "Examples:", *(f"  {example}" for example in self.examples)]
        return "\n".join(lines)


def _entry(name: str, about: str, column: int, wide: int) -> list[str]:
    """A name and what it is about, which begins at `column`."""
    first = f"  {name}".ljust(column)
    lines = wrap(about, wide, initial_indent=" " * column, subsequent_indent=" " * column)
    if len(first) > column or first[-2:] != "  ":
        return [first.rstrip(), *lines]
    return [first + lines[0][column:], *lines[1:]]


def _as_given(given: Sequence[Override], name: str) -> str:
    """The argument that says `name`, as it was written."""
    best = next((each for each in given if each.path[-1] == name), given[0] if given else None)
    if best is None:
        return f"{name} in env.yaml"
    return (
        f"+{best.key}=..." if may_be_secret(f"{best.key}={best.text}") else f"+{best.key}={without_secrets(best.text)}"
    )


def _form(field: Field) -> str:
    return f"+{field.name}={field.kind}"


def _shown(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        inner = msgspec.structs.asdict(value)
        return "{" + ", ".join(f"{key}: {one}" for key, one in inner.items()) + "}"
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _field(field: msgspec.structs.FieldInfo, hint: Any) -> Field:
    about = ""
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        about = next((meta.description for meta in rest if isinstance(meta, msgspec.Meta) and meta.description), "")
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)] if _is_union(hint) else [hint]
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory() or None
    whole = "|".join(map(_kind, kinds))
    return Field(field.name, whole, field.required, default, str in kinds, about, _inner(hint))


def _inner(hint: Any) -> dict[str, str]:
    if not (inspect.isclass(hint) and issubclass(hint, msgspec.Struct)):
        return {}
    return {name: _kind(kind) for name, kind in get_type_hints(hint, include_extras=True).items()}


def _is_union(hint: Any) -> bool:
    return (get_origin(hint) is not None and type(None) in get_args(hint)) or "|" in str(hint)


def _kind(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if inspect.isclass(kind) and issubclass(kind, msgspec.Struct):
        return "{" + ", ".join(f"{name}: VALUE" for name in kind.__struct_fields__) + "}"
    if get_origin(kind) is list:
        return "[A,B]"
    if get_origin(kind) is dict:
        return "{key: value}"
    return {str: "TEXT", int: "N", float: "NUMBER", bool: "true|false"}.get(kind, getattr(kind, "__name__", str(kind)))


def says(text: str, what: str = "this is") -> None:
    """Which verb of `usergym` a command is, or what a person should know."""
    print(f"{what}: {without_secrets(text)}", file=sys.stderr, flush=True)
