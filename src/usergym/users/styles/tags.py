"""Real HTML tags, which nobody sees. What else stands between angle brackets is text like any other."""

import re

_NAMES = (
    "a|abbr|address|article|aside|b|big|blockquote|body|br|button|caption|center|cite|code|col|colgroup|dd|del|details"
    "|dfn|div|dl|dt|em|figcaption|figure|font|footer|h[1-6]|head|header|hr|html|i|img|ins|kbd|li|link|main|mark|meta"
    "|nav|ol|p|pre|q|s|samp|section|small|span|strike|strong|sub|summary|sup|svg|table|tbody|td|tfoot|th|thead|title"
    "|tr|tt|u|ul|var|video|wbr"
)
_LINES = "p|div|tr|table|h[1-6]|br"
"""Tags that end a line."""
_STYLE = r"\sstyle\s?=\s?(?:\"[^\"<>:]{1,30}:[^\"<>]{0,200}\"|'[^'<>:]{1,30}:[^'<>]{0,200}')"
_VALUE = (
    r"(?:\"[^\s\"<>]{0,100}(?:[ \t][^\s\"<>]{1,40}){0,3}\""
    r"|'[^\s'<>]{0,100}(?:[ \t][^\s'<>]{1,40}){0,3}'"
    r"|[^\s\"'<>=`]{1,100})"
)
_ATTRIBUTES = (
    rf"(?:{_STYLE}|\s(?:data-|aria-)?[a-zA-Z]{{1,15}}\s?=\s?{_VALUE}"
    r"|\s(?:open|hidden|controls|checked|disabled|reversed|nowrap|noshade))"
)
"""With a value of at most four words, or of a style's declarations, or one of those that need none: prose is no
attribute."""


def _tag(names: str) -> re.Pattern[str]:
    return re.compile(rf"</?(?:{names}){_ATTRIBUTES}{{0,6}}\s{{0,2}}/?>", re.IGNORECASE)


TAG = re.compile(rf"{_tag(_NAMES).pattern}|<!DOCTYPE[ \t]\w{{1,20}}>", re.IGNORECASE)
BREAK = _tag(_LINES)
STRAY = re.compile(rf"</?(?:{_NAMES})(?=\s)", re.IGNORECASE)
"""The beginning of what is no tag after all."""
TAG_LIKE = re.compile(r"<[!/?a-zA-Z][^<>]{0,300}>")
"""Also what may be none."""


def without_comments(text: str) -> str:
    """`text` without HTML comments."""
    kept, place = [], 0
    while (start := text.find("<!--", place)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[place:start])
        place = end + 3
    return "".join([*kept, text[place:]])
