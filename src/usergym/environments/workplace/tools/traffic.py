"""Visits to the company's website."""

from typing import Any

from usergym.environments.workplace.state import Plot, State

VALUES = (
    "total_visits",
    "session_duration_seconds",
    "user_engaged",
    "visits_direct",
    "visits_referral",
    "visits_search_engine",
    "visits_social_media",
)
SOURCES = ("direct", "referral", "search engine", "social media")
KINDS = ("bar", "line", "scatter", "histogram")


def get_visitor_information_by_id(office: State, /, visitor_id: Any = None) -> Any:
    if not visitor_id:
        return "Visitor ID not provided."
    rows = office.base.visits.of_visitor(visitor_id)
    return [dict(row) for row in rows] if rows else "Visitor not found."


def create_plot(
    office: State, /, time_min: Any = None, time_max: Any = None, value_to_plot: Any = None, plot_type: Any = None
) -> Any:
    if not time_min:
        return "Start date not provided."
    if not time_max:
        return "End date not provided."
    if value_to_plot not in VALUES:
        return f"Value to plot must be one of {', '.join(map(repr, VALUES))}"
    if plot_type not in KINDS:
        return "Plot type must be one of 'bar', 'line', 'scatter', or 'histogram'"
    plot = Plot(str(time_min), str(time_max), value_to_plot, plot_type)
    office.plots.append(plot)
    return plot.path


def total_visits_count(office: State, /, time_min: Any = None, time_max: Any = None) -> Any:
    return {day.date: day.visits for day in office.base.visits.days(time_min, time_max)}


def engaged_users_count(office: State, /, time_min: Any = None, time_max: Any = None) -> Any:
    return {day.date: day.engaged for day in office.base.visits.days(time_min, time_max)}


def traffic_source_count(
    office: State, /, time_min: Any = None, time_max: Any = None, traffic_source: Any = None
) -> Any:
    days = office.base.visits.days(time_min, time_max)
    if traffic_source:
        return {day.date: day.sources.get(traffic_source, 0) for day in days}
    return {day.date: day.visits for day in days}


def get_average_session_duration(office: State, /, time_min: Any = None, time_max: Any = None) -> Any:
    return {day.date: day.seconds / day.visits for day in office.base.visits.days(time_min, time_max)}
