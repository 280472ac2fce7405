"""The calendar conversation: after everything the user says, the agent's answer must show the expected calendar."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from string import Template
from typing import Any, Literal

import msgspec

from usergym.environments.base import Environment, Finding, RowError, World
from usergym.environments.calendar import rows, schedule, solver
from usergym.environments.calendar.check import validate
from usergym.environments.calendar.clock import clock_12, clock_24
from usergym.environments.calendar.grading import PARTS, Grade, Level, Mode, grade, plain, plain_name, read_expected
from usergym.models.base import Model
from usergym.types import Message, Reward, Seat, Task, split_of, stable_hash
from usergym.users import persona_sources
from usergym.users.agenda import AgendaParticipant, Step
from usergym.users.base import Participant
from usergym.users.persona import Persona, events
from usergym.users.prompted import PromptedParticipant
from usergym.users.scripted import ScriptedParticipant
from usergym.users.wording import style

SMALL_TALK = "continue_conversation"


class Calendar(Environment):
    """A user adds events and tells constraints turn by turn; the agent keeps one day's calendar.

    `mode`: `strict`, or `nemo_gym` for that system's verdicts. `level`: at `easy` small talk may be answered
    without a calendar; `mixed` leaves it to the task. `until`: a conversation stops at its first failed turn or is
    played to its end. The other options shape generated tasks; `told_min_time` and `told_max_time` change only
    what the agent's prompt calls the window.
    """

    name = "calendar"

    def __init__(
        self,
        mode: Mode = "strict",
        level: Literal["mixed", "easy", "hard"] = "mixed",
        n_events: int = 5,
        min_time: int = 600,
        max_time: int = 960,
        until: Literal["first_failure", "end"] = "first_failure",
        personas: str = "generated",
        offset: int = 0,
        n_traits: int | None = None,
        told_min_time: str = "",
        told_max_time: str = "",
    ) -> None:
        schedule.check_request(n_events, min_time, max_time)
        self.mode = mode
        self.level = level
        self.n_events = n_events
        self.min_time = min_time
        self.max_time = max_time
        self.until = until
        self.personas = personas
        self.offset = offset
        self.n_traits = n_traits
        self.told_min_time = told_min_time
        self.told_max_time = told_max_time

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Unlimited with generated personas; else one task a persona. A task's id tells all it was drawn from."""
        for index, who in enumerate(persona_sources.load(self.personas, self.offset, None, self.n_traits, seed=seed)):
            place = self.offset + index
            key = f"calendar-{self.n_events}x{self.min_time}-{self.max_time}-{seed}-{place}"
            if split is None or split_of(key, test=0.1) == split:
                yield msgspec.structs.replace(self.task(key, who, "hard" if place % 2 else "easy"), split=split)

    def task(self, key: str, who: Persona, level: Level) -> Task:
        """The task of this id: its day, its conversation, its expected states."""
        random = Random(stable_hash(key))
        names = events(who, self.n_events, random)
        day = schedule.pack(names, self.min_time, self.max_time, random)
        conversation = schedule.converse(day, self.min_time, self.max_time, random)
        data = {
            "persona": who.text(self.n_traits, label=True),
            "profile": who,
            "events": day,
            "steps": [msgspec.structs.asdict(step) for step in conversation.steps],
            "user_intents": [step.kind for step in conversation.steps],
            "expected_calendar_states": list(conversation.states),
            "smalltalk_factor": conversation.smalltalk_factor,
            "constraint_eagerness": conversation.constraint_eagerness,
            "level": level,
            "min_time": self.min_time,
            "max_time": self.max_time,
        }
        return Task(key, self.name, data=msgspec.json.decode(msgspec.json.encode(data)))

    def read(self, row: Mapping[str, Any]) -> Task:
        return rows.read(row)

    def check(self, row: Mapping[str, Any]) -> list[Finding]:
        return validate(row)

    def start(self, task: Task) -> World:
        return CalendarWorld(task, self)


