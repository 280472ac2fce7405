"""Perfect play: of all things of that kind, ask what splits those that are left most evenly, then name the one."""

from collections.abc import Sequence
from functools import cache

import msgspec

from usergym.environments._gym import INTERACT
from usergym.environments.telepathy.entities import Entity, attributes, by_key, of_kind, plain
from usergym.environments.telepathy.questions import answer
from usergym.types import Message, Seat, ToolCall, Turn

YEARS = tuple(f"Was it before {year}?" for year in (1000, 1500, 1700, 1800, 1850, 1900, 1950))
SIZES = ("Is it bigger than a coin?", "Is it bigger than a breadbox?", "Is it bigger than a person?")


class Oracle:
    """Knows the thing, and so plays the game it would play with a truthful user: asks, then answers."""

    def __init__(self, entity: Entity, seat: Seat, interact: bool, most: int | None) -> None:
        self.seat = seat
        self.interact = interact
        ours = by_key().get((entity.kind, plain(entity.name)))
        asked = plan(ours.kind, ours.name) if ours else ("Is it alive?", "Is it bigger than a person?")
        self.asked = asked[: most - 1] if most else asked
        self.name = entity.name

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = sum(message.role == "assistant" for message in view)
        if place > len(self.asked):
            return Turn("assistant", Message("assistant", ""), heard="", stop="assistant_stop")
        asks = place < len(self.asked)
        if asks and not self.interact:
            return Turn("assistant", Message("assistant", self.asked[place]))
        if self.interact:
            content = self.asked[place] if asks else self.name
            name, arguments = INTERACT, {"choice": "action" if asks else "answer", "content": content}
        else:
            name, arguments = "answer", {"name": self.name}
        call = ToolCall(f"call_{place}", name, msgspec.json.encode(arguments).decode())
        return Turn("assistant", Message("assistant", "", tool_calls=(call,)))


@cache
def plan(kind: str, name: str) -> tuple[str, ...]:
    """The questions that leave one thing."""
    left = tuple(entity.name for entity in of_kind(kind))
    asked: list[str] = []
    while len(left) > 1 and (question := best(kind, left)) is not None:
        asked.append(question)
        told = _answers(kind, question)
        left = tuple(other for other in left if told[other] == told[name])
    return tuple(asked)


@cache
def best(kind: str, left: tuple[str, ...]) -> str | None:
    """The question whose most common answer is rarest; None if all would be answered alike."""
    worst, question = len(left), None
    for each in _asked_of(kind):
        told = _answers(kind, each)
        counts: dict[str, int] = {}
        for name in left:
            counts[told[name]] = counts.get(told[name], 0) + 1
        if max(counts.values()) < worst:
            worst, question = max(counts.values()), each
    return question


@cache
def _asked_of(kind: str) -> tuple[str, ...]:
    ask = attributes()["ask"]
    own = tuple(ask[name].split(" | ")[0] for name in of_kind(kind)[0].values)
    sized = any(entity.size for entity in of_kind(kind))
    dated = any(entity.years for entity in of_kind(kind))
    return own + (SIZES if sized else ()) + (YEARS if dated else ())


@cache
def _answers(kind: str, question: str) -> dict[str, str]:
    return {entity.name: answer(question, entity).verdict for entity in of_kind(kind)}
