"""A study that people take in their browsers: one page after another, each answer kept before the next is shown.

Who somebody is, is their code and nothing else. A page has one address, so nobody can ask for another's; what is
answered is the page that this person is on, so nobody answers out of turn.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from usergym.evaluation.study_progress import Taken
from usergym.serving.guard import is_loopback
from usergym.serving.study_forms import Field, fields_of, is_draft, problems
from usergym.serving.study_page import CSS, JS, Pages, sheet
from usergym.serving.study_store import StudyStore, TooMany, spaced, tidy
from usergym.serving.web import alive, reply
from usergym.types import valid_text

BODY_LIMIT = 1 << 20
FIELDS = 100
COOKIE = "study"
COOKIE_SECONDS = 60 * 24 * 3600
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class _Draft(msgspec.Struct):
    page: int
    field: str
    value: str


_read_draft = msgspec.json.Decoder(_Draft).decode

NO_CODE = "No such code. It has sixteen letters and digits; spaces and hyphens do not matter."
NO_CONSENT = "To take part, please tick the box below the consent text."
FULL = "This study is full. Thank you for your interest."


def study_app(store: StudyStore, url: str = "", host: str = "127.0.0.1") -> Starlette:
    """`url`: the address that participants open, where it is not this server's own; `host`: what it listens on."""
    door = _Door(store, url, host)
    post = ["POST"]
    return Starlette(
        routes=[
            Route("/", door.page),
            Route("/join", door.join, methods=post),
            Route("/resume", door.resume, methods=post),
            Route("/leave", door.leave, methods=post),
            Route("/answer", door.answer, methods=post),
            Route("/save", door.save, methods=post),
            Route("/study.css", _asset(CSS, "text/css")),
            Route("/study.js", _asset(JS, "text/javascript")),
            Route("/favicon.ico", _asset(b"", "image/x-icon")),
            Route("/health", alive),
        ],
        exception_handlers={
            HTTPException: door.refused,
            ClientDisconnect: door.gone,
            TooMany: door.too_many,
            OSError: door.not_kept,
            Exception: door.bug,
        },
    )


def _asset(content: bytes, kind: str) -> Any:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind, headers={**HEADERS, "cache-control": "no-cache"})

    return answer


