"""Visits to the website: a weekly rhythm, a trend, and a few days on which something happened."""

import random
from datetime import timedelta
from itertools import accumulate

from usergym.environments.workplace.company.moments import Clock

DAYS = 90
WEEK = (1.15, 1.25, 1.2, 1.1, 0.95, 0.6, 0.55)
SOURCES = ("direct", "search engine", "social media", "referral")

Rows = list[dict[str, str | None]]


def count(visits: int, clock: Clock, chance: random.Random) -> Rows:
    days = [clock.today - timedelta(days=DAYS - 1 - number) for number in range(DAYS)]
    trend = chance.uniform(-0.4, 0.7)
    weights = [WEEK[day.weekday()] * (1 + trend * number / DAYS) for number, day in enumerate(days)]
    for _ in range(3):
        weights[chance.randrange(DAYS)] *= chance.uniform(1.8, 2.8)
    summed = list(accumulate(weights))
    shares = [chance.uniform(*bounds) for bounds in ((0.3, 0.5), (0.15, 0.35), (0.1, 0.3), (0.05, 0.2))]
    width = max(4, len(str(visits * 2)))
    texts = [day.isoformat() for day in days]
    rows: Rows = []
    for _ in range(visits):
        engaged = chance.random() < 0.42
        pages = 1 + int(chance.expovariate(1 / (5.0 if engaged else 1.6)))
        row: dict[str, str | None] = {
            "date_of_visit": chance.choices(texts, cum_weights=summed)[0],
            "visitor_id": f"{chance.randrange(10**width):0{width}}",
            "page_views": str(pages),
            "session_duration_seconds": str(int(pages * chance.uniform(1, 14))),
            "traffic_source": chance.choices(SOURCES, shares)[0],
        }
        if rows and chance.random() < 0.06:
            row["visitor_id"] = rows[chance.randrange(len(rows))]["visitor_id"]
        rows.append({**row, "user_engaged": engaged})  # type: ignore[dict-item]
    return rows
