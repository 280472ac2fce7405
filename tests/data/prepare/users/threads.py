"""Raw rows as the public data sets have them, in words of our own, and a small town that writes some."""

from pathlib import Path
from random import Random
from typing import Any

from tests.data.prepare.rows import write
from usergym.data.prepare.users.opening import open_people
from usergym.data.prepare.users.pipeline import Preparation
from usergym.data.prepare.users.plan import Plan
from usergym.data.prepare.users.rows import Layout, What
from usergym.users.states import load

TOPICS = ("allotment", "ferry", "library", "bakery", "orchard", "quarry", "chapel", "harbour", "tramway", "windmill")
PERSONA = {field: [f"{field} of sort {n}" for n in range(4)] for field in ("interests", "values", "communication")}


def said(author: str, content: str, **about: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, "metadata": {"author": author, **about}}


def reddit(
    user: str = "ann", text: str = "I would let her keep it.", *, post: str = "p1", **more: Any
) -> dict[str, Any]:
    thread = [said("opener", "Am I wrong to keep my sister's bicycle?", score=12, num_comments=3)]
    row = {"prompt": thread, "completion": text, "post_id": post, "user_id": user, "timestamp": 1_600_000_000}
    return {**row, "metadata": {"score": 4}, **more}


def youtube(user: str = "@ann", text: str = "That bridge was never safe.", **more: Any) -> dict[str, Any]:
    video = {"title": "The old bridge", "description": "A report.", "transcript": "It was built long ago."}
    thread = [
        {"role": "channel", "content": "", "metadata": {"channelTitle": "Town News", **video}},
        {"role": "user", "content": "Tear it down.", "metadata": {"authorDisplayName": "@bert", "likes": 2}},
    ]
    row = {"prompt": thread, "completion": text, "post_id": "v1", "user_id": user, "timestamp": "2024-02-01T10:00:00Z"}
    return {**row, "metadata": {}, **more}


def medium(user: str = "Ann Lee", text: str = "You leave out who pays.", **more: Any) -> dict[str, Any]:
    thread = [
        {"role": "Bert Moss", "content": "POLITICS\nWhy the toll should go", "metadata": {"claps": 7}},
        {"role": "Ann Lee", "content": "It should stay.", "metadata": {}},
        {"role": "Cora", "content": "Why, Ann Lee?", "metadata": {}},
    ]
    row = {"prompt": thread, "completion": text, "post_id": "m1", "user_id": user, "timestamp": 1_700_000_000_000}
    return {**row, "metadata": {}, **more}


def amazon(user: str = "A1", text: str = "Slow: I put it down twice.", **more: Any) -> dict[str, Any]:
    book = {"store": "A Press", "title": "The Lamp", "categories": ["Books", "Sea"], "price": 9.5, "features": ["long"]}
    thread = [{"role": "user", "content": "", "metadata": {**book, "author": {"name": "Z. Quill"}, "details": None}}]
    row = {"prompt": thread, "completion": text, "post_id": "b1", "user_id": user, "timestamp": 1_500_000_000}
    return {**row, "metadata": {"rating": 2.0, "helpful_vote": 3}, **more}


def wildchat(user: str = "9f2c", text: str = "shorter please", **more: Any) -> dict[str, Any]:
    thread = [
        {"role": "9f2c", "content": "write a toast", "metadata": {"language": "English"}},
        {"role": "gpt-4-0314", "content": "Dear friends, tonight we gather.", "metadata": {"language": "English"}},
    ]
    row = {"prompt": thread, "completion": text, "post_id": "c1", "user_id": user, "timestamp": "2023-05-01 12:00:00"}
    return {**row, "metadata": {"language": "English", "persona": "A person who chats with an assistant."}, **more}


def enron(user: str = "ann@corp.example", text: str = "Fine, I will book the room.", **more: Any) -> dict[str, Any]:
    thread = [
        {
            "role": "bert@corp.example",
            "content": "Can you book a room for Monday?",
            "metadata": {"date": "Mon, 14 May 2001 09:00:00 -0700 (PDT)"},
        }
    ]
    row = {"prompt": thread, "completion": text, "post_id": "t1", "user_id": user}
    return {**row, "timestamp": "Tue, 15 May 2001 09:00:00 -0700", "metadata": {"message_id": "<1@corp>"}, **more}


MAKERS = {
    "reddit": reddit,
    "youtube": youtube,
    "medium": medium,
    "amazon": amazon,
    "wildchat_english": wildchat,
    "enron": enron,
}


def town(people: int = 12, texts: int = 10, *, persona: Any = None, seed: int = 0) -> list[dict[str, Any]]:
    """Everybody writes under so many posts, about what they care for; times rise from post to post."""
    random = Random(seed)
    rows = []
    for n in range(people):
        for place in range(texts):
            topic, other = TOPICS[(n + place) % len(TOPICS)], TOPICS[n % len(TOPICS)]
            post = (n * 3 + place) % (2 * texts)
            mood = random.choice(("I would rather keep", "Nobody should sell", "We could close", "My wife loves"))
            text = f"{mood} the {topic}, number {n}-{place}! The {other} is fair, because I was there, I think?"
            thread = [said(f"opener{post}", f"Post {post}: what shall become of the {topic}?")]
            about = {"score": place} if persona is None else {"score": place, "persona": persona}
            row = {"prompt": thread, "completion": text, "post_id": f"post-{post}", "user_id": f"user-{n}"}
            rows.append({**row, "timestamp": 1_600_000_000 + 86_400 * post + n, "metadata": about})
    return rows


def job(
    folder: Path, rows: list[dict[str, Any]] | Path, *, what: What = "rl", levels: str = "sebvgcr", **options: Any
) -> Preparation:
    """A preparation of rows in a file, or of a file; `options` are fields of the plan, of the layout, or its own."""
    source = rows if isinstance(rows, Path) else write(folder / "raw.jsonl", rows)
    own = {name: options.pop(name) for name in ("model", "thinker", "force") if name in options}
    layout = Layout(
        what, load(levels), **{name: options.pop(name) for name in ("tags", "expand", "mode") if name in options}
    )
    out = options.pop("out", folder / "out")
    plan = Plan(
        dataset=options.pop("dataset", "plain"),
        source=str(source),
        what=what,
        hierarchy=levels,
        digest=layout.hierarchy.digest,
        tags=layout.tags,
        expand=layout.expand,
        **options,
    )
    return Preparation(plan, layout, open_people(str(source)), out, folder / "prompts", **own)