class _Door:
    """What a browser may ask for."""

    def __init__(self, store: StudyStore, url: str, host: str) -> None:
        self.store = store
        self.pages = Pages()
        self.title = store.settings.title
        self.public = urlsplit(url)
        self.host = host

    async def page(self, request: Request) -> Response:
        self._check_address(request)
        code = request.cookies.get(COOKIE, "")
        person = self.store.person(code)
        if person is None:
            return self._html(self.pages.welcome(self.store.progress, self.store.closed_to_strangers))
        key = self.store.progress.stage(person)
        if key is None and self.store.assign(person):
            key = self.store.progress.stage(person)
        if key is None:
            return self._html(self.pages.done(self.store.progress, spaced(code), person))
        if key not in person.shown:
            self.store.note(person, "shown", *key)
        return self._stage(code, person, person.drafts.get(key, {}), {})

    def _stage(
        self, code: str, person: Taken, values: Mapping[str, str], wrong: Mapping[str, str], status: int = 200
    ) -> Response:
        progress = self.store.progress
        key = progress.stage(person)
        assert key is not None
        shown = sheet(progress, person, *key, values, wrong)
        return self._html(self.pages.stage(self.title, spaced(code), shown), status)

    async def join(self, request: Request) -> Response:
        form = await self._form(request)
        code = form.get("code", "")
        if self.store.closed_to_strangers and self.store.person(code):
            return self._enter(code)
        if form.get("consent") != "yes":
            return self._welcome(NO_CONSENT)
        given = self.store.join(code)
        if given is None:
            return self._welcome(NO_CODE if self.store.closed_to_strangers else FULL)
        return self._enter(given)

    async def resume(self, request: Request) -> Response:
        code = (await self._form(request)).get("code", "")
        return self._enter(code) if self.store.person(code) else self._welcome(NO_CODE)

    async def leave(self, request: Request) -> Response:
        await self._form(request)
        away = _home()
        away.delete_cookie(COOKIE)
        return away

    async def answer(self, request: Request) -> Response:
        form = await self._form(request)
        code = request.cookies.get(COOKIE, "")
        person = self.store.person(code)
        if person is None:
            return _home()
        key = self.store.progress.stage(person)
        if key is None or form.get("page") != str(len(person.done)):
            return _home()  # sent twice, or from a page that is past
        fields = self._fields(person)
        values = {field.name: form.get(field.name, "").strip() for field in fields}
        if wrong := problems(fields, values):
            kept = {field.name: values[field.name] for field in fields if is_draft(field, values[field.name])}
            if kept and kept != person.drafts.get(key):
                self.store.note(person, "saved", *key, kept)
            return self._stage(code, person, values, wrong, 422)
        self.store.note(person, "done", *key, values)
        return _home()

    async def save(self, request: Request) -> Response:
        self._check_address(request, writes=True)
        person = self.store.person(request.cookies.get(COOKIE, ""))
        try:
            draft = _read_draft(await _body(request))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return reply({"saved": False, "why": "not an answer"}, 422)
        key = self.store.progress.stage(person) if person else None
        if person is None or key is None or draft.page != len(person.done):
            return reply({"saved": False, "why": "this page is past; load it again"}, 409)
        field = next((field for field in self._fields(person) if field.name == draft.field), None)
        text = _clean(draft.value)
        if field is None or not is_draft(field, text):
            return reply({"saved": False, "why": "not an answer to this page"}, 422)
        if person.drafts.get(key, {}).get(field.name) != text:
            self.store.note(person, "saved", *key, {field.name: text})
        return reply({"saved": True})

    def _fields(self, person: Taken) -> list[Field]:
        progress = self.store.progress
        key = progress.stage(person)
        assert key is not None
        stage, item = key
        assigned = person.assigned[-1] if item else None
        return fields_of(progress.settings, stage, progress.items[item] if item else None, assigned)

    def _enter(self, code: str) -> Response:
        home = _home()
        secure = self.public.scheme == "https"
        home.set_cookie(COOKIE, tidy(code), max_age=COOKIE_SECONDS, httponly=True, samesite="lax", secure=secure)
        return home

    def _welcome(self, problem: str) -> Response:
        page = self.pages.welcome(self.store.progress, self.store.closed_to_strangers, problem)
        return self._html(page, 403 if problem == NO_CODE else 422)

    async def _form(self, request: Request) -> dict[str, str]:
        self._check_address(request, writes=True)
        body = await _body(request)
        try:
            pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS, errors="replace")
        except ValueError:
            raise HTTPException(422, "What your browser sent could not be read. Please load the page again.") from None
        return {name: _clean(value) for name, value in pairs}

    def _check_address(self, request: Request, writes: bool = False) -> None:
        """Another page of the web cannot answer in somebody's name, nor pass for this one."""
        asked = request.headers.get("host", "")
        name = urlsplit(f"//{asked}").hostname or ""
        ours = name in (self.host, self.public.hostname) or is_loopback(name)
        if is_loopback(self.host) and not ours:
            raise HTTPException(403, f"This study has another address: {self.public.geturl() or self.host}")
        origin = request.headers.get("origin")
        if writes and origin and urlsplit(origin).netloc not in (asked, self.public.netloc):
            raise HTTPException(403, "Answers are taken from the pages of this study only.")

    def _html(self, page: str, status: int = 200) -> Response:
        return Response(page, status, HEADERS, "text/html")

    def _notice(self, status: int, heading: str, message: str) -> Response:
        return self._html(self.pages.notice(self.title, heading, message), status)

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        known = {404: "There is no such page.", 405: "This page cannot be asked for in this way."}
        return self._notice(error.status_code, "This did not work", known.get(error.status_code, error.detail))

    async def gone(self, request: Request, error: Exception) -> Response:
        return Response(status_code=499)

    async def too_many(self, request: Request, error: Exception) -> Response:
        return self._notice(429, "That is enough", "More was sent from this code than a study needs.")

    async def not_kept(self, request: Request, error: Exception) -> Response:
        message = "The last answer could not be kept. Please go back and send it again in a few minutes."
        return self._notice(503, "Not saved", message)

    async def bug(self, request: Request, error: Exception) -> Response:
        return self._notice(500, "This did not work", "The server failed. What you answered before is kept.")


def _home() -> RedirectResponse:
    return RedirectResponse(".", 303, HEADERS)


def _clean(text: str) -> str:
    return _CONTROL.sub("", valid_text(text.replace("\r\n", "\n").replace("\r", "\n")))


async def _body(request: Request) -> bytes:
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > BODY_LIMIT:
            raise HTTPException(413, f"This is larger than {BODY_LIMIT:,} bytes, and was not taken.")
    return bytes(received)
