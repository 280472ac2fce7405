"""An agent that is told what to do next, and does it in either form of the action contract."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from usergym.environments._gym import INTERACT, Actions
from usergym.environments.travel.blocks import Block
from usergym.environments.travel.library import library
from usergym.types import Message, Seat, ToolCall, Turn

NATIVE = {"search": ("search", "query"), "answer": ("recommend", "option_id")}


class Act(NamedTuple):
    choice: str
    content: str


class Oracle:
    def __init__(self, seat: Seat, actions: Actions, next_act: Callable[[], Act]) -> None:
        self.seat = seat
        self.actions = actions
        self.next_act = next_act

    async def speak(self, view: Sequence[Message]) -> Turn:
        act = self.next_act()
        arguments: dict[str, str] = {}
        if self.actions == "interact":
            name, arguments = INTERACT, {"choice": act.choice, "content": act.content}
        elif act.choice == "action":
            return Turn("assistant", Message("assistant", act.content))
        elif act.choice == "finish":
            name = "finish"
        else:
            name, argument = NATIVE[act.choice]
            arguments = {argument: act.content}
        call = ToolCall(f"call-{len(view)}", name, msgspec.json.encode(arguments).decode())
        return Turn("assistant", Message("assistant", tool_calls=(call,)))


def query(block: Block) -> str:
    """A search that says all of a block's arguments."""
    parts = [f"{name.replace('_', ' ')} {value}" for name, value in block.arguments.items()]
    return f"{library()[block.aspect].label}: {'; '.join(parts)}"
