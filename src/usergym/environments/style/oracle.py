"""An agent that keeps every rule of its user's styles: one reply, put together as the rules want it."""

import tomllib
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import combinations

import msgspec

from usergym.environments.style.topical import amiss, content
from usergym.judges.words import stem, words
from usergym.types import Message, Record, Seat, Turn
from usergym.users.styles.rules import verdicts
from usergym.users.styles.spec import StyleSpec
from usergym.users.wording import without_contractions

VERY_SHORT, SHORT, LONG = 25, 45, 165
"""Words of a reply."""
SENTENCE = 21
"""Words of a long sentence."""
ITEMS = 3
PROBE = "How do I bake bread?"
PLACES: tuple[tuple[int, ...], ...] = ((0,), (-1,), (1,), (0, -1))
"""Where questions may stand among the sentences."""


class Bank(Record, frozen=True):
    """What a reply is made of: clauses in simple words, or in rich ones."""

    question: str
    clauses: tuple[str, ...]


class Oracle:
    """Gives the reply that keeps all rules, as often as it is asked. LookupError where there is none, with the rules
    that are left broken."""

    def __init__(self, seat: Seat, styles: Sequence[StyleSpec], request: str) -> None:
        self.seat = seat
        self.reply = compose(styles, request)

    async def speak(self, view: Sequence[Message]) -> Turn:
        return Turn("assistant", Message("assistant", self.reply))


def compose(styles: Sequence[StyleSpec], request: str) -> str:
    """A reply to the request that scores 1 under every rule of the styles."""
    wanted = {rule for style in styles for rule in style.rules}
    asks = wanted & {"asks_question", "has_followup", "question_first"}
    fewest: list[str] | None = None
    for subject in _subjects(request):
        for places in PLACES if asks else ((),):
            reply = _written(wanted, subject, places)
            broken = [each.rule for each in verdicts(styles, reply) if each.score < 1]
            if not broken and not amiss(request, reply):
                return reply
            if fewest is None or len(broken) < len(fewest):
                fewest = broken
    names = "+".join(style.name for style in styles)
    raise LookupError(f"no reply is known that keeps all rules of {names}: {', '.join(fewest or ())} would be broken")


def refuse_contradictions(styles: Sequence[StyleSpec]) -> None:
    """ValueError for two styles of which the one wants what the other does not, with both names."""
    for one, other in combinations(styles, 2):
        try:
            compose((one, other), PROBE)
        except LookupError as error:
            raise ValueError(
                f"styles {one.name} and {other.name} contradict each other: {error}; "
                "drop one, or put them in sequence with >"
            ) from None


def _subjects(request: str) -> Iterator[str]:
    """Words of content of the request, short ones first."""
    asked = content(request)
    found = sorted({word for word in words(request) if stem(word) in asked}, key=lambda word: (len(word), word))
    signs = sorted(sign for sign in asked if len(sign) == 1)
    yield from [*found, *signs] or ["this"]


def _written(wanted: Collection[str], subject: str, places: Sequence[int]) -> str:
    bank = _banks()["rich" if "rich_words" in wanted else "simple"]
    marked = f"**{subject}**" if "has_formatting" in wanted else subject
    question = bank.question.format(x=subject)
    clauses = _clauses(bank, marked, wanted, len(places) * len(question.split()))
    bare = "no_punctuation" in wanted
    told = [each if bare else f"{_capital(each)}." for each in _sentences(clauses, wanted)]
    for place in places:
        told.insert(place if place >= 0 else len(told), f"{_capital(question)}?")
    if "has_formatting" in wanted:
        told[1:2] = [f"*{each}*" for each in told[1:2]]
    return _laid_out(told, wanted)


def _clauses(bank: Bank, subject: str, wanted: Collection[str], spoken_for: int) -> list[str]:
    """As many as a short reply has room for, or a long one needs."""
    room = VERY_SHORT if "very_short" in wanted else SHORT
    taken: list[str] = []
    count = spoken_for
    for clause in bank.clauses:
        filled = clause.format(x=subject)
        filled = filled if "informal" in wanted else without_contractions(filled)
        size = len(filled.split())
        if count >= LONG if "long" in wanted else count + size > room:
            break
        taken.append(filled)
        count += size
    return taken


def _sentences(clauses: Sequence[str], wanted: Collection[str]) -> list[str]:
    """The clauses, joined where the styles want long sentences, or marks within them."""
    joint = "; " if "semicolons_and_dashes" in wanted else " and " if "no_punctuation" in wanted else ", and "
    groups: list[list[str]] = []
    for clause in clauses:
        if groups and _is_short(groups, wanted):
            groups[-1].append(clause)
        else:
            groups.append([clause])
    if "long_sentences" in wanted and len(groups) > 1 and _is_short(groups, wanted):
        last = groups.pop()
        groups[-1] += last
    return [joint.join(group) for group in groups]


def _is_short(groups: Sequence[Sequence[str]], wanted: Collection[str]) -> bool:
    """Whether the last sentence so far wants another clause. Verse has room for one line of two."""
    if "long_sentences" in wanted:
        return sum(len(clause.split()) for clause in groups[-1]) < SENTENCE
    if "semicolons_and_dashes" not in wanted:
        return False
    return len(groups[-1]) == 1 and (len(groups) == 1 or "in_verse" not in wanted)


def _laid_out(sentences: Sequence[str], wanted: Collection[str]) -> str:
    if "has_lists" in wanted:
        items = [f"- {sentence}" for sentence in sentences[1 : ITEMS + 1]]
        rest = " ".join(sentences[ITEMS + 1 :])
        return "\n".join([sentences[0], "", *items, *(["", rest] if rest else [])])
    lines = "in_verse" in wanted or "no_punctuation" in wanted
    return ("\n" if lines else " ").join(sentences)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def _banks() -> dict[str, Bank]:
    text = (files("usergym.environments.style") / "oracle.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Bank])