class CalendarWorld(World):
    def __init__(self, task: Task, environment: Calendar) -> None:
        super().__init__(task)
        data = task.data
        self.environment = environment
        self.states: Sequence[Mapping[str, Any] | None] = rows.states_of(task)
        """What is expected after each of the user's messages; None where the answer is not graded."""
        self.intents: Sequence[str] = data.get("user_intents") or ()
        self.level: Level = data.get("level") or "hard" if environment.level == "mixed" else environment.level
        self.place = -1
        """Index of the user's latest message."""
        self.named: set[str] = set()
        """Ids of the events whose name the user has said; only these are held to their name."""
        self.grades: dict[int, Grade] = {}
        self.plans: list[dict[str, int]] = []
        self.fault = self.find_fault() if environment.mode == "strict" else ""

    def find_fault(self) -> str:
        """Why an expected state cannot be read, "" if all can. It is the row's fault, so nothing is scored."""
        for place, state in enumerate(self.states):
            try:
                if state is not None:
                    read_expected(state)
            except ValueError as error:
                return f"expected_calendar_states[{place}]: {error}"
        return ""

    @property
    def system(self) -> str:
        own = self.task.data.get("system")
        return own if isinstance(own, str) else self.prompt()

    def prompt(self) -> str:
        data, environment = self.task.data, self.environment
        earliest, latest = data.get("min_time", 600), data.get("max_time", 960)
        return _prompt(self.level).substitute(
            earliest=environment.told_min_time or clock_12(earliest),
            latest=environment.told_max_time or clock_12(latest),
            first=clock_24(earliest),
        )

    def user(self, model: Model | None) -> Participant | None:
        """The recorded messages where the task has them, else a model or the rule-based user with the agenda.
        None where one answer to a finished conversation is wanted."""
        data = self.task.data
        if prompts := data.get("user_prompts"):
            return ScriptedParticipant("user", prompts)
        if "steps" not in data:
            return None
        steps = msgspec.convert(data["steps"], list[Step])
        if model is not None:
            return PromptedParticipant(model, data.get("persona", "").removeprefix("PERSONA: "), steps, seed=self.seed)
        who = msgspec.convert(data.get("profile") or {"professional": data.get("persona", "")}, Persona)
        return AgendaParticipant("user", steps, who, style(who, self.seed), self.seed)

    def oracle(self) -> Participant:
        return ScriptedParticipant("assistant", self.perfect_answer, Seat(self.system, model="oracle"))

    def perfect_answer(self, view: Sequence[Message]) -> str | None:
        """The calendar to show now, None once everything is answered."""
        if self.place >= len(self.states):
            return None
        while len(self.plans) <= self.place:
            place = len(self.plans)
            state = self.states[place]
            before = self.plans[-1] if self.plans else {}
            plan = before if state is None else solver.plan(read_expected(state), before)
            if plan is None:
                raise RowError(f"expected_calendar_states[{place}]", "a state that some calendar satisfies", state)
            self.plans.append(plan)
        return render(self.expected() or {}, self.plans[self.place])

    async def hears(self, speaker: str, words: str) -> None:
        if self.fault:
            self.stop = "faulty_row"
        elif speaker == "user":
            self.place += 1
            self.listen(words)
        elif (state := self.expected()) is not None:
            self.judge(words, state)

    def expected(self) -> Mapping[str, Any] | None:
        """The state that the agent's answer is held against now."""
        return self.states[self.place] if 0 <= self.place < len(self.states) else None

    def listen(self, words: str) -> None:
        said = f" {plain(words)} "
        for key, event in (self.expected() or {}).items():
            if key not in self.named and isinstance(event, Mapping):
                names = filter(None, (event.get("event_name"), event.get("short_name")))
                if any(f" {plain_name(str(name))} " in said for name in names):
                    self.named.add(key)

    def judge(self, words: str, state: Mapping[str, Any]) -> None:
        environment, place = self.environment, self.place
        talk = place < len(self.intents) and self.intents[place] == SMALL_TALK
        if environment.mode == "strict":
            state = {key: event if key in self.named else _nameless(event) for key, event in state.items()}
        # The preset's `easy` lets any answer without a list pass; here only small talk may be answered so.
        level: Level = self.level if environment.mode == "strict" or talk else "hard"
        its = self.grades[place] = grade(words, state, environment.mode, level, list_required=not talk)
        self.reward("turn_grade", float(its.reward), weight=0.0, reason=its.reason)
        if its.parts:
            self.reward("turn_parts", sum(its.parts.values()) / len(its.parts), weight=0.0)
        if not its.reward and environment.until == "first_failure":
            self.stop = "failed_turn"

    async def score(self) -> list[Reward]:
        """`grade`: 1 if every message was answered with the expected calendar, else 0 and why first not."""
        if self.fault:
            return [Reward("grade", None, reason=self.fault)]
        if self.environment.mode == "strict" and not any(self.states):
            return [Reward("grade", None, reason="nothing is expected: no state of the row holds an event")]
        reason = "pass"
        for place, state in enumerate(self.states):
            if state is not None and reason == "pass":
                reason = self.grades[place].reason if place in self.grades else self.why_unanswered()
        means = {}
        for part in PARTS:
            values = [its.parts[part] for its in self.grades.values() if its.parts]
            if values:
                means[part] = sum(values) / len(values)
        parts = [Reward(f"part_{part}", mean, weight=0.0) for part, mean in means.items()]
        return [Reward("grade", float(reason == "pass"), reason=reason), *parts]

    def why_unanswered(self) -> str:
        stop = self.trajectory.stop if self.trajectory else None
        return {"length": "reply_cut_off", "silent": "no_reply"}.get(stop or "", "unanswered")


def render(state: Mapping[str, Any], plan: Mapping[str, int]) -> str:
    """The calendar as the agent must show it, in the order of the day."""
    shown = []
    for key in sorted(plan, key=lambda key: plan[key]):
        event = state[key]
        name = event.get("event_name") or event.get("short_name") or f"Event {key}"
        start = clock_24(plan[key])
        number = int(key) if key.isdecimal() else key
        shown.append({"event_id": number, "event_name": name, "start_time": start, "duration": event["duration"]})
    return json.dumps(shown, ensure_ascii=False)


def _nameless(event: Any) -> Any:
    if not isinstance(event, Mapping):
        return event
    return {field: value for field, value in event.items() if field not in ("event_name", "short_name")}


@cache
def _prompt(level: Level) -> Template:
    path = files("usergym.environments.calendar") / "prompts" / f"system_{level}.md"
    return Template(path.read_text(encoding="utf-8").strip())
