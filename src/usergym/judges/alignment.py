"""How far texts say what a person really said: one call for all texts of a group, a decoy among them.

For key points k = 1..K of the truth and text i the judge gives matches m_ik and a penalty P_i, and nothing else of what
it says counts:

    score_i = clip(mean over k of m_ik - P_i, 0, 1)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

from usergym.judges.alignment_asking import LONGEST, SAMPLING, Unread, ask, fields, one_object, question
from usergym.judges.alignment_scores import Alignment, Failure, Judgement, aligned, averaged, disagreement
from usergym.judges.key_points import KeyPointReader, KeyPoints
from usergym.models.base import Model
from usergym.types import Sampling, Usage, is_blank, stable_hash

__all__ = ["Alignment", "Failure", "Judgement", "KeyPointReader", "KeyPoints", "align", "read_verdicts", "schema"]

RELATIONS = ("same", "close", "partial", "unrelated", "opposed", "to_the_judge")
TENTHS = [tenth / 10 for tenth in range(11)]
"""The numbers a judge may choose from where its server holds it to a schema; others from 0 to 1 are taken as well."""
ALL, NOTHING = 0.9, 0.1
"""Matches from and up to which they exclude `unrelated` or `opposed`, and `same`."""
HIGH = 0.5
"""From here on the score of what somebody else said elsewhere is too high."""
DECOY = -1
"""Its place in an order."""

Mark = Alignment | Failure


@dataclass(slots=True)
class _Call:
    """What one asking of the judge came to."""

    order: tuple[int, ...]
    marks: dict[int, Mark] = field(default_factory=dict)
    """By index of the text, DECOY for the decoy."""
    why: str = ""
    usage: Usage = field(default_factory=Usage)


async def align(
    judge: Model,
    *,
    context: str,
    level: str,
    desc: str,
    truth: str,
    texts: Sequence[str],
    points: KeyPoints,
    seed: int,
    decoy: str | None = None,
    repeats: int = 1,
    sampling: Sampling = SAMPLING,
) -> Judgement:
    """How far each of `texts` says what `truth` says at `level`, which `desc` explains. What fails is an outcome, never
    an exception and never 0; StopRun passes. ValueError for fewer than one repeat.

    Equal texts are shown once. The order is drawn from `seed`, and anew for each of `repeats`. A blank text is 0 and a
    copy of the truth 1 without asking. `decoy`: what somebody else said elsewhere; a call in which it is given HIGH or
    more and no text is given more is not believed. Where it is given little the texts may be worse: that is no fault of
    the judge.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats}: ask at least once")
    if points.failure is not None or not points.points:
        return _unjudged(texts, points.failure or "no_points", points.why)
    first: dict[str, int] = {}
    for place, text in enumerate(texts):
        first.setdefault(text.strip(), place)
    known: dict[int, Mark] = {}
    count = len(points.points)
    for text, place in first.items():
        if is_blank(text) or text == truth.strip():
            known[place] = aligned((0.0 if is_blank(text) else 1.0,) * count, 0.0)
    asked = {place: text for text, place in first.items() if place not in known}
    decoy = decoy.strip() if decoy else None
    if asked and decoy and decoy not in first and decoy != truth.strip():
        asked[DECOY] = decoy
    length = len(context) + len(truth) + sum(map(len, asked.values()))
    if asked and length > LONGEST:
        return _unjudged(texts, "too_long", f"{length:,} characters, and {LONGEST:,} are judged")
    about = {"aspect": level, "meaning": desc, "context": context, "truth": truth, "points": _named("p", points.points)}
    calls = [
        await _asked(judge, about, asked, stable_hash(seed, repeat), sampling)
        for repeat in range(repeats if asked else 0)
    ]
    for call in calls:
        _distrust(call, known)
    return _joined([first[text.strip()] for text in texts], known, [place for place in asked if place != DECOY], calls)


async def _asked(
    judge: Model, about: Mapping[str, Any], asked: Mapping[int, str], seed: int, sampling: Sampling
) -> _Call:
    order = list(asked)
    Random(seed).shuffle(order)
    labels = [f"t{number}" for number in range(1, len(order) + 1)]
    material = {**about, "texts": {label: asked[place] for label, place in zip(labels, order, strict=True)}}
    count = len(about["points"])
    answer = await ask(
        judge,
        question("alignment", material, _form(labels, count)),
        schema(len(order), count),
        lambda text: read_verdicts(text, len(order), count),
        sampling,
        seed,
    )
    if answer.value is None:
        assert answer.failure is not None
        return _Call(tuple(order), dict.fromkeys(order, answer.failure), answer.why, answer.usage)
    return _Call(tuple(order), dict(zip(order, answer.value, strict=True)), usage=answer.usage)


