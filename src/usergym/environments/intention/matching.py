"""Which details a message asks about, by rules.

Only questions count: sentences with a question mark, and those that ask to be told ("let me know ..."). In such a
sentence, a detail collects the weight of its words that occur there: 2 for those of its description and its own
words, 1 for those of its inquiry and options. A word that several details have goes to where it weighs most (half
as much elsewhere, shared where it is a tie); words of the request count nothing, for every question about it has
them. With a weight of 2 or more, the detail is asked about. Its words are then taken out of the sentence and the next
detail is looked for, so that one sentence may ask for several, but no word asks twice. It asks for no more details
than it has clauses; one of more than three clauses asks for the one detail that its first clause is about, or half of
them. A message on more than three subjects, also on such as this user has no wish in, or with too many words that have
nothing to do with what it asks for, asks for nothing (`subjects.py`), and neither does one that has not the form of a
question.

A message that is a detail's own inquiry, word for word, asks for that detail. Where no words are found, two things
stand for them: what a question begins with ("how long" for a duration); and, for a detail that has no word of its own
("type of tacos", where tacos were requested), "type", "kind" or "which" before a word of the request.
"""

import re
from collections.abc import Sequence
from importlib.resources import files

from usergym.environments.intention.details import Detail
from usergym.environments.intention.subjects import MOST, MOST_ASTRAY, are_examples, clauses, is_question, is_too_much
from usergym.judges.words import sentences, stem, stems, words

ENOUGH = 2.0
COMMON = frozenset(
    stem(word)
    for word in (files("usergym.environments.intention") / "common_words.txt").read_text(encoding="utf-8").split()
)
"""Words that any question may hold."""
CUES = {
    "how long": "duration length",
    "how often": "frequency",
    "how much time": "time duration",
    "how much": "budget price cost amount",
    "how many": "number size",
    "how old": "age",
    "how big": "size",
    "how large": "size",
    "by when": "deadline timeline date frame",
    "when": "date deadline timeline frame",
    "where": "location place city",
    "who": "audience",
}
"""What a question asks for that begins so."""
_KINDS = frozenset(map(stem, ("type", "types", "kind", "sort", "which", "specific", "particular", "criteria", "mean")))
_ASKS = re.compile(
    r"\b(tell me|let me know|please (specify|clarify|describe|share|provide|give|name|say|confirm)|need to know|"
    r"like to know|want to know|i wonder|wondering|(i am|i'm) curious)\b",
    re.IGNORECASE,
)
_SHORT_FOR = re.compile(r"\b(e\.\s?g|i\.\s?e)\.", re.IGNORECASE)
_CUE = re.compile(rf"^\W*(?:\w+\W+){{0,3}}?({'|'.join(CUES)})\b", re.IGNORECASE)
_CUE_STEMS = {cue: frozenset(stems(told)) for cue, told in CUES.items()}


def questions(message: str) -> list[str]:
    told = _SHORT_FOR.sub("such as", message)
    return [sentence for sentence in sentences(told) if sentence.rstrip(")\"'").endswith("?") or _ASKS.search(sentence)]


def is_vague(message: str) -> bool:
    """Whether its questions hold only words that any question may hold."""
    return not any(found not in COMMON for question in questions(message) for found in stems(question))


