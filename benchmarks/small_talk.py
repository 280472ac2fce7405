"""A language small enough for a model of two million parameters: requests about a few things, replies in every manner,
and reactions of the rule-based users of the environment `style`, from which such a model learns to read in hindsight.

    python benchmarks/small_talk.py --out runs/small_talk
"""

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import cyclopts

from usergym.training.hindsight import template_of
from usergym.training.sdpo_rows import UNRELATED
from usergym.types import Message
from usergym.users.styles.reacting import Exchange, RuleReactor
from usergym.users.styles.rules import score
from usergym.users.styles.spec import StyleSpec, get

THINGS = (
    *("jacket", "kettle", "ladder", "garden", "window", "carpet", "bicycle", "guitar", "blanket", "bottle", "candle"),
    *("drawer", "fence", "hammer", "jar", "kite", "lamp", "mirror", "needle", "oven", "pillow", "quilt", "radio"),
    *("saddle", "table", "umbrella", "vase", "wallet", "basket", "bench", "boot", "broom", "bucket", "chair", "clock"),
    *("coat", "curtain", "desk", "door", "drum", "flute", "gate", "glove", "hat", "helmet", "hose", "kayak", "knife"),
)
DEEDS = ("clean", "repair", "paint", "store", "carry", "sell", "dry", "move", "choose", "test", "polish", "pack")
STEPS = (
    "take the {x} outside",
    "wipe the {x} with a cloth",
    "look at every side of the {x}",
    "put the {x} in a box",
    "leave the {x} in the sun",
    "hold the {x} with both hands",
    "mark the {x} with chalk",
    "ask a friend about the {x}",
    "cover the {x} with paper",
    "wait a day",
    "work slowly",
    "use warm water",
    "start with the edges",
    "keep the room cool",
    "measure twice",
    "stop when it looks right",
)
ABOUT = tuple(step for step in STEPS if "{x}" in step)
"""A reply that does not name the thing is none to the request."""
PRAISE = ("Great question!", "Good question.", "What a lovely idea!", "Excellent choice.")
HEDGES = ("Perhaps", "Maybe", "Possibly")
FOLLOWUPS = ("Shall I tell you more?", "Would you like another tip?", "Do you have more questions?")
EMOJIS = ("😀", "👍", "🎉")
STYLES = ("no_lists", "more_lists", "no_emojis", "no_filler_followup", "less_filler_praise_sycophancy")
"""Those that the model has heard users of."""


def request(thing: str, deed: str) -> str:
    return f"How do I {deed} a {thing}?"


def requests() -> list[str]:
    return [request(thing, deed) for thing in THINGS for deed in DEEDS]


def reply(thing: str, random: Random) -> str:
    """In any manner; every trait is there about half the time."""
    first = random.choice(ABOUT)
    steps = [first, *random.sample([step for step in STEPS if step != first], random.choice((1, 2)))]
    steps = [step.format(x=thing) for step in steps]
    mark = random.choice(".!")
    parts = []
    if random.random() < 0.4:
        parts.append(random.choice(PRAISE))
    if random.random() < 0.5:
        body = "\n".join(f"- {step}" for step in steps)
        lead = f"For the {thing}:" if random.random() < 0.5 else "I would do this:"
        parts.append(f"{lead}\n{body}{mark if random.random() < 0.5 else ''}")
    else:
        said = ", then ".join(steps)
        lead = random.choice(("", "", "I would ", f"{random.choice(HEDGES)} "))
        said = lead + said
        parts.append(f"{said[0].upper()}{said[1:]}{mark}")
    if random.random() < 0.4:
        parts.append(random.choice(FOLLOWUPS))
    if random.random() < 0.4:
        parts.append(random.choice(EMOJIS))
    return " ".join(parts)


def kept(styles: Sequence[StyleSpec], thing: str, random: Random) -> str:
    """A reply that the styles have nothing against, in any manner otherwise."""
    best, value = "", -1.0
    for _ in range(400):
        made = reply(thing, random)
        found = score(styles, made)
        assert found is not None, "a style without exact rules"
        if found == 1:
            return made
        if found > value:
            best, value = made, found
    return best


async def reaction(styles: tuple[StyleSpec, ...], asked: str, said: str, seed: int) -> str:
    exchange = Exchange(styles, asked, said)
    turn = await RuleReactor(lambda: exchange, seed).speak([Message("user", said)])
    return turn.said


async def rows(count: int, seed: int, template: str) -> list[dict[str, object]]:
    """Conversations to be taught: a few of them plain or with a remark that has nothing to do with the reply behind the
    request, the others read in hindsight."""
    random = Random(seed)
    made = []
    for number in range(count):
        thing, deed = random.choice(THINGS), random.choice(DEEDS)
        asked, said = request(thing, deed), reply(thing, random)
        if number % 5 == 1:
            asked += template_of(template).written(random.choice(UNRELATED))
        elif number % 5:
            styles = (get(random.choice(STYLES)),)
            heard = await reaction(styles, asked, said, number)
            asked += template_of(template).written(heard)
            said = kept(styles, thing, random)
        made.append({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]})
    return made


def write(out: Path, count: int = 6000, seed: int = 0, template: str = "neutral") -> tuple[Path, Path]:
    """Writes taught.jsonl and prompts.jsonl."""
    import asyncio

    out.mkdir(parents=True, exist_ok=True)
    taught, prompts = out / "taught.jsonl", out / "prompts.jsonl"
    lines = asyncio.run(rows(count, seed, template))
    taught.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    asked = requests()
    Random(seed).shuffle(asked)
    prompts.write_text("".join(json.dumps({"prompt": each}) + "\n" for each in asked))
    return taught, prompts


def main(*, out: Path = Path("runs/small_talk"), count: int = 6000, seed: int = 0) -> None:
    """Writes what the model is taught, and the requests.

    Parameters
    ----------
    out
        Folder.
    count
        Conversations.
    seed
        Of all draws.
    """
    for path in write(out, count, seed):
        print(path)


if __name__ == "__main__":
    cyclopts.run(main)
