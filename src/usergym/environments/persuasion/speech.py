"""The form of a message: whether it argues in sentences, insults, repeats, or only asks. Words decide, no model."""

import re
from collections.abc import Sequence

from usergym.judges.words import FUNCTION_WORDS, sentences, stems, words

SHORTEST, LONGEST = 8, 180
"""Words of a message that is taken in."""
SENTENCE = (5, 45)
"""Words of a sentence that is taken in."""
FUNCTION_SHARE = 0.25
"""Of the words of a sentence, how many hold it together: people write 0.4 to 0.5, a list of keywords has none."""
ALIKE = 0.6
"""Shared stems, of all stems of two messages, from which one repeats the other."""
REPEATED = 8
"""Words of a sentence from which saying it again is a repetition."""

_INSULT = re.compile(
    r"\b(idiots?|idiotic|stupid(ly|ity)?|morons?|moronic|dumb|fools?|foolish|ignorant|ignorance|ridiculous|nonsense|"
    r"pathetic|clueless|brainwashed|shut up|imbecile|delusional|laughable|gullible|naive|rubbish|absurd)\b",
    re.IGNORECASE,
)
_ACKNOWLEDGED = re.compile(
    r"\b(i (can |do |fully |completely |really |certainly )*(see|understand|agree|hear|appreciate|get|respect|share)|"
    r"you(['’]re| are) (quite |absolutely |certainly )?right|(fair|good|valid|strong|real) (point|concern|reason)|"
    r"you (make|raise|have) an? [a-z]+ (point|concern|argument)|it is true that|it['’]s true that|true,|granted|"
    r"that makes sense|makes sense that|i know (how|that|why)|understandabl[ey]|that matters)",
    re.IGNORECASE,
)
_EVIDENCE = re.compile(
    r"\b(for example|for instance|such as|stud(y|ies)|surveys?|research|researchers|evidence|data|statistics|figures|"
    r"trials?|in practice|according to|case in point|measured|showed|shown|percent)\b|\d",
    re.IGNORECASE,
)
_CONNECTIVE = re.compile(
    r"\b(because|since|but|however|although|though|while|whereas|so|therefore|if|when|instead|rather|yet|means|which|"
    r"even|still|unless|without)\b",
    re.IGNORECASE,
)


def insults(message: str) -> bool:
    return _INSULT.search(message) is not None


def proper_sentences(message: str) -> list[str]:
    """Those that are sentences rather than heaps of words."""
    return [sentence for sentence in sentences(message) if _is_proper(sentence)]


def _is_proper(sentence: str) -> bool:
    found = words(sentence)
    held = sum(word in FUNCTION_WORDS for word in found)
    return SENTENCE[0] <= len(found) <= SENTENCE[1] and held >= FUNCTION_SHARE * len(found)


def acknowledges(message: str, own: frozenset[str]) -> bool:
    """Whether one sentence grants something and names what it is about: `own`, stems of the other's reasons."""
    return any(_ACKNOWLEDGED.search(one) and not own.isdisjoint(stems(one)) for one in sentences(message))


def gives_evidence(message: str) -> bool:
    return _EVIDENCE.search(message) is not None


def connects(message: str) -> bool:
    return _CONNECTIVE.search(message) is not None


def repeats(message: str, earlier: Sequence[str]) -> bool:
    """Whether it says what an earlier message said: a longer sentence word for word, or mostly the same words."""
    if not earlier:
        return False
    now, said = frozenset(stems(message)), {key for one in earlier for key in _long(one)}
    if not said.isdisjoint(_long(message)):
        return True
    for one in earlier:
        before = frozenset(stems(one))
        if min(len(now), len(before)) >= 4 and len(now & before) >= ALIKE * len(now | before):
            return True
    return False


def _long(message: str) -> list[tuple[str, ...]]:
    found = (tuple(words(sentence)) for sentence in sentences(message))
    return [each for each in found if len(each) >= REPEATED]
