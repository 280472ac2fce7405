"""A chat template whose `{% generation %}` marks tell a trainer which tokens are the assistant's."""

import json
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

from usergym.models.chat_format import tools_to_chat
from usergym.training.chat import LOOK, REFUSED, THINK, THOUGHT, Chat, TemplateError, named, to_rows
from usergym.types import Message, Tool, ToolCall

_MARK = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
_THOUGHT = re.compile(f"{THINK}.*?{THOUGHT}\\s*", re.DOTALL)

_CALL = ToolCall("call_3_0", LOOK.name, '{"word": "tree"}')
_TALK = [
    Message("system", "Be brief."),
    Message("user", "Who are you?"),
    Message("assistant", "A friend."),
    Message("user", "  Of whom?\n"),
    Message("assistant", "Of yours, é <b>."),
]
_THINKS = [Message("user", "1 + 1?"), Message("assistant", "Two.", "one and one")]
_CALLS = [
    Message("user", "Look it up."),
    Message("assistant", tool_calls=(_CALL,)),
    Message("tool", "A plant.", tool_call_id=_CALL.id),
    Message("assistant", "It is a plant."),
]


def marked(tokenizer: Any) -> str:
    """A chat template with marks around the assistant's words and their end token, and nothing else: the model's own
    if it has them, ChatML where the model renders that, or TRL's for the families it knows.

    Each is tried on conversations and must render them as the model's own does. TRL's may differ in two things: they
    keep the reasoning of past replies, so that a conversation only ever grows, and may mark the line breaks of the
    frame, which nobody samples. TemplateError where none fits.
    """
    chat = Chat(tokenizer)
    for template, exact in _candidates(chat):
        if _fits(chat, template, exact):
            return template
    raise TemplateError(
        f"the chat template of {named(tokenizer)} has no {{% generation %}} marks around the assistant's words and "
        "end token, and neither ChatML nor a template of TRL renders the same; add the marks to it, and give it by "
        "--chat-template FILE"
    )


def _candidates(chat: Chat) -> Iterator[tuple[str, bool]]:
    own = chat.tokenizer.get_chat_template()
    if _MARK.search(own):
        yield own, True
    if chatml := _chatml(chat):
        yield chatml, True
    from trl import chat_template_utils

    try:
        template = chat_template_utils.get_training_chat_template(chat.tokenizer)
    except (ValueError, *REFUSED):
        return
    if template:
        yield template, False


def _chatml(chat: Chat) -> str:
    """Our ChatML, with what the model's own template puts before everything; "" where it is no ChatML."""
    text = (files("usergym.training") / "templates" / "chatml.jinja").read_text(encoding="utf-8")
    for name, message in (("system", _TALK[0]), ("others", _TALK[1])):
        before, begins, _ = _rendered(chat, [message]).partition(f"<|im_start|>{message.role}\n{message.content}")
        if not begins:
            return ""
        text = text.replace(f'before_{name} = ""', f"before_{name} = {json.dumps(before, ensure_ascii=False)}")
    return text


def _fits(chat: Chat, template: str, exact: bool) -> bool:
    """Whether a template renders as the model's own and marks what it should, in all that the model's own takes."""
    tried = 0
    for talk, tools in ((_TALK[1:], ()), (_TALK, ()), (_THINKS, ()), (_CALLS, (LOOK,) if chat.native_tools else None)):
        if tools is None or not (own := _rendered(chat, talk, tools)):
            continue
        text = _rendered(chat, talk, tools, template)
        same = own == text if exact else _THOUGHT.sub("", own) == _THOUGHT.sub("", text)
        if not same or not _marks_replies(chat, talk, tools, template, exact):
            return False
        tried += 1
    return tried > 0


def _marks_replies(chat: Chat, talk: Sequence[Message], tools: Sequence[Tool], template: str, exact: bool) -> bool:
    """Whether exactly the assistant's messages are marked: reasoning, words, calls, and the end token."""
    found = chat.tokenizer.apply_chat_template(
        to_rows(talk),
        tools=tools_to_chat(tools) or None,
        chat_template=template,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    pairs = zip(found["assistant_masks"], found["input_ids"], strict=True)
    runs = [[number for _, number in run] for sampled, run in groupby(pairs, lambda pair: pair[0]) if sampled]
    said = [message for message in talk if message.role == "assistant"]
    if len(runs) != len(said):
        return False
    for ids, message in zip(runs, said, strict=True):
        if not exact:
            ids = _without_breaks(chat, ids)
        read = chat.read(ids)
        calls = [call.name for call in read.tool_calls] == [call.name for call in message.tool_calls]
        ends = [place for place, each in enumerate(ids) if each in chat.end_ids]
        if not calls or read.content != message.content or ends != [len(ids) - 1]:
            return False
    return True


def _without_breaks(chat: Chat, ids: list[int]) -> list[int]:
    while ids and not chat.tokenizer.decode(ids[:1]).strip():
        ids = ids[1:]
    while ids and not chat.tokenizer.decode(ids[-1:]).strip():
        ids = ids[:-1]
    return ids


def _rendered(chat: Chat, talk: Sequence[Message], tools: Sequence[Tool] = (), template: str | None = None) -> str:
    """ "" where the template refuses the conversation."""
    try:
        return str(
            chat.tokenizer.apply_chat_template(
                to_rows(talk), tools=tools_to_chat(tools) or None, chat_template=template, tokenize=False
            )
        )
    except REFUSED:
        return ""
