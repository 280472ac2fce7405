"""What a client sends, read strictly: a wrong type is told by its field, an unknown field is left alone."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from usergym.models.chat_format import TEXT_PARTS, Part
from usergym.models.responses_format import tools_to_responses
from usergym.models.wire import decode
from usergym.types import Message, Sampling, Tool

T = TypeVar("T")

KEPT_TOOLS = 64
"""How many lists of tools are kept as they were parsed; the same one comes with every call of a conversation."""
KEPT_BYTES = 128 * 1024
"""Longer lists are parsed anew each time, so that what is kept is bounded."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class BadRequest(ValueError):
    """A request that cannot be answered, and the field that says why."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Asked(NamedTuple):
    """One request, in our nouns."""

    messages: list[Message]
    tools: tuple[Tool, ...]
    sampling: Sampling


def read(payload: bytes, decoder: "msgspec.json.Decoder[T]", inside: str = "") -> T:
    """The body as the decoder's type; BadRequest names the field. `inside` is the field that the payload is."""
    try:
        return decode(payload, decoder)
    except msgspec.ValidationError as error:
        raise _misfit(error, inside) from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply", inside or None) from None
    except (ValueError, msgspec.DecodeError) as error:
        raise BadRequest(f"the body is not JSON: {error}", inside or None) from None


def _misfit(error: msgspec.ValidationError, inside: str) -> BadRequest:
    text, found, path = str(error).rpartition(" - at `$")
    path = f"{inside}{path.rstrip('`')}".lstrip(".") if found else inside
    text = text if found else str(error)
    if text.startswith("Object missing required field `"):
        path = f"{path}.{text.rsplit('`', 2)[1]}".lstrip(".")
    return BadRequest(f"{path}: {text}" if path else text, path or None)


class _Function(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Offered(msgspec.Struct):
    type: str = "function"
    function: _Function | None = None
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tools(NamedTuple):
    tools: tuple[Tool, ...]
    flat: bytes
    """As JSON in the form of the Responses API."""


_tools_decoder = msgspec.json.Decoder(list[_Offered] | None)
NO_TOOLS = Tools((), b"[]")


def tools_of(raw: msgspec.Raw) -> Tools:
    """Tools in either API's form: flat, or nested in `function`."""
    payload = bytes(raw)
    if payload in (b"", b"null", b"[]"):
        return NO_TOOLS
    return _kept(payload) if len(payload) <= KEPT_BYTES else _parsed(payload)


def _parsed(payload: bytes) -> Tools:
    tools = []
    flat = True
    for place, row in enumerate(read(payload, _tools_decoder, "tools") or ()):
        if row.type != "function":
            raise BadRequest(f"tools[{place}]: type {row.type!r}; only functions can be called here", f"tools[{place}]")
        if row.function is not None:
            row.name, row.description, row.parameters = msgspec.structs.astuple(row.function)
            flat = False
        if not row.name:
            raise BadRequest(f"tools[{place}]: a function needs a name", f"tools[{place}].name")
        tools.append(Tool(row.name, row.description or "", row.parameters or {}))
    return Tools(tuple(tools), payload if flat else msgspec.json.encode(tools_to_responses(tools)))


_kept = lru_cache(KEPT_TOOLS)(_parsed)


class _Named(msgspec.Struct):
    name: str | None = None


class Choice(msgspec.Struct):
    """`tool_choice` as an object: a function by name in either form, or a list of allowed ones with a mode."""

    type: str = ""
    name: str | None = None
    function: _Named | None = None
    mode: str | None = None
    allowed_tools: "Choice | None" = None


def choice_of(choice: str | Choice | None, tools: Sequence[Tool]) -> str | None:
    """`none`, `required` or a tool's name; None where the model chooses, or has no tools."""
    if isinstance(choice, Choice):
        inner = choice.allowed_tools or choice
        choice = inner.mode or (inner.function.name if inner.function else None) or inner.name or "auto"
    elif choice not in (None, "auto", "none", "required"):
        raise BadRequest(f"tool_choice: {choice!r}; expected auto, none, required or a function", "tool_choice")
    if choice is None or choice == "auto" or not tools:
        return None
    if choice not in ("none", "required") and all(tool.name != choice for tool in tools):
        raise BadRequest(f"tool_choice: there is no tool {choice!r}", "tool_choice")
    return choice


class _Schema(msgspec.Struct):
    schema: dict[str, Any] | None = None


class Format(msgspec.Struct):
    """`response_format` of chat or `text.format` of Responses."""

    type: str = "text"
    json_schema: _Schema | None = None
    schema: dict[str, Any] | None = None


def schema_of(form: Format | None, param: str) -> dict[str, Any] | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "object"}
    if form.type != "json_schema":
        raise BadRequest(f"{param}.type: {form.type!r}; expected text, json_object or json_schema", f"{param}.type")
    schema = form.json_schema.schema if form.json_schema else form.schema
    if schema is None:
        raise BadRequest(f"{param}: json_schema without its schema", param)
    return schema


def texts_only(content: str | list[Part] | None, param: str) -> None:
    """BadRequest for a picture, a sound or a file: no model of ours is given one."""
    if isinstance(content, list):
        for place, part in enumerate(content):
            if part.type not in TEXT_PARTS:
                where = f"{param}[{place}].type"
                raise BadRequest(f"{where}: {part.type!r}; only text is understood here", where)


def folded(messages: list[Message], instructions: str | None = None) -> list[Message]:
    """`messages` with `instructions` and all leading system messages made one; most chat templates take no more."""
    leading = next((n for n, message in enumerate(messages) if message.role != "system"), len(messages))
    if leading + bool(instructions) < 2:
        return messages if not instructions else [Message("system", instructions), *messages]
    texts = [instructions or "", *(message.content for message in messages[:leading])]
    return [Message("system", "\n\n".join(filter(None, texts))), *messages[leading:]]
