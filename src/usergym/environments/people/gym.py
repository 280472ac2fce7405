"""The environment people: a thread, a person, and what they think and write."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec

from usergym.environments.base import Environment, World
from usergym.environments.people import rows
from usergym.environments.people.contexts import RESPONSE, Context, generated, read_contexts
from usergym.environments.people.grading import Grade, Read, by_judge, by_overlap, read_reply
from usergym.environments.people.prefixes import fits
from usergym.environments.people.reservoir import Offer, Prefix, Reservoir
from usergym.judges.alignment import KeyPointReader
from usergym.models.base import Model
from usergym.rows import Skipped
from usergym.types import Failure, Reward, Seat, Speaker, Task, Trajectory, stable_hash
from usergym.users.base import Participant
from usergym.users.scripted import ScriptedParticipant
from usergym.users.states import Hierarchy, load, over_limit, parse_states, written
from usergym.users.states.modes import mode
from usergym.users.states.prompting import room, system_prompt
from usergym.users.states.spec import LAST

UNAVAILABLE = "unavailable"
"""How a judge fails that did not answer."""
NAMED = 20
"""Rows that cannot be used which are named; all are counted."""
HELD = "prefix"
"""The reward that tells, without weight, what a reply was conditioned on."""


class People(Environment):
    """A person as they were: the agent's seat speaks as HUMAN, and each level of what they think and write is graded
    by what the person thought and wrote.

    `config`: how the levels are asked for, a mode of docs/states.md. `hierarchy`: a shipped one or a JSON file, in
    place of the mode's. `levels`: those that are asked for, `a+b`; all unless given. `data`: a file or folder of
    `usergym prepare users`, or of raw rows; else `people` and `posts` of the population of `population_seed`, whose
    states are known. `persona`: a person's own, that of another (`shuffled`) or `none`, which are controls. `judge`:
    `overlap` needs no model, `model` asks --judge-model. `block`: with states that condition, so many contexts have
    their levels one after the other. `thinking`: tokens a reply may think before it. `speaks`: the agent is told the
    persona and the thread, and replies in bare words; tagged states in its reasoning are graded too, without weight.
    """

    name = rows.NAME
    max_replies = 1

    def __init__(
        self,
        config: str = "separate_system_prompt",
        hierarchy: str = "",
        levels: str = "",
        data: str = "",
        people: int = 300,
        posts: int = 60,
        population_seed: int = 0,
        persona: Literal["own", "shuffled", "none"] = "own",
        judge: Literal["overlap", "model"] = "overlap",
        block: int = 16,
        thinking: int = 512,
        speaks: bool = False,
    ) -> None:
        self.mode = mode(config)
        self.hierarchy: Hierarchy = load(hierarchy or self.mode.levels)
        for option, given in (("people", people), ("posts", posts), ("block", block)):
            if given < 1:
                raise ValueError(f"{option}={given}: expected 1 or more")
        if thinking < 0:
            raise ValueError(f"thinking={thinking}: expected 0 or more tokens")
        self.levels = (self.hierarchy.level(LAST).name,) if speaks else tuple(self._asked_for(levels))
        self.speaks = speaks
        self.data = data
        self.population = (people, posts, population_seed)
        self.persona = persona
        self.judge = judge
        self.block = block
        self.thinking = thinking
        self.reservoir = Reservoir()
        """Of the states found so far; what a level is conditioned on in a mode that conditions."""
        self.readers: dict[int, KeyPointReader] = {}
        self.key_points: str | None = None
        """A file that keeps the key points of truths; set by whoever keeps the run."""

    def _asked_for(self, levels: str) -> Iterator[str]:
        if not levels:
            yield from (level.name for level in self.hierarchy.judged)
        for name in filter(None, levels.split("+")):
            yield self.hierarchy.level(name).name

    @cached_property
    def _read(self) -> tuple[Sequence[Context], Skipped]:
        skipped = Skipped(listed=NAMED)
        return (read_contexts(self.data, skipped) if self.data else generated(*self.population)), skipped

    @cached_property
    def contexts(self) -> Sequence[Context]:
        return self._read[0]

    @property
    def skipped(self) -> Skipped:
        """Rows of `data` that cannot be used."""
        return self._read[1]

    @property
    def digest(self) -> str:
        """That of the levels, which a file may hold."""
        return self.hierarchy.digest

    @property
    def rows_digest(self) -> str:
        """16 hexadecimal digits that change with all that is learned from: who, what they were told, thought and said,
        and on which side of the split."""
        return f"{stable_hash(msgspec.json.encode(self.contexts).decode()):016x}"

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Every context with every level, or with all of them in one reply; it ends. The person is the group."""
        asked = self.levels if self.separate else (rows.ALL,)
        in_order = self.block if self.builds else 0
        return rows.tasks(self.contexts, asked, in_order=in_order, persona=self.persona, split=split, seed=seed)

    def read(self, row: Mapping[str, Any]) -> Task:
        return rows.read(row, self.levels if self.separate else (rows.ALL,))

    def content_keys(self, task: Task) -> Iterable[str]:
        return [rows.asked_of(task).truth[RESPONSE]]

    def start(self, task: Task) -> "PersonWorld":
        return PersonWorld(task, self)

    async def score_group(self, trajectories: Sequence[Trajectory], judge: Model | None) -> None:
        """With `judge=model`, judges all replies to one task together; where the judge did not answer they failed, and
        are judged when the run goes on. What was found is offered to the reservoir."""
        if self.judge == "model":
            await self._judged(trajectories, judge)
        for trajectory in trajectories:
            if not trajectory.error:
                self._offer(trajectory)

    async def _judged(self, trajectories: Sequence[Trajectory], judge: Model | None) -> None:
        if judge is None:
            raise ValueError("environment people with judge=model needs --judge-model")
        if not trajectories:
            return
        reader = self.readers.setdefault(id(judge), KeyPointReader(judge, self.key_points))
        task = trajectories[0].task
        asked = rows.asked_of(task)
        levels = self.levels_of(asked.level)
        reads = [self.reply_of(each, levels) for each in trajectories]
        for place, level in enumerate(levels):
            grades, _ = await by_judge(
                reader,
                self.hierarchy.level(level),
                [read[place] for read in reads],
                truth=rows.truth_of(asked.truth, level),
                thread=task.opening[-1].said,
                decoy=asked.decoy,
                seed=stable_hash(task.id, trajectories[0].sample),
            )
            for trajectory, grade in zip(trajectories, grades, strict=True):
                trajectory.rewards.append(reward(level, grade, 1 / len(levels), trajectory))
        for trajectory in trajectories:
            if out := next((each for each in trajectory.rewards if each.value is None and _is_outage(each)), None):
                trajectory.error = Failure("judge", f"{out.name}: {out.reason}", len(trajectory.turns))
                trajectory.stop = None

    def _offer(self, trajectory: Trajectory) -> None:
        asked = rows.asked_of(trajectory.task)
        if not self.builds or trajectory.task.split != "train" or asked.level == LAST:
            return
        read = self.reply_of(trajectory, [asked.level])[0]
        earned = {each.name: each for each in trajectory.rewards}
        value = earned[asked.level].value if asked.level in earned else None
        least = self.hierarchy.level(asked.level).threshold or 0.0
        if not read.wrong and value is not None and value >= least:
            before = held(earned[HELD]) if HELD in earned else None
            self.reservoir.offer(Offer(asked.context, asked.level, before, read.text, value))

    def restore(self, path: Path) -> None:
        """The reservoir as a checkpoint has it. ValueError for a file that is none, or holds what this run cannot
        build on."""
        self.reservoir.restore(path, fits(self.contexts, self.hierarchy))

    def begin_with(self, path: Path) -> None:
        """The reservoir of another run. ValueError as `restore`."""
        self.reservoir.begin_with(path, fits(self.contexts, self.hierarchy))

    @property
    def builds(self) -> bool:
        """Whether a level is conditioned on what was found for those before it."""
        return self.mode.separate and self.mode.conditioned and not self.speaks

    @property
    def separate(self) -> bool:
        """Whether a reply has one level."""
        return self.mode.separate or self.speaks

    def prefix(self, task: Task) -> Prefix | None:
        """What a task's level is conditioned on now, the same for all samples of a step."""
        asked = rows.asked_of(task)
        if not self.builds or asked.level == rows.ALL:
            return None
        before = self.hierarchy.names[: self.hierarchy.names.index(asked.level)]
        return self.reservoir.draw(asked.context, before, stable_hash(task.id, self.reservoir.step))

    def levels_of(self, level: str) -> tuple[str, ...]:
        """Those that one reply has."""
        return self.levels if level == rows.ALL else (level,)

    def reply_of(self, trajectory: Trajectory, levels: Sequence[str]) -> list[Read]:
        said = [turn for turn in trajectory.turns if turn.speaker == "assistant"]
        words = said[-1].message.content if said else ""
        cut = bool(said) and said[-1].stop == "length"
        return read_reply(words, self.hierarchy, levels, cut, tagged=self.hierarchy.tagged and not self.speaks)

    def states_of(self, trajectory: Trajectory) -> list[Read]:
        """Those that the agent held in private, where it speaks as itself."""
        thought = next((turn.message.reasoning for turn in reversed(trajectory.turns) if turn.message.reasoning), "")
        found = parse_states(thought or "", self.hierarchy.names, "any")
        broken = over_limit(found, self.hierarchy)
        return [
            Read(level, text, f"long: {broken[level]}" if level in broken else "")
            for level, text in found.items()
            if level in self.hierarchy.names and level != LAST
        ]


