"""A reply as the rules read it: what is invisible is gone, and what only looks different is the same.

Every step is linear in the length of the reply, whatever is in it. In particular characters are normalised one by
one: normalising a whole text takes quadratic time where somebody piles up combining marks.
"""

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from usergym.types import valid_text
from usergym.users.styles.code import GAP, without_code
from usergym.users.styles.tags import BREAK, STRAY, TAG, TAG_LIKE, without_comments


@dataclass(frozen=True)
class Found:
    """What a rule saw in a reply."""

    score: float
    """1.0 kept, 0.0 broken, in between where the rule is graded."""
    what: str
    """In words."""


class Sentence(NamedTuple):
    text: str
    words: tuple[str, ...]
    """In lower case."""
    heading: bool = False
    runs_on: bool = False
    """Nothing but the end of a line parts it from the sentence before."""

    @property
    def asks(self) -> bool:
        """Whether a question mark follows its last word. One word is no question."""
        end = re.search(r"[\W_]*\Z", self.text[-40:])
        return end is not None and "?" in end[0] and len(self.words) > 1


WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
"""A word is a run of letters and digits, with apostrophes inside."""

HEADING = re.compile(r" {0,3}#{1,6}[ \t]+[^\s#]")
"""A real one, which a sign and a blank begin."""

