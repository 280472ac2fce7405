"""An agent that makes acts that are known beforehand, in either form of the action contract."""

from collections.abc import Sequence

import msgspec

from usergym.environments._gym import INTERACT, Actions
from usergym.types import Message, Seat, ToolCall, Turn
from usergym.users.scripted import replies_in


class Oracle:
    """Makes the acts in order, the next one by how often it has spoken, then leaves."""

    def __init__(self, acts: Sequence[tuple[str, str]], actions: Actions, seat: Seat) -> None:
        self.acts = acts
        self.interact = actions == "interact"
        self.seat = seat

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = replies_in(view)
        if place >= len(self.acts):
            return Turn("assistant", Message("assistant", ""), heard="", stop="assistant_stop")
        choice, content = self.acts[place]
        if choice == "action" and not self.interact:
            return Turn("assistant", Message("assistant", content))
        name = INTERACT if self.interact else choice
        field = "query" if choice == "search" else "content"
        arguments = {"choice": choice, "content": content} if self.interact else {field: content}
        call = ToolCall(f"call_{place}", name, msgspec.json.encode(arguments).decode())
        return Turn("assistant", Message("assistant", tool_calls=(call,)))
