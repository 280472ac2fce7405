"""Whether what an agent said tells a value, however it spells it."""

import re
from collections.abc import Iterable
from datetime import date, datetime

MOST_VALUES = 15
"""More different values of one kind than this are a list of guesses, not an answer."""

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_NUMBER = re.compile(r"(?<![\w.,:/-])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\w)|(?<![\w.:/])-?\d+(?:\.\d+)?(?![\w:/]|-\d)")
_TIME = re.compile(r"\b(\d{1,2})(?:[:.](\d\d))?(?::\d\d)?\s*([ap])\.?m\b|\b(\d{1,2}):(\d\d)\b")
_DATES = (
    (re.compile(r"\b(\d{4})[-/](\d{1,2})[-/](\d{1,2})\b"), "ymd"),
    (re.compile(rf"\b{_MONTH}\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}}))?"), "mdy"),
    (re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+(\d{{4}}))?"), "dmy"),
)


def is_answered(answer: Iterable[str], words: str) -> bool:
    """Whether all these values stand in what was said. Dates, times of day and numbers may be written in any common
    way; other texts must stand there as they are, in any case."""
    said = " ".join(words.casefold().replace("*", "").replace("`", "").split())
    return all(_tells(said, str(value).casefold().strip()) for value in answer)


def _tells(said: str, wanted: str) -> bool:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", wanted):
        day = date.fromisoformat(wanted)
        dates = _dates(said)
        return len(dates) <= MOST_VALUES and (
            (day.month, day.day, day.year) in dates or (day.month, day.day, 0) in dates
        )
    if re.fullmatch(r"\d{1,2}:\d\d", wanted):
        times = _times(said)
        return len(times) <= MOST_VALUES and datetime.strptime(wanted, "%H:%M").strftime("%H:%M") in times
    if re.fullmatch(r"-?\d+(\.\d+)?", wanted) and not (wanted.isdigit() and len(wanted) == 8):
        numbers = _numbers(said)
        return len(numbers) <= MOST_VALUES and any(_same_number(number, wanted) for number in numbers)
    if "@" in wanted and len(set(re.findall(r"[\w.+-]+@[\w.-]*\w", said))) > MOST_VALUES:
        return False
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", said) is not None


def _dates(said: str) -> set[tuple[int, int, int]]:
    """Month, day, year; year 0 where none is said."""
    found = set()
    for pattern, order in _DATES:
        for parts in pattern.findall(said):
            told = dict(zip(order, parts, strict=True))
            month = _MONTHS.index(told["m"]) + 1 if told["m"] in _MONTHS else int(told["m"])
            found.add((month, int(told["d"]), int(told["y"] or 0)))
    return found


def _times(said: str) -> set[str]:
    found = set()
    for hour, minute, half, hour_24, minute_24 in _TIME.findall(said):
        hours = int(hour_24) if hour_24 else int(hour) % 12 + 12 * (half == "p")
        found.add(f"{hours:02}:{minute_24 or minute or '00'}")
    return found


def _numbers(said: str) -> set[str]:
    words = {str(value) for value, name in enumerate(_NAMES) if re.search(rf"\b{name}\b", said)}
    for pattern, _ in _DATES:  # a day of the month is no count
        said = pattern.sub(" ", said)
    numbers = {number.replace(",", "") for number in _NUMBER.findall(_TIME.sub(" ", said))}
    return {number for number in numbers if not re.match(r"-?0\d", number)} | words  # an id is no count


def _same_number(told: str, wanted: str) -> bool:
    """A fraction may be rounded to fewer places, at least one, or given with more."""
    if "." not in wanted:
        return float(told) == float(wanted)
    places = min(len(told.partition(".")[2]), len(wanted.partition(".")[2]))
    return places > 0 and abs(float(told) - float(wanted)) <= 0.5 * 10**-places + 1e-9
