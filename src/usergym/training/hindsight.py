"""Hindsight: the context x with what the other side said next, o, put behind it, so that a model can say how likely a
reply is to who knows how it will be taken.

One registry for training, offline and online, and for every analysis; the name of the template goes into every row.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from usergym.training.chat import Chat
from usergym.types import Message, Record, Tool

LONGEST = 8_000
"""Characters of a reaction. It is never cut, so a longer one is left out."""

SLOT = "{reaction}"
_OPEN, _CLOSE = "<next_message>", "</next_message>"
_MARK = re.compile(r"<(?=\s*/?\s*next_message)", re.IGNORECASE)


class Template(Record, frozen=True):
    name: str
    text: str
    """Goes behind the last message of the context; has the slot {reaction}."""
    said: str
    """What it takes for granted."""

    def written(self, reaction: str) -> str:
        """The reaction in its place; it cannot close the quotation that it stands in."""
        return self.text.replace(SLOT, _MARK.sub("&lt;", reaction.strip()))


def _quoted(before: str, after: str) -> str:
    return f"\n\n[{before}]\n{_OPEN}\n{SLOT}\n{_CLOSE}\n[{after}]"


TEMPLATES: Mapping[str, Template] = {
    each.name: each
    for each in (
        Template(
            "neutral",
            _quoted(
                "Known in advance: what this person will say after your reply",
                "Let it tell you what they want, and reply to what stands before it.",
            ),
            "nothing: the reaction may praise, complain, or speak of something else",
        ),
        Template(
            "improve",
            _quoted(
                "A first reply was not good enough. This is what the person said to it",
                "Reply again to what stands before it, and better.",
            ),
            "that the reply failed, as the published offline trainer does",
        ),
        Template(
            "critique",
            _quoted(
                "Somebody who reads your reply will remark",
                "Write the reply that takes the remark into account.",
            ),
            "that the reaction is about the reply",
        ),
        Template("bare", f"\n\n{_OPEN}\n{SLOT}\n{_CLOSE}", "nothing, and explains nothing: for models made for it"),
    )
}


def template_of(name: str) -> Template:
    """A template of the registry, or of a text file with the slot {reaction}. LookupError, ValueError."""
    if name in TEMPLATES:
        return TEMPLATES[name]
    path = Path(name)
    if not path.is_file():
        raise LookupError(f"no hindsight template {name!r}; there are {', '.join(TEMPLATES)}, or give a text file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error.reason}); write the template so") from None
    if text.count(SLOT) != 1:
        raise ValueError(f"{path} has the slot {SLOT} {text.count(SLOT)} times; give it once")
    return Template(str(path), text, "what its author meant")


def with_reaction(messages: Sequence[Message], reaction: str, template: Template) -> list[Message]:
    """The context with the hindsight behind its last message, or in a message of the user's own where there is none
    but a system prompt. ValueError for a reaction that is empty, or too long to be taken whole."""
    if not reaction.strip():
        raise ValueError("the reaction is empty")
    return _extended(messages, template.written(reaction))


def without_reaction(messages: Sequence[Message], template: Template) -> list[Message]:
    """The same frame around nothing: the control that says only that there is a hint."""
    return _extended(messages, template.written(""))


def hindsight_ids(
    chat: Chat,
    messages: Sequence[Message],
    reaction: str,
    template: Template,
    tools: Sequence[Tool] = (),
    head: Sequence[int] = (),
) -> list[int]:
    """The ids of the context with the reaction, up to and with the generation prompt; "" is the empty control.

    `head`: ids of the conversation up to an own reply's end; `messages` are then only those since, so that the history
    is id by id the one that the reply was sampled behind. ValueError for a reaction of more than `LONGEST` characters.
    """
    if len(reaction) > LONGEST:
        raise ValueError(f"the reaction has {len(reaction):,} characters; more than {LONGEST:,} are not taken, nor cut")
    extended = with_reaction(messages, reaction, template) if reaction else without_reaction(messages, template)
    return [*head, *chat.more(extended)] if head else chat.first(extended, tools)


def _extended(messages: Sequence[Message], text: str) -> list[Message]:
    if not messages or messages[-1].role not in ("user", "tool"):
        return [*messages, Message("user", text.lstrip())]
    last = messages[-1]
    return [*messages[:-1], msgspec.structs.replace(last, content=last.content + text)]
