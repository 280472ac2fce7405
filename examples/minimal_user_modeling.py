"""Simulated users in one screen: a persona list, a prompt, a loop, synthetic_conversations.json.

python examples/minimal_user_modeling.py                       # rule-based users: no key, no server
python examples/minimal_user_modeling.py openai/gpt-4o-mini    # any model as the user
"""

import asyncio
import json
import sys
from itertools import islice
from pathlib import Path

from usergym.data.domain import AgendaOption, Domain, DomainFile, DomainStep, PersonaSource, conversation_row
from usergym.data.synthesize import Synthesis, seat_fixed_replies
from usergym.models.providers import connect
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast
from usergym.types import Trajectory

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


async def conversations(name: str | None = None) -> list[Trajectory]:
    model = connect(name) if name else None
    tasks = islice(domain.tasks(), len(PERSONAS))
    try:
        return [
            one async for group in collect(Synthesis(domain), tasks, Cast(seat_fixed_replies, model)) for one in group
        ]
    finally:
        if model:
            await model.close()


played = asyncio.run(conversations(*sys.argv[1:2]))
rows = [conversation_row(one) for one in played if not one.error]
Path("synthetic_conversations.json").write_text(json.dumps(rows, indent=2))
for one in played:
    if one.error:
        print(f"{one.id} failed: {one.error.message}", file=sys.stderr)
print(f"{len(rows)} conversations in synthetic_conversations.json")
sys.exit(not rows)
