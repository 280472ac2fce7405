"""The intention gym: a request is incomplete, and every detail that a question brings to light earns its share."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

import msgspec

from usergym.environments._gym import INTERACT, MAX_STEPS, Actions, Gym, GymWorld, Preset
from usergym.environments.base import JudgeError, tool
from usergym.environments.intention import rows
from usergym.environments.intention.details import Detail, userrl, worth
from usergym.environments.intention.generator import generate
from usergym.environments.intention.matching import Matcher, is_vague, questions
from usergym.environments.intention.user import ModelUser, RuleUser, prompt
from usergym.models.base import Model
from usergym.types import Message, Reward, Seat, Task, ToolCall, Turn
from usergym.users.base import Participant
from usergym.users.scripted import replies_in

VERDICT: dict[str, Any] = {
    "type": "object",
    "properties": {"analysis": {"type": "string"}, "asked": {"type": "array", "items": {"type": "integer"}}},
    "required": ["analysis", "asked"],
    "additionalProperties": False,
}
HISTORY = 6
"""Messages before the latest that a judge is shown."""


class _Verdict(msgspec.Struct):
    asked: list[int]


_verdict = msgspec.json.Decoder(_Verdict)


class Intention(Gym):
    """Vague requests, and the questions that find out what is meant.

    `judge`: `rules` compare words, `model` asks the judge model which details a message asks about. `data`: a folder
    with UserRL's `all_intentions_train.json` and `all_intentions_test.json`, for its parquet rows, which name only an
    id.
    """

    name = "intention"

    def __init__(
        self,
        actions: Actions = "interact",
        preset: Preset = "usergym",
        max_steps: int = MAX_STEPS,
        judge: Literal["rules", "model"] = "rules",
        data: str = "",
    ) -> None:
        super().__init__(actions, preset, max_steps)
        self.judge = judge
        self.published = rows.Published(data)

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Unlimited. The request's template is the group."""
        return generate(split, seed)

    def read(self, row: Mapping[str, Any]) -> Task:
        return rows.read(row, self.published)

    def start(self, task: Task) -> "IntentionWorld":
        return IntentionWorld(task, self)


class IntentionWorld(GymWorld):
    choices = {"action": "what you say to the person, such as a question"}

    def __init__(self, task: Task, gym: Intention) -> None:
        super().__init__(task, gym)
        self.judge = gym.judge
        self.request, self.details = rows.details_of(task)
        self.matcher = Matcher(self.request, self.details)
        self.known: set[int] = set()
        """The details that were asked about."""
        self.asked: tuple[int, ...] = ()
        """Those that the latest message asks about."""
        self.latest = ""
        self.judged = True
        self.said: list[str] = []
        self.worth = Fraction(0)
        self.paid = 0.0

    @tool()
    async def finish(self) -> str:
        """Ends the conversation."""
        return await self.give_up()

    @property
    def wishes(self) -> Sequence[Detail]:
        return [self.details[place] for place in self.asked]

    @property
    def manner(self) -> str:
        if not self.judged:
            return "unjudged"
        if not questions(self.latest):
            return "no_question"
        if self.judge == "rules" and self.matcher.is_too_much(self.latest):
            return "too_much"
        return "vague" if is_vague(self.latest) else "no_preference"

    def secrets(self) -> Sequence[str]:
        """The wishes that nobody has asked about, and the questions that would."""
        hidden = [detail for place, detail in enumerate(self.details) if place not in self.known]
        return [text for detail in hidden for text in (detail.inquiry, detail.preference)]

    def user(self, model: Model | None) -> Participant:
        return RuleUser(self) if model is None else ModelUser(self, model)

    def oracle(self) -> Participant:
        tools = tuple(each.name for each in self.tools("assistant"))
        return _Oracle(Seat(self.system, tools, "oracle"), self)

    async def hears(self, speaker: str, words: str) -> None:
        if speaker == "user":
            if len(self.known) == len(self.details):
                self.stop = "all_known"
        else:
            self.latest, self.asked, self.judged = words, (), True
            await self.find(words)
        self.said.append(f"{'assistant' if speaker == 'assistant' else 'person'}: {words}")

    async def find(self, words: str) -> None:
        """Which details the message asks about, and what that earns."""
        if self.judge == "rules":
            self.asked = self.matcher.asked(words)
        else:
            try:
                self.asked = self.read(await self.ask("judge", self.question(words), VERDICT))
            except (JudgeError, ValueError) as error:
                self.judged = False
                self.earn(None, reason=f"not judged: {error}")
                return
        if new := set(self.asked) - self.known:
            self.known |= new
            self.worth += worth(self.details, new)
            value = float(self.worth) - self.paid
            self.paid += value
            about = "; ".join(self.details[place].description for place in sorted(new))
            self.earn(value, userrl(self.details, new), f"asked about: {about}")

    def question(self, words: str) -> str:
        listed = "\n".join(
            f"{place}. {detail.description} (for example: {detail.inquiry})"
            for place, detail in enumerate(self.details, 1)
        )
        history = "\n".join(self.said[-HISTORY:]) or "(nothing but the request)"
        return prompt("judge").substitute(request=self.request, details=listed, history=history, message=words)

    def read(self, verdict: str) -> tuple[int, ...]:
        """ValueError for a verdict that cannot be read, or names a detail that is not there."""
        asked = sorted({number - 1 for number in _verdict.decode(verdict).asked})
        if asked and not 0 <= asked[0] <= asked[-1] < len(self.details):
            numbers = [place + 1 for place in asked]
            raise ValueError(f"the verdict names the details {numbers}; there are 1 to {len(self.details)}")
        return tuple(asked)

    async def score(self) -> list[Reward]:
        """`known`: the share of the details that were asked about, recorded."""
        share = len(self.known) / len(self.details)
        return [*self.ended(share == 1), Reward("known", share, weight=0.0)]


class _Oracle:
    """Asks for one detail after the other, the most important first."""

    def __init__(self, seat: Seat, world: IntentionWorld) -> None:
        self.seat = seat
        self.world = world

    async def speak(self, view: Sequence[Message]) -> Turn:
        details = self.world.details
        left = [place for place in range(len(details)) if place not in self.world.known]
        if not left:
            return Turn("assistant", Message("assistant", ""), heard="", stop="assistant_stop")
        words = details[max(left, key=lambda place: details[place].importance)].inquiry
        if self.world.gym.actions == "native":
            return Turn("assistant", Message("assistant", words))
        arguments = msgspec.json.encode({"choice": "action", "content": words}).decode()
        call = ToolCall(f"call_{replies_in(view)}", INTERACT, arguments)
        return Turn("assistant", Message("assistant", "", tool_calls=(call,)))
