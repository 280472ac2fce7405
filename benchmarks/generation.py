"""Calendar: agenda generation and grading, per core.

    python benchmarks/generation.py

Limits: 300 conversations/s generated, 20,000 gradings/s; 1 MB of hostile text graded in 0.3 s.
"""

import asyncio
import json
import time
from itertools import islice

from rich.console import Console
from rich.table import Table

from usergym.data.synthesize import Synthesis, seat_fixed_replies
from usergym.environments.calendar import environment, grade
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast


async def generated(count: int) -> float:
    calendar = environment()
    started = time.process_time()
    done = 0
    async for group in collect(Synthesis(calendar), islice(calendar.tasks(), count), Cast(seat_fixed_replies)):
        assert group[0].error is None, group[0].error
        done += len(group)
    return done / (time.process_time() - started)


def graded(count: int) -> float:
    names = [f"Review of the quarterly report, part {i}" for i in range(5)]
    expected = {
        str(i): {
            "event_id": i,
            "event_name": name,
            "duration": 60,
            "constraint": "before 4pm" if i % 2 else None,
            "min_time": "10:00",
            "max_time": "16:00",
        }
        for i, name in enumerate(names)
    }
    listed = [
        {"event_id": i, "event_name": name, "start_time": f"{10 + i}:00", "duration": 60}
        for i, name in enumerate(names)
    ]
    text = f"Here is the calendar:\n{json.dumps(listed)}\nAnything else?"
    assert grade(text, expected).reward == 1
    started = time.process_time()
    for _ in range(count):
        grade(text, expected)
    return count / (time.process_time() - started)


def hostile() -> float:
    expected = {"0": {"event_id": 0, "duration": 60, "constraint": None, "min_time": "10:00", "max_time": "16:00"}}
    worst = 0.0
    for piece in ('[{"a":1}', "[", '[{"a":1},', '[{"a":[', '[{"a":[{"a":1}', '{"a":', '["', '[{"a":"\\'):
        text = piece * (2**20 // len(piece))
        for mode in ("strict", "nemo_gym"):
            started = time.process_time()
            grade(text, expected, mode=mode)
            worst = max(worst, time.process_time() - started)
    return worst


def main() -> None:
    table = Table(title="Calendar, one core")
    for name in ("what", "measured", "limit", "ratio"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for what, value, limit, unit in (
        ("agenda conversations generated", asyncio.run(generated(1000)), 300, "/s"),
        ("answers graded (5 events, strict)", graded(20_000), 20_000, "/s"),
        ("worst 1 MB of hostile text", hostile(), 0.3, " s"),
    ):
        table.add_row(what, f"{value:,.2f}{unit}", f"{limit:,}{unit}", f"{value / limit:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
