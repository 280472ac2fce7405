"""Conversations as NeMo Gym writes them: a row's messages, a rollout's `response`. What files and servers share."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.environments.base import RowError
from usergym.models.responses_format import from_responses, to_responses
from usergym.rows import dropped_nulls
from usergym.types import Message, Seat, Speaker, Tokens, Trajectory, Turn, Usage


def messages_of(items: Any, field: str) -> list[Message]:
    """The messages of a text or a list of Responses items. RowError for anything else, ValueError for an item."""
    if isinstance(items, str):
        return [Message("user", items)]
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise RowError(field, "a text or a list of items", items)
    try:
        return from_responses([dropped_nulls(item) for item in items])
    except ValueError as error:
        raise ValueError(f"field {field!r}: {error}") from None


def turns_of(messages: Sequence[Message], field: str) -> tuple[str, list[Turn]]:
    """The system prompt, and the turns of an assistant's view. RowError for a system message further down, which
    has no speaker."""
    start = 0
    while start < len(messages) and messages[start].role == "system":
        start += 1
    turns = []
    for place, message in enumerate(messages[start:], start):
        if message.role == "system":
            raise RowError(f"{field}[{place}].role", "system messages only at the beginning", "system")
        if message.role == "user":
            turns.append(Turn("user", msgspec.structs.replace(message, role="assistant")))
        else:
            turns.append(Turn("assistant", message))
    return "\n\n".join(message.content for message in messages[:start]), turns


def played(response: Mapping[str, Any]) -> tuple[list[Turn], dict[str, Any]]:
    """The turns of a response, its usage on the assistant's last one; and its other fields."""
    output = response.get("output", ...)
    messages = messages_of(output, "response.output")
    if cuts := _unanswered(output) if isinstance(output, list) else []:
        pieces = zip([0, *cuts], [*cuts, len(output)], strict=True)
        messages = [message for start, end in pieces for message in messages_of(output[start:end], "response.output")]
    _, turns = turns_of(messages, "response.output")
    rest = {key: value for key, value in response.items() if key not in ("output", "tools") and value is not None}
    usage = response.get("usage")
    last = max((n for n, turn in enumerate(turns) if turn.message.role == "assistant"), default=None)
    if isinstance(usage, Mapping) and last is not None:
        cached = (usage.get("input_tokens_details") or {}).get("cached_tokens") or 0
        thought = (usage.get("output_tokens_details") or {}).get("reasoning_tokens") or 0
        read, written = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
        spent = Usage(read, written, cached, reasoning_tokens=thought)
        turns[last] = msgspec.structs.replace(turns[last], usage=spent)
    return turns, rest


def _unanswered(items: Sequence[Mapping[str, Any]]) -> list[int]:
    """Where words begin that stand behind calls of which no result was recorded. They were said after those calls;
    without the results between them they would be read as one message with the calls."""
    answered = {item.get("call_id") for item in items if item.get("type") == "function_call_output"}
    cuts: list[int] = []
    calls: list[Any] = []
    thought: int | None = None
    for place, item in enumerate(items):
        kind = item.get("type") or "message"
        if kind == "function_call":
            calls.append(item.get("call_id"))
            thought = None
        elif kind == "reasoning":
            thought = place if thought is None else thought
        else:
            words = kind == "message" and item.get("role") in (None, "", "assistant")
            waiting = not answered.isdisjoint(calls)
            if words and calls and not waiting:
                cuts.append(place if thought is None else thought)
            if not (words and waiting):
                calls = []
            thought = None
    return cuts


def response_of(
    trajectory: Trajectory, speaker: Speaker, tools: Any, *, key: str, opening: int = 0, ids: bool = False
) -> dict[str, Any]:
    """The `response` of a conversation after its first `opening` turns. `tools` is in wire form, `key` what its id
    is made of. With `ids`, items have ids that no other response has, and the token ids that were sampled."""
    before = len(trajectory.view(speaker, until=opening))
    after = trajectory.view(speaker)[before:]
    seat = trajectory.seats.get(speaker) or Seat()
    return {
        "id": f"resp_{key}",
        "created_at": 0.0,
        "model": seat.model,
        "object": "response",
        "output": output_of(after, f"{key}_", token_ids(trajectory, speaker)) if ids else output_of(after),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": tools,
        "usage": usage_of(trajectory.usage(speaker)) if any(turn.usage for turn in trajectory.turns) else None,
    }


def output_of(
    messages: Sequence[Message], prefix: str = "", generated: Mapping[int, Mapping[str, Any]] = {}
) -> list[dict[str, Any]]:
    """Output items with the fields that their schema demands. `generated` are token ids by a message's identity;
    they stand on the last item of their message."""
    out: list[dict[str, Any]] = []
    for message in messages:
        for item in to_responses((message,)):
            out.append(_output(item, f"{prefix}{len(out)}"))
        if ids := generated.get(id(message)):
            out[-1] |= ids
    return out


def token_ids(trajectory: Trajectory, speaker: Speaker) -> dict[int, dict[str, Any]]:
    """What was sampled, whole prompts included, by the identity of each message; empty where nothing was kept."""
    out: dict[int, dict[str, Any]] = {}
    head = b""
    for turn in trajectory.turns:
        if turn.speaker == speaker and turn.tokens:
            tokens = turn.tokens
            whole = tokens.whole(head)
            prompt = whole[: len(whole) - len(tokens.output_ids)]
            out[id(turn.message)] = _ids(tokens, prompt)
            head = whole
    return out


def _ids(tokens: Tokens, prompt: bytes) -> dict[str, Any]:
    return {
        "prompt_token_ids": memoryview(prompt).cast("i").tolist(),
        "generation_token_ids": memoryview(tokens.output_ids).cast("i").tolist(),
        "generation_log_probs": memoryview(tokens.logprobs).cast("f").tolist(),
    }


def usage_of(spent: Usage) -> dict[str, Any]:
    return {
        "input_tokens": spent.input_tokens,
        "input_tokens_details": {"cached_tokens": spent.cached_tokens},
        "output_tokens": spent.output_tokens,
        "output_tokens_details": {"reasoning_tokens": spent.reasoning_tokens},
        "total_tokens": spent.input_tokens + spent.output_tokens,
    }


def _output(item: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Reasoning stands in its summary there."""
    match item:
        case {"type": "reasoning", "content": [{"text": str(text)}]}:
            return {"id": f"rs_{place}", "summary": [{"text": text, "type": "summary_text"}], "type": "reasoning"}
        case {"type": "message", "role": "assistant", "content": str(text)}:
            part = {"annotations": [], "text": text, "type": "output_text"}
            said = {"id": f"msg_{place}", "content": [part], "role": "assistant"}
            return {**said, "status": "completed", "type": "message"}
        case {"type": "function_call"}:
            return {**item, "id": f"fc_{place}", "status": "completed"}
    return dict(item)
