"""Somebody who takes a study over HTTP, as a browser without scripts would."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp

from usergym.evaluation.study_records import Item, Said, settings_of
from usergym.serving.study_store import StudyStore

SYSTEMS = ("zebra-tuned-v3", "plain_base_7b", "gruffmodel")
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">{{ 7*7 }}\"'></div>"
LONG = (
    "What counts most for me is that people hear each other out before they judge, even where that takes an evening "
    "and nobody changes their mind by the end of it, since anything else only breeds more quarrel later on between them"
)


def items(count: int = 3, **more: Any) -> dict[str, Item]:
    made = {}
    for n in range(count):
        thread = (Said("Ann", f"Question {n}? {EVIL}"), Said("HUMAN", "Hm."))
        texts = {name: f"Reply {n} from number {place}. {EVIL}" for place, name in enumerate(SYSTEMS)}
        made[f"item-{n}"] = Item(f"item-{n}", thread, texts, **{"persona": f"Grumpy. {EVIL}", **more})
    return made


def store(folder: Path, made: Mapping[str, Item] | None = None, invite: int = 0, **given: Any) -> StudyStore:
    given = {"items_each": 3, "reason_words": 5, **given}
    return StudyStore(folder, settings_of(None, given), made or items(), invite)


class Form(HTMLParser):
    """The fields of a page: names with their values so far, and what the radio buttons offer."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.values: dict[str, str] = {}
        self.offered: dict[str, list[str]] = {}
        self.areas: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.add(tag)
        self.attributes |= set(given)
        name = given.get("name", "")
        if tag == "form" and given.get("id") == "answers":
            self.action = given["action"]
        if tag == "input" and given.get("type") == "radio":
            self.offered.setdefault(name, []).append(given["value"])
            if "checked" in given:
                self.values[name] = given["value"]
        elif tag == "input" and given.get("type") == "hidden":
            self.values[name] = given["value"]
        elif tag == "textarea":
            self.areas.append(name)
            self.values[name] = ""
            self._inside = name

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.values[self._inside] += data


def filled(page: str, text: str = LONG) -> dict[str, str]:
    """A right answer to whatever the page asks."""
    form = Form(page)
    text = f"{text} {form.values['page']}"
    chosen = {name: choices[sum(map(ord, name)) % len(choices)] for name, choices in form.offered.items()}
    values = form.values | chosen | dict.fromkeys(form.areas, text)
    if wanted := re.search(r"please choose (\d+) here", page):
        values["check"] = wanted[1]
    return values


class Taker:
    """One browser: a session with cookies of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.seen: list[str] = []
        """Everything the server sent: bodies and headers."""

    async def __aenter__(self) -> "Taker":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.session.close()

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, str]:
        async with self.session.request(method, path, **more) as answer:
            text = await answer.text()
            self.seen += [text, str(answer.headers), *(str(each.headers) for each in answer.history)]
            return answer.status, text

    async def page(self) -> str:
        status, text = await self.ask("GET", "/")
        assert status == 200, text
        return text

    async def join(self, code: str = "") -> str:
        """The code."""
        status, text = await self.ask("POST", "/join", data={"consent": "yes", "code": code})
        assert status == 200, text
        return re.findall(r'class="code">([A-Z0-9-]+)<', text)[-1]

    async def send(self, values: Mapping[str, str]) -> tuple[int, str]:
        return await self.ask("POST", "/answer", data=dict(values))

    async def save(self, **draft: Any) -> int:
        return (await self.ask("POST", "/save", json=draft))[0]

    async def take(self) -> int:
        """To the end; the number of pages."""
        page = await self.page()
        count = 0
        while 'id="answers"' in page:
            status, page = await self.send(filled(page))
            assert status == 200, page
            count += 1
        return count
