"""A conversation of one person at this terminal with a script; run by test_human.py."""

import asyncio
import sys
from typing import cast

from usergym.types import OTHER, Message, Seat, Speaker, Task, Tool, Trajectory, Turn
from usergym.users.base import Participant
from usergym.users.human import HumanParticipant
from usergym.users.scripted import ScriptedParticipant

LOOK = Tool("look", "Looks something up.", {"type": "object"})


async def main(person: Speaker) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    other = OTHER[person]
    cast_: dict[Speaker, Participant] = {
        person: HumanParticipant(person, tools=(LOOK,)),
        other: ScriptedParticipant(other, ["line 0", "line 1", "line 2"], Seat(system="secret")),
    }
    trajectory = Trajectory(Task("t", "none"), 0, 0, {speaker: player.seat for speaker, player in cast_.items()})
    speaker: Speaker = "user"
    while trajectory.stop is None:
        turn = await cast_[speaker].speak(trajectory.view(speaker))
        trajectory.turns.append(turn)
        trajectory.stop = turn.stop
        for call in turn.message.tool_calls:
            trajectory.turns.append(Turn(speaker, Message("tool", "looked", tool_call_id=call.id)))
        if turn.said:
            speaker = OTHER[speaker]
    ticking.cancel()
    words = [turn.message.content for turn in trajectory.turns]
    calls = [call.arguments for turn in trajectory.turns for call in turn.message.tool_calls]
    sys.stdout.write(f"stop={trajectory.stop} ticks={ticks} {words} {calls} END\n")


asyncio.run(main(cast(Speaker, sys.argv[1])))
