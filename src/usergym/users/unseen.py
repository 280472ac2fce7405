"""Characters that take no room on a page: a text of them alone is empty, and two that differ by them read alike."""

UNSEEN = dict.fromkeys([0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF])
"""Soft hyphens, spaces and joiners of no width, marks of direction, byte order marks."""


def seen(text: str) -> str:
    """What a reader sees of it."""
    return text if text.isascii() else text.translate(UNSEEN)


def has_words(text: str) -> bool:
    """Whether a reader sees anything but white space."""
    return bool(seen(text).strip())
