"""Days, times and spans in the words people use for them. Only words that mean one thing on any working day."""

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SPANS = {"30": "half an hour", "60": "an hour", "90": "an hour and a half", "120": "two hours"}


def month_day(day: date, today: date, chance: random.Random) -> str:
    return _month_day(day, today, chance.random() < 0.25)


def _month_day(day: date, today: date, day_first: bool) -> str:
    """`March 7` or `7 March`, with the year where it is another."""
    if day.year != today.year:
        return f"{day:%B} {day.day}, {day.year}"
    return f"{day.day} {day:%B}" if day_first else f"{day:%B} {day.day}"


def day_words(day: date, today: date, chance: random.Random, on: bool = True) -> str:
    """With its `on`: `tomorrow`, `on Friday`, `on Tuesday next week`, `on March 7`. A bare weekday is one of the next
    six days."""
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(away := (day - today).days)
    if near:
        return near
    before = "on " if on else ""
    monday = today - timedelta(days=today.weekday())
    weeks = (day - monday).days // 7
    if weeks == 0 and 1 < away < 7 and chance.random() < 0.8:
        return f"{before}{day:%A}"
    if weeks == 1 and chance.random() < 0.6:
        return f"{before}{day:%A} next week"
    if weeks == -1 and chance.random() < 0.4:
        return f"{before}{day:%A} last week"
    if chance.random() < 0.35:
        return f"{before}{day:%A}, {month_day(day, today, chance)}"
    return f"{before}{month_day(day, today, chance)}"


def time_words(moment: datetime, chance: random.Random) -> str:
    hour = moment.hour % 12 or 12
    half = "am" if moment.hour < 12 else "pm"
    if moment.hour == 12 and moment.minute == 0 and chance.random() < 0.6:
        return "noon"
    forms = [
        f"{hour}{f':{moment.minute:02}' if moment.minute else ''}{half}",
        f"{hour}{f':{moment.minute:02}' if moment.minute else ''} {half}",
        f"{moment.hour}:{moment.minute:02}",
    ]
    return chance.choice(forms)


def span_words(minutes: str, chance: random.Random) -> str:
    words = SPANS.get(minutes)
    return words if words and chance.random() < 0.6 else f"{minutes} minutes"


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


@dataclass(frozen=True)
class Span:
    """Days in a row, both ends included, and how they are called."""

    first: date
    last: date
    words: str

    def bounds(self) -> dict[str, str]:
        return {"time_min": self.first.isoformat(), "time_max": self.last.isoformat()}


def past_span(today: date, oldest: date, chance: random.Random) -> Span:
    """Some span that ends yesterday or before and begins on `oldest` or after."""
    monday = today - timedelta(days=today.weekday())
    spans = [
        Span(monday - timedelta(days=7), monday - timedelta(days=1), "last week, Monday to Sunday"),
        Span(monday - timedelta(days=7), monday - timedelta(days=3), "Monday to Friday last week"),
        Span(monday - timedelta(days=2), monday - timedelta(days=1), "last weekend"),
    ]
    first = today.replace(day=1)
    last_month = (first - timedelta(days=1)).replace(day=1)
    spans.append(Span(last_month, first - timedelta(days=1), f"the month of {last_month:%B}"))
    for _ in range(5):
        start = oldest + timedelta(days=chance.randrange(max(1, (today - oldest).days - 1)))
        end = min(start + timedelta(days=chance.choice((2, 3, 4, 6, 9, 13))), today - timedelta(days=1))
        day_first = chance.random() < 0.25
        if start < end:
            words = f"{_month_day(start, today, day_first)} to {_month_day(end, today, day_first)}"
            spans.append(Span(start, end, words))
    return chance.choice([span for span in spans if span.first >= oldest])
