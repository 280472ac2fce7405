"""What an environment is. One file or folder in this room is one environment; the folder is the registry."""

import importlib
import inspect
import pkgutil
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, get_args, get_type_hints, runtime_checkable

import msgspec

from usergym.models.base import Model
from usergym.rows import Skipped
from usergym.types import Message, Record, Reward, Seat, Speaker, Task, Tool, ToolCall, Trajectory, Turn
from usergym.users.base import Participant


class Ask(Protocol):
    def __call__(self, service: str, question: str, schema: dict[str, Any] | None = None) -> Awaitable[str]:
        """The answer of a judge or a live service (JSON of `schema` where one is given), recorded as a turn
        that nobody hears. JudgeError when there is none."""
        ...


class JudgeError(Exception):
    """A judge or live service could not answer. A world may catch it and leave that reward None;
    uncaught, the conversation is a failure."""


class Say(str):
    """Returned by a tool: these words go to the other side, whose reply becomes the tool's result."""


class RowError(ValueError):
    """A row of a data file that cannot be a task: names the field, what it holds, and what was expected."""

    def __init__(self, field: str, expected: str, found: object = ...) -> None:
        text = "nothing" if found is ... else repr(found)[:80]
        super().__init__(f"field {field!r}: expected {expected}, found {text}")
        self.field = field


