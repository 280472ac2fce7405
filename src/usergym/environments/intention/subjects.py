"""How many things a message asks about, whether or not this user has a wish in them.

A list of keywords is no question: one that reels off what could be missing would otherwise find out what is. What is
counted are clauses, the parts between commas, colons, "and", "or" and the like, that hold a word of their own: neither
one that any question may hold nor one of the request.
"""

import re
from collections.abc import Collection, Sequence

from usergym.judges.words import FUNCTION_WORDS, sentences, stem, stems, words

MOST = 3
"""Subjects of one message, and clauses of one question that may each ask for something else."""
MOST_CLAUSES = 7
"""Of one message: a question may list examples of its one subject."""
MOST_WORDS = 14
"""Words of their own in one message."""
MOST_ASTRAY = 4
"""Of those, such as have nothing to do with what the message asks for."""
HEAP = 4
"""Words of their own in a row."""
SHORTEST = 3
_BREAK = re.compile(r"[,;:/|&+()\[\]\n\u2013\u2014\u2022]|\s-+\s|\b(?:and|or|nor|versus|vs|plus|etc)\b", re.IGNORECASE)
_BARE = re.compile(r"\W*(?:by )?(?:how|when|where|who|what|which|why)\b(?:\W+\w+){0,2}\W*", re.IGNORECASE)
_HEAD = re.compile(
    r"\b(do|does|did|is|are|was|were|will|would|should|shall|can|could|may|might|must|have|has|had)\s+\w", re.IGNORECASE
)
_SUBJECT = re.compile(r"\W*(the|your|its|their|his|her|how|when|where|who|what|which|why|by)\b", re.IGNORECASE)
_FORM = re.compile(
    r"\b(what|which|when|where|who|whom|whose|why|how|do|does|did|is|are|was|were|am|will|would|should|shall|can|could|"
    r"may|might|must|have|has|had|any|or|what's|who's|where's|when's|isn't|aren't|don't|doesn't|let me know|tell me|"
    r"please|wonder|wondering|curious|know)\b",
    re.IGNORECASE,
)


def is_question(sentence: str) -> bool:
    """Whether it has the form of one: a few words, and one that asks."""
    return len(words(sentence)) >= SHORTEST and _FORM.search(sentence.replace("\u2019", "'")) is not None


def clauses(question: str, idle: Collection[str]) -> list[str]:
    """Its parts that hold a stem which is not `idle`, or are hardly more than a question word."""
    return [
        part
        for part in _BREAK.split(question)
        if any(each not in idle for each in stems(part)) or _BARE.fullmatch(part) is not None
    ]


def are_examples(question: str, parts: Sequence[str]) -> bool:
    """Whether its first part is a question of its own and what follows no further ones, as in "Do you like red, blue or
    green?"; behind a colon or in brackets, anything is an example."""
    opened = question[question.index(parts[0]) + len(parts[0]) :][:1] in (":", "(")
    return _HEAD.search(parts[0]) is not None and (opened or not any(map(_SUBJECT.match, parts[1:])))


def is_heap(question: str, idle: Collection[str]) -> bool:
    """Whether too many words stand side by side for a sentence."""
    for part in _BREAK.split(question):
        row = 0
        for word in words(part):
            row = 0 if word in FUNCTION_WORDS or stem(word) in idle else row + 1
            if row > HEAP:
                return True
    return False


def is_too_much(questions: Collection[str], idle: Collection[str]) -> bool:
    """Whether they ask about more than anybody answers, as far as words tell that."""
    own = {each for question in questions for each in stems(question)} - set(idle)
    parts = sum(len(clauses(question, idle)) for question in questions)
    asked = sum(1 for question in questions for _ in sentences(question))
    return len(own) > MOST_WORDS or parts > MOST_CLAUSES or asked > MOST or any(is_heap(one, idle) for one in questions)
