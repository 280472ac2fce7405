"""Rows of people's words as conversations to learn from: what the environment people would show to whoever speaks as
HUMAN, and what HUMAN then thought or wrote."""

from usergym.data.formats.humanlm import NAME
from usergym.training.conversations import Conversation
from usergym.types import Message, Trajectory
from usergym.users.states.prompting import transcript


def is_of_a_person(trajectory: Trajectory) -> bool:
    return trajectory.task.env == "humanlm"


def of_a_person(trajectory: Trajectory) -> Conversation:
    """The last words of HUMAN, behind the thread as one named transcript."""
    *before, target = trajectory.turns
    thread = [(NAME if turn.speaker == "user" else turn.message.name or turn.speaker, turn.said) for turn in before]
    seat = trajectory.seats.get("user")
    shown = [Message("system", seat.system)] if seat and seat.system else []
    return Conversation(trajectory.id, [*shown, Message("user", transcript(thread)), Message("assistant", target.said)])
