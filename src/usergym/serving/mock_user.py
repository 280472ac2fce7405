"""What the mock server says when it is asked to play a user: what its instructions ask for, and no more, so that
`usergym generate --model` can be tried without a model."""

import re

_EVENT_ID = re.compile(r"event id: ?(\d+)")
_MINUTES = re.compile(r"(\d+) minutes")
_TIMING = re.compile(r"\b(it (?:starts|ends) at [^.\n]{3,80}?)(?:\.|$)", re.MULTILINE)
_QUOTED = re.compile(r'"([^"\n{}]{2,200})"')
SMALL_TALK = "It has been a good week at work so far, and I am glad about that."


def user_message(prompt: str) -> str:
    """The event, its id, its minutes or its timing, as far as `prompt` names them; small talk if it names none."""
    goal = prompt.rpartition("for:\n")[2] or prompt
    event_id = _EVENT_ID.search(goal)
    if event_id is None:
        wish = goal.strip().partition("\n")[0]
        return SMALL_TALK if "Chat" in wish else f"Hello, this is about: {wish.partition(' ')[2] or wish}"
    name = _QUOTED.search(goal)
    event = f"{name[1]} (event id: {event_id[1]})" if name else f"the event (event id: {event_id[1]})"
    if timing := _TIMING.search(goal):
        return f"About {event}: please make sure that {timing[1]}."
    minutes = _MINUTES.search(goal)
    return f"Please put {event} on my calendar" + (f", {minutes[1]} minutes." if minutes else ".")
