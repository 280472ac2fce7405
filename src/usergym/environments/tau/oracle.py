"""An agent that knows the task: asks who it is, looks up, asks for a yes, makes the task's own calls, says what has
to be said."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from usergym.environments._gym import INTERACT, Actions
from usergym.environments.tau.tools import TRANSFER, WRITES
from usergym.types import Message, Seat, ToolCall, Turn

Act = str | tuple[str, Mapping[str, Any]]
"""Words to the customer, or a call."""

WHO = "Hello. Please tell me who you are: your name and zip code, your email address, or your user id."


def plan(domain: str, task: Mapping[str, Any], changes: bool, sorry: str) -> list[Act]:
    """The acts, one after the other. `sorry`: how it refuses."""
    acts: list[Act] = [WHO]
    calls = [(each["name"], each["arguments"]) for each in task.get("actions") or ()]
    if not any(name == "get_user_details" for name, _ in calls):
        acts.append(("get_user_details", {"user_id": task["user_id"]}))
    for name, arguments in calls:
        if name in WRITES[domain]:
            acts.append(f"May I do this: {_told(name, arguments)}? Please say yes to proceed.")
        if name != TRANSFER:
            acts.append((name, arguments))
    outputs = [str(output) for output in task.get("outputs") or ()]
    if outputs:
        acts.append(f"To your question: {', '.join(outputs)}.")
    if changes or outputs:
        acts.append("That is done. Is there anything else?")
    transfer = next((call for call in calls if call[0] == TRANSFER), None)
    if transfer:
        acts.append(transfer)
    elif task.get("forbidden") or not (changes or outputs):
        acts += [sorry] * (1 + int(task.get("insists") or 0))
    return acts


def _told(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name.replace('_', ' ')}, {msgspec.json.encode(arguments).decode()}"


class Oracle:
    def __init__(self, acts: Sequence[Act], actions: Actions, seat: Seat) -> None:
        self.acts = acts
        self.actions = actions
        self.seat = seat

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = sum(message.role == "assistant" for message in view)
        act = self.acts[place] if place < len(self.acts) else "Is there anything else?"
        if isinstance(act, str) and self.actions == "native":
            return Turn("assistant", Message("assistant", act))
        call = _interact(act) if self.actions == "interact" else (act[0], act[1])
        name, arguments = call
        text = msgspec.json.encode(arguments).decode()
        return Turn("assistant", Message("assistant", tool_calls=(ToolCall(f"call_{place}", str(name), text),)))


def _interact(act: Act) -> tuple[str, dict[str, str]]:
    if isinstance(act, str):
        return INTERACT, {"choice": "action", "content": act}
    content = msgspec.json.encode({"name": act[0], "arguments": act[1]}).decode()
    return INTERACT, {"choice": "answer", "content": content}
