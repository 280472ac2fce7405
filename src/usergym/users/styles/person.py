"""Rule about the first person: I, me, my, we, our and the like, in English."""

import re

from usergym.users.styles.phrases import quoted, words_of
from usergym.users.styles.reply import WORD, Found, Reply, counted, kept_or_not

_NUMERAL_AFTER = re.compile(
    r"(?:/[A-Z]|\.[A-Za-z]|[-–][IVXA-Z\d]|\)|,? (?:and|or|to) I{2,3}\b|, I{2,3}\b|[ \t]*[=<>+*^])"
)
_NEXT = re.compile(r"[ \t\n]([^\W_]{1,40})")
_JOINED = ("-", "@", "/")
"""Beside these `us` and `me` are parts of a name or an address: en-us, me@example.com."""
_QUOTES = ("'", '"')
_SOMETIMES = frozenset(("i", "me", "us", "mine", "im", "ive"))
_ENOUGH = 99
"""How many are counted; one is too many already."""


def no_first_person(reply: Reply) -> Found:
    prose = reply.prose
    always, after_small_i = words_of("first_person", "always"), words_of("first_person", "after_small_i")
    found: list[str] = []
    before, small_i = "", False
    for match in WORD.finditer(prose):
        word = match[0]
        low = word.lower()
        if small_i and low in after_small_i:
            found.append("i")
        if low in always or (low in _SOMETIMES and _is_first_person(prose, match, before)):
            found.append(word)
        if len(found) >= _ENOUGH:
            break
        before, small_i = word, word == "i" and prose[match.end() : match.end() + 1] == " "
    return kept_or_not(bool(found), _told(found))


def _is_first_person(prose: str, match: re.Match[str], before: str) -> bool:
    word = match[0]
    if word == "I":
        return not _is_numeral(prose, match, before)
    if word in ("mine", "Mine"):
        return before.lower() in words_of("first_person", "before_mine")
    if prose[match.start() - 1 : match.start()] in _JOINED or prose[match.end() : match.end() + 1] in _JOINED:
        return False
    return word in ("me", "Me", "us", "Us", "im", "Im", "ive", "Ive")  # ME, US and IM are other words


def _is_numeral(prose: str, match: re.Match[str], before: str) -> bool:
    """Whether this `I` is a Roman numeral, a letter or a list's number."""
    start, end = match.span()
    around = prose[start - 1 : start], prose[end : end + 1]
    if around[0] in _QUOTES and around[1] in _QUOTES:
        return True
    if prose[end : end + 2] in (". ", ".\n") and not prose[max(0, start - 80) : start].rpartition("\n")[2].strip():
        return True
    if _NUMERAL_AFTER.match(prose[end : end + 12]):
        return True
    following = _NEXT.match(prose, end)
    return before.lower() in words_of("first_person", "numbered") and (
        before[0].isupper() or following is None or following[1] in words_of("first_person", "after_numeral")
    )


def _told(found: list[str]) -> str:
    return f"{counted(len(found), 'word')} of the first person" + (f": {quoted(found)}" if found else "")