class PersonWorld(World):
    def __init__(self, task: Task, gym: People) -> None:
        super().__init__(task)
        self.gym = gym
        self.asked = rows.asked_of(task)
        self.levels = gym.levels_of(self.asked.level)
        for level in self.levels:
            gym.hierarchy.level(level)
        self.level = None if self.asked.level == rows.ALL else self.asked.level
        self.thinks = gym.mode.thinks(self.level or LAST)
        self.prefix = gym.prefix(task)

    @property
    def system(self) -> str:
        if self.gym.speaks:
            return self.asked.persona
        return system_prompt(
            self.gym.hierarchy,
            self.level,
            self.asked.persona,
            thinking=self.thinks,
            prefix=self.prefix.states if self.prefix else {},
            shared=self.gym.mode.separate and not self.gym.mode.own_prompts,
        )

    @property
    def reply_tokens(self) -> int:
        return room(self.gym.hierarchy, self.level, thinking=self.gym.thinking if self.thinks else 0)

    def secrets(self) -> Sequence[str]:
        """What the person wrote."""
        return [self.asked.truth[RESPONSE]]

    def oracle(self) -> Participant:
        if missing := [level for level in self.levels if level not in self.asked.truth]:
            raise LookupError(f"task {self.task.id} has no oracle: nobody knows the {missing[0]} of {self.asked.user}")
        truth = {level: self.asked.truth[level] for level in self.levels}
        tagged = self.gym.hierarchy.tagged and not self.gym.speaks
        words = written(truth) if tagged else truth[self.levels[0]]
        return ScriptedParticipant("assistant", [words], Seat(self.system, model="oracle"))

    async def hears(self, speaker: Speaker, words: str) -> None:
        if speaker == "assistant":
            self.stop = "written"

    async def score(self) -> list[Reward]:
        assert self.trajectory is not None
        made = []
        if self.prefix:
            states = written({level: " ".join(text.split()) for level, text in self.prefix.states.items()})
            made.append(Reward(HELD, self.prefix.score, weight=0.0, reason=states))
        reads = self.gym.reply_of(self.trajectory, self.levels)
        for read in reads:
            made.append(Reward(f"{read.level}_kept", float(not read.wrong), weight=0.0, reason=read.wrong))
        if self.gym.judge == "overlap":
            thread = self.task.opening[-1].said if self.task.opening else ""
            for read in reads:
                grade = by_overlap(read, rows.truth_of(self.asked.truth, read.level), thread)
                made.append(reward(read.level, grade, 1 / len(reads), self.trajectory))
            for read in self.gym.states_of(self.trajectory) if self.gym.speaks else ():
                grade = by_overlap(read, rows.truth_of(self.asked.truth, read.level), thread)
                made.append(reward(read.level, grade, 0.0, self.trajectory))
        return made


def _is_outage(told: Reward) -> bool:
    return told.reason.partition(":")[0] == UNAVAILABLE


def held(told: Reward) -> Prefix:
    """The prefix that a reply was conditioned on, as its world recorded it. ValueError where it cannot be read."""
    states = parse_states(told.reason, re.findall(r"^<(\w+)>", told.reason, re.MULTILINE), "exact")
    if states.failure:
        raise ValueError(
            f"what a reply was conditioned on cannot be read back ({states.failure}): {told.reason!r:.200}"
        )
    return Prefix(dict(states), told.value or 0.0, 0)


def reward(level: str, grade: Grade, weight: float, trajectory: Trajectory) -> Reward:
    place = max((place for place, turn in enumerate(trajectory.turns) if turn.speaker == "assistant"), default=None)
    return Reward(level, grade.value, weight=weight, turn=place, reason=grade.reason)
