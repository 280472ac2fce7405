"""Trajectories to rows of token ids, as they were sampled.

A row grows while a turn's prompt keeps all that came before it. Where a template rewrote history the turn begins a new
row, so every sampled token is trained exactly once, behind the prompt that it was sampled from.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from usergym.types import Speaker, Tokens, Trajectory

Ids = NDArray[np.int32]
Mask = NDArray[np.bool_]
Logprobs = NDArray[np.float32]


class Span(NamedTuple):
    """The sampled tokens of one turn: `ids[start:end]` of a row."""

    turn: int
    """An index into the trajectory's turns."""
    start: int
    end: int


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One sequence to train on. All arrays have shape (length,)."""

    ids: Ids
    mask: Mask
    """True on the sampled tokens of this row's turns."""
    logprobs: Logprobs | None
    """Of the sampled tokens, 0 elsewhere; None unless all of them have one."""
    spans: list[Span]

    @property
    def prompt(self) -> Ids:
        """The ids before the first sampled token."""
        return self.ids[: next((span.start for span in self.spans if span.end > span.start), len(self.ids))]


class MissingTokens(ValueError):
    """A reply that was recorded without token ids."""

    def __init__(self, trajectory: Trajectory, turn: int) -> None:
        super().__init__(
            f"trajectory {trajectory.id}: turn {turn} ({trajectory.turns[turn].speaker}) has no token ids, so it "
            "cannot be trained as it was sampled; record it with a model that returns them, or export its messages for "
            "SFT"
        )
        self.turn = turn


class Rewritten(ValueError):
    """A trajectory that does not fit one row, because its history was rewritten."""

    def __init__(self, trajectory: Trajectory, turn: int) -> None:
        super().__init__(
            f"trajectory {trajectory.id}: the prompt of turn {turn} ({trajectory.turns[turn].speaker}) changed what "
            "came before it, so the conversation is no single row; train on its several rows (SFT, verl), or record it "
            "with a model that appends to its own ids"
        )
        self.turn = turn


def rows(trajectory: Trajectory, speaker: Speaker = "assistant") -> list[Row]:
    """The rows of one speaker, in linear time. Turns of the task's opening are prompt, whatever they carry; an empty
    turn that only ends the conversation is no reply. MissingTokens for any other turn without ids."""
    given = sum(turn.speaker == speaker and turn.message.role == "assistant" for turn in trajectory.task.opening)
    drafts = [_Draft()]
    for place, turn in enumerate(trajectory.turns):
        message, tokens = turn.message, turn.tokens
        if turn.speaker != speaker or message.role != "assistant":
            continue
        given -= 1
        if tokens is None:
            if given < 0 and not (turn.stop and not message.content and not message.tool_calls):
                raise MissingTokens(trajectory, place)
            continue
        if tokens.kept != drafts[-1].length:
            drafts.append(drafts[-1].beginning(tokens.kept))
        drafts[-1].add(tokens, None if given >= 0 else place)
    return [draft.row() for draft in drafts if draft.spans]


def only_row(trajectory: Trajectory, speaker: Speaker = "assistant") -> Row:
    """The one row of a conversation whose history was never rewritten. Rewritten where it was; MissingTokens where
    a reply has no ids; ValueError where the speaker said nothing that was sampled."""
    found = rows(trajectory, speaker)
    if len(found) > 1:
        raise Rewritten(trajectory, found[1].spans[0].turn)
    if not found:
        raise ValueError(f"trajectory {trajectory.id}: the {speaker} was never asked for a reply, so there is no row")
    return found[0]


@dataclass(slots=True)
class _Draft:
    """A row while it grows."""

    length: int = 0
    ids: list[bytes] = field(default_factory=list)
    logprobs: list[bytes] = field(default_factory=list)
    """Of the spans; shorter than their ids where a turn has none."""
    spans: list[Span] = field(default_factory=list)

    def beginning(self, kept: int) -> "_Draft":
        return _Draft(kept, [b"".join(self.ids)[: 4 * kept]])

    def add(self, tokens: Tokens, turn: int | None) -> None:
        """Takes up a turn's prompt and output; with a `turn`, as sampled."""
        start = self.length + len(tokens.prompt_ids) // 4
        self.length = start + len(tokens.output_ids) // 4
        self.ids += (tokens.prompt_ids, tokens.output_ids)
        if turn is not None:
            self.spans.append(Span(turn, start, self.length))
            self.logprobs.append(tokens.logprobs)

    def row(self) -> Row:
        ids = np.frombuffer(b"".join(self.ids), "<i4").astype(np.int32)
        mask = np.zeros(len(ids), np.bool_)
        for _, start, end in self.spans:
            mask[start:end] = True
        logprobs: Any = None
        if all(len(each) == 4 * (end - start) for each, (_, start, end) in zip(self.logprobs, self.spans, strict=True)):
            logprobs = np.zeros(len(ids), np.float32)
            logprobs[mask] = np.frombuffer(b"".join(self.logprobs), "<f4")
        return Row(ids, mask, logprobs, self.spans)
