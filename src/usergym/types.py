"""The nouns: what a conversation is made of. Imports nothing of ours, is imported by everything.

Two ideas carry them. What was written and what the other side heard are two things, so `Turn` keeps
both and `Trajectory.view` is the only place where one becomes the other. Everything that came from a
model is a turn, so a trajectory that already has turns can be lived again.
"""

import hashlib
import math
import unicodedata
from array import array
from collections.abc import Sequence
from typing import Any, Literal, Self

import msgspec

Speaker = Literal["assistant", "user", "judge"]
Role = Literal["system", "user", "assistant", "tool"]

OTHER: dict[Speaker, Speaker] = {"assistant": "user", "user": "assistant"}


def valid_text(text: str) -> str:
    """`text` with lone surrogates replaced, so that it can always be written as UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp", "Mn", "Me"}
_SHAPELESS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and signs by their category that have no shape."""


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it is empty, white space, or made of zero-width and other characters
    that have no shape of their own."""
    return all(unicodedata.category(each) in _UNSEEN or each in _SHAPELESS for each in text)


def stable_hash(*parts: object) -> int:
    """A 63-bit number from the texts of `parts`: the same on every machine and in every process."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "big") >> 1


def split_rank(group: str) -> int:
    """The place of a group in the order in which splits are filled, in [0, 2**63)."""
    return stable_hash("split", group)


def split_of(group: str, validation: float = 0.1, test: float = 0.0) -> Literal["train", "validation", "test"]:
    """The split of a group: the same on every machine and in every row order. A larger share only moves groups
    out of train."""
    if min(validation, test) < 0 or validation + test > 1:
        raise ValueError(f"shares validation={validation}, test={test}: expected numbers from 0, at most 1 together")
    place = split_rank(group) / (1 << 63)
    if place < validation:
        return "validation"
    return "test" if place >= 1 - test else "train"


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A value that reaches disk: immutable, closed to unknown fields, its defaults left out.

    Never part of a reference cycle, so the garbage collector need not look at the millions of them.
    """


class ToolCall(Record, frozen=True):
    id: str
    name: str
    arguments: str
    """Raw JSON text, exactly as the model wrote it; it may be invalid."""

    def __post_init__(self) -> None:
        for field in ("id", "name", "arguments"):
            value = getattr(self, field)
            if not value.isascii():
                msgspec.structs.force_setattr(self, field, valid_text(value))


class Tool(Record, frozen=True):
    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema of the arguments."""


class Message(Record, frozen=True):
    """One chat message in the OpenAI sense."""

    role: Role
    content: str = ""
    reasoning: str | None = None
    """Goes back to its own speaker only."""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        if not self.content.isascii():
            msgspec.structs.force_setattr(self, "content", valid_text(self.content))
        if self.reasoning and not self.reasoning.isascii():
            msgspec.structs.force_setattr(self, "reasoning", valid_text(self.reasoning))


def pack_ids(ids: Sequence[int]) -> bytes:
    return array("i", ids).tobytes()


class Tokens(Record, frozen=True):
    """One generation as sampled, never re-tokenised. Ids are packed int32, log-probabilities float32,
    both little-endian (base64 in JSON)."""

    kept: int
    """How many ids of this speaker's previous prompt + output begin this prompt. Short of the whole:
    a template rewrote history."""
    prompt_ids: bytes
    """The rest of the prompt, after the kept ids."""
    output_ids: bytes
    logprobs: bytes = b""
    """One per output id, or none at all."""

    @classmethod
    def of(cls, prompt_ids: Sequence[int], output_ids: Sequence[int], logprobs: Sequence[float] = ()) -> Self:
        """A generation with its whole prompt; the engine then keeps only what is new."""
        if logprobs and len(logprobs) != len(output_ids):
            raise ValueError(f"{len(logprobs)} logprobs for {len(output_ids)} output ids; give one for each or none")
        return cls(0, pack_ids(prompt_ids), pack_ids(output_ids), array("f", logprobs).tobytes())

    def after(self, previous: bytes) -> Self:
        """This generation, stored as what follows the longest common prefix with `previous`
        (packed ids of the same speaker's last prompt + output). Only for `kept == 0`."""
        assert self.kept == 0
        prompt = self.prompt_ids
        low, high = 0, min(len(previous), len(prompt)) // 4
        while low < high:
            middle = (low + high + 1) // 2
            if prompt[4 * low : 4 * middle] == previous[4 * low : 4 * middle]:
                low = middle
            else:
                high = middle - 1
        return type(self)(low, prompt[4 * low :], self.output_ids, self.logprobs)

    def whole(self, previous: bytes) -> bytes:
        """Packed ids of prompt + output, given those of the same speaker's previous turn."""
        return previous[: 4 * self.kept] + self.prompt_ids + self.output_ids


class Usage(Record, frozen=True):
    """All model calls that made one turn."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    calls: int = 0
    cost: float = 0.0
    """US dollars by the price table; 0 where the model has no price."""
    reasoning_tokens: int = 0
    """Of the output tokens, where the server tells."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.seconds + other.seconds,
            self.calls + other.calls,
            self.cost + other.cost,
            self.reasoning_tokens + other.reasoning_tokens,
        )


