"""Rules about lists: whether there are any, real ones or ones in disguise, and how long and deep they are."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from usergym.users.styles.reply import HEADING, WORD, Found, Reply, between, counted, kept_or_not
from usergym.users.styles.surface import EMOJI_START

LONGEST = 5
"""Items that a list may have before it is a long one."""
_BULLETS = "•‣⁃◦∙●○■□▪▫◆◇▶►▸➤➢➔→✓✔✗✘☐☑☒★☆·"
_MARK = re.compile(
    rf"^[ \t>]*(?:\\?[-*+–—][ \t]|--[ \t]|[{_BULLETS}]"
    r"|(?:\*\*|__|[*_])?(?:\(?\d{1,3}\\?[.)]|[\[{<]\d{1,3}[\]}>]|\[[ xX]\])(?=[\s*_(]|$)"
    r"|\(?(?:[a-zA-Z]|[ivx]{1,5})\)(?=\s))",
    re.MULTILINE,
)
_LOOSE = re.compile(
    r"^[ \t>]*(?:\*\*|__|[*_#]{1,6}[ \t]*)?"
    r"(?:(?i:step|option|tip)[ \t]\d{1,3}\b|#?\d{1,3}(?:[:/]|[ \t]?[-–—])[ \t]|No\.?[ \t]?\d{1,3}\b)"
    r"|^[ \t>]*(?:#{1,6}[ \t]+(?:[-*+•]|\d{1,3}[.)])|\\?#\d{1,3})[ \t]",
    re.MULTILINE,
)
_LABEL = re.compile(r"^[ \t>]*(?:\*\*|__|[*_])?([a-zA-Z]|[ivx]{2,5}|[IVX]{2,5})(?:\.|[ \t]?[-–—])[ \t]", re.MULTILINE)
_FIRST_LABELS = {"a": "b", "i": "ii"}
_GLUED = re.compile(
    r"^[ \t>]*(?:[-+](?=[^\W\d_]{2})|\*(?=[^\W\d_]{2})(?![^*\n]{0,300}\*)|\(?\d{1,3}[.)](?=[^\W\d_])"
    r"|(?!=[ \t]*\w\b|»[^«\n]{0,300}«)[^\w\s\"'()\[\]{}<>.,…;:!?`$€£&@%*_#|\\+–—«-][ \t]*(?=[^\W\d_]))",
    re.MULTILINE,
)
"""What begins an item where the line before or behind begins alike: marks that touch their word, and any other sign."""
_LONE_NUMBER = re.compile(r"[*_]{0,2}[(\[{<]?\d{1,3}\\?[.)\]}>]")
_SPEECH = re.compile(r"\b(?:said|says|asked|asks|replied|answered|cried|whispered|shouted)\b")
_DASHES = ("–", "—")
_INLINE_BULLET = re.compile(r"(?<=[^\s>])[ \t]+[•‣◦●▪∙][ \t]*(?=[\w*])")
_AFTER_COLON = re.compile(r":[ \t]+([-–*+])[ \t][^\n]{1,300}?[ \t]\1[ \t]")
_CHAIN = re.compile(r"[^\W_](?:[ \t]-[ \t][^\W\d_][^\n.!?:;,-]{0,60}){3,}")
_REFERENCE = re.compile(
    r"\b(?:pp?|figs?|eqs?|nos?|refs?|secs?|ch|vol|table|figure|equation|note|part)\b\.?[ \t]*\Z", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![^\s,;:])(?:\((\d{1,2})\)|(\d{1,2})[.)](?=\s))")
_LETTER = re.compile(r"(?<![^\s,;:])\(?([a-h])\)(?=\s)")
_ITEM_TAG = re.compile(r"<(?:li|dt)[\s/>]", re.IGNORECASE)
_LIST_TAG = re.compile(r"<(/?)(?:ul|ol)[\s/>]", re.IGNORECASE)


class Item(NamedTuple):
    line: int
    indent: int
    text: str
    mark: str


def _items(reply: Reply) -> list[Item]:
    """Lines that begin as an item of a list does. Marks that may also be something else count from two on."""
    items = {item.line: item for item in _sure(list(_marked(reply.body, _MARK)))}
    for pattern in (_LOOSE, EMOJI_START, _LABEL, _GLUED):
        found = [item for item in _marked(reply.body, pattern) if item.line not in items]
        if pattern is _LABEL:
            found = _in_order(found)
        elif pattern is _GLUED:
            found = _alike(found, reply.body)
        if len(found) >= 2:
            items.update((item.line, item) for item in found)
    return [items[line] for line in sorted(items)]


def _sure(items: list[Item]) -> list[Item]:
    """Without what only looks like an item: a number other than 1 that stands alone (`10. March`), a line that begins
    with a negative number, speech behind dashes."""
    if len(items) == 1:
        mark, text = items[0].mark, items[0].text
        if _LONE_NUMBER.fullmatch(mark) and mark.strip("*_()[]{}<>\\. ") not in ("0", "1"):
            return []
        if mark == "-" and text[:1].isdigit():
            return []
    spoken = any(item.mark in _DASHES and _SPEECH.search(item.text[:300]) for item in items)
    return [item for item in items if item.mark not in _DASHES] if spoken else items


def _in_order(items: list[Item]) -> list[Item]:
    """Those whose labels count up from A or I: `A. oil`, `B. pump`, not `J. Smith`, `K. Jones`."""
    labels = [item.mark.strip("*_.–— -").lower() for item in items]
    begun = any(_FIRST_LABELS.get(label) == after for label, after in pairwise(labels))
    return items if begun else []


def _alike(items: list[Item], body: str) -> list[Item]:
    """Those beside another one with the same sign, or another number; only blank lines may stand between."""
    lines = body.split("\n")
    kept: dict[int, Item] = {}
    for one, other in pairwise(items):
        same = one.mark == other.mark or (one.mark[-1:] in ".)" and other.mark[-1:] in ".)")
        if same and not any(line.strip() for line in lines[one.line + 1 : other.line]):
            kept |= {one.line: one, other.line: other}
    return list(kept.values())


def _marked(body: str, pattern: re.Pattern[str]) -> Iterator[Item]:
    line = place = 0
    for mark in pattern.finditer(body):
        line += body.count("\n", place, mark.start())
        place = mark.start()
        end = body.find("\n", mark.end())
        text = body[mark.end() : end if end >= 0 else None]
        if text.strip("-*_ ") or not is_ruler(mark[0] + text):
            blank = mark[0].expandtabs(4)
            yield Item(line, len(blank) - len(blank.lstrip()), text.strip(" \t*_"), mark[0].strip(" \t>"))


def item_line(line: str) -> bool:
    """Whether a line begins as a heading, a row of a table or an item of a list does."""
    return bool(HEADING.match(line)) or line.lstrip().startswith("|") or _MARK.match(line) is not None


def is_ruler(line: str) -> bool:
    """Whether a line is a rule across the page: three signs or more of one kind."""
    signs = line.strip()
    return signs[:1] in ("-", "*", "_") and not signs.strip(f"{signs[0]} ") and signs.count(signs[0]) > 2


def _inline(reply: Reply) -> int:
    """Items of lists that run on inside a line: bullets between words, dashes behind a colon or three in a row, or
    numbers and letters that count up."""
    items = len(_INLINE_BULLET.findall(reply.body))
    items += 2 * len(_AFTER_COLON.findall(reply.body)) + 3 * len(_CHAIN.findall(reply.body))
    for line in reply.lines:
        expected = 1
        for number in _NUMBER.finditer(line):
            if not _REFERENCE.search(line[max(0, number.start() - 12) : number.start()]):
                expected += int(number[1] or number[2]) == expected
        items += expected - 1 if expected > 2 else 0
        letters = 0
        for letter in _LETTER.finditer(line):
            letters += ord(letter[1]) - ord("a") == letters
        items += letters if letters > 1 else 0
    return items


def no_lists(reply: Reply) -> Found:
    items = len(_items(reply)) + len(_ITEM_TAG.findall(reply.body))
    items = max(items, _inline(reply))
    return kept_or_not(items > 0, counted(items, "list item"))


def has_lists(reply: Reply) -> Found:
    written = {item.text for item in _items(reply) if WORD.search(item.text)}
    items = len(written) + len(_ITEM_TAG.findall(reply.body))
    return Found(between(items, 0, 3), counted(items, "list item"))


def tame_lists(reply: Reply) -> Found:
    longest, nested = _shape(_items(reply), reply.body.split("\n"))
    depth = deepest = 0
    for tag in _LIST_TAG.finditer(reply.body):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    longest = max(longest, len(_ITEM_TAG.findall(reply.body)), _inline(reply))
    nested = nested or deepest > 1
    what = f"longest list has {counted(longest, 'item')}" if longest else "no list"
    return kept_or_not(longest > LONGEST or nested, what + (", with a list inside a list" if nested else ""))


def _shape(items: list[Item], lines: list[str]) -> tuple[int, bool]:
    """Items of the longest list, and whether any item stands under another. A line of text that is not indented
    ends a list."""
    longest = length = 0
    nested = False
    last: Item | None = None
    for item in items:
        between_them = lines[last.line + 1 : item.line] if last else []
        ended = any(line.strip() and not line.startswith((" ", "\t", ">")) for line in between_them)
        if last is None or ended:
            length = 0
        elif item.indent >= last.indent + 2:
            nested = True
        length += 1
        longest = max(longest, length)
        last = item
    return longest, nested
