"""When two texts are the same one, and which copies are left out: within a split the later, across splits the held-out.

A text's key is the SHA-1 of its lower-cased words with single spaces between them, without characters that take no
room; a copy differs in nothing a reader would call a difference.
"""

import hashlib
from collections.abc import Iterable

from usergym.types import valid_text
from usergym.users.unseen import seen

KEY = hashlib.sha1(usedforsecurity=False).digest_size
"""Bytes of a key."""


def key(*texts: str) -> bytes:
    """KEY bytes: the same for texts that differ in case, white space and characters of no width only."""
    digest = hashlib.sha1(usedforsecurity=False)
    for number, text in enumerate(texts):
        digest.update(b"\0" * (number > 0) + valid_text(" ".join(seen(text).split()).lower()).encode())
    return digest.digest()


class Seen:
    """Keys that have come by, about 100 bytes of memory each."""

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        self.keys = set(keys)

    def again(self, key: bytes) -> bool:
        """Whether the key was there before; it is from now on."""
        before = len(self.keys)
        self.keys.add(key)
        return len(self.keys) == before

    def __contains__(self, key: bytes) -> bool:
        return key in self.keys
