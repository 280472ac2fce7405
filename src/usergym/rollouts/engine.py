"""The one loop that advances a conversation. Environments, trainers, evaluation and servers play through it."""

import asyncio
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from usergym.environments.base import Environment, JudgeError, RowError, Say, World
from usergym.models.base import Model, ModelError
from usergym.types import OTHER, Failure, Message, Reward, Sampling, Seat, Speaker, Task, Trajectory, Turn, stable_hash
from usergym.users.base import ModelParticipant, Participant, SimulatorError

OVER = "Error: the conversation is over."
ONE_AT_A_TIME = "Not delivered: only one message a turn reaches the other side. Send this one in your next turn."


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a conversation ends that does not end by itself. Looked at before a speaker is asked, so the
    agent's last reply is always answered."""

    replies: int | None = None
    """The agent's replies after the opening."""
    turns: int = 1000
    """All turns, whoever made them."""
    seconds: float | None = None
    """Wall clock. Not the agent's doing, so a failure (`time`) without reward."""


class Journal(Protocol):
    """Takes every turn before the next call is made."""

    def turn(self, trajectory: Trajectory, turn: Turn) -> None: ...


class ReplayError(Exception):
    """A past tool result differs from what the world gives now."""


class _OutOfTime(Exception): ...


Seating = Callable[[World, int], Participant]
"""Seats an agent: `seating(world, seed)`."""


def seat_model(model: Model, sampling: Sampling = Sampling()) -> Seating:
    """An agent played by a model, with the world's system prompt and tools."""

    def seating(world: World, seed: int) -> Participant:
        tools = world.tools("assistant")
        limits = [each for each in (sampling.max_tokens, world.reply_tokens) if each]
        asked = msgspec.structs.replace(sampling, max_tokens=min(limits, default=None))
        seat = Seat(world.system, tuple(tool.name for tool in tools), model.name, asked)
        return ModelParticipant("assistant", model, seat, tools, seed)

    return seating


def seat_oracle(world: World, seed: int) -> Participant:
    return world.oracle()


def seat_idle(world: World, seed: int) -> Participant:
    return world.idle()


@dataclass(slots=True)
class Cast:
    """Who is asked for what in every conversation of a run."""

    agent: Seating | None
    user_model: Model | None = None
    """Plays the user; None: the environment's rule-based one."""
    user: Seating | None = None
    """Takes the user's seat in place of whom the world would put there."""
    services: Mapping[str, Model] = field(default_factory=dict)
    """Whom a world may ask, by name: `judge`."""
    limits: Limits = Limits()


def begin(task: Task, sample: int, run_seed: int) -> Trajectory:
    return Trajectory(task, sample, stable_hash(run_seed, task.id, sample))


async def play(
    environment: Environment,
    trajectory: Trajectory,
    cast: Cast,
    *,
    past: Sequence[Turn] | None = None,
    ending: str | None = None,
    attempt: int = 0,
    journal: Journal | None = None,
) -> Trajectory:
    """Plays one conversation to its end and scores it. Never raises for what goes wrong inside it: a broken
    rollout has `error` set and no rewards. StopRun passes.

    `past`: turns that already happened, lived again without asking a model (default: the task's opening).
    `ending`: how it ended, for a conversation that is only to be lived again and scored.
    `attempt`: changes what the speakers draw, so that a conversation that failed is not repeated word for word.
    """
    trajectory.turns, trajectory.rewards, trajectory.stop, trajectory.error = [], [], None, None
    conversation = _Conversation(trajectory, cast, deque(trajectory.task.opening if past is None else past), journal)
    try:
        async with asyncio.timeout(cast.limits.seconds) as clock:
            await conversation.seat(environment, attempt)
            await conversation.run(ending)
            trajectory.rewards = [*conversation.world.rewards, *await conversation.world.score()]
            if strange := [each for each in trajectory.rewards if not isinstance(each, Reward)]:
                raise TypeError(f"score() gave {strange[0]!r:.80} as a reward; it must be a Reward")
    except Exception as error:
        trajectory.rewards = []
        trajectory.stop = None
        if isinstance(error, TimeoutError) and clock.expired():
            error = _OutOfTime(f"over the limit of {cast.limits.seconds:g} s")
        trajectory.error = _failure(error, conversation)
    finally:
        conversation.release()
    return trajectory


