"""A question as words that count: small words left out, word forms brought together."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

from usergym.environments.telepathy.entities import attributes

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SHORT = re.compile(r"\b(is|are|was|were|do|does|did|can|could|would|has|have|had|wo|should)n['’]?t\b")


def simple(text: str) -> str:
    """Lower case, one space, no accents; apostrophes gone, `isn't` spelled `is not`."""
    text = unicodedata.normalize("NFKD", text.lower())
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = _SHORT.sub(r"\1 not", text).replace("can not", "cannot")
    text = re.sub(r"\b(it|that|he|she|what|who)['’]s\b", r"\1 is", text)
    return " ".join(re.sub(r"['’]", "", text).split())


@cache
def irregular() -> Mapping[str, str]:
    """Forms that endings do not explain, and other spellings."""
    return {form: word for word, forms in attributes()["forms"].items() for form in forms.split()}


@cache
def small_words() -> frozenset[str]:
    return frozenset(attributes()["small_words"].split())


def words(text: str) -> tuple[str, ...]:
    """The words of a simple text that count, in their base forms."""
    small = small_words()
    found = re.findall(r"[a-z]+|[0-9]+", text)
    return tuple(base(word) for word in found if word not in small)


def base(word: str) -> str:
    if word.isdecimal():
        return _NUMBERS[int(word)] if len(word) < 3 and int(word) < len(_NUMBERS) else word
    word = irregular().get(word, word)
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if (
            len(word) > len(ending) + 2
            and word.endswith(ending)
            and any(vowel in word[: -len(ending)] for vowel in "aeiouy")
        ):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
