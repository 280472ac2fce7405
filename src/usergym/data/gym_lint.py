"""NeMo Gym rows, looked at before anything is spent on them: what can be mended is, the rest is told.

A mend is of a kind, so that it is told once with a count; a fault names the field and what to do.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from usergym.models.responses_format import from_responses

PARAMS = (
    "background",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "reasoning",
    "service_tier",
    "store",
    "stream",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
"""What `responses_create_params` may hold."""

_RENAMED = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
_ELSEWHERE = {
    "messages": "call it input",
    "seed": "give each repeat a seed with num_repeats_add_seed",
    "n": "repeat rows with num_repeats",
    "response_format": "it is text.format in the Responses API",
    "reasoning_effort": "it is reasoning.effort in the Responses API",
    "stop": "the Responses API has no stop sequences",
}
_NUMBERS: dict[str, tuple[type[int] | tuple[type[int], type[float]], float, float, str]] = {
    "temperature": ((int, float), 0, 2, "a number from 0 to 2"),
    "top_p": ((int, float), 0, 1, "a number from 0 to 1"),
    "max_output_tokens": (int, 1, float("inf"), "a whole number from 1"),
    "max_tool_calls": (int, 1, float("inf"), "a whole number from 1"),
    "top_logprobs": (int, 0, 20, "a whole number from 0 to 20"),
}
_TOOL_FIELDS = {"type", "name", "description", "parameters", "strict"}

REQUIRED: dict[str, dict[str, str]] = {
    "workplace": {
        "ground_truth": 'a list of {"name": ..., "arguments": "{...}"}, which its verification plays',
        "id": "a whole number",
        "category": "a text, such as workplace_assistant_email",
        "environment_name": "workplace_assistant",
    },
    "calendar": {"exp_cal_state": "an object of the events that the calendar must hold"},
}
"""What a row of an environment must hold beside `responses_create_params`, by the environment's name here."""

Note = Callable[[str], None]
"""Takes the kind of one mend."""


class Fault(ValueError):
    """A row that cannot be used: its field, what is wrong, what to do."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"field {field}: {problem}")
        self.field = field


def mend_row(row: Mapping[str, Any], environment: str | None, needs: Mapping[str, str], note: Note) -> dict[str, Any]:
    """The row as an agent server takes it. `environment`: whose required fields are looked for, beside those that
    this server `needs`. Fault for a row that is beyond mending."""
    if "responses_create_params" not in row:
        near = _near("responses_create_params", row)
        raise Fault("responses_create_params", f"it is missing{near}; each row holds what the model is asked with")
    params = mend_params(row["responses_create_params"], note)
    if "input" not in params:
        raise Fault("responses_create_params.input", "it is missing; give a text or a list of messages")
    _check_input(params["input"])
    out = {**row, "responses_create_params": params}
    for field, expected in REQUIRED.get(environment or "", {}).items():
        if out.get(field) is None:
            raise Fault(field, f"it is missing{_near(field, row)}; expected {expected}")
    for field, why in needs.items():
        if out.get(field) is None:
            raise Fault(field, f"it is missing: {why}")
    if "ground_truth" in out and environment == "workplace":
        out["ground_truth"] = _ground_truth(out["ground_truth"], note)
    if environment == "workplace":
        _note_strangers("the ground truth calls", out.get("ground_truth") or (), note)
        _note_strangers("the row offers the model", params.get("tools") or (), note)
    return out


def _note_strangers(what: str, calls: Iterable[Mapping[str, Any]], note: Note) -> None:
    """Names that the workplace has no tool for: whoever calls them gets an error text."""
    from usergym.environments.workplace.tools import TOOLS

    for name in sorted({call["name"] for call in calls} - set(TOOLS)):
        note(f"{what} {name!r:.60}, which is no tool of the workplace{_near(name, TOOLS)}")


def mend_params(params: Any, note: Note, where: str = "responses_create_params") -> dict[str, Any]:
    """`responses_create_params`, or overrides of them, in the Responses API's own words."""
    if isinstance(params, str):
        params = _from_text(params, where)
        note(f"{where} was JSON text and is now an object")
    if not isinstance(params, Mapping):
        raise Fault(where, f"expected an object, found {_shown(params)}")
    out: dict[str, Any] = {}
    for name, value in params.items():
        ours = _RENAMED.get(name, name)
        if ours not in PARAMS:
            remedy = f"; {_ELSEWHERE[name]}" if name in _ELSEWHERE else _near(name, PARAMS)
            raise Fault(f"{where}.{name}", f"the Responses API has no such parameter{remedy}")
        if ours != name:
            note(f"{name} is called {ours} in the Responses API")
            if params.get(ours) is not None:
                continue
        out[ours] = value
    for name, (kind, low, high, expected) in _NUMBERS.items():
        value = out.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high):
            raise Fault(f"{where}.{name}", f"expected {expected}, found {_shown(value)}")
    for name in ("parallel_tool_calls", "stream", "store", "background"):
        if not isinstance(out.get(name), (bool, type(None))):
            raise Fault(f"{where}.{name}", f"expected true or false, found {_shown(out[name])}")
    if out.get("stream"):
        raise Fault(f"{where}.stream", "rollouts are not streamed; take it out")
    if out.get("tools") is not None:
        out["tools"] = mend_tools(out["tools"], note, f"{where}.tools")
    return out