class Matcher:
    def __init__(self, request: str, details: Sequence[Detail]) -> None:
        known = set(stems(request))
        self.idle = COMMON | known
        self.weights = _weights(known, details)
        self.phrases = [
            [tuple(map(stem, words(phrase))) for phrase in detail.words if " " in phrase.strip()] for detail in details
        ]
        self.kinds = [_kind(known, detail) for detail in details]
        self.inquiries = {tuple(words(detail.inquiry)): place for place, detail in enumerate(details)}

    def asked(self, message: str) -> tuple[int, ...]:
        """The places of the details that a message asks about."""
        if (place := self.inquiries.get(tuple(words(message)))) is not None:
            return (place,)
        found, _ = self._found(message)
        return tuple(sorted(found))

    def is_too_much(self, message: str) -> bool:
        """Whether it asks about too many things to be answered."""
        return tuple(words(message)) not in self.inquiries and self._found(message)[1]

    def _found(self, message: str) -> tuple[set[int], bool]:
        """What it asks for, and whether it asks for too much."""
        asked = questions(message)
        if is_too_much(asked, self.idle):
            return set(), True
        found: set[int] = set()
        subjects, astray = 0, set[str]()
        for question in filter(is_question, asked):
            parts = clauses(question, self.idle)
            places = self._in(question)[: max(1, len(parts))]
            is_list = len(parts) > MOST
            if is_list and not are_examples(question, parts):
                return set(), True
            if is_list:
                places = self._of_list(places, parts)
            is_one = is_list or (len(places) == 1 and self._held(places[0], parts) > 1)
            subjects += max(1, len(places)) if is_one else len(parts)
            astray |= set(stems(parts[0] if is_list else question)) - self.idle
            found.update(places)
        astray = astray.difference(*(self.weights[place] for place in found))
        if subjects > MOST or (found and len(astray) > MOST_ASTRAY):
            return set(), True
        return found, False

    def _of_list(self, places: list[int], parts: list[str]) -> list[int]:
        """The one that a list is about: what comes first tells it, or half of the rest."""
        first = self._in(parts[0])[:1]
        return first or [place for place in places if 2 * self._held(place, parts) >= len(parts)][:1]

    def _held(self, place: int, parts: list[str]) -> int:
        """How many clauses hold a word of the detail."""
        return sum(not self.weights[place].keys().isdisjoint(stems(part)) for part in parts)

    def _in(self, question: str) -> list[int]:
        """The surest first."""
        every = [stem(word) for word in words(question)]
        cue = _CUE.match(question)
        if found := self._by_words(every):
            return found
        if cue and (found := self._by_words([*every, *_CUE_STEMS[cue[1].lower()]])):
            return found
        return [place for place, kind in enumerate(self.kinds) if _asks_kind(every, kind)]

    def _by_words(self, every: Sequence[str]) -> list[int]:
        left = set(every)
        found: list[int] = []
        for place, phrases in enumerate(self.phrases):
            if any(_holds(every, phrase) for phrase in phrases):
                found.append(place)
                left -= self.weights[place].keys()
        while len(found) < len(self.weights):
            weight, place = max(
                (sum(weight for word, weight in weights.items() if word in left), -place)
                for place, weights in enumerate(self.weights)
                if place not in found
            )
            if weight < ENOUGH:
                break
            found.append(-place)
            left -= self.weights[-place].keys()
        return found


def _holds(every: Sequence[str], phrase: tuple[str, ...]) -> bool:
    return any(tuple(every[at : at + len(phrase)]) == phrase for at in range(len(every) - len(phrase) + 1))


def _asks_kind(every: Sequence[str], kind: frozenset[str]) -> bool:
    """Whether a word of `kind` comes soon after "type", "which" and the like."""
    places = [at for at, word in enumerate(every) if word in _KINDS] if kind else []
    return any(kind & set(every[at + 1 : at + 6]) for at in places)


def _kind(request: set[str], detail: Detail) -> frozenset[str]:
    """Of a detail that only the request's words describe: those."""
    own = {word for word in stems(detail.description) if word not in COMMON}
    return frozenset(own) if own <= request else frozenset()


def _weights(request: set[str], details: Sequence[Detail]) -> list[dict[str, float]]:
    raw: list[dict[str, float]] = []
    for detail in details:
        single = " ".join(word for word in detail.words if " " not in word.strip())
        own = dict.fromkeys(stems(f"{detail.inquiry} {' '.join(detail.options)}"), 1.0)
        own |= dict.fromkeys(stems(f"{detail.description} {single}"), 2.0)
        raw.append({word: weight for word, weight in own.items() if word not in COMMON and word not in request})
    everywhere: dict[str, list[float]] = {}
    for own in raw:
        for word, weight in own.items():
            everywhere.setdefault(word, []).append(weight)
    return [{word: _shared(weight, everywhere[word]) for word, weight in own.items()} for own in raw]


def _shared(weight: float, everywhere: Sequence[float]) -> float:
    most = max(everywhere)
    return weight / everywhere.count(most) if weight == most else weight / 2
