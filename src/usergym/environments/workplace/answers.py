"""Whether what an agent said tells a value, however it spells it."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime

LONGEST = 20_000
"""Characters; who says more than this gives no answer."""
FEW = 3
"""So many different values of one kind may stand in an answer in any order. Of more, the one that is meant is the first
or the last that is told; a list of guesses cannot put all of them there."""

SAME = str.maketrans(
    {"\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2019": "'", "\u2018": "'", "\u00a0": " ", "\u202f": " "}
)
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = "(" + "|".join(rf"{name}|{name[:3]}" for name in _MONTHS) + r"|sept)\b\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?\b"
_DATES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?=\b|t)"), "ymd"),
    (re.compile(r"\b(\d{1,2})[/](\d{1,2})[/](\d{4})\b"), "mdy"),
    (re.compile(r"\b(\d{1,2})[./](\d{1,2})[./](\d{4})\b"), "dmy"),
    (re.compile(rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}(?:,?\s+(\d{{4}}))?"), "mdy"),
    (re.compile(rf"\b{_DAY}[\s-]+(?:of\s+)?{_MONTH}(?:[,\s-]+(\d{{4}}))?"), "dmy"),
)
_TIME = re.compile(
    r"\b(?P<h>\d{1,2})(?:[:.](?P<m>\d\d))?(?::\d\d)?\s*(?P<half>[ap])\.?m\b|(?:\b|(?<=t))(?P<h24>\d{1,2}):(?P<m24>\d\d)\b"
    r"|\b(?P<h24d>\d\d)\.(?P<m24d>00|15|30|45)\b|\b(?P<clock>\d{1,2}) o'clock|\b(?P<word>noon|midnight)\b"
)
_PHONE = re.compile(r"\+?\(?\d[\d ().-]{5,}\d")
_NUMBER = re.compile(r"(?<![\w.,/-])(?<!\d:)-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\d|[/:-]\d)")
_STOP = re.compile(r"[.!?](?=\s|$)")
_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {name: value for value, name in enumerate(_UNITS)} | {
    f"{ten}{joint}{unit}".strip("- "): 10 * place + (_UNITS.index(unit) if unit else 0)
    for place, ten in enumerate(_TENS, 2)
    for unit in ("", *_UNITS[1:10])
    for joint in ("-", " ")
}
_NUMBER_WORD = re.compile(r"\b(" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r"|none)\b")


def is_answered(answer: Iterable[str], words: str, request: str = "", rivals: Iterable[str] = ()) -> bool:
    """Whether all these values stand in what was said. Dates, times of day, numbers and phone numbers may be written in
    any common way; other texts in any case, number and hyphenation. What the `request` says itself is no guess;
    `rivals` are texts that could stand in the place of one of the answer's."""
    if len(words) > LONGEST:
        return False
    said, asked = simple(words), simple(request)
    values = [simple(str(value)) for value in answer]
    known = {_key(simple(rival)) for rival in rivals}
    kinds = [_kind(value, known) for value in values]
    for value, (kind, reads, same) in zip(values, kinds, strict=True):
        told = reads(said)
        theirs = set(reads(asked))
        found = [each for each in dict.fromkeys(told) if each not in theirs or same(each, value)]
        together = sum(other == kind for other, _, _ in kinds)
        if len(found) > max(FEW, together + 1):
            found = found[:together] + list(dict.fromkeys(reversed(told)))[:together]
        if not any(same(each, value) for each in found):
            return False
    return True


def simple(text: str) -> str:
    """Without what only looks different: case, spacing, kinds of hyphens and apostrophes, markup."""
    text = text.translate(SAME).casefold()
    return " ".join(re.sub(r"[*`_]+", " ", text).split())


Reads = Callable[[str], list[str]]
Kind = tuple[str, Reads, Callable[[str, str], bool]]


