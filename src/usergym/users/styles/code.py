"""Code in a reply, which most rules do not read. Prose that is only dressed as code is not code."""

import re

GAP = "\ufffc"
"""Stands where something was taken out; no word, and no punctuation."""

_FENCE = re.compile(r"[ \t>]{0,12}(`{3,}|~{3,})[ \t]*([\w+#.-]{0,40})")
_INLINE = re.compile(r"(?<!`)`{1,2}([^`\n]{1,200})`{1,2}(?!`)")
_SYMBOLS = re.compile(r"[=(){}\[\];<>/\\_$#|&^%~@]")
_PLAIN_WORD = re.compile(r"[(\"']?[^\W\d_]+(?:['-][^\W\d_]+)*[.,;:!?)\"']{0,3}")
_ENDED = re.compile(r"[^\W\d_]{2}[)\"']?[.!?](?:\s|\Z)")
_EVERYDAY = frozenset(
    ("the", "a", "an", "you", "your", "is", "are", "of", "that", "this", "it", "i", "with", "could", "so")
)
_WORDS_ONLY = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*[!?.,]+")
PROSE_FENCES = ("text", "txt", "plain", "plaintext", "markdown", "md")
"""Fences of these are read as text, like those with no symbols of a programming language in them."""


def without_code(text: str) -> str:
    """`text` with a gap for every fenced block and every span of code."""
    return _INLINE.sub(_span, without_fences(text))


def without_fences(text: str) -> str:
    """`text` with a gap for every closed fence that holds code; of the others only the fence lines go."""
    if "```" not in text and "~~~" not in text:
        return text
    kept: list[str] = []
    block: list[str] = []
    opened: re.Match[str] | None = None
    for line in text.split("\n"):
        fence = _fence(line)
        if opened is None:
            if fence:
                opened, block = fence, []
            else:
                kept.append(line)
        elif fence and not fence[2] and fence[1].startswith(opened[1]):
            kept += [GAP] if opened[2].lower() not in PROSE_FENCES and is_code("\n".join(block)) else block
            opened = None
        else:
            block.append(line)
    return "\n".join(kept + (block if opened else []))


def _fence(line: str) -> re.Match[str] | None:
    found = _FENCE.match(line)
    return None if found is None or "`" in line[found.end(1) :] else found


def is_code(text: str) -> bool:
    """Whether at least one of 33 characters that are not blank is a symbol of programming languages, and most of it is
    no prose."""
    dense = len(_SYMBOLS.findall(text)) * 33 >= len(text) - text.count(" ") - text.count("\n") > 0
    return dense and not is_prose(text)


def is_prose(text: str) -> bool:
    """Whether more than half of the words stand in lines of plain words that end a sentence or use everyday words."""
    all_words = told = 0
    for line in text.split("\n"):
        pieces = line.split()
        plain = [piece for piece in pieces if _PLAIN_WORD.fullmatch(piece)]
        all_words += sum(any(map(str.isalnum, piece)) for piece in pieces)
        everyday = sum(word.lower() in _EVERYDAY for word in plain)
        if len(plain) >= 5 and len(plain) * 10 >= len(pieces) * 6 and (everyday > 2 or _ENDED.search(line)):
            told += len(plain)
    return told * 2 > all_words


def spans(text: str) -> int:
    """How many spans between backquotes there are, code or not."""
    return len(_INLINE.findall(text))


def _span(found: re.Match[str]) -> str:
    inside = found[1].strip()
    single = inside and " " not in inside and len(inside) <= 40 and not _WORDS_ONLY.fullmatch(inside)
    return GAP if single or is_code(inside) else inside
