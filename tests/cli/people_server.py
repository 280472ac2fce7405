"""A server whose models simulate people of the synthetic population, well or badly, and judge them."""

import json
import re
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from tests.cli.model_server import Asked, model_server
from tests.judges.judged import material, verdict
from usergym.environments.people.contexts import persona_text
from usergym.users.population import Person, Population, Post, persona, truth

PEOPLE, POSTS = 60, 3
FROM = ("--people", PEOPLE, "--posts", POSTS)
"""Eight of these people are held out for the test, and each wrote under all posts."""


@cache
def _population() -> Population:
    return Population(PEOPLE, POSTS, 0)


def _truth(system: str, thread: str) -> dict[str, str]:
    """What the person of that persona would think and say; of nobody's persona, what the first person would."""
    found = _population()
    told = (each for each in found.people if all(line in system for line in persona_text(persona(each)).splitlines()))
    person: Person = next(told, found.people[0])
    post: Post = next(post for post in found.posts if post.thread[0].text in thread)
    return truth(person, post)


def answer(model: str, body: dict[str, Any]) -> str | None:
    """`knower` says what the person that it is told would say, `sloppy` likewise but without the tags of its stance,
    `mute` nothing in tags, `vague` one text for all. `strict` and `lax` judge by the words that are there, `chatty`
    gives no verdict."""
    if model == "down":
        return None
    question = body["messages"][-1]["content"]
    if model in ("strict", "lax"):
        shown = material(question)
        if "texts" not in shown:
            return json.dumps({"points": [shown["truth"]]})
        points = set(shown["truth"].split())
        share = {label: len(points & set(text.split())) / len(points) for label, text in shown["texts"].items()}
        marks = {label: round(value if model == "strict" else value**0.5, 1) for label, value in share.items()}
        return json.dumps({label: verdict(value, points=1) for label, value in marks.items()})
    if model == "chatty":
        return "They are all rather good."
    system = body["messages"][0]["content"]
    level = re.findall(r"^<(\w+)>\.\.\.</\1>$", system, re.MULTILINE)[-1]
    if model == "vague":
        return f"<{level}>it depends on the people</{level}>"
    said = _truth(system, question)[level]
    if model == "mute" or (model == "sloppy" and level == "stance"):
        return said
    return f"<{level}>{said}</{level}>"


def people_server() -> AbstractContextManager[Asked]:
    """`down` answers nothing but errors."""
    return model_server(answer)