def listed(row: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """A field that is a list of objects. RowError otherwise."""
    value = row.get(field, ...)
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise RowError(field, "a list of objects", value)
    return value


class Finding(Record, frozen=True):
    """Something that is wrong with a row of data."""

    field: str
    """The path of the field in the row."""
    problem: str
    """What it holds, and what it should."""

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class _ToolMethod:
    """A world's method that a speaker may call, its schema made from its signature and docstring."""

    def __init__(self, function: Callable[..., Any], by: Speaker) -> None:
        self.function = function
        self.by = by
        hints = get_type_hints(function, include_extras=True)
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
            hint = hints.get(name, Any)
            empty = parameter.default is inspect.Parameter.empty
            fields.append((name, hint) if empty else (name, hint, parameter.default))
        self.arguments = msgspec.defstruct(function.__name__, fields, forbid_unknown_fields=True)
        self.decoder = msgspec.json.Decoder(self.arguments)
        (reference,), definitions = msgspec.json.schema_components([self.arguments])
        schema = definitions.pop(reference["$ref"].rsplit("/", 1)[1])
        schema.pop("title", None)
        if definitions:
            schema["$defs"] = definitions
        self.schema = Tool(function.__name__, inspect.cleandoc(function.__doc__ or ""), schema)


def tool(by: Speaker = "assistant") -> Callable[[Callable[..., Any]], Any]:
    """Marks a method of a World as a tool of one speaker: `@tool()` or `@tool(by="user")`.

    Parameter types and defaults become the JSON Schema (`Annotated[int, msgspec.Meta(description=...)]`
    describes one), the docstring the description. The method may be async; it returns text, a value
    that is encoded as JSON, or Say.
    """
    return lambda function: _ToolMethod(function, by)


class World:
    """One conversation's state: single use, no reset. Draws only from `self.random`, reads no clock."""

    _tools: ClassVar[Mapping[str, _ToolMethod]] = {}

    def __init_subclass__(cls) -> None:
        found = {name: value for name, value in vars(cls).items() if isinstance(value, _ToolMethod)}
        cls._tools = {**cls._tools, **found}

    def __init__(self, task: Task) -> None:
        self.task = task
        self.random = random.Random(task.id)
        self.stop: str | None = None
        """A reason to end the conversation, once there is one."""
        self.rewards: list[Reward] = []
        self.trajectory: Trajectory | None = None
        """Set by the engine; read by `score`. Tools and `hears` need their own state only."""
        self.seed = 0
        """The trajectory's seed, for participants the world seats."""
        self.ask: Ask = _nobody_to_ask

    @property
    def system(self) -> str:
        """The agent's system prompt."""
        return ""

    @property
    def reply_tokens(self) -> int | None:
        """The most tokens the agent's replies may have here, whatever else limits them."""
        return None

    def tools(self, speaker: Speaker) -> Sequence[Tool]:
        if speaker == "assistant" and self.task.tools is not None:
            return self.task.tools
        return [method.schema for method in self._tools.values() if method.by == speaker]

    def user(self, model: Model | None) -> Participant | None:
        """Who sits opposite the agent: a model in a seat, or a rule-based user when `model` is None.
        None: nobody."""
        return None

    def oracle(self) -> Participant:
        """An agent that plays perfectly."""
        raise LookupError(f"environment {self.task.env!r} has no oracle for task {self.task.id}")

    def idle(self) -> Participant:
        """An agent that does nothing useful; it must never earn."""
        return Idle()

    async def open(self) -> None:
        """Called once before the first turn; may ask, must not depend on anything said."""

    async def hears(self, speaker: Speaker, words: str) -> None:
        """Something was said: judge it, reward it, stop."""

    def reward(self, name: str, value: float | None, weight: float = 1.0, reason: str = "") -> None:
        """Credits the agent's latest reply."""
        assert self.trajectory is not None
        turns = self.trajectory.turns
        latest = max(
            (i for i, turn in enumerate(turns) if turn.speaker == "assistant" and turn.message.role == "assistant"),
            default=None,
        )
        self.rewards.append(Reward(name, value, weight, turn=latest, reason=reason))

    async def score(self) -> list[Reward]:
        """Called once at the end, for rewards of the whole conversation."""
        return []

    async def call(self, speaker: Speaker, call: ToolCall) -> str:
        """Runs one tool call. Whatever is wrong with it is text for the model."""
        method = self._tools.get(call.name)
        if method is None or method.by != speaker:
            known = [name for name, other in self._tools.items() if other.by == speaker]
            return f"Error: no tool named {call.name!r}. Tools: {', '.join(known) or 'none'}."
        try:
            arguments = method.decoder.decode(call.arguments or "{}")
        except msgspec.MsgspecError as error:
            return f"Error: arguments of {call.name}: {error}."
        result = method.function(self, **{name: getattr(arguments, name) for name in arguments.__struct_fields__})
        if inspect.isawaitable(result):
            result = await result
        return result if isinstance(result, str) else msgspec.json.encode(result).decode()


async def _nobody_to_ask(service: str, question: str, schema: dict[str, Any] | None = None) -> str:
    raise JudgeError(f"the world asked {service!r}, and nobody was seated there; give --{service}-model")


class Idle:
    """Says the same empty courtesy again and again."""

    seat = Seat(model="idle")

    async def speak(self, view: Sequence[Message]) -> Turn:
        return Turn("assistant", Message("assistant", "I see."))


class Environment(ABC):
    """Stateless: one instance serves every rollout. Options come from the constructor's keywords."""

    name: ClassVar[str]
    max_replies: int | None = None
    """How often the agent may reply in one conversation, unless whoever plays it says otherwise."""
    folder: Path | None = None
    """Where a world may leave files, such as pictures; set by whoever keeps the run."""

    @abstractmethod
    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Own tasks of one split (`train`, `validation`, `test`), or of all; may not end."""

    @property
    def services(self) -> Mapping[str, Model]:
        """Whom a world may ask besides those of the run, by name: a live search. Closed by whoever closes the models
        of the run."""
        return {}

    @property
    def digest(self) -> str | None:
        """Changes with what its spec names and no task tells, such as a file; a run goes on only with the same."""
        return None

    @property
    def skipped(self) -> Skipped:
        """Rows of its own data that cannot be used, and are left out."""
        return Skipped()

    def read(self, row: Mapping[str, Any]) -> Task:
        """A task from a row of a data file. RowError names the field that is wrong."""
        return read_task(row)

    @abstractmethod
    def start(self, task: Task) -> World:
        """A world for one conversation. RowError for a task that cannot be played."""


@runtime_checkable
class JudgedInGroups(Protocol):
    """An environment whose samples of one task are judged against each other."""

    async def score_group(self, trajectories: Sequence[Trajectory], judge: Model | None) -> None:
        """Appends to the rewards of the finished trajectories of one task."""
        ...


@runtime_checkable
class WritesRows(Protocol):
    """An environment whose tasks have a documented row that other systems read."""

    def to_row(self, task: Task, number: int) -> dict[str, Any]:
        """The row of a task; `number` is its place in the file."""
        ...


@runtime_checkable
class OpensBlank(Protocol):
    """An environment whose tools can be used without a task."""

    def blank(self) -> Task:
        """A task that nothing is expected of."""
        ...


@runtime_checkable
class ChecksRows(Protocol):
    """An environment that can say more about a row than whether it can be read."""

    def check(self, row: Mapping[str, Any]) -> list[Finding]:
        """All that is wrong with a row; empty if nothing is."""
        ...


def read_task(row: Mapping[str, Any]) -> Task:
    """A row in our own form: the fields of Task."""
    for field in ("id", "env"):
        if not isinstance(row.get(field), str):
            raise RowError(field, "a text", row.get(field, ...))
    try:
        return msgspec.convert(row, Task)
    except msgspec.ValidationError as error:
        raise RowError("task", str(error), dict(row)) from error


def names() -> list[str]:
    """Environments that `load` knows by a bare name."""
    own = [module.name for module in pkgutil.iter_modules(importlib.import_module("usergym.environments").__path__)]
    return sorted({name for name in own if name != "base" and name[0] != "_"} | set(_entry_points()))


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group="usergym.environments")}


def load(spec: str) -> Environment:
    """`calendar`, `calendar:mode=nemo_gym,level=hard`, a dotted path `package.module`, or an entry point.

    The module's attribute `environment` is the class. Options are its keyword arguments, converted to the
    types of its signature.
    """
    name, _, text = spec.partition(":")
    target = f"usergym.environments.{name}" if name in names() and name not in _entry_points() else ""
    target = target or _entry_points().get(name, name)
    module_name, _, attribute = target.partition(":")
    if "." not in module_name:
        raise LookupError(f"no environment {name!r}; there are {', '.join(names())}, or give a dotted path")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and module_name.startswith(error.name):
            raise LookupError(f"no module {module_name!r} for environment {name!r}") from error
        raise
    kind = getattr(module, attribute or "environment", None)
    if kind is None:
        raise LookupError(f"{module_name} has no attribute {attribute or 'environment'!r}, the Environment class")
    environment: Environment = kind(**_options(name, kind, text))
    return environment


def _options(name: str, kind: type, text: str) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters
    hints = get_type_hints(inspect.getattr_static(kind, "__init__")) if parameters else {}
    options: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals or key not in parameters:
            there = ", ".join(parameters) or "none"
            raise LookupError(f"environment {name!r} has no option {key!r}; there are: {there}")
        try:
            options[key] = msgspec.convert(value, hints.get(key, str), strict=False)
        except msgspec.ValidationError as error:
            wanted = ", ".join(map(str, get_args(hints[key]))) or getattr(hints[key], "__name__", str(hints[key]))
            raise LookupError(f"option {key}={value!r} of environment {name!r}: expected {wanted}") from error
    return options
