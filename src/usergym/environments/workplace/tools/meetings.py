"""The calendar."""

from typing import Any

from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.state import State
from usergym.environments.workplace.tables import page_of

FIELDS = ("event_id", "event_name", "participant_email", "event_start", "duration")
_BAD_ID = "Invalid event ID format. Expected 8-digit ID."


def get_event_information_by_id(office: State, /, event_id: Any = None, field: Any = None) -> Any:
    if not event_id:
        return "Event ID not provided."
    if not field:
        return "Field not provided."
    if not _is_id(event_id):
        return _BAD_ID
    if field not in FIELDS:
        return f"Invalid field. Available fields are: {', '.join(FIELDS)}"
    places = office.events.places(event_id)
    return {field: office.events[places[0]][field]} if places else "Event not found."


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 8 and value.isdigit()


def search_events(
    office: State, /, query: Any = "", time_min: Any = None, time_max: Any = None, page: Any = 1, page_size: Any = 5
) -> Any:
    bounds = {}
    for name, given in (("time_min", time_min), ("time_max", time_max)):
        if given:
            try:
                bounds[name] = timestamp(given)
            except ValueError:
                return f"Invalid {name} format. Expected YYYY-MM-DD HH:MM:SS."
    words = [query.lower()] if query else []
    found = office.base.meetings.find(office.events, words, bounds.get("time_min"), bounds.get("time_max"))
    return page_of(found, "events", page, page_size) if found else "No events found."


def create_event(
    office: State,
    /,
    event_name: Any = None,
    participant_email: Any = None,
    event_start: Any = None,
    duration: Any = None,
) -> Any:
    for value, name in (
        (event_name, "Event name"),
        (participant_email, "Participant email"),
        (event_start, "Event start"),
        (duration, "Event duration"),
    ):
        if not value:
            return f"{name} not provided."
    if problem := _bad_start(event_start) or _bad_duration(duration):
        return problem
    event_id = str(int(office.events.highest_id() or 0) + 1).zfill(8)
    office.events.add(
        {
            "event_id": event_id,
            "event_name": event_name,
            "participant_email": participant_email.lower(),
            "event_start": event_start,
            "duration": duration,
        }
    )
    return event_id


def _bad_start(value: Any) -> str | None:
    try:
        timestamp(value)
    except ValueError:
        return "Invalid event_start format. Expected YYYY-MM-DD HH:MM:SS."
    return None


def _bad_duration(value: Any) -> str | None:
    try:
        return None if int(value) > 0 else "Duration must be a positive number of minutes."
    except ValueError:
        return "Invalid duration format. Expected a number of minutes."


def delete_event(office: State, /, event_id: Any = None) -> Any:
    if not event_id:
        return "Event ID not provided."
    if not _is_id(event_id):
        return _BAD_ID
    places = office.events.places(event_id)
    office.events.delete(places)
    return "Event deleted successfully." if places else "Event not found."


def update_event(office: State, /, event_id: Any = None, field: Any = None, new_value: Any = None) -> Any:
    if not event_id or not field or not new_value:
        return "Event ID, field, or new value not provided."
    if not _is_id(event_id):
        return _BAD_ID
    if field not in FIELDS[1:]:
        return f"Invalid field. Available fields are: {', '.join(FIELDS[1:])}"
    problem = None
    if field == "event_start":
        problem = _bad_start(new_value)
    elif field == "duration":
        problem = _bad_duration(new_value)
    if problem:
        return problem
    places = office.events.places(event_id)
    if not places:
        return "Event not found."
    office.events.update(places, field, new_value.lower() if field == "participant_email" else new_value)
    return "Event updated successfully."
