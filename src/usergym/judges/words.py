"""Words as rule-based users and judges compare them: sentences, words, and stems of what carries meaning."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files

FUNCTION_WORDS = frozenset((files("usergym.judges") / "function_words.txt").read_text(encoding="utf-8").split())
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\d)[^.!?\n]*)*[.!?]*")
_ENDINGS = ("ational", "ization", "isation", "fulness", "iveness", "ations", "ation", "ments", "ment", "ness", "ities",
            "ity", "ings", "ing", "ions", "ion", "ives", "ive", "able", "ible", "ally", "edly", "ies", "ied", "als",
            "al", "ers", "er", "ors", "or", "ed", "es", "ly", "s", "e", "y")  # fmt: skip


def words(text: str) -> list[str]:
    """In lower case, without apostrophes."""
    return [found.replace("'", "").replace("\u2019", "") for found in _WORD.findall(text.lower())]


def holds(whole: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the words `part` stand in `whole`, in a row."""
    if not part or len(part) > len(whole):
        return False
    return f" {' '.join(part)} " in f" {' '.join(whole)} "


def sentences(text: str) -> Iterator[str]:
    for found in _SENTENCE.findall(text):
        if any(character.isalnum() for character in found):
            yield found.strip()


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """What words of one family have in common: travelling, travelled, travels; one ending is taken off, and a
    doubled consonant before it made single."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending)
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "ei" else word


def stems(text: str) -> list[str]:
    """Of the words that are no function words, in order."""
    return [stem(word) for word in words(text) if word not in FUNCTION_WORDS]