def _kind(value: str, rivals: set[str]) -> Kind:
    """What sort of value it is, how such values are read, and when two are the same."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value) and _is(value, date.fromisoformat):
        return "date", _dates, _same_day
    if re.fullmatch(r"\d{1,2}:\d\d", value) and _is(value, lambda text: datetime.strptime(text, "%H:%M")):
        return "time", _times, lambda told, wanted: told == wanted.zfill(5)
    if re.fullmatch(r"-?\d+(\.\d+)?", value) and not (value.isdigit() and len(value) == 8):
        return "number", _numbers, _same_number
    if _PHONE.fullmatch(value):
        return "phone", _phones, lambda told, wanted: told == re.sub(r"\D", "", wanted)
    if "@" in value:
        return "address", _addresses, str.__eq__
    if _key(value) in rivals:
        return "text", lambda said: _texts(said, rivals), lambda told, wanted: told == _key(wanted)
    return f"text {value}", lambda said: _texts(said, {_key(value)}), lambda told, wanted: told == _key(wanted)


def _is(value: str, read: Callable[[str], object]) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


def _addresses(said: str) -> list[str]:
    return [word.strip(".,;:!?()<>[]'\"") for word in said.split() if "@" in word]


def _key(text: str) -> str:
    """Words without hyphens and plurals."""
    return " ".join(word if len(word) < 4 else word.removesuffix("s") for word in re.findall(r"[\w'.@+]+", text))


def _texts(said: str, wanted: set[str]) -> list[str]:
    key = f" {_key(_STOP.sub(' ', said))} "
    places = sorted((place, text) for text in wanted if text and (place := key.find(f" {text} ")) >= 0)
    longer = {text for _, text in places}
    return [text for _, text in places if not any(text != other and f" {text} " in f" {other} " for other in longer)]


def _dates(said: str) -> list[str]:
    """MM-DD, with YYYY- before it where a year is told; both readings of an ambiguous one."""
    found = []
    for pattern, order in _DATES:
        for match in pattern.finditer(said):
            told = dict(zip(order, match.groups(), strict=True))
            month = told["m"]
            number = int(month) if month.isdigit() else [name[:3] for name in _MONTHS].index(month[:3]) + 1
            year = f"{told['y']}-" if told["y"] else ""
            if 1 <= number <= 12:
                found.append((match.start(), f"{year}{number:02}-{int(told['d']):02}"))
    return [text for _, text in sorted(found)]


def _same_day(told: str, wanted: str) -> bool:
    return told in (wanted, wanted[5:])


def _times(said: str) -> list[str]:
    found = []
    for match in _TIME.finditer(said):
        told = match.groupdict()
        if told["word"]:
            found.append("12:00" if told["word"] == "noon" else "00:00")
        elif told["clock"]:
            hours = int(told["clock"])
            found += [f"{hours:02}:00", f"{hours + 12:02}:00"]
        elif told["half"]:
            found.append(f"{int(told['h']) % 12 + 12 * (told['half'] == 'p'):02}:{told['m'] or '00'}")
        else:
            found.append(f"{int(told['h24'] or told['h24d']):02}:{told['m24'] or told['m24d']}")
    return found


def _phones(said: str) -> list[str]:
    return [re.sub(r"\D", "", found) for found in _PHONE.findall(said)]


def _numbers(said: str) -> list[str]:
    """In the order in which they are told. A day of the month, a time of day and an id are no counts."""
    for pattern, _ in _DATES:
        said = pattern.sub(lambda match: " " * len(match.group()), said)
    said = _TIME.sub(lambda match: match.group() if match["h24d"] else " " * len(match.group()), said)
    found = [(match.start(), match.group().replace(",", "")) for match in _NUMBER.finditer(said)]
    found += [(match.start(), str(_WORDS.get(match.group(), 0))) for match in _NUMBER_WORD.finditer(said)]
    return [number for _, number in sorted(found) if not re.match(r"-?0\d", number)]


def _same_number(told: str, wanted: str) -> bool:
    """A fraction may be rounded to fewer places, at least one, or given with more."""
    if "." not in wanted:
        return float(told) == float(wanted)
    places = min(len(told.partition(".")[2]), len(wanted.partition(".")[2]))
    return places > 0 and abs(float(told) - float(wanted)) <= 0.5 * 10**-places + 1e-9


def rival_texts(addresses: Sequence[str]) -> list[str]:
    """Colleagues by the names that their addresses tell: first names, and whole names."""
    names = []
    for address in addresses:
        parts = re.split(r"[._-]", address.partition("@")[0])
        names += [parts[0], " ".join(parts)]
    return names
