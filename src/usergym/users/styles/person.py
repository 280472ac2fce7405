"""Rule about the first person: I, me, my, we, our and the like, in English."""

import re

from usergym.users.styles.code import GAP
from usergym.users.styles.phrases import quoted, words_of
from usergym.users.styles.reply import WORD, Found, Reply, counted, kept_or_not

_NUMERAL_AFTER = re.compile(
    r"/[A-Z]|\.[A-Z]\b|[-–](?:[IVXLC]+\b|[A-Z]\b|\d|beams?\b)|,? (?:and|or|to) I{2,3}\b|, I{2,3}\b"
    r"|[ \t]*(?:[=>+^]|<(?!3))|\*\w|[ \t]\*[ \t]"
)
_EMPHASIS = re.compile(r"(?<![\w*])\*{1,3}(?=\S)|(?<=\S)\*{1,3}(?![\w*])")
_SAYING = r"(?:said|says|asked|asks|wrote|writes|replied|answered|shouted|whispered|cried|sang|thought)"
_SPOKEN = re.compile(
    rf"(?<![\w'])(?:{_SAYING}|phrase|sentence|verb)[:,]?[ \t]\"[^\"\n]{{1,120}}\""
    rf"|\"[^\"\n]{{1,120}}\"[ \t](?:he|she|they|[A-Z][a-z]{{1,20}})[ \t]{_SAYING}\b"
)
"""What somebody else is quoted to have said."""
_SPAN = re.compile(r"`{1,2}I`{1,2}[ \t]([a-z']{1,20})")
_FILE = re.compile(
    r"\.(?:cnf|cfg|conf|ini|json|ya?ml|toml|xml|csv|txt|md|html|css|js|ts|py|sh|rb|go|cpp|sql|log|com|org)\b"
)
_NEXT = re.compile(r"[ \t\n]([^\W_]{1,40})")
_AFTER_SIGN = re.compile(r"[\"')][ \t\n]([a-z']{1,20})")
_JOINED = ("-", "@", "/")
"""Beside these `us` and `me` are parts of a name or an address: en-us, me@example.com."""
_QUOTES = ("'", '"')
_SOMETIMES = frozenset(("i", "me", "us", "mine", "im", "ive", "id"))
_ENOUGH = 99
"""How many are counted; one is too many already."""


def no_first_person(reply: Reply) -> Found:
    prose = _EMPHASIS.sub("", _SPOKEN.sub(GAP, reply.prose))
    always, after_small_i = words_of("first_person", "always"), words_of("first_person", "after_small_i")
    certain = words_of("first_person", "certain")
    found = ["I" for span in _SPAN.finditer(reply.text) if span[1] in certain]
    before, small_i = "", False
    for match in WORD.finditer(prose):
        word = match[0]
        low = word.lower()
        if small_i and low in after_small_i:
            found.append("i")
        if (low in always and not _FILE.match(prose, match.end())) or (
            low in _SOMETIMES and _is_first_person(prose, match, before)
        ):
            found.append(word)
        if len(found) >= _ENOUGH:
            break
        before, small_i = word, word == "i" and prose[match.end() : match.end() + 1] == " "
    return kept_or_not(bool(found), _told(found))


def _is_first_person(prose: str, match: re.Match[str], before: str) -> bool:
    word = match[0]
    if word == "I":
        return not _is_numeral(prose, match, before)
    following = _NEXT.match(prose, match.end())
    after = following[1].lower() if following else ""
    if word.lower() == "mine":
        return before.lower() in words_of("first_person", "before_mine") or (word != "mine" and after in ("is", "was"))
    if word in ("Id", "IM", "IVE"):
        return after in words_of("first_person", f"after_{word.lower()}")
    if word == "ME" and (after == "too" or before.lower() in words_of("first_person", "before_me")):
        return True
    if prose[match.start() - 1 : match.start()] in _JOINED or prose[match.end() : match.end() + 1] in _JOINED:
        return False
    return word in ("me", "Me", "us", "Us", "im", "Im", "ive", "Ive")  # ME, US and IM are other words


def _is_numeral(prose: str, match: re.Match[str], before: str) -> bool:
    """Whether this `I` is a Roman numeral, a letter or a list's number."""
    start, end = match.span()
    certain = words_of("first_person", "certain")
    before_it, after_it = prose[start - 1 : start], prose[end : end + 1]
    if after_it == ")" or (before_it in _QUOTES and after_it in _QUOTES):
        following = _AFTER_SIGN.match(prose, end)
        return following is None or following[1] not in certain
    if prose[end : end + 2] in (". ", ".\n") and not prose[max(0, start - 80) : start].rpartition("\n")[2].strip():
        return True
    if _NUMERAL_AFTER.match(prose[end : end + 12]):
        return True
    following = _NEXT.match(prose, end)
    if before.lower() not in words_of("first_person", "numbered"):
        return False
    if following is None or following[1] in words_of("first_person", "after_numeral"):
        return True
    return before[0].isupper() and following[1] not in certain


def _told(found: list[str]) -> str:
    return f"{counted(len(found), 'word')} of the first person" + (f": {quoted(found)}" if found else "")
