"""A study on disk, and its one writer: every answer is a line that is written before anybody is told it is kept."""

import hashlib
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec

from usergym.evaluation.study_folder import ANSWERS, CODES, ITEMS, SECRET, STUDY, read_study
from usergym.evaluation.study_progress import Taken, replay
from usergym.evaluation.study_records import Event, Item, Line, Settings, Stage
from usergym.rollouts.store import RunRefused, set_torn_line_aside, sole_writer
from usergym.rows import Writer

LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""Of codes: those that nobody takes for another."""
CODE_LENGTH = 16
MOST_LINES = 5_000
"""Lines that one participant may cause; drafts beyond are refused."""
MAY_CHANGE = ("raters", "participants", "about", "thanks")
"""Settings that a study that has begun may be given anew."""


def new_code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))


def tidy(code: str) -> str:
    """A code as a person may have typed it: case, spaces and hyphens do not matter."""
    return "".join(each for each in code.upper() if each.isalnum())[: 2 * CODE_LENGTH]


def spaced(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


class TooMany(Exception):
    """This participant has sent more than anybody needs to."""


class StudyStore:
    """The one writer of a study's folder. Nothing here waits, so no two requests are ever mixed."""

    def __init__(self, folder: Path, settings: Settings, items: Mapping[str, Item], invited: int = 0) -> None:
        """RunRefused where another process writes to the folder, or it holds another study."""
        with ExitStack() as opened:
            opened.enter_context(sole_writer(folder))
            folder.chmod(0o700)
            self.folder = folder
            self.settings = _settle(folder, settings, items)
            self.key = _secret(folder / SECRET)
            self.codes = _codes(folder / CODES, invited)
            self.torn = set_torn_line_aside(folder / ANSWERS)
            self.progress = replay(self.settings, items, folder / ANSWERS)
            self._file = opened.enter_context(Writer(folder / ANSWERS, append=True))
            self._descriptor = os.open(folder / ANSWERS, os.O_RDONLY)
            opened.callback(os.close, self._descriptor)
            self._opened = opened.pop_all()
        self._invited = {self.hashed(code) for code in self.codes}

    @property
    def closed_to_strangers(self) -> bool:
        return bool(self._invited)

    def hashed(self, code: str) -> str:
        """The participant that a code stands for; the code itself is nowhere on disk, unless it was an invitation."""
        return hashlib.blake2b(tidy(code).encode(), key=self.key, digest_size=10).hexdigest()

    def person(self, code: str) -> Taken | None:
        return self.progress.people.get(self.hashed(code)) if code else None

    def join(self, code: str = "") -> str | None:
        """The code of somebody who consented and is now part of the study; None where it is full, or for those only
        who were invited and this code is none of theirs."""
        if self._invited:
            if self.hashed(code) not in self._invited:
                return None
        else:
            code = new_code()
        if len(self.progress.people) >= self.settings.participants:
            return None
        self._append(Line(time.time(), self.hashed(code), "joined", values={"consent": "yes"}))
        return tidy(code)

    def assign(self, person: Taken) -> bool:
        """Whether there is one more comparison for them."""
        given = self.progress.next_assignment(person, time.time())
        if given is None:
            return False
        line = Line(time.time(), person.participant, "assigned", item=given.item, order=given.order, check=given.check)
        self._append(line)
        return True

    def note(
        self, person: Taken, event: Event, stage: Stage, item: str, values: Mapping[str, str] | None = None
    ) -> None:
        """TooMany beyond a bound; OSError where the disk is full, and then nothing has changed."""
        if person.lines >= MOST_LINES and event == "saved":
            raise TooMany
        self._append(Line(time.time(), person.participant, event, stage, item, dict(values or {})))

    def _append(self, line: Line) -> None:
        self._file.write(msgspec.to_builtins(line))
        if line.event != "saved":
            os.fsync(self._descriptor)  # a draft may be lost with the machine, an answer may not
        self.progress.apply(line)

    def close(self) -> None:
        self._opened.close()

    @classmethod
    def reopen(cls, folder: Path, changes: Mapping[str, object], invited: int = 0) -> Self:
        """A study that has begun. ValueError where there is none."""
        settings, items = read_study(folder)
        changed = msgspec.convert(msgspec.to_builtins(settings) | dict(changes), Settings)
        return cls(folder, changed, items, invited)


def _settle(folder: Path, settings: Settings, items: Mapping[str, Item]) -> Settings:
    """Writes what the study is, or holds it against what it was."""
    if (folder / STUDY).exists():
        known, kept = read_study(folder)
        was, now = msgspec.to_builtins(known), msgspec.to_builtins(settings)
        differs = [name for name in now if name not in MAY_CHANGE and was[name] != now[name]]
        if dict(kept) != dict(items):
            differs.append("the items")
        if differs:
            raise RunRefused(
                f"{folder} holds a study with other {', '.join(differs)}; leave them as they were, or give another "
                "--out"
            )
    elif any(path.name != ITEMS for path in folder.glob("*.jsonl")):
        raise RunRefused(f"{folder} holds something else than a study; give another --out")
    else:
        with Writer(folder / ITEMS, whole=True) as file:
            for item in items.values():
                file.write(msgspec.to_builtins(item))
    _write_private(folder / STUDY, msgspec.json.encode(settings).decode() + "\n")
    return settings


def _secret(path: Path) -> bytes:
    """The key of the hashes: without it, no code can be tried against `answers.jsonl`."""
    if not path.exists():
        _write_private(path, secrets.token_hex(32))
    return path.read_text("ascii").strip().encode()


def _codes(path: Path, wanted: int) -> list[str]:
    codes = [tidy(line) for line in path.read_text("utf-8").splitlines() if line.strip()] if path.exists() else []
    if len(codes) < wanted:
        codes += [new_code() for _ in range(wanted - len(codes))]
        _write_private(path, "".join(f"{spaced(code)}\n" for code in codes))
    return codes


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