_ENTITY = re.compile(r"&(?:#\d{1,7};?|#[xX][0-9a-fA-F]{1,6};?|[a-zA-Z]\w{1,31};)")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>()]+")
_END = re.compile(r"(?<=[.!?。！？])[\"')\]*_]*\s+")
_OPEN = re.compile(r"[^\s.!?:;。！？…][\s*_\"')\]]{0,20}\Z")
"""How a line ends from which a sentence may run on."""
_MARKER = re.compile(r"[ \t>]*(?:#{1,6}[ \t]+|[-+*•–—][ \t]+|\(?\d{1,3}[.)][ \t]+)?")
_ABBREVIATION = re.compile(r"\b(?:(?i:e\.g|i\.e|vs|mr|mrs|ms|dr|approx|cf)|[A-HJ-Z])\.\Z")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LOOKALIKES = str.maketrans("аеорсхуіѕјԁһАВЕКМНОРСТХІЅЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "aeopcxyisjdhABEKMHOPCTXISJABEZHIKMNOPTYXo")
_FOREIGN = re.compile("[Ͱ-ԯ]")
_LATIN = re.compile("[A-Za-z]")

_SAME = {
    **dict.fromkeys("’‘ʼ′‛", "'"),
    **dict.fromkeys("“”„‟″", '"'),
    **dict.fromkeys("❗❕❢❣ǃꜝ¡՜߹᥄", "!"),
    **dict.fromkeys("❓❔¿؟⸮՞፧꘏\u037e", "?"),
    **dict.fromkeys("‐‑‒−", "-"),
    **dict.fromkeys("\u115f\u1160\u3164\uffa0\u2800", " "),
    "―": "—",
    "‽": "!?",
    "\u20e3": ")",
    "\n": "\n",
    "\t": "\t",
    **dict.fromkeys("\r\v\f\x85\u2028\u2029", "\n"),
}
"""Characters that stand for others; a keycap becomes a bracket, so that keycapped digits number a list."""


class _Plain(dict[int, str]):
    """Characters as they are read, each worked out once."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain(chr(code))
        return plain


def _plain(character: str) -> str:
    if character in _SAME:
        return _SAME[character]
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me"):
        return ""
    folded = unicodedata.normalize("NFKC", character)
    number = unicodedata.numeric(character, None)
    if unicodedata.decomposition(character).startswith("<circle>") and folded.isalnum():
        return f"({folded})"
    if number is not None and "CIRCLED" in unicodedata.name(character, ""):
        return f"({number:.0f})"
    return "".join(each for each in folded if unicodedata.category(each) not in ("Mn", "Me"))


_PLAIN = _Plain()


class Reply:
    """One reply, read once for all rules."""

    def __init__(self, raw: str) -> None:
        self._given = valid_text(raw)

    @cached_property
    def raw(self) -> str:
        """As it was written, with HTML entities resolved."""
        return _resolved(self._given)

    @cached_property
    def text(self) -> str:
        """The whole reply, its code and markup included."""
        text = _resolved(without_comments(self._given)).replace("\r\n", "\n").translate(_PLAIN)
        text = BREAK.sub("\n", text) if "<" in text else text
        foreign = len(_FOREIGN.findall(text))
        if foreign and foreign * 9 <= len(_LATIN.findall(text)):
            text = text.translate(_LOOKALIKES)
        return text

    @cached_property
    def body(self) -> str:
        """The text without code, and without addresses on the web."""
        return _URL.sub(GAP, without_code(self.text))

    @cached_property
    def prose(self) -> str:
        """The body without tags and without the sign that makes a link an image."""
        return STRAY.sub("\n", TAG.sub("", self.body)).replace("![", "[")

    @cached_property
    def surely_seen(self) -> str:
        """The text with its code, but without addresses and without all that a page may not show: what looks like a
        tag, and a comment that never ends."""
        return TAG_LIKE.sub(" ", _URL.sub(GAP, self.text.partition("<!--")[0]))

    @cached_property
    def words(self) -> list[str]:
        """All words, those in code included."""
        return WORD.findall(TAG.sub(" ", self.text))

    @cached_property
    def length(self) -> int:
        """How many words a reader would count: a run of more than 24 letters counts one for every 6 of them, and
        scripts that leave no spaces one for every 2 characters."""
        return sum(map(_weight, self.words))

    @cached_property
    def lines(self) -> list[str]:
        """Lines of the body that are not blank."""
        return [line for line in self.body.split("\n") if line.strip()]

    @cached_property
    def sentences(self) -> list[Sentence]:
        """Of the prose, headings among them; the end of a line ends a sentence."""
        return list(self._sentences())

    def _sentences(self) -> Iterator[Sentence]:
        begun, is_open = "", False
        for line in self.prose.split("\n"):
            marker = _MARKER.match(line)
            start = marker.end() if marker else 0
            heading = HEADING.match(line) is not None
            runs_on = is_open and not heading and not line[:start].strip(" \t>")
            for piece in _END.split(line[start:]):
                text = (f"{begun} {piece}" if begun else piece).strip(" \t*_~")
                begun = ""
                if text.endswith(".") and len(text) < 200 and _ABBREVIATION.search(text[-8:]):
                    begun = text
                elif words := tuple(WORD.findall(text.lower())):
                    yield Sentence(text, words, heading, runs_on)
                    runs_on = False
            is_open = not heading and _OPEN.search(line[-30:]) is not None
        if words := tuple(WORD.findall(begun.lower())):
            yield Sentence(begun, words)

    @cached_property
    def flowing(self) -> list[Sentence]:
        """The sentences, those joined that run on from line to line."""
        groups: list[list[Sentence]] = []
        for sentence in self.sentences:
            if sentence.runs_on and groups:
                groups[-1].append(sentence)
            else:
                groups.append([sentence])
        return [_joined(group) for group in groups]


def _joined(group: Sequence[Sentence]) -> Sentence:
    if len(group) == 1:
        return group[0]
    words = tuple(word for sentence in group for word in sentence.words)
    return Sentence(" ".join(sentence.text for sentence in group), words)


def _resolved(text: str) -> str:
    return _ENTITY.sub(lambda entity: html.unescape(entity[0]), text) if "&" in text else text


def _weight(word: str) -> int:
    if word.isascii():
        return 1 if len(word) <= 24 else -(-len(word) // 6)
    unspaced = len(_UNSPACED.findall(word))
    rest = len(word) - unspaced
    return -(-unspaced // 2) + (min(rest, 1) if rest <= 24 else -(-rest // 6))


def kept_or_not(broken: bool, what: str) -> Found:
    return Found(0.0 if broken else 1.0, what)


def counted(number: int, noun: str) -> str:
    """`no emoji`, `1 emoji`, `2 emojis`."""
    return f"{number or 'no'} {noun}{'s' * (number > 1)}"


def between(value: float, none: float, full: float) -> float:
    """0.0 at `none`, 1.0 at `full`, straight in between and flat outside; either may be the larger."""
    return min(1.0, max(0.0, (value - none) / (full - none)))
