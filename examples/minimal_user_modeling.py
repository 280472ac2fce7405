"""Simulated users in one screen: a persona list, a prompt, a loop, synthetic_conversations.json.

python examples/minimal_user_modeling.py                       # rule-based users: no key, no server
python examples/minimal_user_modeling.py openai/gpt-4o-mini    # any model as the user
"""

import asyncio
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

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


async def conversations(model: str | None = None) -> list[dict[str, Any]]:
    tasks = islice(domain.tasks(), len(PERSONAS))
    cast = Cast(seat_fixed_replies, connect(model) if model else None)
    groups = collect(Synthesis(domain), tasks, cast)
    return [conversation_row(member) async for group in groups for member in group if not member.error]


rows = asyncio.run(conversations(*sys.argv[1:2]))
Path("synthetic_conversations.json").write_text(json.dumps(rows, indent=2))
print(f"{len(rows)} conversations in synthetic_conversations.json")
