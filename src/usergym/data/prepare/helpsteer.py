"""Prompts of many kinds, from rows of nvidia/HelpSteer2.

The rules are those of `extract_prompts_from_helpsteer` in the published SDPO code. A prompt stands in two rows, one for
each response; it is kept if one of them keeps the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from usergym.data.prepare.prompts import prompt_item
from usergym.data.prepare.recipe import Item, Tally
from usergym.data.prepare.sources import Read
from usergym.environments.base import RowError
from usergym.users.unseen import has_words

SOURCE, OUT = "nvidia/HelpSteer2", "data/helpsteer2_prompts"
TURN = "<extra_id_"
"""Stands between the turns of a prompt that is a conversation."""


@dataclass(frozen=True)
class HelpSteer:
    max_prompt: int = 2048
    """Characters."""
    max_response: int = 2048
    what: ClassVar[Literal["prompts"]] = "prompts"

    def rules(self) -> list[str]:
        return [
            f"no prompt of several turns ({TURN!r} in it)",
            f"the prompt has at most {self.max_prompt:,} characters, the response {self.max_response:,}",
        ]

    def items(self, read: Read[dict[str, Any]], tally: Tally) -> Sequence[Item] | str:
        prompt, response = (_text(read.row, field) for field in ("prompt", "response"))
        if not has_words(prompt):
            return "without a prompt"
        if TURN in prompt:
            return "of several turns"
        if len(prompt) > self.max_prompt:
            return f"with a prompt over {self.max_prompt:,} characters"
        if len(response) > self.max_response:
            return f"with a response over {self.max_response:,} characters"
        return [prompt_item(prompt)]

    def enough(self, kept: int, made: int) -> str | None:
        return None


def _text(row: dict[str, Any], field: str) -> str:
    value = row.get(field, ...)
    if not isinstance(value, str):
        raise RowError(field, "a text", value)
    return value
