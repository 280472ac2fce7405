"""Style: how a rule-based user words what it has to say, on a few typed axes."""

import re
from functools import lru_cache
from random import Random
from typing import Literal

import msgspec

from usergym.types import Record, stable_hash
from usergym.users.persona import Persona
from usergym.users.persona_tables import people

Formality = Literal["casual", "neutral", "formal"]
Verbosity = Literal["terse", "plain", "chatty"]
Politeness = Literal["blunt", "polite", "warm"]
Punctuation = Literal["light", "standard", "lively"]


class Style(Record, frozen=True):
    formality: Formality = "neutral"
    verbosity: Verbosity = "plain"
    """One sentence, with a reason at times, or with what surrounds it."""
    politeness: Politeness = "polite"
    contractions: bool = True
    punctuation: Punctuation = "standard"
    """`light` leaves out the last full stop, `lively` exclaims."""
    filler: bool = False
    """Hesitations and afterthoughts."""


def style(persona: Persona, seed: int) -> Style:
    """A draw that fits the persona: its communication style where it has one, or any; the young
    punctuate less, the formal contract nothing."""
    random = Random(stable_hash("style", seed))
    manners = {manner.name: manner for manner in people().manners}
    manner = manners.get(persona.communication) or random.choice(people().manners)
    drawn = msgspec.convert(manner.style, Style)
    contractions = drawn.formality == "casual" or (drawn.formality == "neutral" and random.random() < 0.75)
    punctuation = drawn.punctuation
    if punctuation == "standard" and drawn.formality == "casual" and (persona.age or 40) < 30:
        punctuation = random.choice(("light", "standard"))
    filler = drawn.filler or (drawn.verbosity == "plain" and drawn.formality == "casual" and random.random() < 0.2)
    return msgspec.structs.replace(drawn, contractions=contractions, punctuation=punctuation, filler=filler)


_SPELLED_OUT = {
    "can't": "cannot",
    "won't": "will not",
    "shan't": "shall not",
    "let's": "let us",
    "i'm": "I am",
    "i'd": "I would",
    "i've": "I have",
    "i'll": "I will",
    "ain't": "is not",
}
_ENDINGS = {"n't": " not", "'re": " are", "'ve": " have", "'ll": " will", "'d": " would"}
_IS = ("it's", "that's", "there's", "here's", "what's", "she's", "he's", "everything's")
_CONTRACTION = re.compile(r"\b[A-Za-z]{1,12}'(?:t|re|ve|ll|m|d|s)\b", re.IGNORECASE)


@lru_cache(maxsize=4096)
def without_contractions(text: str) -> str:
    """`text` with its contractions spelled out; possessives stay."""
    return _CONTRACTION.sub(_spelled_out, text)


def _spelled_out(match: re.Match[str]) -> str:
    word = match[0]
    whole = _SPELLED_OUT.get(word.lower())
    if whole is None and word.lower() in _IS:
        whole = word[:-2] + " is"
    if whole is None:
        ending = next((ending for ending in _ENDINGS if word.lower().endswith(ending)), None)
        whole = word if ending is None else word[: -len(ending)] + _ENDINGS[ending]
    return whole[0].upper() + whole[1:] if word[0].isupper() else whole


def punctuated(text: str, punctuation: Punctuation) -> str:
    """`text` with its last mark as this style sets it. Questions stay questions."""
    if punctuation == "light" and text.endswith(".") and not text.endswith(("..", ".m.")):
        return text[:-1]
    if punctuation == "lively" and text.endswith(".") and not text.endswith(("..", ".m.")):
        return text[:-1] + "!"
    return text
