"""The one text protocol for models whose chat template knows no tools.

Tools are listed in the system text, a call is JSON between two tags, a result comes back as the user's
words between two others. Reading is linear in the length of the text and never fails: what stands in a
call's tags is a call, however broken, because tool traffic is private and a broken call must be answered,
not heard by the other side.
"""

import json
import re
from collections.abc import Sequence
from importlib.resources import files

import msgspec

from usergym.types import Message, Role, Tool, ToolCall, valid_text

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_NAME = re.compile(r'"name"\s*:\s*"([^"\\]*)"\s*,')
_ARGUMENTS = re.compile(r'\s*"arguments"\s*:\s*')
_SPACE = re.compile(r"\s*+")
_OBJECT = json.JSONDecoder()


class _Call(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


_decoder = msgspec.json.Decoder(_Call)
_anything = msgspec.json.Decoder(msgspec.Raw)


def instructions(tools: Sequence[Tool]) -> str:
    """The system text that lists the tools and says how to call them."""
    text = (files("usergym.models") / "prompts" / "tool_text.md").read_text(encoding="utf-8").strip()
    return text.replace("{tools}", "\n".join(msgspec.json.encode(tool).decode() for tool in tools))


def render(messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[Message]:
    """The same conversation in the roles system, user and assistant only, neighbours of one role joined."""
    plain: list[Message] = []
    untold = bool(tools)
    for message in messages:
        if untold and message.role != "system":
            # After the seat's own words, which say who speaks.
            _say(plain, "system", instructions(tools), None)
            untold = False
        if message.role == "tool":
            _say(plain, "user", f"<tool_result>\n{message.content}\n</tool_result>", None)
        else:
            parts = [message.content, *(written(call) for call in message.tool_calls)]
            _say(plain, message.role, "\n".join(filter(None, parts)), message.reasoning)
    if untold:
        _say(plain, "system", instructions(tools), None)
    return plain


def _say(plain: list[Message], role: Role, words: str, reasoning: str | None) -> None:
    if plain and plain[-1].role == role:
        before = plain.pop()
        words = "\n\n".join(filter(None, (before.content, words)))
        reasoning = "\n\n".join(filter(None, (before.reasoning, reasoning))) or None
    plain.append(Message(role, words, reasoning))


def written(call: ToolCall) -> str:
    """The text of one call. Arguments that would not survive as JSON inside JSON are put as a JSON string."""
    raw = call.arguments
    if CLOSE in raw or raw != raw.strip() or raw.startswith('"') or not _is_json(raw):
        raw = _quoted(raw)
    return f'{OPEN}\n{{"name": {_quoted(call.name)}, "arguments": {raw}}}\n{CLOSE}'


def parse(text: str, place: int = 0) -> tuple[str, tuple[ToolCall, ...]]:
    """What a reply says, and the calls in it; ids are `call_{place}_{number}`, so give the length of the view.

    Arguments are the raw text as written; a JSON string there is taken as the text it holds. A closing tag
    may be missing at the end. A call that cannot be read keeps what can be told of it: its name and the raw
    text of the arguments, or no name and the whole block.
    """
    text = valid_text(text)
    said: list[str] = []
    calls: list[tuple[str, str]] = []
    at, end = 0, 0
    while (start := text.find(OPEN, at)) >= 0:
        said.append(text[at:start])
        inside = start + len(OPEN)
        if end >= 0:
            end = text.find(CLOSE, inside)
        if end >= 0:
            at = end + len(CLOSE)
            _in_block(text[inside:end], said, calls)
        else:
            at = _unclosed(text, inside, said, calls)
    said.append(text[at:])
    content = "".join(said).strip() if calls else text
    return content, tuple(ToolCall(f"call_{place}_{i}", name, raw) for i, (name, raw) in enumerate(calls))


def _in_block(body: str, said: list[str], calls: list[tuple[str, str]]) -> None:
    """One call, or several of which only the last was closed."""
    pieces = body.split(OPEN)
    if (call := _read(body)) or not _read(pieces[-1]):
        calls.append(call or _salvage(body))
        return
    for piece in pieces:
        if piece.lstrip().startswith("{"):
            calls.append(_read(piece) or _salvage(piece))
        else:
            said.append(OPEN + piece)


def _unclosed(text: str, inside: int, said: list[str], calls: list[tuple[str, str]]) -> int:
    """The call that begins at `inside` and is never closed, if it is one; returns where it ends."""
    start = _SPACE.match(text, inside).end()  # type: ignore[union-attr]
    if not text.startswith("{", start):
        said.append(text[inside - len(OPEN) : start])
        return start
    try:
        _, end = _OBJECT.raw_decode(text, start)
    except (ValueError, RecursionError):
        end = len(text)
    body = text[start:end]
    calls.append(_read(body) or _salvage(body))
    return end


def _read(body: str) -> tuple[str, str] | None:
    try:
        call = _decoder.decode(body)
        raw = bytes(call.arguments)
        return call.name, msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
    except (msgspec.MsgspecError, RecursionError):
        return None


def _salvage(body: str) -> tuple[str, str]:
    body = body.strip()
    name = _NAME.search(body)
    arguments = name and _ARGUMENTS.match(body, name.end())
    if not name or not arguments:
        return "", body
    return name[1], body[arguments.end() :].removesuffix("}").rstrip()


def _is_json(text: str) -> bool:
    try:
        _anything.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted.replace("<", "\\u003c") if CLOSE in text else quoted
