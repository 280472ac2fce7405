"""What the mock server says: a text, or the smallest JSON that a schema takes, in the form of each API."""

from collections.abc import Mapping
from typing import Any

import msgspec

from usergym.models.anthropic_format import REPLY_TOOL
from usergym.models.chat_format import from_chat
from usergym.types import Message, stable_hash

Request = Mapping[str, Any]

END = 256
"""The mock's token ids are UTF-8 bytes; this one ends a message, those above it begin one."""
ROLE_IDS = {"system": 257, "developer": 257, "user": 258, "assistant": 259, "tool": 260}


def said(request: Request) -> str:
    """The last thing the user said in a request of any of the three APIs."""
    rows = request.get("messages", request.get("input", ()))
    if isinstance(rows, str):
        return rows
    for row in reversed(rows):
        if row.get("role") == "user":
            return text_of(row.get("content"))
    return ""


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(part.get("text") or text_of(part.get("content")) for part in content if isinstance(part, dict))


def schema_of(request: Request) -> dict[str, Any] | None:
    """The JSON schema a request wants its reply in."""
    form = request.get("response_format") or (request.get("text") or {}).get("format")
    if form and form.get("type") == "json_object":
        return {"type": "object"}
    if form and form.get("type") == "json_schema":
        schema: dict[str, Any] = form.get("json_schema", form).get("schema") or {}
        return schema
    if form := (request.get("output_config") or {}).get("format"):
        return dict(form.get("schema") or {})
    if (request.get("tool_choice") or {}) == {"type": "tool", "name": REPLY_TOOL}:
        return dict(request["tools"][0]["input_schema"])
    return None


def instance(schema: Any, text: str, root: Any = None, depth: int = 0) -> Any:
    """The smallest value that `schema` takes, with `text` where any text will do. `pattern` is not solved."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > 30:
        return None
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#").strip("/").split("/"):
            target = target.get(part, {}) if part else target
        return instance(target, text, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return instance(schema[name][0], text, root, depth + 1)
    if "allOf" in schema:
        merged = {key: value for part in schema["allOf"] for key, value in part.items()}
        return instance(merged, text, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties", {})
        wanted = schema.get("required", ())
        return {name: instance(properties.get(name, {}), text, root, depth + 1) for name in wanted}
    if kind == "array":
        return [instance(schema.get("items", {}), text, root, depth + 1) for _ in range(schema.get("minItems", 0))]
    return _scalar(kind, schema, text)


def _scalar(kind: str, schema: Mapping[str, Any], text: str) -> Any:
    if kind == "string":
        longest = schema.get("maxLength", len(text) + schema.get("minLength", 0))
        return (text or " ").ljust(schema.get("minLength", 0), ".")[:longest] if longest else ""
    if kind in ("integer", "number"):
        step = schema.get("multipleOf", 1)
        least = schema.get("minimum", schema.get("exclusiveMinimum"))
        if least is None:
            most = schema.get("maximum", schema.get("exclusiveMaximum", 0))
            value = min(0, most if "exclusiveMaximum" not in schema else most - step)
        else:
            value = least + (step if "exclusiveMinimum" in schema and "minimum" not in schema else 0)
        value = -(-value // step) * step
        return int(value) if kind == "integer" else value
    return False if kind == "boolean" else None


def message_of(answer: str | Mapping[str, Any]) -> Message:
    """The reply to give: `answer` is its text, or an assistant's message in chat form."""
    if isinstance(answer, str):
        return Message("assistant", answer)
    return from_chat([{**answer, "role": "assistant"}])[0]


def chat_body(model: str, message: Message, finish: str, usage: tuple[int, int], ids: dict[str, Any]) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": "assistant", "content": message.content or None}
    if message.reasoning:
        wire["reasoning_content"] = message.reasoning
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    elif not message.content:
        wire["content"] = ""
    reason = "length" if finish == "length" else "tool_calls" if message.tool_calls else "stop"
    choice = {"index": 0, "message": wire, "finish_reason": reason, "logprobs": ids.get("logprobs")}
    body: dict[str, Any] = {"id": "chatcmpl-mock", "object": "chat.completion", "created": 0, "model": model}
    if ids:
        choice["token_ids"] = ids["output"]
        body["prompt_token_ids"] = ids["prompt"]
    total = sum(usage)
    counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": total}
    return {**body, "choices": [choice], "usage": {**counts, "prompt_tokens_details": {"cached_tokens": 0}}}


def responses_body(model: str, message: Message, finish: str, usage: tuple[int, int]) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if message.reasoning:
        summary = [{"type": "summary_text", "text": message.reasoning}]
        output.append({"type": "reasoning", "id": "rs_mock", "summary": summary})
    if message.content or not message.tool_calls:
        content = [{"type": "output_text", "text": message.content, "annotations": []}]
        words = {"type": "message", "id": "msg_mock", "role": "assistant", "status": "completed", "content": content}
        output.append(words)
    for call in message.tool_calls:
        output.append({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments})
    cut = finish == "length"
    return {
        "id": "resp_mock",
        "object": "response",
        "created_at": 0,
        "model": model,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": output,
        "usage": {
            "input_tokens": usage[0],
            "output_tokens": usage[1],
            "total_tokens": sum(usage),
            "input_tokens_details": {"cached_tokens": 0},
        },
    }


def anthropic_body(model: str, message: Message, finish: str, usage: tuple[int, int], as_tool: bool) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if message.reasoning:
        content.append({"type": "thinking", "thinking": message.reasoning, "signature": "mock"})
    if as_tool:
        content.append({"type": "tool_use", "id": "toolu_mock", "name": REPLY_TOOL, "input": _object(message.content)})
    elif message.content:
        content.append({"type": "text", "text": message.content})
    for call in message.tool_calls:
        content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.arguments)})
    used = as_tool or message.tool_calls
    reason = "max_tokens" if finish == "length" else "tool_use" if used else "end_turn"
    return {
        "id": "msg_mock",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": usage[0], "output_tokens": usage[1], "cache_read_input_tokens": 0},
    }


def _object(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}


def token_ids(request: Request, text: str, cut: bool, seed: int) -> dict[str, Any]:
    """Ids of prompt and reply, one per UTF-8 byte, with log-probabilities. What one call read and wrote is the
    beginning of what the next call of the same conversation reads."""
    prompt: list[int] = []
    for row in request.get("messages", ()):
        prompt += [ROLE_IDS.get(row.get("role"), 258), *text_of(row.get("content")).encode(), END]
    prompt.append(ROLE_IDS["assistant"])
    output = [*text.encode(), *(() if cut else (END,))]
    chance = stable_hash(seed, text)
    entries = [
        {"token": chr(token), "logprob": -(((chance >> (place % 48)) + token) % 97 + 1) / 97, "top_logprobs": []}
        for place, token in enumerate(output)
    ]
    return {"prompt": prompt, "output": output, "logprobs": {"content": entries}}