def mend_tools(tools: Any, note: Note, where: str) -> list[dict[str, Any]]:
    """Flat functions with the five fields that they have in the Responses API."""
    if not isinstance(tools, (list, tuple)):
        raise Fault(where, f"expected a list of functions, found {_shown(tools)}")
    out: list[dict[str, Any]] = []
    seen: set[str] = set()
    for place, tool in enumerate(tools):
        mended = _tool(tool, note, f"{where}[{place}]")
        if mended["name"] in seen:
            raise Fault(f"{where}[{place}].name", f"{mended['name']!r} is there twice; a call could not say which")
        seen.add(mended["name"])
        out.append(mended)
    return out


def _tool(tool: Any, note: Note, where: str) -> dict[str, Any]:
    if not isinstance(tool, Mapping):
        raise Fault(where, f'expected {{"type": "function", "name": ...}}, found {_shown(tool)}')
    if isinstance(tool.get("function"), Mapping):
        note("tools in the form of the chat API are unwrapped")
        outer = {name: value for name, value in tool.items() if name not in ("function", "type")}
        tool = {"type": "function", **outer, **tool["function"]}
    if tool.get("type", "function") != "function":
        raise Fault(
            f"{where}.type", f"expected 'function', found {_shown(tool['type'])}; environments run functions only"
        )
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise Fault(f"{where}.name", f"expected the function's name, found {_shown(name)}")
    for extra in sorted(set(tool) - _TOOL_FIELDS):
        note(f"tools have no field {extra!r} in the Responses API (a 422 for the whole row); left out")
    parameters = tool.get("parameters")
    if isinstance(parameters, str):
        parameters = _from_text(parameters, f"{where}.parameters")
        note("parameters of tools were JSON text and are now objects")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
        note("tools without parameters get an empty object of them")
    if not isinstance(parameters, Mapping):
        raise Fault(f"{where}.parameters", f"expected a JSON Schema, found {_shown(parameters)}")
    if tool.get("strict") is None:
        note("tools without strict get false")
    if not isinstance(tool.get("strict"), (bool, type(None))):
        raise Fault(f"{where}.strict", f"expected true or false, found {_shown(tool['strict'])}")
    out: dict[str, Any] = {"type": "function", "name": name}
    if tool.get("description") is not None:
        out["description"] = str(tool["description"])
    return {**out, "parameters": parameters, "strict": bool(tool.get("strict"))}


def _check_input(asked: Any) -> None:
    where = "responses_create_params.input"
    if isinstance(asked, str):
        if not asked.strip():
            raise Fault(where, "it is empty; give a text or a list of messages")
        return
    if not isinstance(asked, list) or not asked:
        raise Fault(where, f"expected a text or a list of messages, found {_shown(asked)}")
    for place, item in enumerate(asked):
        if not isinstance(item, Mapping):
            raise Fault(f"{where}[{place}]", f"expected a message, found {_shown(item)}")
    try:
        messages = from_responses([{key: value for key, value in item.items() if value is not None} for item in asked])
    except ValueError as error:
        raise Fault(where, f"{error}") from None
    if not any(message.role == "user" for message in messages):
        raise Fault(where, "nobody asks for anything; a message of role user is missing")


def _ground_truth(value: Any, note: Note) -> Any:
    if isinstance(value, str):
        value = _from_text(value, "ground_truth")
        note("ground_truth was JSON text and is now a list")
    if not isinstance(value, list):
        raise Fault("ground_truth", f"expected a list of calls, found {_shown(value)}")
    out = []
    for place, call in enumerate(value):
        where = f"ground_truth[{place}]"
        if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
            raise Fault(where, f'expected {{"name": ..., "arguments": "{{...}}"}}, found {_shown(call)}')
        arguments = call.get("arguments", "{}")
        if isinstance(arguments, Mapping):
            note("arguments of ground_truth were objects and are now JSON text")
            call = {**call, "arguments": msgspec.json.encode(arguments).decode()}
        elif not isinstance(arguments, str):
            raise Fault(f"{where}.arguments", f"expected JSON text, found {_shown(arguments)}")
        else:
            _from_text(arguments, f"{where}.arguments")
        out.append(call)
    return out


def _from_text(text: str, where: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Fault(where, f"it is text that is no JSON ({error}): {_shown(text)}") from None


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, [each for each in known if each != name], 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(value)[:80]
