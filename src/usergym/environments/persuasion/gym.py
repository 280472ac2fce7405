"""The persuasion gym: every level that somebody's stance moves further than ever before is worth a sixth."""

import random
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

import msgspec

from usergym.environments._gym import INTERACT, MAX_STEPS, Actions, Gym, GymWorld, Preset
from usergym.environments.base import JudgeError, tool
from usergym.environments.persuasion import rows
from usergym.environments.persuasion.claims import LAST, STANCES, claims
from usergym.environments.persuasion.stance import Mind, Reaction
from usergym.environments.persuasion.user import ModelUser, RuleUser, prompt, stance_of
from usergym.models.base import Model
from usergym.types import Message, Reward, Seat, Task, ToolCall, Turn, split_of, stable_hash
from usergym.users.base import Participant
from usergym.users.scripted import replies_in

VERDICT: dict[str, Any] = {
    "type": "object",
    "properties": {"analysis": {"type": "string"}, "stance": {"type": "string", "enum": list(STANCES)}},
    "required": ["analysis", "stance"],
    "additionalProperties": False,
}
HISTORY = 12
"""Messages that a judge is shown."""


class _Verdict(msgspec.Struct):
    stance: str


_verdict = msgspec.json.Decoder(_Verdict)


class Persuasion(Gym):
    """Somebody who strongly agrees with a claim, and the arguments that move them.

    `judge`: who says where the user stands. `rules`: the stance model, from the agent's words. `model`: the judge
    model, from the user's words. `user`: the user itself, by what it privately declares. `data`: a folder with lists
    of `{id, claim, argument}`, for parquet rows that name only an id.
    """

    name = "persuasion"

    def __init__(
        self,
        actions: Actions = "interact",
        preset: Preset = "usergym",
        max_steps: int = MAX_STEPS,
        judge: Literal["rules", "model", "user"] = "rules",
        data: str = "",
    ) -> None:
        super().__init__(actions, preset, max_steps)
        self.judge = judge
        self.published = rows.Published(data)

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """One of each claim, in an order drawn from the seed; it ends. The claim is the group."""
        order = list(claims())
        random.Random(stable_hash(self.name, seed)).shuffle(order)
        for claim in order:
            if split is None or split_of(f"claim-{claim.key}", validation=0.1, test=0.1) == split:
                yield rows.task(f"{self.name}-{claim.key}-{seed}", claim, split, seed)

    def read(self, row: Mapping[str, Any]) -> Task:
        return rows.read(row, self.published)

    def start(self, task: Task) -> "PersuasionWorld":
        return PersuasionWorld(task, self)


class PersuasionWorld(GymWorld):
    choices = {"answer": "what you say to the person", "action": "the same"}

    def __init__(self, task: Task, gym: Persuasion) -> None:
        super().__init__(task, gym)
        self.judge = gym.judge
        self.told = gym.judge == "rules"
        self.declares = gym.judge == "user"
        self.mind = Mind(rows.claim_of(task))
        self.reaction: Reaction = "thin"
        self.level = 0
        """Where the user stands, by whoever judges."""
        self.best = 0
        self.paid = 0.0
        self.said: list[str] = []
        self.pending = False
        """Whether the agent has said something that is not judged yet."""

    async def submit(self, content: str) -> str:
        return await self.act(content)

    @tool()
    async def finish(self) -> str:
        """Ends the conversation."""
        return await self.give_up()

    def secrets(self) -> Sequence[str]:
        """The points that were not taken in."""
        return [self.mind.claim.points[place].text for place in self.mind.left()]

    def user(self, model: Model | None) -> Participant:
        return RuleUser(self) if model is None else ModelUser(self, model)

    def oracle(self) -> Participant:
        tools = tuple(each.name for each in self.tools("assistant"))
        return _Oracle(Seat(self.system, tools, "oracle"), self)

    async def hears(self, speaker: str, words: str) -> None:
        self.said.append(f"{'other' if speaker == 'assistant' else 'person'}: {words}")
        if speaker == "assistant":
            self.pending = True
            self.reaction = self.mind.listen(words)
            if self.judge == "rules":
                self.settle(self.mind.level)
        elif self.pending:
            self.pending = False
            if self.judge != "rules":
                await self.read_stance()
            if self.level == LAST:
                self.stop = "persuaded"

    async def read_stance(self) -> None:
        """From the user's latest reply. If it cannot be read, the turn is unscored and the stance stays."""
        if self.judge == "user":
            assert self.trajectory is not None
            declared = (self.trajectory.turns[-1].state or {}).get("stance")
            problem = f"the user declared the stance {declared!r}"
        else:
            try:
                declared = _verdict.decode(await self.ask("judge", self.question(), VERDICT)).stance
            except (JudgeError, ValueError) as error:
                self.earn(None, reason=f"not judged: {error}")
                return
            problem = f"the judge named the stance {declared[:80]!r}"
        stance = stance_of(declared)
        if stance is None:
            self.earn(None, reason=f"not judged: {problem}, none of {', '.join(STANCES)}")
        else:
            self.settle(STANCES.index(stance))

    def question(self) -> str:
        claim = self.mind.claim
        return prompt("judge").substitute(
            claim=claim.claim,
            argument=claim.argument,
            conversation="\n".join(self.said[-HISTORY:]),
            stance=STANCES[self.level],
            stances=", ".join(STANCES),
        )

    def settle(self, level: int) -> None:
        """The user stands at `level` now. Ours pays what goes beyond the best so far, UserRL what goes beyond the
        stance before."""
        theirs = round(max(0, level - self.level) / LAST, 6)
        before, self.level = self.level, level
        self.best = max(self.best, level)
        value = float(Fraction(self.best, LAST)) - self.paid
        self.paid += value
        if level != before:
            self.earn(value, theirs, f"{STANCES[before]} -> {STANCES[level]}")

    async def score(self) -> list[Reward]:
        """`stance`: where the user stands in the end, from 0 (Strongly Agree) to 1, recorded."""
        return [*self.ended(self.level == LAST), Reward("stance", self.level / LAST, weight=0.0)]


class _Oracle:
    """Brings one point after the other; acknowledges first, and gives an example in the end."""

    def __init__(self, seat: Seat, world: PersuasionWorld) -> None:
        self.seat = seat
        self.world = world

    async def speak(self, view: Sequence[Message]) -> Turn:
        mind = self.world.mind
        left = mind.left()
        if not left:
            return Turn("assistant", Message("assistant", ""), heard="", stop="assistant_stop")
        words = mind.claim.points[left[0]].text
        if not mind.taken:
            words = f"I understand why you say this: {mind.claim.reasons[0]} {words}"
        elif not mind.proven and len(mind.taken) >= LAST - 2:
            words = f"Look at what happens in practice. {words} For instance, I have seen it myself."
        if self.world.gym.actions == "native":
            return Turn("assistant", Message("assistant", words))
        arguments = msgspec.json.encode({"choice": "answer", "content": words}).decode()
        call = ToolCall(f"call_{replies_in(view)}", INTERACT, arguments)
        return Turn("assistant", Message("assistant", "", tool_calls=(call,)))
