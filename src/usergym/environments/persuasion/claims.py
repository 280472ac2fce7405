"""Claims, why somebody holds them, and what would move them. A point is one consideration against the claim; those that
name a reason answer it."""

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from usergym.types import Record

STANCES = (
    "Strongly Agree",
    "Agree",
    "Partly Agree",
    "Neutral",
    "Partly Disagree",
    "Disagree",
    "Strongly Disagree",
)
LAST = len(STANCES) - 1


class Point(Record, frozen=True, forbid_unknown_fields=True):
    topic: str
    """What the user names when asked what would matter."""
    text: str
    words: str
    """Further words by which it is recognised."""
    answers: int | None = None
    """The place of the reason it answers."""


class Claim(Record, frozen=True):
    claim: str
    argument: str
    """What the user says for it at first."""
    reasons: tuple[str, ...]
    """What it rests on, sentences of the argument."""
    points: tuple[Point, ...] = ()
    """None for claims of other people's files: any new argument on the topic is one then."""
    key: str = ""


class _Row(Record, frozen=True):
    key: str
    claim: str
    reasons: list[str]
    points: list[tuple[int, str, str, str]]
    """[the reason it answers, from 1, or 0; topic; text; words]"""


@cache
def claims() -> tuple[Claim, ...]:
    """The package's own, in the order of their keys."""
    found: list[Claim] = []
    for path in (files("usergym.environments.persuasion") / "claims").iterdir():
        if path.name.endswith(".toml"):
            listed = tomllib.loads(path.read_text(encoding="utf-8"))
            found += [_claim(row) for row in msgspec.convert(listed["claims"], list[_Row])]
    return tuple(sorted(found, key=lambda claim: claim.key))


def _claim(row: _Row) -> Claim:
    points = tuple(
        Point(topic, text, words, answers - 1 if answers else None) for answers, topic, text, words in row.points
    )
    return Claim(row.claim, " ".join(row.reasons), tuple(row.reasons), points, row.key)