class Turn(Record, frozen=True):
    """One reply, one tool result, or one verdict (speaker `judge`)."""

    speaker: Speaker
    message: Message
    """What was written, as its speaker sees it (role `assistant` or `tool`)."""
    heard: str | None = None
    """What the other side gets. None: the content of a plain reply, and nothing of a tool call or
    result. "": nothing."""
    state: dict[str, Any] | None = None
    """What the speaker privately declared (stance, goal, patience)."""
    tokens: Tokens | None = None
    usage: Usage | None = None
    stop: str | None = None
    """Why the conversation ends here: `user_stop`, `length`, `silent`."""

    def __post_init__(self) -> None:
        if self.heard and not self.heard.isascii():
            msgspec.structs.force_setattr(self, "heard", valid_text(self.heard))

    @property
    def said(self) -> str:
        """What the other side hears of this turn, "" if nothing."""
        if self.heard is not None:
            return self.heard
        plain = self.speaker != "judge" and self.message.role == "assistant" and not self.message.tool_calls
        return self.message.content if plain else ""


class Reward(Record, frozen=True, omit_defaults=False):
    name: str
    value: float | None
    """None: not scored, which is never zero."""
    weight: float = 1.0
    """0: recorded only."""
    speaker: Speaker = "assistant"
    turn: int | None = None
    """An index into `turns`; None: the whole conversation."""
    reason: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"reward {self.name!r} is {self.value}; give a finite number, or None for not scored")
        if not math.isfinite(self.weight):
            raise ValueError(f"the weight of reward {self.name!r} is {self.weight}; give a finite number")


class Task(Record, frozen=True):
    id: str
    env: str
    group: str = ""
    """What must not straddle splits; the id unless given."""
    opening: tuple[Turn, ...] = ()
    """Turns already said."""
    data: dict[str, Any] = {}
    """Persona, hidden facts, ground truth, the world's seed."""
    tools: tuple[Tool, ...] | None = None
    """Tools a row brings, only where they differ from the environment's."""
    split: str | None = None
    """Pinned by the loader; None: decided by a hash of the group."""

    def __post_init__(self) -> None:
        if not self.group:
            msgspec.structs.force_setattr(self, "group", self.id)


class Sampling(Record, frozen=True):
    """How a model is asked. None leaves the server's default."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    """Drawn from the trajectory's seed and the turn; also the response cache's draw."""
    json_schema: dict[str, Any] | None = None
    """The reply must be JSON of this schema."""
    reasoning_effort: str | None = None
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    """Whether one reply may hold several calls."""
    extra: dict[str, Any] = {}
    """Fields passed to the server as they are."""


class Seat(Record, frozen=True):
    """What one speaker starts with; the schemas of its tools come from the world."""

    system: str = ""
    tools: tuple[str, ...] = ()
    model: str = ""
    sampling: Sampling = Sampling()


class Failure(Record, frozen=True):
    """Why a conversation has no reward: an outage, a broken judge, a faulty row. Never a zero."""

    kind: Literal["unavailable", "refused", "malformed", "user", "judge", "environment", "row", "replay", "time"]
    message: str
    turn: int | None = None


class Trajectory(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One conversation: a line that stands alone."""

    task: Task
    sample: int
    seed: int
    seats: dict[str, Seat] = {}
    turns: list[Turn] = []
    rewards: list[Reward] = []
    stop: str | None = None
    error: Failure | None = None

    @property
    def id(self) -> str:
        return f"{self.task.id}#{self.sample}"

    def view(self, speaker: Speaker, until: int | None = None) -> list[Message]:
        """The conversation as `speaker` lived it, its system prompt first: own turns as written, what
        the other said as `user`, or as the result of an own call that still waits for one.
        `until` leaves out turns from that index on."""
        seat = self.seats.get(speaker)
        messages = [Message("system", seat.system)] if seat and seat.system else []
        waiting: list[str] = []
        for turn in self.turns if until is None else self.turns[:until]:
            if turn.speaker == speaker:
                message = turn.message
                messages.append(message)
                if message.tool_calls:
                    waiting.extend(call.id for call in message.tool_calls)
                elif message.role == "tool" and message.tool_call_id in waiting:
                    waiting.remove(message.tool_call_id)
            elif turn.speaker != "judge" and (said := turn.said):
                if waiting:
                    messages.append(Message("tool", said, tool_call_id=waiting.pop(0)))
                else:
                    messages.append(Message("user", said))
        return messages

    def reward(self, speaker: Speaker = "assistant") -> float | None:
        """Sum of weight x value of the speaker's rewards; None while a part with weight > 0 is
        unscored, or where there is none."""
        parts = [reward for reward in self.rewards if reward.speaker == speaker and reward.weight]
        if self.error or not parts:
            return None
        total = 0.0
        for part in parts:
            if part.value is None:
                return None
            total += part.weight * part.value
        return total

    def usage(self, speaker: Speaker | None = None) -> Usage:
        """All model calls of one speaker, or of everybody."""
        total = Usage()
        for turn in self.turns:
            if turn.usage and (speaker is None or turn.speaker == speaker):
                total += turn.usage
        return total
