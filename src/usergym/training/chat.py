"""The bridge between messages and token ids: a model's own chat template, asked for each piece once.

Whatever people, tools and worlds say is text: the name of a special token in it stays a name, so that nobody but the
template and the policy can end a turn or begin one.
"""

import json
import secrets
from collections.abc import Sequence
from typing import Any

import jinja2
import msgspec

from usergym.models import tool_text
from usergym.models.chat_format import ChatMessage, to_chat, tools_to_chat
from usergym.training.spelling import Spelling
from usergym.types import Message, Tool, ToolCall

THINK, THOUGHT = "<think>", "</think>"
REMEDY = "give a tokenizer with another chat template, or --chat-template FILE"
LOOK = Tool("look", "Looks up a word.", {"type": "object", "properties": {"word": {"type": "string"}}})
_ASKED = Message("user", "?")
REFUSED = (
    *(jinja2.TemplateError, TypeError, LookupError, AttributeError, ValueError),
    *(ArithmeticError, RecursionError, MemoryError),
)
"""What templates raise for conversations they do not take, and broken ones for any."""


class TemplateError(ValueError):
    """A chat template that is missing, that refuses a conversation, or that nobody can play with."""


class Chat:
    """Messages to ids and back, for one tokenizer.

    TemplateError where it has no chat template, or one whose assistant messages do not end in a special token: then
    nobody could tell where a reply ends. The tokenizer must be a fast one.
    """

    def __init__(self, tokenizer: Any) -> None:
        if not getattr(tokenizer, "chat_template", None):
            raise TemplateError(f"{named(tokenizer)} has no chat template; give one that has, or --chat-template FILE")
        if not tokenizer.is_fast:
            raise TemplateError(
                f"{named(tokenizer)} cannot tell where its tokens stand in a text, so what people say could not be "
                "kept apart from special tokens; give a fast tokenizer (tokenizer.json)"
            )
        self.tokenizer = tokenizer
        self._spelling = Spelling(tokenizer)
        self._own = f"reply{secrets.token_hex(8)}"
        """Stands for an own reply where one is rendered; nobody else can write it."""
        self._folds = self._own not in self._try([Message("system", self._own), _ASKED])
        """The template takes no system message, so it goes in front of the first thing the user says."""
        self._ends = self._find_ends()
        self.end_ids = self._find_end_ids()
        """Ids that end a reply, the template's own first."""
        prompt = self._try([Message("user", self._own)], prompt=True).rpartition(self._own)[2]
        self._begun = prompt.count(THINK) > prompt.count(THOUGHT)
        """The generation prompt opens the reasoning, so a reply begins inside it."""
        self.native_tools = False
        """The template knows tools, and the calls it writes can be read back. Without it tools go through the text
        protocol of `models.tool_text`."""
        self._schema = False
        """Calls are read by the tokenizer's response schema."""
        self._find_tools()

    def first(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The ids of a whole view, up to and with the generation prompt."""
        rows, schemas = self._spelling.hide((self._rows(messages, tools), tools_to_chat(tools)))
        return self._spelling.ids(self._render(rows, schemas if self.native_tools else ()))

    def more(self, messages: Sequence[Message]) -> list[int]:
        """The ids that follow an own reply which ended in an end token: the rest of its frame, what was said since,
        and the next generation prompt. The past is not needed, hence never rendered again."""
        answered = 0
        while self.native_tools and answered < len(messages) and messages[answered].role == "tool":
            answered += 1
        calls = tuple(ToolCall(message.tool_call_id or "", self._own, "{}") for message in messages[:answered])
        past = to_rows([_ASKED, Message("assistant", "" if calls else self._own, tool_calls=calls)])
        text = self._render([*past, *self._spelling.hide(self._rows(messages))])
        end, _ = self._end(text, text.rfind(self._own) + len(self._own))
        return self._spelling.ids(text[end:])[1:]

    def write(self, message: Message) -> list[int]:
        """The ids by which a model would have to say an own message, from the generation prompt to its end token:
        what `read` reads. Reasoning stands in `<think>` where the template leaves it out."""
        asked, said = self._spelling.hide(self._rows([_ASKED, message]))
        prompt, text = self._render([asked]), self._render([asked, said], prompt=False)
        begins = self._begins(prompt, text)
        if message.reasoning and THOUGHT not in text[begins:]:
            said["content"] = f"{THINK}\n{self._spelling.hide(message.reasoning)}\n{THOUGHT}\n\n{said['content']}"
            text = self._render([asked, said], prompt=False)
            begins = self._begins(prompt, text)
        end, name = self._end(text, begins)
        text = text[: end + len(name)]
        if self._begun and THOUGHT not in text[begins:]:
            return self._spelling.ids(f"\n{THOUGHT}\n\n{text[begins:]}")
        before, ids = self._spelling.ids(prompt), self._spelling.ids(text)
        return ids[len(before) :] if ids[: len(before)] == before else self._spelling.ids(text[begins:])

    def read(self, ids: Sequence[int], place: int = 0) -> Message:
        """What sampled ids say: the words before the end token, reasoning apart, tool calls parsed. `place` is the
        number of messages before it, from which calls get their ids."""
        end = next((at for at, each in enumerate(ids) if each in self.end_ids), len(ids))
        thought, words = self._apart(self._spelling.text(ids[:end]))
        if self._schema and (message := self._by_schema(words, place)):
            return msgspec.structs.replace(message, reasoning=thought or message.reasoning)
        content, calls = tool_text.parse(words, place)
        return Message("assistant", content, thought, calls)

    def ended(self, ids: Sequence[int]) -> bool:
        """Whether a reply came to its end; without it, it was cut."""
        return len(ids) > 0 and ids[-1] in self.end_ids

    def _rows(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[dict[str, Any]]:
        if not self.native_tools:
            messages = tool_text.render(messages, tools)
        return to_rows(_folded(messages) if self._folds else messages)

    def _render(self, rows: Sequence[Any], tools: Sequence[Any] = (), prompt: bool = True) -> str:
        try:
            (text,) = self.tokenizer.apply_chat_template(
                [rows], tools=list(tools) or None, add_generation_prompt=prompt, tokenize=False
            )
        except REFUSED as error:
            roles = ", ".join(row["role"] for row in rows)
            raise TemplateError(
                f"the chat template of {named(self.tokenizer)} refuses the messages [{roles}]: "
                f"{str(error) or type(error).__name__}; {REMEDY}"
            ) from error
        return str(text)

    def _try(self, messages: Sequence[Message], tools: Sequence[Tool] = (), prompt: bool = False) -> str:
        """What the template makes of messages, "" where it refuses them."""
        try:
            return self._render(to_rows(messages), tools_to_chat(tools), prompt)
        except TemplateError:
            return ""

    def _find_ends(self) -> list[str]:
        """The special tokens that end an assistant's message: the last one, and one in the past."""
        talk = [_ASKED, Message("assistant", self._own), _ASKED]
        last = self._render(to_rows(talk[:2]), prompt=False).rpartition(self._own)[2]
        past = self._try(talk).rpartition(self._own)[2]
        ends = [names[0] for text in (last, past) if (names := self._spelling.names(text))]
        if len(ends) < 2 or (ends[0] != ends[1] and len(self._spelling.names(past)) < 2):
            raise TemplateError(
                f"the chat template of {named(self.tokenizer)} does not end an assistant's message in a special token "
                f"(behind its words stands {last[:40]!r}), so nobody could tell where a reply ends; {REMEDY}"
            )
        return list(dict.fromkeys(ends))

    def _find_end_ids(self) -> tuple[int, ...]:
        """The template's end tokens, and the tokenizer's own unless it begins a message: files may name a wrong one."""
        ids = [self._spelling.special[end] for end in self._ends]
        eos = self.tokenizer.eos_token_id
        if eos is not None and self.tokenizer.eos_token not in self._try([_ASKED], prompt=True):
            ids.append(eos)
        return tuple(dict.fromkeys(ids))

    def _find_tools(self) -> None:
        """Tools are the template's own if it lists them, takes a result, and writes a call that can be read back."""
        call = ToolCall("call_1_0", LOOK.name, '{"word": "tree"}')
        own, result = Message("assistant", tool_calls=(call,)), Message("tool", self._own, tool_call_id=call.id)
        if (
            LOOK.description not in self._try([_ASKED], [LOOK], prompt=True)
            or LOOK.name not in self._try([_ASKED, own], [LOOK])
            or self._own not in self._try([_ASKED, own, result], [LOOK])
        ):
            return
        self.native_tools = True
        for schema in (False, hasattr(self.tokenizer, "parse_response")):
            self._schema = schema
            if self._reads_back(own):
                return
        self.native_tools = self._schema = False

    def _reads_back(self, own: Message) -> bool:
        """Whether a call that the template writes is understood, and a conversation goes on after it."""
        (call,) = own.tool_calls
        try:
            read = self.read(self.write(own), 1).tool_calls
            after = self._spelling.text(self.more([Message("tool", "result", tool_call_id=call.id)]))
        except TemplateError:
            return False
        same = [(each.name, _object(each.arguments)) for each in read] == [(call.name, _object(call.arguments))]
        return same and "result" in after

    def _end(self, text: str, behind: int) -> tuple[int, str]:
        """Where the first end token behind a place stands, and its name."""
        found = [(at, name) for name in self._ends if (at := text.find(name, behind)) >= 0]
        if not found:
            raise TemplateError(
                f"the chat template of {named(self.tokenizer)} ends a message of the assistant without "
                f"{' or '.join(self._ends)}, as {text[behind:][:40]!r}; {REMEDY}"
            )
        return min(found)

    def _begins(self, prompt: str, text: str) -> int:
        """Where the reply begins in a rendered exchange."""
        if text.startswith(prompt) or not self._begun:
            pairs = zip(prompt, text, strict=False)
            return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(prompt), len(text)))
        opened = prompt.rindex(THINK)
        return opened + len(THINK) * text.startswith(THINK, opened)

    def _apart(self, text: str) -> tuple[str | None, str]:
        """Reasoning and words of a reply."""
        begins = text.lstrip().startswith(THINK)
        if not begins and not self._begun:
            return None, text
        thought, _, words = (text.lstrip()[len(THINK) :] if begins else text).partition(THOUGHT)
        return thought.removeprefix("\n").removesuffix("\n") or None, words.lstrip("\n")

    def _by_schema(self, words: str, place: int) -> Message | None:
        try:
            return msgspec.convert(self.tokenizer.parse_response(words), ChatMessage).message(place)
        except (*REFUSED, msgspec.ValidationError, ImportError):
            return None  # not in the schema's form, or its parser is not installed