def _distrust(call: _Call, known: Mapping[int, Mark]) -> None:
    """Takes back the marks of a call whose decoy scores HIGH, and no text higher: texts known without asking too."""
    decoy = call.marks.get(DECOY)
    others = [mark for place, mark in (*call.marks.items(), *known.items()) if place != DECOY]
    scores = [mark.score for mark in others if isinstance(mark, Alignment)]
    if isinstance(decoy, Alignment) and scores and decoy.score >= max(HIGH, *scores):
        call.marks.update({place: "decoy" for place in call.marks if place != DECOY})
        call.why = f"what somebody else said got {decoy.score:.2f}, the best text {max(scores):.2f}"


def _joined(
    places: Sequence[int], known: Mapping[int, Mark], asked: Sequence[int], calls: Sequence[_Call]
) -> Judgement:
    """One judgement of what several calls came to. `places`: of each text, where the first that equals it stands."""
    marks = dict(known)
    for place in asked:
        given = [call.marks[place] for call in calls]
        scored = [mark for mark in given if isinstance(mark, Alignment)]
        marks[place] = averaged(scored) if scored else given[0]
    decoys = [mark for call in calls if isinstance(mark := call.marks.get(DECOY), Alignment)]
    failed = [mark for place in asked if not isinstance(mark := marks[place], Alignment)]
    in_repeats = [[_scored(call.marks[place]) for place in asked] for call in calls]
    return Judgement(
        scores=tuple(_scored(marks[place]) for place in places),
        decoy=averaged(decoys).score if decoys else None,
        order=calls[0].order if calls else (),
        failure=failed[0] if failed and len(failed) == len(asked) else None,
        failures=tuple(None if isinstance(mark := marks[place], Alignment) else mark for place in places),
        why=next((call.why for call in calls if call.why), ""),
        repeats=len(calls),
        disagreement=disagreement(in_repeats),
        usage=sum((call.usage for call in calls), Usage()),
    )


def _scored(mark: Mark) -> Alignment | None:
    return mark if isinstance(mark, Alignment) else None


def _unjudged(texts: Sequence[str], failure: Failure, why: str) -> Judgement:
    count = len(texts)
    return Judgement((None,) * count, failure=failure, failures=(failure,) * count, why=why, repeats=0)


@cache
def schema(texts: int, points: int) -> dict[str, Any]:
    """JSON Schema of a judge's answer on so many texts and key points."""
    number = {"type": "number", "enum": TENTHS}
    marks = {**_named("p", [number] * points), "penalty": number, "relation": {"type": "string", "enum": [*RELATIONS]}}
    return _closed(_named("t", [_closed(marks)] * texts))


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def _form(labels: Sequence[str], points: int) -> str:
    """What an answer looks like, without a number in it that a lazy judge could repeat."""
    marks = ", ".join(f'"p{number}": NUMBER' for number in range(1, points + 1))
    each = f'{{{marks}, "penalty": NUMBER, "relation": WORD}}'
    return "{" + ", ".join(f'"{label}": {each}' for label in labels) + "}"


def _named(letter: str, values: Sequence[Any]) -> dict[str, Any]:
    return {f"{letter}{number}": value for number, value in enumerate(values, 1)}


def read_verdicts(text: str, texts: int, points: int) -> list[Mark]:
    """The marks of a judge's answer on so many texts and points, in the order in which it saw them; a Failure for a
    text whose verdict cannot be used. Unread for an answer that is not about these texts, or of no use at all."""
    pairs = one_object(text)
    names = [name for name, _ in pairs]
    if sorted(names) != sorted(_named("t", range(texts))):
        raise Unread("wrong_count", f"verdicts on {', '.join(names)[:80] or 'nothing'}; {texts} texts were shown")
    given = dict(pairs)
    marks = [_mark(given[f"t{number}"], points) for number in range(1, texts + 1)]
    if all(isinstance(mark, str) for mark in marks):
        raise Unread(next(mark for mark in marks if isinstance(mark, str)), "of no verdict is any use")
    return marks


def _mark(verdict: Any, points: int) -> Mark:
    found = fields(verdict)
    if found is None:
        return "unreadable"
    relation = found.pop("relation", None)
    penalty = found.pop("penalty", None)
    if sorted(found) != sorted(_named("p", range(points))):
        return "wrong_count"
    matches = [found[f"p{number}"] for number in range(1, points + 1)]
    if relation not in RELATIONS or not all(_is_number(value) for value in (*matches, penalty)):
        return "unreadable"
    if not all(0 <= value <= 1 for value in (*matches, penalty)):
        return "out_of_range"
    if (relation in ("unrelated", "opposed") and min(matches) >= ALL) or (
        relation == "same" and max(matches) <= NOTHING
    ):
        return "contradiction"
    return aligned([float(value) for value in matches], 1.0 if relation == "to_the_judge" else float(penalty))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
