"""A server whose models simulate people of the synthetic population, well or badly, and judge them."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.judges.judged import material, verdict
from usergym.environments.people.contexts import persona_text
from usergym.users.population import Person, Population, Post, persona, truth

PEOPLE, POSTS = 60, 3
FROM = ("--people", PEOPLE, "--posts", POSTS)
"""Eight of these people are held out for the test, and each wrote under all posts."""


@dataclass
class Asked:
    """What a server was sent, by model."""

    url: str = ""
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        return Counter(model for model, _ in self.bodies)


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


def answer(model: str, body: dict[str, Any]) -> str:
    """`knower` says what the person that it is told would say, `sloppy` likewise but without the tags of its stance,
    `mute` nothing in tags, `vague` one text for all. `strict` and `lax` judge by the words that are there, `chatty`
    gives no verdict."""
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


def _embedding(text: str) -> list[float]:
    return [1.0, len(text) / 100, text.count("e") / 10, text.count(" ") / 10]


@contextmanager
def people_server() -> Iterator[Asked]:
    """`down` answers nothing but errors."""
    asked = Asked()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.bodies.append((body["model"], body))
            payload: Any
            if self.path.endswith("/embeddings"):
                payload = {
                    "data": [{"index": n, "embedding": _embedding(text)} for n, text in enumerate(body["input"])]
                }
            elif body["model"] == "down":
                payload = {"error": {"message": "no such thing"}}
            else:
                message = {"role": "assistant", "content": answer(body["model"], body)}
                payload = {"choices": [{"message": message, "finish_reason": "stop"}]}
                payload["usage"] = {"prompt_tokens": 9, "completion_tokens": 9}
            written = json.dumps(payload).encode()
            self.send_response(400 if "error" in payload else 200)
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        asked.url = f"http://127.0.0.1:{made.server_address[1]}/v1"
        try:
            yield asked
        finally:
            made.shutdown()
