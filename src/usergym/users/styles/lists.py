"""Rules about lists: whether there are any, real ones or ones in disguise, and how long and deep they are."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from usergym.users.styles.reply import WORD, Found, Reply, between, counted, kept_or_not
from usergym.users.styles.surface import EMOJI_START

LONGEST = 5
"""Items that a list may have before it is a long one."""
_BULLETS = "•‣⁃◦∙●○■□▪▫◆◇▶►▸➤➢➔→✓✔✗✘☐☑☒★☆·"
_MARK = re.compile(
    rf"^[ \t>]*(?:\\?[-*+–—][ \t]|--[ \t]|[{_BULLETS}]"
    r"|(?:\*\*|__|[*_])?(?:\(?\d{1,3}\\?[.)]|\[(?:\d{1,3}|[ xX])\])(?=[\s*_(]|$)"
    r"|\(?(?:[a-zA-Z]|[ivx]{1,5})\)(?=\s))",
    re.MULTILINE,
)
_LOOSE = re.compile(
    r"^[ \t>]*(?:\*\*|__|[*_#]{1,6}[ \t]*)?"
    r"(?:(?i:step|option|tip)[ \t]\d{1,3}\b|(?:[a-zA-Z]|[IVX]{2,5})\.[ \t]|#?\d{1,3}(?:[:/]|[ \t]?[-–—])[ \t])",
    re.MULTILINE,
)
_INLINE_BULLET = re.compile(r"(?<=[^\s>])[ \t]+[•‣◦●▪∙][ \t]*(?=[\w*])")
_NUMBER = re.compile(r"(?<![^\s,;:])(?:\((\d{1,2})\)|(\d{1,2})[.)](?=\s))")
_ITEM_TAG = re.compile(r"<li[\s/>]", re.IGNORECASE)
_LIST_TAG = re.compile(r"<(/?)(?:ul|ol)[\s/>]", re.IGNORECASE)


class Item(NamedTuple):
    line: int
    indent: int
    text: str


def _items(reply: Reply) -> list[Item]:
    """Lines that begin as an item of a list does. Marks that may also be something else count from two on."""
    items: dict[int, Item] = {}
    for pattern, least in ((_MARK, 1), (_LOOSE, 2), (EMOJI_START, 2)):
        found = [item for item in _marked(reply.body, pattern) if item.line not in items]
        if len(found) >= least:
            items.update((item.line, item) for item in found)
    return [items[line] for line in sorted(items)]


def _marked(body: str, pattern: re.Pattern[str]) -> Iterator[Item]:
    line = place = 0
    for mark in pattern.finditer(body):
        line += body.count("\n", place, mark.start())
        place = mark.start()
        end = body.find("\n", mark.end())
        text = body[mark.end() : end if end >= 0 else None]
        if text.strip("-*_ ") or not is_ruler(mark[0] + text):
            blank = mark[0].expandtabs(4)
            yield Item(line, len(blank) - len(blank.lstrip()), text.strip(" \t*_"))


def item_line(line: str) -> bool:
    """Whether a line begins as a heading, a row of a table or an item of a list does."""
    return line.lstrip().startswith(("#", "|")) or _MARK.match(line) is not None


def is_ruler(line: str) -> bool:
    """Whether a line is a rule across the page: three signs or more of one kind."""
    signs = line.strip()
    return signs[:1] in ("-", "*", "_") and not signs.strip(f"{signs[0]} ") and signs.count(signs[0]) > 2


def _inline(reply: Reply) -> int:
    """Items of lists that run on inside a line: bullets between words, or numbers that count up from 1."""
    items = len(_INLINE_BULLET.findall(reply.body))
    for line in reply.lines:
        expected = 1
        for number in _NUMBER.finditer(line):
            expected += int(number[1] or number[2]) == expected
        items += expected - 1 if expected > 2 else 0
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
