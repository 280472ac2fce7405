"""What an agent's words are, by rules: a request for a yes, a refusal, a question who the customer is, an ending."""

import re
from collections.abc import Sequence
from functools import lru_cache

LONGEST_ANSWER = 1500
"""Characters. What is told in a longer message was listed, not told."""
MOST_NUMBERS = 12
"""Different numbers like the one that is told (long ones, decimals, whole ones) that a message may hold."""
MOST_GUESSES = 60
"""And that all messages together may, up to the one that tells it."""

_CONFIRM = re.compile(
    r"\b(confirm|is that correct|is this correct|is that right|shall i|should i|may i|would you like me to|"
    r"do you want me to|go ahead|proceed|yes/no|\(yes\)|yes or no|say yes|reply yes|do you agree)\b|\(yes",
    re.IGNORECASE,
)
_REFUSE = re.compile(
    r"\b(cannot|can not|can't|could not|couldn't|unable|not able|not possible|impossible|not allowed|not permitted|"
    r"won't|will not be able|not eligible|ineligible|does not qualify|do not qualify|doesn't qualify|against (our|the) "
    r"(policy|rules)|policy does not|not offer|must decline|have to decline|have to refuse)\b",
    re.IGNORECASE,
)
_LOOKS = re.compile(
    r"\b(find|locate|verify|identify|access|proceed (until|without|before)|until|unless|without (your|the))\b",
    re.IGNORECASE,
)
_WHO = re.compile(
    r"\b(zip|e-?mail|user id|customer id|who you are|your (full )?name|first (and last )?name|identity|identify|"
    r"verify you|authenticate)\b",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    r"\b(anything else|something else|all done|is done|are done|all set|good ?bye|have a (nice|good|great|wonderful)|"
    r"(has|have|was|were) (now )?(been )?(successfully )?(cancell?ed|changed|updated|modified|returned|exchanged|"
    r"processed|requested|booked|added|sent|submitted|completed|refunded|issued))\b",
    re.IGNORECASE,
)


def asks_to_confirm(text: str) -> bool:
    return bool(_CONFIRM.search(text)) and not asks_who_only(text)


def asks_who_only(text: str) -> bool:
    """ "Please confirm your zip code" asks who it is, not for a yes."""
    return bool(re.search(r"confirm (your|the) (\w+ ){0,3}(zip|e-?mail|user id|customer id|name|identity)", text, re.I))


def refuses(text: str) -> bool:
    """Whether it tells that something is not done. "I cannot find you" asks for more, so it is none."""
    sentences = re.split(r"(?<=[.!?])\s|\n", text.replace("\u2019", "'"))
    return any(_REFUSE.search(each) and not _LOOKS.search(each) and not each.endswith("?") for each in sentences)


def asks_who(text: str) -> bool:
    return bool(_WHO.search(text))


def closes(text: str) -> bool:
    return bool(_CLOSE.search(text))


def told(said: Sequence[str], output: str) -> bool:
    """Whether one of these messages tells a required output, and it was not found by trying many."""
    tried: set[str] = set()
    for text in said:
        tried |= _rivals(text, output)
        if tells(text, output):
            return len(tried) <= MOST_GUESSES
    return False


def tells(text: str, output: str) -> bool:
    """Whether a message tells a required output: as a word or number of its own, commas and letter case aside, in a
    message short enough to be an answer, and not among many numbers like it."""
    if len(text) > LONGEST_ANSWER or not _whole(output).search(_plain(text)):
        return False
    return len(_rivals(text, output)) <= MOST_NUMBERS


def _plain(text: str) -> str:
    return text.lower().replace(",", "")


def _rivals(text: str, output: str) -> set[str]:
    """The numbers in a message that may be taken for an output; none where the output is no number."""
    kind = _kind(output)
    return {number for number in _numbers(text) if _kind(number) == kind} if kind else set()


def _numbers(text: str) -> list[str]:
    """A comma divides thousands or numbers; a list without spaces is not one number."""
    return _NUMBER.findall(_THOUSANDS.sub("", text).replace(",", " "))


def _kind(number: str) -> str:
    plain = number.replace(",", "")
    if not re.fullmatch(r"\d+(\.\d+)?", plain):
        return ""
    return "decimal" if "." in plain else "whole" if len(plain) < LONG else "long"


LONG = 7
"""Digits from which a number is the name of something: an item, a parcel."""
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w|\.\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


@lru_cache(maxsize=1024)
def _whole(output: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.]){re.escape(_plain(output))}(?!\w|\.\d)")