class _Conversation:
    def __init__(self, trajectory: Trajectory, cast: Cast, past: deque[Turn], journal: Journal | None) -> None:
        self.trajectory = trajectory
        self.cast = cast
        self.past = past
        self.journal = journal
        self.copying = False
        """Whether turns lived again are journaled too: something was asked before the opening, which
        moves the opening from where a reader of the journal expects it."""
        self.speaker: Speaker = "user"
        self.seated: dict[Speaker, Participant] = {}
        self.heads: dict[Speaker, bytes] = {}
        self.replies = -sum(
            turn.speaker == "assistant" and turn.message.role != "tool" for turn in trajectory.task.opening
        )
        self.world: World
        self.services: Mapping[str, Model] = {}

    async def seat(self, environment: Environment, attempt: int) -> None:
        trajectory, cast = self.trajectory, self.cast
        world = self.world = environment.start(trajectory.task)
        self.services = {**environment.services, **cast.services}
        seed = stable_hash(trajectory.seed, attempt) if attempt else trajectory.seed
        world.trajectory, world.seed, world.ask = trajectory, seed, self.ask
        if cast.agent:
            self.seated["assistant"] = cast.agent(world, seed)
            user = cast.user(world, seed) if cast.user else world.user(cast.user_model)
            if user:
                self.seated["user"] = user
        trajectory.seats = {speaker: participant.seat for speaker, participant in self.seated.items()}
        agent = trajectory.seats.get("assistant", Seat())
        if world.system and not agent.system:
            tools = tuple(tool.name for tool in world.tools("assistant"))
            trajectory.seats["assistant"] = msgspec.structs.replace(agent, system=world.system, tools=tools)
        before = len(self.past)
        await world.open()
        self.copying = before == len(self.past) and bool(trajectory.turns)

    def enter(self, turn: Turn, past: bool = False) -> Turn:
        """Journal, then append."""
        trajectory = self.trajectory
        if turn.tokens:
            head = self.heads.get(turn.speaker, b"")
            if not past:
                turn = msgspec.structs.replace(turn, tokens=turn.tokens.after(head))
            if turn.tokens:
                self.heads[turn.speaker] = turn.tokens.whole(head)
        if self.journal and (self.copying or not past):
            self.journal.turn(trajectory, turn)
        trajectory.turns.append(turn)
        self.replies += turn.speaker == "assistant" and turn.message.role == "assistant"
        return turn

    def limit(self) -> str | None:
        limits = self.cast.limits
        if len(self.trajectory.turns) >= limits.turns:
            return "turn_limit"
        if limits.replies is not None and self.speaker == "assistant" and self.replies >= limits.replies:
            return "reply_limit"
        return None

    async def run(self, ending: str | None) -> None:
        trajectory, world, past, seated = self.trajectory, self.world, self.past, self.seated
        while trajectory.stop is None:
            self.drop_verdicts_nobody_asks_for()
            if past and past[0].speaker != "judge":
                turn = past.popleft()
                self.speaker = turn.speaker
                self.enter(turn, past=True)
            elif ending:
                trajectory.stop = ending
                break
            elif self.speaker not in seated:
                trajectory.stop = f"{OTHER[self.speaker]}_done"
                break
            elif stop := self.limit():
                trajectory.stop = stop
                break
            else:
                past.clear()  # what is recorded does not fit what is said from here on
                turn = self.enter(await seated[self.speaker].speak(trajectory.view(self.speaker)))
            if turn.stop:
                trajectory.stop = turn.stop
                break
            if turn.message.tool_calls:
                turn = await self.call(turn)
            if said := turn.said:
                await world.hears(self.speaker, said)
                self.speaker = OTHER[self.speaker]
            trajectory.stop = world.stop

    def drop_verdicts_nobody_asks_for(self) -> None:
        """Those behind the last thing that was said are kept: `score` asks for them."""
        while self.past and self.past[0].speaker == "judge" and any(turn.speaker != "judge" for turn in self.past):
            self.past.popleft()

    async def call(self, turn: Turn) -> Turn:
        """Runs the turn's tool calls; the turn, with what it passed to the other side."""
        place = len(self.trajectory.turns) - 1
        passed = False
        for call in turn.message.tool_calls:
            # Calls beside the one that ended the conversation come too late: they must not act, nor earn.
            result = OVER if self.world.stop else await self.world.call(turn.speaker, call)
            if isinstance(result, Say):
                if not passed:
                    passed = True
                    self.same(turn.heard, str(result), place)
                    turn = self.trajectory.turns[place] = msgspec.structs.replace(turn, heard=str(result))
                    continue
                result = ONE_AT_A_TIME
            message = Message("tool", result, tool_call_id=call.id)
            if self.past and self.past[0].message.role == "tool" and self.past[0].speaker == turn.speaker:
                recorded = self.past.popleft()
                self.same(recorded.message.content, message.content, len(self.trajectory.turns))
                self.enter(recorded, past=True)
            else:
                self.enter(Turn(turn.speaker, message))
        return turn

    def same(self, recorded: str | None, now: str, turn: int) -> None:
        if recorded is not None and recorded != now:
            raise ReplayError(f"turn {turn}: the recorded tool result {recorded[:200]!r} is now {now[:200]!r}")

    async def ask(self, service: str, question: str, schema: dict[str, Any] | None = None) -> str:
        if self.past and self.past[0].speaker == "judge" and self.past[0].message.name == service:
            return self.enter(self.past.popleft(), past=True).message.content
        model = self.services.get(service)
        if model is None:
            raise JudgeError(f"the world asked {service!r}, and nobody is seated there; give --{service}-model")
        seed = stable_hash(self.world.seed, service, len(self.trajectory.turns)) & 0x7FFFFFFF
        try:
            reply = await model.reply([Message("user", question)], (), Sampling(seed=seed, json_schema=schema))
        except ModelError as error:
            raise JudgeError(f"{service} {model.name}: {error}") from error
        if reply.finish != "stop":
            raise JudgeError(f"{service} {model.name} ended by {reply.finish!r} instead of finishing its answer")
        message = msgspec.structs.replace(reply.message, name=service)
        return self.enter(Turn("judge", message, heard="", usage=reply.usage)).message.content

    def release(self) -> None:
        """The world of a finished conversation must not outlive it through its own references."""
        if hasattr(self, "world"):
            self.world.trajectory = None
            del self.world.ask


def _failure(error: Exception, conversation: _Conversation) -> Failure:
    turn = len(conversation.trajectory.turns)
    who = f"{conversation.speaker}: "
    match error:
        case ModelError():
            return Failure(error.kind, who + str(error), turn)
        case SimulatorError():
            return Failure("user", str(error), turn)
        case JudgeError():
            return Failure("judge", str(error), turn)
        case ReplayError():
            return Failure("replay", str(error), turn)
        case RowError():
            return Failure("row", str(error), turn)
        case _OutOfTime():
            return Failure("time", str(error), turn)
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{where.filename.rsplit('usergym/', 1)[-1]}:{where.lineno}"
    return Failure("environment", f"{type(error).__name__} at {place}: {error}", turn)
