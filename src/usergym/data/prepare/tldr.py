"""Posts to summarise, from rows of openai/summarize_from_feedback (comparisons).

The rules are those of `process_tldr_dataset` in the published SDPO code: the post, or the article where there is no
post, without outer white space, then a line that asks for the summary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from usergym.data.prepare.prompts import prompt_item
from usergym.data.prepare.recipe import Item, Tally
from usergym.data.prepare.sources import Read
from usergym.environments.base import RowError
from usergym.users.unseen import has_words

SOURCE, CONFIG, OUT = "openai/summarize_from_feedback", "comparisons", "data/tldr_prompts_unique"
SUFFIX = "\nTL;DR:\n"


@dataclass(frozen=True)
class Tldr:
    below: int = 1024
    """Characters that a prompt must stay below, the asking line counted."""
    what: ClassVar[Literal["prompts"]] = "prompts"

    def rules(self) -> list[str]:
        return [
            "the text is info.post, or info.article where that is empty",
            f"the prompt is the text and {SUFFIX!r}: fewer than {self.below:,} characters together",
        ]

    def items(self, read: Read[dict[str, Any]], tally: Tally) -> Sequence[Item] | str:
        info = read.row.get("info", ...)
        if not isinstance(info, Mapping):
            raise RowError("info", "an object with post or article", info)
        text = _text(info, "post") or _text(info, "article")
        if not text:
            return "without a post or an article"
        prompt = text + SUFFIX
        return [prompt_item(prompt)] if len(prompt) < self.below else f"of {self.below:,} characters or more"

    def enough(self, kept: int, made: int) -> str | None:
        return None


def _text(info: Mapping[str, Any], field: str) -> str:
    value = info.get(field)
    if value is not None and not isinstance(value, str):
        raise RowError(f"info.{field}", "a text", value)
    return value.strip() if value and has_words(value) else ""
