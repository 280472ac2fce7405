"""What an agent's words are, by rules: a request for a yes, a refusal, a question who the customer is, an ending."""

import re
from functools import lru_cache

LONGEST_ANSWER = 1500
"""Characters. What is told in a longer message was listed, not told."""

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


def tells(text: str, output: str) -> bool:
    """Whether a message tells a required output: as a word or number of its own, commas and letter case aside, in a
    message short enough to be an answer."""
    return len(text) <= LONGEST_ANSWER and bool(_whole(output).search(text.lower().replace(",", "")))


@lru_cache(maxsize=1024)
def _whole(output: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.]){re.escape(output.lower().replace(',', ''))}(?!\w|\.\d)")
