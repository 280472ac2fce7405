"""Rows to train on: for reinforcement learning, for fine-tuning, and for fine-tuning with a thought before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from usergym.data.formats.humanlm import NAME, messages, rl_row, sft_row
from usergym.data.prepare.users.datasets import Dataset
from usergym.data.prepare.users.splits import HELD_OUT
from usergym.data.prepare.users.targets import Target
from usergym.environments.people.raw import DROPPED
from usergym.users.states import Hierarchy, parse_states, written
from usergym.users.states.modes import Mode
from usergym.users.states.prompting import system_prompt
from usergym.users.states.spec import LAST, THINK

What = Literal["rl", "sft", "thinking_sft"]
WHATS: tuple[What, ...] = ("rl", "sft", "thinking_sft")
Told = Mapping[str, Any] | str
"""A persona as prompts have it."""


@dataclass(frozen=True)
class Layout:
    """What of a target is asked and taught. ValueError for what does not fit together."""

    what: What
    hierarchy: Hierarchy
    mode: Mode | None = None
    tags: bool = True
    expand: bool = False
    """Of a row for reinforcement learning: one for each level, each with its own prompt."""

    def __post_init__(self) -> None:
        name, names = self.hierarchy.name, self.hierarchy.names
        if not self.tags and len(names) > 1:
            raise ValueError(f"--no-tag is for one level; {name} has {len(names)} ({', '.join(names)})")
        if self.what == "thinking_sft" and not self.tagged:
            raise ValueError("--thinking-sft needs tags to tell the thought from the words; leave --no-tag out")
        if self.what != "rl" and names[-1] != LAST:
            raise ValueError(f"{name} has no level {LAST}, which is what --sft teaches; give another hierarchy")
        if self.what == "sft" and THINK in names:
            raise ValueError(f"{name} asks for thoughts, and nobody's are on record; add --thinking-sft")
        if self.expand and self.what != "rl":
            raise ValueError("--expand is for rows of reinforcement learning; leave it out with --sft")

    @property
    def tagged(self) -> bool:
        return self.tags and self.hierarchy.tagged

    def system(self, level: str | None, persona: Told) -> str:
        """The prompt of a level, or of all of them."""
        thinking = self.what == "thinking_sft" and THINK not in self.hierarchy.names
        if self.mode:
            thinking = thinking or self.mode.thinks(level or LAST)
        return system_prompt(self.hierarchy, level, persona, tags=self.tags, thinking=thinking)

    def levels(self, part: str) -> tuple[str | None, ...]:
        """What is asked: every level where training is spread out, of what is held out then the last one only; None
        for all of them at once."""
        if not self.expand:
            return (None,)
        judged = tuple(level.name for level in self.hierarchy.judged)
        return judged[-1:] if part in HELD_OUT else judged


@dataclass(frozen=True)
class Place:
    """Where a row goes."""

    part: str
    index: int
    """The same for all rows of a target."""
    dropout: bool = False

    @property
    def split(self) -> str:
        return DROPPED if self.dropout else self.part


def rl_row_of(
    target: Target, persona: Told, layout: Layout, rules: Dataset, place: Place, level: str | None
) -> dict[str, Any]:
    """The documented columns; latent states that are known go into `metadata`."""
    thread = messages("", target.thread)
    info = {
        "index": place.index,
        "split": place.split,
        "target_user_id": target.user,
        "name": NAME,
        "persona": persona if isinstance(persona, str) else _json(persona),
        "raw_prompt": _json(thread),
        "media_source": rules.media,
        "hierarchy_name": level or layout.hierarchy.judged[0].name,
        "post_metrics": _json(target.post_metrics),
        "comment_metrics": _json(target.comment_metrics),
        "post_id": target.post,
        "is_top_level": target.turn == 1,
        "post": target.thread[0][1],
        "timestamp": target.time,
    }
    known = {"metadata": {"states": target.states}} if target.states else {}
    prompt = messages(layout.system(level, persona), target.thread)
    return {**rl_row(prompt, target.truth, info, rules.name), **known}


def sft_row_of(
    target: Target, persona: Told, layout: Layout, rules: Dataset, place: Place, thought: str | None = None
) -> dict[str, Any]:
    """The documented columns, and in `extra_info` whose words they are. States are taught where all are known; else
    the response alone."""
    texts = taught(target, layout)
    level = None if len(texts) > 1 or THINK in layout.hierarchy.names else LAST
    generation = written(texts) if layout.tagged else target.truth
    if thought is not None:
        generation = f"<think>\n{thought}\n</think>\n{generation}"
    prompt = messages(layout.system(level, persona), target.thread)
    info = {"index": place.index, "split": place.split, "target_user_id": target.user, "post_id": target.post}
    info |= {"media_source": rules.media, "persona": persona if isinstance(persona, str) else _json(persona)}
    return {**sft_row(prompt, generation), "extra_info": {**info, "timestamp": target.time}}


def taught(target: Target, layout: Layout) -> dict[str, str]:
    """Texts by level: all states where all are known, else the response alone."""
    names = [level.name for level in layout.hierarchy.judged]
    whole = {**target.states, LAST: target.truth}
    return {name: whole[name] for name in names} if all(name in whole for name in names) else {LAST: target.truth}


def reads_back(target: Target, layout: Layout) -> bool:
    """Whether what is to be written can be told apart again: a text may hold tags of its own."""
    if layout.what == "rl" or not layout.tagged:
        return True
    texts = taught(target, layout)
    text = "\n".join(f"<{name}>{words}</{name}>" for name, words in texts.items())
    return parse_states(text, list(texts), "exact") == texts


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
