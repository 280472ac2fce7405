"""Requests about the website's visits."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from usergym.environments.workplace.requests.draft import Call, Draft, Draw, call, need
from usergym.environments.workplace.requests.speech import Span, day_words, listed, past_span
from usergym.environments.workplace.state import Day

VALUES = {
    "total_visits": ("total visits", "the number of visits"),
    "session_duration_seconds": ("session duration", "how long sessions lasted"),
    "user_engaged": ("engaged users", "user engagement"),
    "visits_direct": ("direct visits", "visits from direct traffic"),
    "visits_referral": ("referral visits", "visits from referrals"),
    "visits_search_engine": ("search engine visits", "visits from search engines"),
    "visits_social_media": ("social media visits", "visits from social media"),
}
SOURCES = ("direct", "referral", "search engine", "social media")
KINDS = ("bar", "line", "scatter", "histogram")
SHOWN = {"total_visits": "analytics_total_visits_count", "user_engaged": "analytics_engaged_users_count"}


def some_span(draw: Draw, most: int = 31) -> Span:
    days = draw.book.traffic_days
    need(len(days) > 14, "too few days of traffic")
    span = past_span(draw.book.today, date.fromisoformat(days[0]), draw.chance)
    need((span.last - span.first).days < most, "a long span")
    return span


def days_of(draw: Draw, span: Span) -> list[Day]:
    days = draw.book.visits.days(span.first.isoformat(), span.last.isoformat())
    need(len(days) > 1, "hardly any visits")
    return days


def peak(days: Sequence[Day], of: Callable[[Day], float], lowest: bool = False) -> Day:
    """The one day that stands out."""
    ordered = sorted(days, key=of, reverse=not lowest)
    need(of(ordered[0]) != of(ordered[1]), "two days are equal")
    return ordered[0]


def plot_call(span: Span, value: str, kind: str) -> Call:
    return call("analytics_create_plot", **span.bounds(), value_to_plot=value, plot_type=kind)


def value_words(draw: Draw, value: str) -> str:
    words: str = draw.one(VALUES[value], "no words")
    return words


def plot(draw: Draw) -> Draft:
    span, value, kind = some_span(draw, 90), draw.one(list(VALUES), ""), draw.one(KINDS, "")
    slots = {"kind": kind, "value": value_words(draw, value), "span": span.words}
    return Draft(slots, [], [plot_call(span, value, kind)])


def plot_some(draw: Draw) -> Draft:
    span, kind = some_span(draw, 90), draw.one(KINDS, "")
    values = draw.some(list(VALUES), draw.chance.choice((2, 2, 3)))
    words = listed([value_words(draw, value) for value in values])
    return Draft(
        {"kind": kind, "values": words, "span": span.words}, [], [plot_call(span, one, kind) for one in values]
    )


def plot_since(draw: Draw) -> Draft:
    """From a day in the past until today or yesterday."""
    today = draw.book.today
    need(len(draw.book.traffic_days) > 14, "too few days of traffic")
    first = today - timedelta(days=draw.chance.randrange(3, 30))
    last = today - timedelta(days=draw.chance.randrange(2))
    span = Span(first, last, "")
    value, kind = draw.one(list(VALUES), ""), draw.one(KINDS, "")
    slots = {
        "kind": kind,
        "value": value_words(draw, value),
        "first": day_words(first, today, draw.chance, on=False),
        "last": day_words(last, today, draw.chance, on=False),
    }
    return Draft(slots, [], [plot_call(span, value, kind)])


def total(draw: Draw) -> Draft:
    span = some_span(draw, 10)
    what = draw.chance.choice(("total_visits", "user_engaged"))
    days = days_of(draw, span)
    count = sum(day.visits if what == "total_visits" else day.engaged for day in days)
    need(count > 9, "hardly any visits")
    return Draft({"span": span.words}, [[call(SHOWN[what], **span.bounds())]], answer=[str(count)], case=what)


def busiest(draw: Draw) -> Draft:
    span = some_span(draw)
    lowest = draw.chance.random() < 0.25
    day = peak(days_of(draw, span), lambda day: day.visits, lowest)
    look = call(SHOWN["total_visits"], **span.bounds())
    case = "lowest" if lowest else "any"
    return Draft({"span": span.words}, [[look]], answer=[day.date, str(day.visits)], case=case)


def longest_sessions(draw: Draw) -> Draft:
    span = some_span(draw, 15)
    day = peak(days_of(draw, span), lambda day: round(day.seconds / day.visits, 2))
    look = call("analytics_get_average_session_duration", **span.bounds())
    return Draft({"span": span.words}, [[look]], answer=[day.date])


def top_source(draw: Draw) -> Draft:
    span = some_span(draw, 10)
    source, count, lookups = _top_source(draw, span)
    return Draft({"span": span.words}, [lookups], answer=[source, str(count)])


def _top_source(draw: Draw, span: Span) -> tuple[str, int, list[Call]]:
    days = days_of(draw, span)
    counts = sorted(((sum(day.sources.get(source, 0) for day in days), source) for source in SOURCES), reverse=True)
    need(counts[0][0] != counts[1][0], "two sources are equal")
    lookups = [call("analytics_traffic_source_count", **span.bounds(), traffic_source=source) for source in SOURCES]
    return counts[0][1], counts[0][0], lookups


def plot_top_source(draw: Draw) -> Draft:
    span, kind = some_span(draw, 10), draw.one(KINDS, "")
    source, _, lookups = _top_source(draw, span)
    write = plot_call(span, f"visits_{source.replace(' ', '_')}", kind)
    return Draft({"span": span.words, "kind": kind}, [lookups], [write])


def source_on(draw: Draw) -> Draft:
    span, source = some_span(draw, 10), draw.one(SOURCES, "")
    count = sum(day.sources.get(source, 0) for day in days_of(draw, span))
    need(count > 2, "hardly any visits")
    look = call("analytics_traffic_source_count", **span.bounds(), traffic_source=source)
    words = {"direct": "direct traffic", "referral": "referrals", "search engine": "search engines"}.get(source, source)
    return Draft({"span": span.words, "source": words}, [[look]], answer=[str(count)])


def plot_if_more(draw: Draw) -> Draft:
    """Which plot depends on how two days compare."""
    book = draw.book
    what = draw.chance.choice(("total_visits", "user_engaged"))
    days = draw.some(book.visits.days()[-30:-1], 2)
    first, second = sorted(days, key=lambda day: day.date)
    value = [day.visits if what == "total_visits" else day.engaged for day in (first, second)]
    need(value[0] != value[1], "two days are equal")
    span = some_span(draw, 40)
    kinds, values = draw.some(KINDS, 2), draw.some(list(VALUES), 2)
    chosen = 0 if value[1] > value[0] else 1
    spoken = [day_words(date.fromisoformat(day.date), book.today, draw.chance) for day in (first, second)]
    slots = {
        "what": {"total_visits": "visits", "user_engaged": "engaged users"}[what],
        "early": spoken[0],
        "late": spoken[1],
        "span": span.words,
        "kind": kinds[0],
        "value": value_words(draw, values[0]),
        "other_kind": kinds[1],
        "other_value": value_words(draw, values[1]),
    }
    look = call(SHOWN[what], time_min=first.date, time_max=second.date)
    return Draft(slots, [[look]], [plot_call(span, values[chosen], kinds[chosen])])


def plot_from_peak(draw: Draw) -> Draft:
    """From the busiest day on, which has to be found first."""
    span, value, kind = some_span(draw), draw.one(list(VALUES), ""), draw.one(KINDS, "")
    day = peak(days_of(draw, span), lambda day: day.visits)
    last = draw.book.today - timedelta(days=1)
    first = date.fromisoformat(day.date)
    need(first < last, "the last day is the busiest")
    slots = {"span": span.words, "kind": kind, "value": value_words(draw, value)}
    look = call(SHOWN["total_visits"], **span.bounds())
    return Draft(slots, [[look]], [plot_call(Span(first, last, ""), value, kind)])


def visitor(draw: Draw) -> Draft:
    row = draw.one(draw.book.visits.rows, "no visits")
    need(len(draw.book.visits.of_visitor(row["visitor_id"])) == 1, "came more than once")
    look = call("analytics_get_visitor_information_by_id", visitor_id=row["visitor_id"])
    answer = [row["date_of_visit"], row["traffic_source"], row["page_views"]]
    return Draft({"visitor": row["visitor_id"]}, [[look]], answer=answer)


TEMPLATES = (
    plot,
    plot_some,
    plot_since,
    total,
    busiest,
    longest_sessions,
    top_source,
    plot_top_source,
    source_on,
    plot_if_more,
    plot_from_peak,
    visitor,
)