def to_rows(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as chat templates take them: arguments of calls as objects, no content as an empty text."""
    rows = to_chat(map(_callable, messages))
    for row in rows:
        row["content"] = row["content"] or ""
        for call in row.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return rows


def named(tokenizer: Any) -> str:
    """How errors name a tokenizer."""
    return f"the tokenizer {getattr(tokenizer, 'name_or_path', '') or type(tokenizer).__name__!r}"


def _callable(message: Message) -> Message:
    """Templates take past arguments apart, so a call whose arguments are no JSON object goes back as text."""
    calls = tuple(call for call in message.tool_calls if _object(call.arguments) is not None)
    if len(calls) == len(message.tool_calls):
        return message
    broken = (tool_text.written(call) for call in message.tool_calls if call not in calls)
    return msgspec.structs.replace(
        message, content="\n".join(filter(None, (message.content, *broken))), tool_calls=calls
    )


def _object(arguments: str) -> dict[str, Any] | None:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _folded(messages: Sequence[Message]) -> list[Message]:
    """A system message in front of the first thing the user says."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    rest = [message for message in messages if message.role != "system"]
    if not system:
        return rest
    if rest and rest[0].role == "user":
        return [msgspec.structs.replace(rest[0], content=f"{system}\n\n{rest[0].content}"), *rest[1:]]
    return [Message("user", system), *rest]
