"""Whether a reply is one to its request at all, as far as words tell: no taste is met by saying nothing."""

import re

from usergym.judges.words import stems, words

FEWEST = 4
"""Words of a reply."""
_SIGN = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
"""Of scripts without spaces, where a sign counts as a word."""


def amiss(request: str, reply: str) -> str:
    """Why the reply is none to the request, "" if it is one: it has fewer than four words, says the request again word
    for word, or has no word of content in common with it."""
    count = len(words(_SIGN.sub(" ", reply))) + len(_SIGN.findall(reply))
    if count < FEWEST:
        return f"{count} word{'s' * (count != 1)}; a reply has {FEWEST}"
    if words(reply) == words(request):
        return "it repeats the request"
    asked = content(request)
    return "" if not asked or asked & content(reply) else "no word of the request is in it"


def content(text: str) -> frozenset[str]:
    """The stems and signs that carry meaning."""
    return frozenset(stems(_SIGN.sub(" ", text))) | frozenset(_SIGN.findall(text))
