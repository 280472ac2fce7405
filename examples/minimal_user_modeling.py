"""Simulated users in one screen: a persona list, a prompt, a loop, synthetic_conversations.json.

python examples/minimal_user_modeling.py                       # rule-based users: no key, no server
python examples/minimal_user_modeling.py openai/gpt-4o-mini    # any model as the user
"""

import asyncio
import json
import sys
from itertools import islice

from usergym.data.domain import AgendaOption, Domain, DomainFile, DomainStep, PersonaSource, conversation_row
from usergym.data.synthesize import Synthesis, seat_fixed_replies
from usergym.models.providers import connect
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast

PERSONAS = (
    "A busy marketing manager who keeps messages short",
    "An engineer who cares about details",
    "A friendly teacher with a casual tone",
)
EVENTS = ({"name": "Team standup", "minutes": 15}, {"name": "Project review", "minutes": 60})

schedule = AgendaOption(
    instruction='Ask to have "{name}" put on your calendar; it lasts {minutes} minutes.',
    say=('Please add "{name}", {minutes} minutes.', 'can you put "{name}" on my calendar? {minutes} minutes'),
    must_include=("{name}", "{minutes}"),
)

steps = tuple(DomainStep("schedule", event, fixed_response="Done! {name} is on your calendar.") for event in EVENTS)
domain = Domain(DomainFile("minimal", steps, {"schedule": schedule}, personas=PersonaSource(list=PERSONAS)))


async def main(model: str | None = None) -> None:
    tasks = islice(domain.tasks(), len(PERSONAS))
    cast = Cast(seat_fixed_replies, connect(model) if model else None)
    groups = collect(Synthesis(domain), tasks, cast)
    rows = [conversation_row(member) async for group in groups for member in group if not member.error]
    with open("synthetic_conversations.json", "w") as file:
        json.dump(rows, file, indent=2)
    print(f"{len(rows)} conversations in synthetic_conversations.json")


asyncio.run(main(*sys.argv[1:2]))
