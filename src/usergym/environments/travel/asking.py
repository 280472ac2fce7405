"""What the agent said to the traveller, by rules: a question about one particular thing, a broad one, or talk.

1. Only questions count: sentences that end in `?`, and requests such as "tell me …". Without one it is talk.
2. A question is about a subject if it has one of its keywords as a whole word. One that names aspects is about their
   subjects only.
3. More than two subjects, three aspects or 60 words are too much at once: nothing is given away, so that a list of
   everything is of no use.
4. Of what it is about, the first preference in the question that was not voiced yet is voiced, one a turn.
5. Without one: `none` if it is about something in particular, `vague` if it says no more than "what would you like of
   the hotel?", and talk if it does not even say that.
"""

import re
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from usergym.environments.travel.blocks import Preference
from usergym.environments.travel.library import AspectName, library, named_aspects, plain
from usergym.environments.travel.words import listed

Kind = Literal["asks", "none", "vague", "many", "chat"]

MOST_SUBJECTS = 2
MOST_ASPECTS = 2
MOST_WORDS = 60

_SENTENCE = re.compile(r"(?<=[.!?\n])\s+")
_REQUEST = re.compile(
    r"^\s*(?:(?:please|so|and|also|then)\s+)*(?:tell|let me know|let us know|specify|describe|share|do you|would you"
    r"|i would like to know|i'd like to know|i want to know|which|what (?:kind|type|sort|time))\b",
    re.IGNORECASE,
)


class Heard(NamedTuple):
    kind: Kind
    preference: Preference | None = None


def questions(words: str) -> str:
    """The questions and requests of what was said."""
    sentences = _SENTENCE.split(words.strip())
    return " ".join(each for each in sentences if each.rstrip("\"' )*").endswith("?") or _REQUEST.match(each))


def understand(words: str, unvoiced: Sequence[Preference], every: Sequence[Preference]) -> Heard:
    """`unvoiced`: the preferences that can still be voiced; `every`: all of the task."""
    text = plain(questions(words))
    if not text.strip():
        return Heard("chat")
    aspects = list(dict.fromkeys(preference.aspect for preference in every))
    names = named_aspects(text)
    named = [aspect for aspect in names if aspect in aspects]
    asked = named or aspects
    counts = [_subjects(text, aspect, every) for aspect in asked]
    subjects = sum(counts) if named else max(counts)
    if subjects > MOST_SUBJECTS or len(names) > MOST_ASPECTS or len(text.split()) > MOST_WORDS:
        return Heard("many")
    found = [(_place(text, each.keywords), each) for each in unvoiced if each.aspect in asked]
    places = [(place, each) for place, each in found if place >= 0]
    if places:
        return Heard("asks", min(places, key=lambda found: found[0])[1])
    if subjects:
        return Heard("none")
    return Heard(_without_subject(text, bool(named), asked))


def _without_subject(text: str, named: bool, asked: Collection[AspectName]) -> Kind:
    said = set(text.split())
    names = {part for each in asked for word in library()[each].words + library()[each].weak for part in word.split()}
    if {word for word in said if len(word) > 2} - listed("general") - names:
        return "none"
    return "vague" if named or said & listed("wishing") else "chat"


def _subjects(text: str, aspect: AspectName, every: Sequence[Preference]) -> int:
    """How many subjects of an aspect a text names; those of preferences that are not of the library count apart."""
    subjects = library()[aspect].subjects
    known = sum(_place(text, subject.keywords) >= 0 for subject in subjects.values())
    strange = (each for each in every if each.aspect == aspect and each.field not in subjects)
    return max(known, sum(_place(text, each.keywords) >= 0 for each in strange))


def _place(text: str, keywords: Sequence[str]) -> int:
    """Where the first of the keywords stands in the text, -1 if none does."""
    either = (text.find(f" {word}{ending} ") for word in keywords for ending in ("", "s"))
    return min((place for place in either if place >= 0), default=-1)
