"""What a task asks for when it asks for no change of the database: that the agent tells an answer, refuses, or hands
over; and what its customer wants."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from usergym.environments.tau import wording
from usergym.environments.tau.customer import Wish, read_wishes
from usergym.environments.tau.domain import Domain, transfers
from usergym.environments.tau.tools import WRITES

Outcome = Literal["change", "tell", "refuse", "transfer", "either"]


def outcome(domain: Domain, task: Mapping[str, Any]) -> Outcome:
    """`either`: a published task that changes nothing, asks for nothing to be told and does not say whether a person
    takes over: a refusal or the transfer."""
    if domain.changes(task):
        return "change"
    if task.get("outputs"):
        return "tell"
    if transfers(task):
        return "transfer"
    return "refuse" if task.get("forbidden") else "either"


def wishes(domain: Domain, task: Mapping[str, Any]) -> list[Wish]:
    """The wishes of a task; of a published one those that its own calls fulfil, and what these leave open in the
    words of its instruction."""
    if task.get("wishes"):
        return read_wishes(task["wishes"])
    desk = domain.desk()
    found = []
    for call in task.get("actions") or ():
        if call["name"] in WRITES[domain.name]:
            say = wording.wish(desk, call)
            if not desk.call(call["name"], call["arguments"]).startswith("Error"):
                found.append(Wish(say, {"name": call["name"], "arguments": call["arguments"]}))
    outputs = tuple(map(str, task.get("outputs") or ()))
    if outputs or not found:
        found.append(Wish(f"tell you this: {first_person(str(task['instruction']))}", outputs=outputs))
    return found


_PERSONS = (
    (r"\byou are\b", "I am"),
    (r"\byou're\b", "I'm"),
    (r"\byou've\b", "I've"),
    (r"\byou'd\b", "I'd"),
    (r"\byou'll\b", "I'll"),
    (r"\byourself\b", "myself"),
    (r"\byours\b", "mine"),
    (r"\byour\b", "my"),
    (r"\byou\b", "I"),
)


def first_person(instruction: str) -> str:
    for pattern, own in _PERSONS:
        instruction = re.sub(pattern, own, instruction, flags=re.IGNORECASE)
    return instruction
