"""Conversations of a run as responses of a study: what was said before, and what a system said then."""

from collections.abc import Mapping

from usergym.environments.people.rows import ALL, NAME
from usergym.evaluation.study_records import Said
from usergym.evaluation.study_rows import Response, context_of, persona_of
from usergym.types import OTHER, Speaker, Task, Trajectory
from usergym.users.states import parse_states, parse_whole
from usergym.users.states.spec import LAST


def is_comparable(task: Task) -> bool:
    """Whether words come of it: a task of the environment `people` may ask for a state instead."""
    return task.env != NAME or task.data.get("level") in (LAST, ALL)


def response_of_run(trajectory: Trajectory, speaker: Speaker = "assistant") -> Response | None:
    """What the speaker said of their own, and what was heard before it; None where the conversation failed or they
    said nothing whole. A task that is one person's reply to a thread is read as such; else it is the first reply."""
    if trajectory.error is not None:
        return None
    if trajectory.task.env == NAME:
        return _of_person(trajectory)
    task = trajectory.task
    own = (
        n for n, turn in enumerate(trajectory.turns) if n >= len(task.opening) and turn.speaker == speaker and turn.said
    )
    place = next(own, None)
    if place is None:
        return None
    heard = (turn for turn in trajectory.turns[:place] if turn.speaker in OTHER and turn.said)
    said = tuple(Said("HUMAN" if turn.speaker == speaker else "OTHER", turn.said) for turn in heard)
    thread, truth = task.data.get("thread"), task.data.get("truth")
    return Response(
        task.id,
        said if thread is None else context_of(thread),
        trajectory.turns[place].said,
        persona_of(task.data.get("persona")),
        truth if isinstance(truth, str) else "",
    )


def _of_person(trajectory: Trajectory) -> Response | None:
    """The words without states, tags and thinking; None where they are not whole. The id is the thread's, so that runs
    that ask for states in different ways are compared on the same ones."""
    task = trajectory.task
    last = next((turn for turn in reversed(trajectory.turns) if turn.speaker == "assistant"), None)
    if last is None:
        return None
    words = last.message.content
    text = parse_states(words, [LAST], "any").get(LAST, "").strip()
    if not text and last.stop != "length" and f"<{LAST}" not in words.casefold():
        text = parse_whole(words).get(LAST, "")
    if not text:
        return None
    truth = task.data.get("truth")
    return Response(
        str(task.data.get("context") or task.id),
        tuple(map(_message, task.opening[-1].said.split("\n\n"))) if task.opening else (),
        text,
        persona_of(task.data.get("persona")),
        str(truth.get(LAST, "")) if isinstance(truth, Mapping) else "",
    )


def _message(block: str) -> Said:
    """A turn of a transcript: `name: words`, further lines indented."""
    name, colon, words = block.partition(": ")
    return Said(name, words.replace("\n  ", "\n")) if colon else Said("", block)
