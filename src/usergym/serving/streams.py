"""A finished reply as the stream of events that either API would have sent while it was written."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def chat_stream(body: Mapping[str, Any], include_usage: bool) -> bytes:
    """The chunks of a `chat.completion`, then `[DONE]`."""
    rest = {key: value for key, value in body.items() if key not in ("choices", "usage", "prompt_token_ids")}
    base = {**rest, "object": "chat.completion.chunk"}
    if include_usage:
        base["usage"] = None
    lines = [{**base, "choices": [choice]} for choice in _choices(body["choices"][0])]
    if "prompt_token_ids" in body:
        lines[0]["prompt_token_ids"] = body["prompt_token_ids"]
    if include_usage:
        lines.append({**base, "choices": [], "usage": body["usage"]})
    return b"".join(b"data: " + _encode(line) + b"\n\n" for line in lines) + b"data: [DONE]\n\n"


def _choices(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The choice of each chunk: who speaks, the thought, the words, each call's name and arguments, why it ended."""
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{field: message[field]} for field in ("reasoning_content", "content") if message.get(field)]
    for place, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        head = {"index": place, "id": call["id"], "type": "function"}
        deltas.append({"tool_calls": [{**head, "function": {"name": function["name"], "arguments": ""}}]})
        deltas.append({"tool_calls": [{"index": place, "function": {"arguments": function["arguments"]}}]})
    for delta in deltas:
        yield {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    last = {"index": 0, "delta": {}, "logprobs": choice["logprobs"], "finish_reason": choice["finish_reason"]}
    yield last | ({"token_ids": choice["token_ids"]} if "token_ids" in choice else {})


def responses_stream(body: Mapping[str, Any]) -> bytes:
    """The events of a `response`, numbered."""
    later: dict[str, Any] = {"completed_at": None, "incomplete_details": None, "output": [], "usage": None}
    begun = {"response": {**body, **later, "status": "in_progress"}}
    events = [("response.created", begun), ("response.in_progress", begun)]
    for place, item in enumerate(body["output"]):
        events += _item_events(item, place)
    events.append((f"response.{body['status']}", {"response": dict(body)}))
    lines = ((kind, {"type": kind, "sequence_number": n, **event}) for n, (kind, event) in enumerate(events))
    return b"".join(b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(line)) for kind, line in lines)


def _item_events(item: Mapping[str, Any], place: int) -> Iterator[tuple[str, dict[str, Any]]]:
    where = {"item_id": item["id"], "output_index": place}
    match item["type"]:
        case "message":
            (part,) = item["content"]
            text, at = part["text"], {**where, "content_index": 0}
            yield _added(item, place, content=[])
            yield "response.content_part.added", {**at, "part": {**part, "text": ""}}
            yield "response.output_text.delta", {**at, "delta": text, "logprobs": []}
            yield "response.output_text.done", {**at, "text": text, "logprobs": []}
            yield "response.content_part.done", {**at, "part": part}
        case "reasoning":
            (part,) = item["summary"]
            text, at = part["text"], {**where, "summary_index": 0}
            yield _added(item, place, summary=[])
            yield "response.reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
            yield "response.reasoning_summary_text.delta", {**at, "delta": text}
            yield "response.reasoning_summary_text.done", {**at, "text": text}
            yield "response.reasoning_summary_part.done", {**at, "part": part}
        case "function_call":
            arguments = item["arguments"]
            yield _added(item, place, arguments="")
            yield "response.function_call_arguments.delta", {**where, "delta": arguments}
            yield "response.function_call_arguments.done", {**where, "name": item["name"], "arguments": arguments}
    yield "response.output_item.done", {"output_index": place, "item": item}


_WHEN_DONE = ("prompt_token_ids", "generation_token_ids", "generation_log_probs")


def _added(item: Mapping[str, Any], place: int, **empty: Any) -> tuple[str, dict[str, Any]]:
    known = {field: value for field, value in item.items() if field not in _WHEN_DONE}
    return "response.output_item.added", {"output_index": place, "item": {**known, **empty, "status": "in_progress"}}
