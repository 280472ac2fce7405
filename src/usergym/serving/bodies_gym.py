"""A dataset row as a request's body: read once, its tools once for all rows, and answered with its own bytes."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from usergym.environments.base import RowError
from usergym.models.responses_format import tools_from_responses
from usergym.models.wire import decode
from usergym.rows import dropped_nulls
from usergym.serving.web import Refused, not_json, row_refused
from usergym.types import Record, Sampling, Tool

PARAMS = "responses_create_params"

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Any)


class Row(Record, frozen=True):
    raw: dict[str, msgspec.Raw]
    """Its fields as they came, for the answer."""
    fields: dict[str, Any]
    """Its fields, read; not to be changed, since rows share their tools."""
    tools: tuple[Tool, ...] = ()
    """The same objects for the same bytes, so that a model encodes them once."""

    @property
    def params(self) -> Mapping[str, Any]:
        params = self.fields.get(PARAMS)
        return params if isinstance(params, Mapping) else {}


class RowReader:
    """Reads bodies, and remembers the tools it has seen."""

    def __init__(self, most: int = 64, longest: int = 1 << 18) -> None:
        self.most = most
        self.longest = longest
        self._seen: dict[bytes, tuple[list[Any], tuple[Tool, ...]]] = {}

    def read(self, payload: bytes) -> Row:
        """A dataset row. Refused for a body that is no object, or whose tools are none."""
        return self._mended(payload, self._read)

    def read_params(self, payload: bytes) -> Row:
        """Likewise, of a body that is itself what a row has in `responses_create_params`."""
        return self._mended(payload, self._read_params)

    def _mended(self, payload: bytes, read: Callable[[bytes], Row]) -> Row:
        try:
            try:
                return read(payload or b"{}")
            except msgspec.DecodeError:
                # Lone surrogates and the like are mended; what is no JSON at all fails here for good.
                return read(msgspec.json.encode(decode(payload, _any)))
        except (ValueError, msgspec.MsgspecError, RecursionError, OverflowError) as error:
            raise (row_refused(error) if isinstance(error, RowError) else not_json(error)) from None

    def _read(self, payload: bytes) -> Row:
        raw = _fields.decode(payload)
        fields: dict[str, Any] = {}
        tools: tuple[Tool, ...] = ()
        for name, value in raw.items():
            if name == PARAMS and bytes(value)[:1] == b"{":
                inner = self._read_params(bytes(value))
                fields[name], tools = inner.fields, inner.tools
            else:
                fields[name] = _any.decode(value)
        return Row(raw, fields, tools)

    def _read_params(self, payload: bytes) -> Row:
        raw = _fields.decode(payload)
        fields: dict[str, Any] = {}
        tools: tuple[Tool, ...] = ()
        for name, value in raw.items():
            if name == "tools":
                fields[name], tools = self._tools(bytes(value))
            else:
                fields[name] = _any.decode(value)
        return Row(raw, fields, tools)

    def _tools(self, raw: bytes) -> tuple[Any, tuple[Tool, ...]]:
        if raw in self._seen:
            return self._seen[raw]
        value = _any.decode(raw)
        field = f"{PARAMS}.tools"
        if value is None:
            return None, ()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise RowError(field, "a list of functions", value)
        try:
            tools = tuple(tools_from_responses([dropped_nulls(_flat(item)) for item in value]))
        except (ValueError, msgspec.ValidationError) as error:
            raise RowError(field, f"functions with a name and parameters ({error})", value) from None
        for place, tool in enumerate(tools):
            if not isinstance(tool.parameters, dict) or not isinstance(tool.description, str):
                raise RowError(f"{field}[{place}]", "a text as description and a schema as parameters", value[place])
        if len(raw) <= self.longest:
            if len(self._seen) >= self.most:
                self._seen.clear()
            self._seen[raw] = value, tools
        return value, tools


def _flat(tool: dict[str, Any]) -> dict[str, Any]:
    """A function as chat completions wrap it, unwrapped."""
    inner = tool.get("function")
    return {"type": "function", **inner} if isinstance(inner, dict) else tool


def sampling_of(params: Mapping[str, Any], default: Sampling) -> Sampling:
    """How the row wants the model asked; what it leaves open is the server's. RowError for what is no number."""
    found: dict[str, Any] = {}
    for field, names, kinds in _NUMBERS:
        name = next((name for name in names if params.get(name) is not None), None)
        if name is not None:
            value = params[name]
            if type(value) not in kinds or not 0 <= value < 1e15:
                raise RowError(f"{PARAMS}.{name}", "a number from 0", value)
            found[field] = value
    reasoning = params.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else params.get("reasoning_effort")
    if isinstance(effort, str):
        found["reasoning_effort"] = effort
    choice = params.get("tool_choice")
    if isinstance(choice, Mapping):
        choice = choice.get("name")
    if isinstance(choice, str) and choice != "auto":
        found["tool_choice"] = choice
    if isinstance(several := params.get("parallel_tool_calls"), bool):
        found["parallel_tool_calls"] = several
    if extra := _extra_body(params):
        found["extra"] = {**default.extra, **extra}
        if type(seed := extra.get("seed")) is int and 0 <= seed < 1 << 63:
            found["seed"] = seed
    return msgspec.structs.replace(default, **found) if found else default


_OURS = ("model", "messages", "input", "tools", "stream", "n")
"""Fields of a call that a row does not decide."""


def _extra_body(params: Mapping[str, Any]) -> dict[str, Any]:
    """Further fields for every call of the model, which NeMo Gym keeps as JSON text in the metadata."""
    metadata = params.get("metadata")
    text = metadata.get("extra_body") if isinstance(metadata, Mapping) else None
    if not text:
        return {}
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, TypeError, RecursionError):
        raise RowError(f"{PARAMS}.metadata.extra_body", "a JSON object as text", text) from None
    return {name: value for name, value in found.items() if name not in _OURS}


_NUMBERS: tuple[tuple[str, tuple[str, ...], tuple[type, ...]], ...] = (
    ("temperature", ("temperature",), (int, float)),
    ("top_p", ("top_p",), (int, float)),
    ("max_tokens", ("max_output_tokens", "max_tokens", "max_completion_tokens"), (int,)),
)


def whole_number(fields: Mapping[str, Any], name: str) -> int | None:
    """A field that counts, such as an index; None where the row has none. Refused otherwise."""
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise Refused(422, "row", f"field {name!r}: expected a whole number from 0, found {value!r:.80}", field=name)
    return value
