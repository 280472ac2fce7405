"""Whether an answer is the expected one: names, dates, numbers with their units, in whatever way they are written."""

import re
import unicodedata
from collections.abc import Sequence
from math import isclose

LONGEST = 20
"""Words of an answer."""
LONGEST_TEXT = 400
"""Characters of an answer, unless an expected one is longer."""

_SMALL = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen",
)
_TENS = re.findall(r"\w+", "twenty thirty forty fifty sixty seventy eighty ninety")
_NUMBERS = {word: n for n, word in enumerate(_SMALL)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
_TIMES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_MONTHS = re.findall(r"\w+", "january february march april may june july august september october november december")
_UNITS = {
    "km": "kilometre",
    "kms": "kilometre",
    "m": "metre",
    "cm": "centimetre",
    "g": "gram",
    "kg": "kilogram",
    "km2": "square kilometre",
    "sq km": "square kilometre",
    "mi": "mile",
    "ft": "foot",
    "feet": "foot",
    "percent": "%",
    "people": "",
    "inhabitants": "",
}
_KNOWN_UNITS = frozenset(
    re.findall(
        r"[^|]+",
        "metre|kilometre|centimetre|mile|foot|inch|kilogram|gram|ton|tonne|pound|litre|year|month|week|day|hour|minute"
        "|second|degree|dollar|euro|%|square kilometre|square mile|square metre|cubic metre|page|year old",
    )
)
"""Units that may be left out, or put to a number of which none is expected."""
_FILLERS = re.compile(
    r"^(?:(?:the |my |final )*answer(?: is)?|it(?: is| was|s)|that(?: is| was|s)|(?:s?he|they) (?:is|was|are|were)"
    r"|in the year|in|on|at|by|year)\b:? *"
)
_IN_BASE_UNITS = {
    "kilometre": (1000, "metre"),
    "centimetre": (0.01, "metre"),
    "kilogram": (1000, "gram"),
    "tonne": (1_000_000, "gram"),
}
_KINDS = frozenset(re.findall(r"\w+", "lake mount mountain river sea bay sound gulf province town city"))
"""What may be said with a name or left out, unless it is another than expected."""
_TITLES = re.compile(r"^(?:mr|mrs|ms|dr|sir|president|king|queen|professor|prof)\b\.? +")


def fits(given: str, answers: Sequence[str]) -> bool:
    return any(_same(given, answer) for answer in answers)


def accepted(question: str, answers: Sequence[str]) -> list[str]:
    """The answers, each bare number with the unit that the question names: "How many metres high is it?"."""
    found = re.match(r"how many ((?:kilo|centi)?metres|kilograms|grams|tonnes)\b", question.strip().lower())
    return [f"{each} {found[1]}" if found and re.fullmatch(r"\d[\d.,]*", each) else each for each in answers]


def objection(given: str, answers: Sequence[str]) -> str | None:
    """Why an answer is not judged: it is several, or an essay. One that is written like an expected one never is."""
    if len(given) > max(LONGEST_TEXT, *(2 * len(answer) for answer in answers)):
        return f"Give the answer alone, in at most {LONGEST} words; it was not judged."
    if fits(given, answers):
        return None
    if len(given.split()) > LONGEST:
        return f"Give the answer alone, in at most {LONGEST} words; it was not judged."
    several = re.search(r";|\n|\||\bor\b|\beither\b|\w ?/ ?\w|^\W*[1a][.)] ", given.strip().lower())
    if several or given.count(",") > max(1, *(answer.count(",") for answer in answers)):
        return "Give exactly one answer; it was not judged."
    return None


def plain(text: str) -> str:
    """Lower case, without accents, punctuation and articles, in words between single blanks."""
    text = unicodedata.normalize("NFKD", text)
    text = "".join(each for each in text if not unicodedata.combining(each)).casefold()
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"['\u2019](?=s\b)|(?<=\d)(?:st|nd|rd|th)\b", "", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w.%]|_", " ", text)
    return " ".join(word for word in text.split() if word not in ("a", "an", "the"))


def _same(given: str, answer: str) -> bool:
    one, other = _core(given), _core(answer)
    if not one or not other:
        return False
    if one == other:
        return True
    if _bare(one) == _bare(other) and (not _kinds(one) or not _kinds(other)):
        return True
    if answer.strip().islower() and one.removesuffix("s") == other.removesuffix("s"):
        return True
    dates = _date(one), _date(other)
    if all(dates):
        return dates[0] == dates[1]
    number, wanted = _quantity(one), _quantity(other)
    if not number or not wanted:
        return False
    units = {number[1], wanted[1]} - {""}
    if len(units) < 2:
        return number[0] == wanted[0] and units <= _KNOWN_UNITS
    (amount, unit), (least, base) = _in_base_unit(*number), _in_base_unit(*wanted)
    return unit == base and isclose(amount, least, rel_tol=1e-9)


def _in_base_unit(amount: float, unit: str) -> tuple[float, str]:
    times, base = _IN_BASE_UNITS.get(unit, (1, unit))
    return amount * times, base


def _kinds(text: str) -> frozenset[str]:
    return _KINDS.intersection(text.split())


def _bare(text: str) -> str:
    """A name without what kind of thing it is: `foo` of `lake foo`. Nothing else is left out."""
    return " ".join(word for word in text.replace(" of ", " ").split() if word not in _KINDS) or text


def _core(text: str) -> str:
    """`text` in plain words, without what leads up to the answer."""
    said = plain(text)
    while (shorter := _TITLES.sub("", _FILLERS.sub("", said))) != said and shorter:
        said = shorter
    return said


def _date(text: str) -> tuple[int, int, int] | None:
    """Year, month, day (0: not said) of a date with at least year and month."""
    if found := re.fullmatch(r"(\d{4}) (\d{1,2}) (\d{1,2})", text):
        year, month, day = map(int, found.groups())
        return (year, month, day) if 1 <= month <= 12 else None
    words = [word for word in text.split() if word != "of"]
    months = [n for n, month in enumerate(_MONTHS, 1) for word in words if word in (month, month[:3], f"{month[:4]}")]
    digits = [int(word) for word in words if word.isdecimal() and len(word) < 10]
    if len(months) != 1 or len(words) != len(digits) + 1 or len(digits) not in (1, 2):
        return None
    if len(digits) == 1:
        return digits[0], months[0], 0
    year, day = (digits[0], digits[1]) if digits[0] > 31 else (digits[1], digits[0])
    return year, months[0], day


def _quantity(text: str) -> tuple[float, str] | None:
    """The number a text begins with and its unit in one form, "" if there is none."""
    words = text.split()
    total = current = 0.0
    used = 0
    for word in words:
        if re.fullmatch(r"\d+(?:\.\d+)?", word) and not used:
            current = float(word)
        elif word in _NUMBERS and (not current or (current % 10 == 0 and _NUMBERS[word] < 10)):
            current += _NUMBERS[word]
        elif word in _TIMES and used:
            current = max(current, 1) * _TIMES[word]
            if word != "hundred":
                total, current = total + current, 0.0
        else:
            break
        used += 1
    return (total + current, _unit(" ".join(words[used:]))) if used else None


def _unit(text: str) -> str:
    text = re.sub(r" (?:high|long|tall)$", "", text)
    text = _UNITS.get(text, text)
    text = text.replace("meter", "metre").replace("sq ", "square ")
    return " ".join(word.removesuffix("s") for word in text.split())
