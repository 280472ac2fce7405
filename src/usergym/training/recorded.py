"""Conversations that were recorded elsewhere, made ready to be learned from: ids for what has only words, and a history
that fits the model, cut at whole messages and alike with and without the reaction."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from usergym.environments.base import Environment, World
from usergym.training.chat import TemplateError
from usergym.training.conversations import Encoder
from usergym.training.courses import Course
from usergym.training.hindsight import LONGEST, Template, hindsight_ids
from usergym.training.reactions import Drifted, reaction_to, replies
from usergym.training.tokens import rows
from usergym.training.turns import is_reply
from usergym.types import Speaker, Task, Tokens, Tool, Trajectory, Turn


class Recorded(Environment):
    """Where recorded conversations come from; nothing is played here."""

    name = "recorded"

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        return iter(self._tasks)

    def start(self, task: Task) -> World:
        return World(task)


@dataclass
class Prepared:
    conversations: list[Trajectory] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """How many by reason: failed, unanswered, rewritten, no_room, too_long, drifted, no_schemas (of the tools that it
    uses), and words that have no ids."""
    shortened: int = 0
    """Conversations that lost their oldest messages."""


def prepared(
    recorded: Iterable[Trajectory],
    encoder: Encoder,
    template: Template,
    window: int,
    speaker: Speaker = "assistant",
) -> Prepared:
    """What can be learned from: conversations in one row with a reply that was answered. `window`: ids that context,
    reaction and reply may have together; older messages give way, the reply and the reaction never do. The ids of what
    was recorded with ids stay as they are, so nothing of it gives way."""
    made = Prepared()
    reader = _Reader(encoder, template, window, speaker)
    for each in recorded:
        try:
            found = reader.read(each)
        except _LeftOut as error:
            made.left_out[str(error)] += 1
        except (TemplateError, ValueError) as error:
            made.left_out[str(error).split(";")[0][:80]] += 1
        else:
            made.conversations.append(found)
            made.shortened += len(found.turns) < len(each.turns)
    return made


def course_of(ready: Prepared) -> Course:
    """Recorded conversations as tasks."""
    tasks = [
        msgspec.structs.replace(each.task, id=name, env=Recorded.name, split=None)
        for name, each in named(ready).items()
    ]
    return Course(Recorded.name, Recorded(tasks), lambda: tasks)


def named(ready: Prepared) -> dict[str, Trajectory]:
    """Conversations by names of their own: several may be of one task."""
    return {f"{number}:{each.id}": each for number, each in enumerate(ready.conversations)}


class _LeftOut(Exception):
    """By its reason."""


@dataclass(frozen=True)
class _Reader:
    encoder: Encoder
    template: Template
    window: int
    speaker: Speaker

    def read(self, trajectory: Trajectory) -> Trajectory:
        """With the ids of all replies. _LeftOut, or a ValueError where the model could not have said them."""
        if trajectory.error:
            raise _LeftOut("failed")
        places = self._replies(trajectory)
        reactions = [reaction_to(trajectory, place, self.speaker) for place in places]
        if not any(reactions):
            raise _LeftOut("unanswered")
        if not any(0 < len(reaction) <= LONGEST for reaction in reactions):
            raise _LeftOut("too_long")
        if all(trajectory.turns[place].tokens for place in places):
            return self._sampled(trajectory)
        seat = trajectory.seats.get(self.speaker)
        if seat and seat.tools and (trajectory.task.tools is None or self.speaker != "assistant"):
            raise _LeftOut("no_schemas")
        return self._written(self._shortened(trajectory))

    def _replies(self, trajectory: Trajectory) -> list[int]:
        skip = sum(is_reply(turn, self.speaker) for turn in trajectory.task.opening)
        return [place for place, turn in enumerate(trajectory.turns) if is_reply(turn, self.speaker)][skip:]

    def _sampled(self, trajectory: Trajectory) -> Trajectory:
        """As it was recorded, if one of its replies can be learned from."""
        found = rows(trajectory, self.speaker)
        if len(found) != 1:
            raise _LeftOut("rewritten")
        chat, why = self.encoder.chat, ""
        for each in replies(trajectory, found[0], self.speaker):
            message = trajectory.turns[each.turn].message
            said = "" if message.tool_calls else message.content.strip()
            if said not in self.encoder.tokenizer.decode(each.ids, clean_up_tokenization_spaces=False):
                raise _LeftOut("drifted")
            if not 0 < len(each.reaction) <= LONGEST:
                continue
            try:
                asked = each.behind(chat, each.reaction, self.template, self._tools(trajectory))
            except Drifted:
                why = why or "drifted"
                continue
            if len(asked) + len(each.ids) <= self.window:
                return trajectory
            why = why or "no_room"
        raise _LeftOut(why)

    def _written(self, trajectory: Trajectory) -> Trajectory:
        turns = list(trajectory.turns)
        chat, head = self.encoder.chat, b""
        for place in self._replies(trajectory):
            view = trajectory.view(self.speaker, until=place)
            own = max((n for n, message in enumerate(view) if message.role == "assistant"), default=-1)
            ids = self.encoder.reply(turns[place].message)
            if head:
                tokens = Tokens.of([*memoryview(head).cast("i"), *chat.more(view[own + 1 :])], ids).after(head)
            else:
                tokens = Tokens.of(chat.first(view, self._tools(trajectory)), ids)
            turns[place] = msgspec.structs.replace(turns[place], tokens=tokens)
            head = tokens.whole(head)
        return msgspec.structs.replace(trajectory, turns=turns)

    def _shortened(self, trajectory: Trajectory) -> Trajectory:
        """Without as many of its oldest exchanges as it takes to fit."""
        while self._length(trajectory) > self.window:
            opening = _without_the_oldest(trajectory.task.opening, self.speaker)
            if opening is None:
                raise _LeftOut("no_room")
            dropped = len(trajectory.task.opening) - len(opening)
            task = msgspec.structs.replace(trajectory.task, opening=opening)
            # Rewards name turns by their places, which have changed.
            trajectory = msgspec.structs.replace(trajectory, task=task, turns=trajectory.turns[dropped:], rewards=[])
        return trajectory

    def _length(self, trajectory: Trajectory) -> int:
        """Ids of the longest of context, reaction and reply."""
        most = 0
        for place in self._replies(trajectory):
            view = trajectory.view(self.speaker, until=place)
            reaction = reaction_to(trajectory, place, self.speaker)
            reaction = reaction if len(reaction) <= LONGEST else ""
            asked = hindsight_ids(self.encoder.chat, view, reaction, self.template, self._tools(trajectory))
            most = max(most, len(asked) + len(self.encoder.reply(trajectory.turns[place].message)))
        return most

    def _tools(self, trajectory: Trajectory) -> Sequence[Tool]:
        return (self.speaker == "assistant" and trajectory.task.tools) or ()


def _without_the_oldest(opening: tuple[Turn, ...], speaker: Speaker) -> tuple[Turn, ...] | None:
    """From where the other side spoke again; None where only that is left which the reply answers."""
    again = (
        place
        for place, turn in enumerate(opening)
        if place and turn.speaker != speaker and opening[place - 1].speaker == speaker
    )
    place = next(again, None)
    return None if place is None else opening[place:]
