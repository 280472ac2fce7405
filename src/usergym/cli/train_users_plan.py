"""What `usergym train users --dry-run` says of the people: whom, what of them, out of which data, and who judges."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from usergym.cli.tables import told_left_out
from usergym.environments.people.contexts import Context
from usergym.environments.people.gym import People

SPLITS = ("train", "validation", "test")


def planned(people: People, data: Path | None, judge: str | None) -> dict[str, Any]:
    """What --json prints of it."""
    count, posts, seed = people.population
    made = f"the synthetic population: {count:,} people, {posts:,} posts, seed {seed}"
    return {
        "mode": people.mode.name,
        "hierarchy": people.hierarchy.name,
        "levels": list(people.levels),
        "at_once": not people.separate,
        "data": str(data) if data else made,
        "persona": people.persona,
        "judge": judge or "overlap",
        "people": len({context.user for context in people.contexts}),
        "contexts": len(people.contexts),
        "splits": {split: _size(people.contexts, split) for split in SPLITS},
        "left_out": told_left_out(people.skipped) if people.skipped else None,
    }


def _size(contexts: Sequence[Context], split: str) -> dict[str, int]:
    own = [context for context in contexts if context.split == split]
    return {"people": len({context.user for context in own}), "contexts": len(own)}


def told(plan: Mapping[str, Any]) -> str:
    """The same in lines for people to read."""
    sizes = (f"{split} {each['contexts']:,} of {each['people']:,}" for split, each in plan["splits"].items())
    way = "all in one reply" if plan["at_once"] else "each in a reply of its own"
    lines = [
        f"data: {plan['data']}",
        f"contexts: {plan['contexts']:,} of {plan['people']:,} people ({', '.join(sizes)})",
        f"levels: {', '.join(plan['levels'])} (hierarchy {plan['hierarchy']}; {way})",
        f"judge: {'the overlap of words' if plan['judge'] == 'overlap' else plan['judge']}",
    ]
    if plan["persona"] != "own":
        lines.append(f"persona: {plan['persona']}, a control")
    if plan["left_out"]:
        lines.append(plan["left_out"])
    if not plan["splits"]["validation"]["contexts"]:
        lines.append(
            "note: nobody is held out for validation, so the last weights are taken and not the best; give more people"
        )
    return "\n".join(lines)
