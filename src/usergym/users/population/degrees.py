"""Reads the degree of agreement back from a text of this language, to measure how a simulation is calibrated."""

import re
from functools import cache

from usergym.users.population.tables import wording


def stance_degree(text: str) -> int | None:
    """The degree, -2 to 2, that a stance ("strongly supports the bridge toll") or a comment tells first; None where
    no phrase of this language tells one, or a "not" stands before it. Upper and lower case are the same."""
    pattern, degrees = _phrases()
    found = pattern.search(text)
    if found is None or found["denied"]:
        return None
    return degrees[" ".join(found["said"].lower().split())]


@cache
def _phrases() -> tuple[re.Pattern[str], dict[str, int]]:
    degrees = {
        phrase.lower(): degree for degree, words in wording().degree.items() for phrase in (words.stance, *words.said)
    }
    longest_first = sorted(degrees, key=len, reverse=True)
    said = "|".join(re.escape(phrase).replace(r"\ ", r"\s+") for phrase in longest_first)
    return re.compile(rf"(?P<denied>\b(?:not|never)\s+)?\b(?P<said>{said})\b", re.IGNORECASE), degrees
