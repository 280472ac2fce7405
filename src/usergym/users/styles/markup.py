"""Rules about formatting: what of Markdown and HTML a reply uses. Lists have rules of their own."""

import re
from collections import Counter

from usergym.users.styles.code import spans
from usergym.users.styles.lists import has_lists, is_ruler
from usergym.users.styles.reply import HEADING, WORD, Found, Reply, between, kept_or_not

_IN_LINE = {
    "bold text": re.compile(r"\*\*[^*\n]{1,300}\*\*|(?<!\w)__[^_\n]{1,300}__(?!\w)|<(?:b|strong)\b", re.IGNORECASE),
    "italics": re.compile(
        r"(?<![\w*])\*[^\s*](?:[^*\n]{0,300}[^\s*])?\*(?![\w*])"
        r"|(?<![\w_])_[^\s_](?:[^_\n]{0,300}[^\s_])?_(?![\w_])|<(?:i|em|u)\b",
        re.IGNORECASE,
    ),
    "struck text": re.compile(r"~~[^~\n]{1,300}~~|<(?:s|del)\b", re.IGNORECASE),
    "link": re.compile(r"\[[^\[\]\n]{1,300}\]\([^()\n]{1,1000}\)|<a\s", re.IGNORECASE),
    "code": re.compile(r"<(?:code|pre)\b", re.IGNORECASE),
    "table": re.compile(r"<table\b", re.IGNORECASE),
    "heading": re.compile(r"<h[1-6]\b", re.IGNORECASE),
    "styled letters": re.compile("[\U0001d400-\U0001d7ff]+"),
}
_QUOTE = re.compile(r" {0,3}>[ \t]*\S")
_FENCE_LINE = re.compile(r"[ \t>]*(?:`{3,}|~{3,})")


def _marks(reply: Reply) -> Counter[str]:
    """How often each kind of formatting is used. The rows of a table count as one."""
    marks: Counter[str] = Counter()
    for kind, pattern in _IN_LINE.items():
        source = reply.raw if kind in ("styled letters", "table", "heading") else reply.text
        marks[kind] += sum(WORD.search(found[0]) is not None for found in pattern.finditer(source))
    marks["code"] += spans(reply.text)
    before, kind_before = "", ""
    for line in reply.text.split("\n"):
        kind = _kind(line, before) if line else ""
        marks[kind] += kind != "table" or kind_before != "table"
        before, kind_before = line, kind
    marks["code block"] = (marks.pop("fence", 0) + 1) // 2
    return Counter({kind: number for kind, number in marks.items() if number and kind})


def _kind(line: str, before: str) -> str:
    """What a line is by its form, "" if plain text."""
    if _FENCE_LINE.match(line):
        return "fence"
    if HEADING.match(line):
        return "heading"
    if _QUOTE.match(line):
        return "quotation"
    if is_ruler(line):
        return "heading" if before.strip() and "-" in line else "line across"
    if len(line.strip()) > 2 and not line.strip().strip("="):
        return "heading"
    return "table" if line.count("|") > 1 and before.count("|") > 1 else ""


def _told(marks: Counter[str]) -> str:
    return ", ".join(f"{number} x {kind}" for kind, number in marks.items()) or "no formatting"


def no_formatting(reply: Reply) -> Found:
    marks = _marks(reply)
    return kept_or_not(bool(marks), _told(marks))


def sparse_formatting(reply: Reply) -> Found:
    marks = _marks(reply)
    free = reply.length // 100
    return Found(between(marks.total(), free + 5, free), _told(marks))


def has_formatting(reply: Reply) -> Found:
    marks = _marks(reply)
    if has_lists(reply).score == 1.0:
        marks["list"] += 1
    return Found(between(len(marks), 0, 2), _told(marks))
