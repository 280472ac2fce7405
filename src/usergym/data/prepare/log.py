"""Tuples of any chat log that `usergym convert` reads, our own runs too: a row for every reply that was answered.

Left out are conversations that failed, and replies or reactions that were cut at length: what was never finished says
nothing about how it was received.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from usergym.data.convert import read_conversations
from usergym.data.prepare.dedupe import key
from usergym.data.prepare.recipe import Item, Tally
from usergym.data.prepare.sources import Read, shuffled
from usergym.data.prepare.tuples import BETWEEN
from usergym.models.chat_format import to_chat
from usergym.rows import Place, Skipped, kind_of
from usergym.types import Message, Speaker, Trajectory
from usergym.users.unseen import has_words


@dataclass(frozen=True)
class Spoken:
    """A message of a speaker's view; several where they were joined."""

    message: Message
    place: int
    """In the view, from 0; of joined messages, the last one's."""
    cut: bool = False
    """It ended at the longest length that was allowed."""

    @property
    def plain(self) -> bool:
        return self.message.role in ("user", "assistant") and not self.message.tool_calls


@dataclass(frozen=True, kw_only=True)
class Log:
    speaker: Speaker = "assistant"
    """Whose replies are y; the other one's next message is o."""
    min_chars: int = 1
    """Of the reply and of the reaction, each, without outer white space."""
    max_chars: int = 4096
    """Likewise."""
    history: int | None = None
    """Messages of context at most, after the system prompt, beginning with the other side; None: all."""
    what: ClassVar[Literal["tuples"]] = "tuples"

    def __post_init__(self) -> None:
        if not 1 <= self.min_chars <= self.max_chars:
            raise ValueError(f"--min-chars {self.min_chars}, --max-chars {self.max_chars}; give 1 <= min <= max")
        if self.history is not None and self.history < 1:
            raise ValueError(f"--history is {self.history}; give 1 or more")

    def rules(self) -> list[str]:
        context = "all" if self.history is None else f"the last {self.history} messages"
        return [
            "no conversation that failed, no reply or reaction that was cut at length",
            f"y: what the {self.speaker} said, o: what was said next, each {self.min_chars:,} to "
            f"{self.max_chars:,} characters",
            f"context: {context} before; consecutive messages of one speaker are joined",
        ]

    def enough(self, kept: int, made: int) -> str | None:
        return None

    def items(self, read: Read[Trajectory], tally: Tally) -> Sequence[Item] | str:
        trajectory = read.row
        if trajectory.error is not None:
            return f"that failed ({trajectory.error.kind})"
        turns = _joined(_view(trajectory, self.speaker), tally.notes)
        answered = [
            n
            for n, reply in enumerate(turns[:-1])
            if reply.plain and reply.message.role == "assistant" and turns[n + 1].message.role == "user"
        ]
        if not answered:
            return "without a reply in words that was answered"
        return [
            self._item(trajectory, turns[:n], turns[n], turns[n + 1])
            for n in answered
            if self._kept(turns[:n], turns[n], turns[n + 1], tally.left_out)
        ]

    def _kept(self, context: Sequence[Spoken], reply: Spoken, reaction: Spoken, left_out: Counter[str]) -> bool:
        reason = None
        if reply.cut or reaction.cut:
            reason = f"whose {'reply' if reply.cut else 'reaction'} was cut at length"
        elif not any(turn.message.role == "user" for turn in self._window(context)):
            reason = "without a message of the other side before the reply"
        else:
            for name, turn in (("reply", reply), ("reaction", reaction)):
                size = len(turn.message.content.strip()) if has_words(turn.message.content) else 0
                if size < self.min_chars:
                    reason = (
                        f"with an empty {name}" if not size else f"with a {name} under {self.min_chars:,} characters"
                    )
                elif size > self.max_chars:
                    reason = f"with a {name} over {self.max_chars:,} characters"
                if reason:
                    break
        left_out.update([reason] if reason else [])
        return reason is None

    def _window(self, context: Sequence[Spoken]) -> Sequence[Spoken]:
        if self.history is None:
            return context
        system = [turn for turn in context[:1] if turn.message.role == "system"]
        last = list(context[len(system) :][-self.history :])
        while last and last[0].message.role != "user":
            del last[0]
        return [*system, *last]

    def _item(self, trajectory: Trajectory, context: Sequence[Spoken], reply: Spoken, reaction: Spoken) -> Item:
        x = to_chat([turn.message for turn in self._window(context)], "none")
        y, o = reply.message.content, reaction.message.content
        seat = trajectory.seats.get(self.speaker)
        meta: dict[str, Any] = {"source": "log", "conversation_id": trajectory.id, "turn_id": reply.place}
        meta |= {"env": trajectory.task.env, "speaker": self.speaker}
        if seat and seat.model:
            meta["model"] = seat.model
        said = msgspec.json.encode(x).decode()
        row = {"x": x, "y": y, "o": o, "meta": meta}
        return Item(row, key(said, y, o), key(said), trajectory.task.group, trajectory.task.split)


def _view(trajectory: Trajectory, speaker: Speaker) -> list[Spoken]:
    last = len(trajectory.turns) - 1
    cut = {
        len(trajectory.view(speaker, until=n))
        for n, turn in enumerate(trajectory.turns)
        if turn.stop == "length" or (n == last and trajectory.stop == "length")
    }
    return [Spoken(message, n, n in cut) for n, message in enumerate(trajectory.view(speaker))]


def _joined(turns: Sequence[Spoken], notes: Counter[str]) -> list[Spoken]:
    """Consecutive words of one speaker as one message; calls, results and system prompts stay as they are."""
    out: list[Spoken] = []
    for turn in turns:
        before = out[-1] if out else None
        if before and before.plain and turn.plain and before.message.role == turn.message.role:
            notes["joined to the one before"] += 1
            content = BETWEEN.join(text for text in (before.message.content, turn.message.content) if text)
            message = msgspec.structs.replace(turn.message, content=content)
            out[-1] = replace(turn, message=message, cut=before.cut or turn.cut)
        else:
            out.append(turn)
    return out


@dataclass(frozen=True)
class LogFile:
    """A run folder, or a file in any format of conversations."""

    path: Path
    frm: str | None = None

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def splits(self) -> Sequence[str]:
        return ("all",)

    def told(self) -> list[str]:
        return [f"{path} ({path.stat().st_size:,} bytes)" for path in self.files()]

    def files(self) -> list[Path]:
        return [self.path / "trajectories.jsonl" if self.path.is_dir() else self.path]

    def rows(
        self, split: str, *, seed: int | None = None, skipped: Skipped | None = None
    ) -> Iterator[Read[Trajectory]]:
        (file,) = self.files()
        found = read_conversations(file, self.frm, skip_bad=skipped is not None, skipped=skipped)
        placed = ((Place(file, number), trajectory) for number, trajectory in enumerate(found, 1))
        if seed is not None:
            return shuffled(placed, seed, msgspec.msgpack.Decoder(Trajectory).decode)
        return (Read(place, number, number, trajectory) for number, (place, trajectory) in enumerate(placed))


def open_log(path: Path, frm: str | None = None) -> LogFile:
    """ValueError for a path that leads nowhere; a bare name may be that of a run."""
    run = Path("runs") / path
    path = run if not path.exists() and run.is_dir() else path
    found = LogFile(path, frm)
    (file,) = found.files()
    if not file.exists():
        raise ValueError(f"no file or run folder {file}; check the path")
    kind_of(file)
    return found
