"""A model that judges an answer which the rules do not know again."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "verdict": {"type": "string", "enum": ["correct", "incorrect"]}},
    "required": ["reasoning", "verdict"],
    "additionalProperties": False,
}


def question(asked: str, answers: Sequence[str], given: str) -> str:
    accepted = json.dumps(list(answers), ensure_ascii=False)
    return _prompt().substitute(question=asked, answers=accepted, given=json.dumps(given, ensure_ascii=False))


def read_verdict(text: str) -> bool | None:
    """Whether the answer is correct; None for what is no verdict."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    verdict = found.get("verdict") if isinstance(found, dict) else None
    return {"correct": True, "incorrect": False}.get(verdict) if isinstance(verdict, str) else None


@cache
def _prompt() -> Template:
    path = files("usergym.environments.search") / "prompts" / "judge.md"
    return Template(path.read_text(encoding="utf-8").strip())
