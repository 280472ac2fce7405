"""The same decisions by a model: what a message asks for, and whether a search is right. A judge that cannot be read
decides nothing: None."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template

import msgspec

from usergym.environments.base import Ask, JudgeError
from usergym.environments.travel.asking import Heard, Kind
from usergym.environments.travel.blocks import Block, Preference
from usergym.environments.travel.searching import Outcome


class _Question(msgspec.Struct):
    kind: Kind
    preference: str = ""


class _Search(msgspec.Struct):
    fits: bool
    aspect: str = ""


_KINDS = ["asks", "none", "vague", "chat"]
_QUESTION_SCHEMA = {
    "type": "object",
    "properties": {"kind": {"type": "string", "enum": _KINDS}, "preference": {"type": "string"}},
    "required": ["kind", "preference"],
    "additionalProperties": False,
}
_SEARCH_SCHEMA = {
    "type": "object",
    "properties": {"fits": {"type": "boolean"}, "aspect": {"type": "string"}},
    "required": ["fits", "aspect"],
    "additionalProperties": False,
}


async def understand(ask: Ask, words: str, unvoiced: Sequence[Preference]) -> Heard | None:
    listed = "\n".join(f"{each.id} ({each.aspect}): {each.preference}" for each in unvoiced) or "(none is left)"
    question = _prompt("judge_question").substitute(preferences=listed, words=_enclosed(words))
    try:
        verdict = msgspec.json.decode(await ask("judge", question, _QUESTION_SCHEMA), type=_Question)
    except (JudgeError, msgspec.MsgspecError):
        return None
    if verdict.kind != "asks":
        return Heard(verdict.kind)
    return next((Heard("asks", each) for each in unvoiced if each.id == verdict.preference), None)


async def look_for(ask: Ask, query: str, blocks: Sequence[Block]) -> Outcome | None:
    listed = "\n".join(f"{block.aspect}: {msgspec.json.encode(block.arguments).decode()}" for block in blocks)
    question = _prompt("judge_search").substitute(arguments=listed, query=_enclosed(query))
    try:
        verdict = msgspec.json.decode(await ask("judge", question, _SEARCH_SCHEMA), type=_Search)
    except (JudgeError, msgspec.MsgspecError):
        return None
    if not verdict.fits:
        return Outcome(None, "Nothing found: ask for one kind of thing, with all that was said about it.")
    return next((Outcome(block) for block in blocks if block.aspect == verdict.aspect.strip().lower()), None)


def _enclosed(words: str) -> str:
    """The agent's words, which must not end the tags that they stand in."""
    return words.replace("</", "< /")


@cache
def _prompt(name: str) -> Template:
    file = files("usergym.environments.travel") / "prompts" / f"{name}.md"
    return Template(file.read_text(encoding="utf-8").strip())
