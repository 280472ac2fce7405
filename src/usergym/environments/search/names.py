"""Names that exist nowhere: put together from syllables, each once in a world."""

import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from random import Random


@cache
def words() -> dict[str, list[str]]:
    """Lists of words, by what they are for."""
    text = (files("usergym.environments.search") / "words.toml").read_text(encoding="utf-8")
    return {name: listed.split() for name, listed in tomllib.loads(text).items()}


class Names:
    """Draws names of one world; none is drawn twice."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.taken: set[str] = set()
        self.words = words()

    def _unique(self, make: Callable[[], str]) -> str:
        while (name := make()) in self.taken:
            pass
        self.taken.add(name)
        return name

    def _of(self, *lists: str) -> str:
        return "".join(self.random.choice(self.words[name]) for name in lists)

    def stem(self) -> str:
        return self._of("begin", "vowels", "middle")

    def town(self) -> str:
        return self._unique(lambda: self.stem() + self._of("town"))

    def river(self) -> str:
        return self._unique(lambda: self.stem() + self._of("river"))

    def mountain(self) -> str:
        return self._unique(lambda: f"Mount {self.stem()}{self._of('vowels', 'end')}")

    def first(self) -> str:
        return self._unique(lambda: self.stem() + self._of("first"))

    def last(self) -> str:
        return self._unique(lambda: self.stem() + self._of("vowels", "end"))

    def province(self) -> str:
        return self._unique(lambda: self.stem() + self._of("province"))

    def title(self) -> str:
        return self._unique(lambda: f"The {self._of('adjectives')} {self._of('nouns')}")

    def of(self, *parts: str) -> str | None:
        """The parts as a name, None if it is taken."""
        name = " ".join(parts)
        if name in self.taken:
            return None
        self.taken.add(name)
        return name
