"""Phrases found in sentences, word by word: linear, and never inside a longer word."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import islice

from usergym.users.styles.reply import WORD, Sentence

_TO_START = ("to", "start")


@cache
def words_of(table: str, key: str = "phrases") -> frozenset[str]:
    """One list of words.toml."""
    return frozenset(_tables()[table][key])


@cache
def _tables() -> Mapping[str, Mapping[str, list[str]]]:
    return tomllib.loads((files(__package__) / "words.toml").read_text(encoding="utf-8"))


@cache
def _by_first_word(table: str, key: str) -> Mapping[str, list[tuple[str, ...]]]:
    phrases: dict[str, list[tuple[str, ...]]] = {}
    for phrase in sorted(words_of(table, key)):
        words = tuple(WORD.findall(phrase))
        phrases.setdefault(words[0], []).append(words)
    return phrases


def occurrences(sentences: Iterable[Sentence], table: str, key: str = "phrases") -> list[str]:
    """Every place where a phrase of the list stands, as the phrase, in order."""
    known = _by_first_word(table, key)
    return [
        " ".join(phrase)
        for sentence in sentences
        for place, word in enumerate(sentence.words)
        for phrase in known.get(word, ())
        if sentence.words[place : place + len(phrase)] == phrase
    ]


def opener(sentence: Sentence, table: str) -> str | None:
    """The phrase among the openers of `table` that the sentence begins with. One word alone, and `To start`, open a
    sentence only where a sign or nothing follows: `Sure, ...`, not `Sure footing ...`."""
    fits = [
        " ".join(phrase)
        for phrase in _by_first_word(table, "openers").get(sentence.words[0], ())
        if sentence.words[: len(phrase)] == phrase
        and ((len(phrase) > 1 and phrase != _TO_START) or _stands_apart(sentence, len(phrase)))
    ]
    return max(fits, key=len, default=None)


def _stands_apart(sentence: Sentence, count: int) -> bool:
    """Whether a sign or nothing follows the first words."""
    *_, last = islice(WORD.finditer(sentence.text), count)
    return not sentence.text[last.end() :].lstrip()[:1].isalnum()


def quoted(found: Sequence[str], most: int = 3) -> str:
    """`"maybe", "kind of" and 2 more`."""
    distinct = list(dict.fromkeys(found))
    more = f" and {len(distinct) - most} more" if len(distinct) > most else ""
    return ", ".join(f'"{each}"' for each in distinct[:most]) + more
