"""Whether a reply is one to its request at all, as far as words tell: no taste is met by saying nothing.

Both are read as the rules of style read a reply, and what a page may not show counts for neither."""

import re

from usergym.judges.words import stems, words
from usergym.users.styles.reply import Reply

FEWEST = 4
"""Different words of a reply."""
OWN = 3
"""Different words that are not the request's; of a very short reply a third."""
LONG = 40
"""A request of more different words brings a text of its own, which may be told shorter in its words."""
_SIGN = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
"""Of scripts without spaces, where a sign counts as a word."""


def amiss(request: str, reply: str) -> str:
    """Why the reply is none to the request, "" if it is one: it has fewer than four different words, has no three of
    its own beside those of the request, or has no word of content in common with it."""
    asked, said = Reply(request).surely_seen, Reply(reply).surely_seen
    given, told = _distinct(asked), _distinct(said)
    if len(told) < FEWEST:
        return f"{len(told)} word{'s' * (len(told) != 1)}; a reply has {FEWEST}"
    shorter = len(given) > LONG and len(told) * 2 <= len(given)
    if not shorter and len(told - given) * 3 < min(len(told), OWN * 3):
        return "it repeats the request"
    wanted = content(asked)
    return "" if not wanted or wanted & content(said) else "no word of the request is in it"


def _distinct(text: str) -> frozenset[str]:
    return frozenset(words(_SIGN.sub(" ", text))) | frozenset(_SIGN.findall(text))


def content(text: str) -> frozenset[str]:
    """The stems and signs that carry meaning."""
    return frozenset(stems(_SIGN.sub(" ", text))) | frozenset(_SIGN.findall(text))
