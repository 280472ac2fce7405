"""A hidden rule of four numbers: the agent tries numbers, then tells what the rule gives for a test case."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from usergym.environments._formula import NAMES, Formula, Undefined, drawn_case, drawn_rule, formula
from usergym.environments._gym import INTERACT, MAX_STEPS, Actions, Gym, GymWorld, Preset
from usergym.environments.base import RowError, read_task, tool
from usergym.types import Message, Reward, Seat, Task, ToolCall, Turn, split_of, stable_hash
from usergym.users.base import Participant

ATTEMPTS = 3
LARGEST = 1000
"""A number that may be tried, either way from zero."""
EXACT = Fraction(1, 10**6)
FILE = "functions.json"
"""UserRL's rules."""
OPENING = "I have a rule for four numbers, and a test case for it. Find out what the rule gives there."

OVER = "The conversation is over."

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:/[1-9][0-9]{0,39}|(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?)")


class Function(Gym):
    """A hidden rule of four numbers: the agent tries numbers, and says what a test case comes to.

    `attempts`: answers in one conversation; 3 unless given, and without limit (0) with `preset=userrl`. `data`: the
    folder with UserRL's functions.json, for its parquet rows. Numbers are tried before the test case is seen, unless
    `preset=userrl`: near a known test case a rule can be interpolated without being found."""

    name = "function"

    def __init__(
        self,
        actions: Actions = "interact",
        preset: Preset = "usergym",
        max_steps: int = MAX_STEPS,
        attempts: int | None = None,
        data: str = "",
    ) -> None:
        super().__init__(actions, preset, max_steps)
        if attempts is not None and attempts < 0:
            raise ValueError(f"attempts={attempts}: expected 1 or more, or 0 for no limit")
        self.attempts = (ATTEMPTS if preset == "usergym" else 0) if attempts is None else attempts
        self.data = data

    def tasks(self, split: str | None = None, seed: int = 0) -> Iterator[Task]:
        """Unlimited. A rule is in one split, however it is written."""
        for place in count():
            random = Random(stable_hash(self.name, seed, place))
            rule = drawn_rule(random)
            group = f"rule {formula(rule).canonical}"
            if split is not None and split_of(group, validation=0.1, test=0.1) != split:
                continue
            numbers = drawn_case(rule, random)
            if numbers is not None:
                yield _task(f"{self.name}-{seed}-{place}", group, rule, numbers, OPENING, split)

    def read(self, row: Mapping[str, Any]) -> Task:
        """A task of ours, a row of functions.json, or a parquet row of UserRL, whose rule is looked up in `data`."""
        if "rule" in row:
            return _raw(row, f"{self.name}-{row.get('id') or stable_hash(repr(row['rule']), row.get('test_case'))}")
        if "reward_model" in row:
            return self._looked_up(row, row["reward_model"], row.get("extra_info"))
        task = read_task(row)
        if task.env != self.name:
            raise RowError("env", self.name, task.env)
        if "rule" not in task.data and "reward_model" in task.data:
            found = self._looked_up({}, task.data["reward_model"], task.data.get("extra_info"))
            return msgspec.structs.replace(task, group=found.group, data={**task.data, **found.data})
        _hidden(task.data, "data.", "expected")
        return task

    def _looked_up(self, row: Mapping[str, Any], about: Any, info: Any) -> Task:
        key = about.get("id") if isinstance(about, Mapping) else None
        if not isinstance(key, str):
            raise RowError("reward_model.id", "the id of a rule", key)
        if not self.data:
            raise RowError("reward_model.id", f"a rule of {FILE}, which function:data=FOLDER gives", key)
        known = _rules(str(Path(self.data)))
        if key not in known:
            raise RowError("reward_model.id", f"an id of {Path(self.data) / FILE}", key)
        found = _raw(known[key], f"{self.name}-{key}")
        truth, value = about.get("ground_truth"), found.data["expected"]
        if truth not in (None, "") and not _right(str(truth), Fraction(value)):
            raise RowError("reward_model.ground_truth", f"{value}, what the rule gives", truth)
        split = info.get("split") if isinstance(info, Mapping) else None
        split = split if split in ("train", "validation", "test") else None
        opening = found.opening
        messages = row.get("prompt")
        if isinstance(messages, list) and messages and isinstance(messages[-1], Mapping):
            words = messages[-1].get("content")
            if messages[-1].get("role") == "user" and isinstance(words, str) and words.strip():
                opening = (Turn("user", Message("assistant", words.strip())),)
        kept = {key: value for key, value in (("reward_model", about), ("extra_info", info)) if value is not None}
        return msgspec.structs.replace(found, split=split, opening=opening, data={**found.data, **kept})

    def start(self, task: Task) -> "FunctionWorld":
        return FunctionWorld(task, self)


class FunctionWorld(GymWorld):
    choices = {
        "action": "four whole numbers for a, b, c and d, such as `1 2 3 4`",
        "search": "`test`, which shows the test case",
        "answer": "the one number that the rule gives for the test case",
    }

    def __init__(self, task: Task, gym: Function) -> None:
        super().__init__(task, gym)
        self.rule, self.case, self.expected = _hidden(task.data, "data.", "expected")
        self.left = gym.attempts or None
        """Answers; None: no limit."""
        self.solved = False
        self.hidden = gym.preset == "usergym"
        """Whether the test case ends the trying."""
        self.tries = 0
        self.seen = False
        """Whether the test case was shown."""

    @property
    def system(self) -> str:
        return f"{super().system}\n{_on_looking()}" if self.hidden else super().system

    def secrets(self) -> Sequence[str]:
        return (self.rule.text,)

    async def act(self, content: str) -> str:
        parts = re.split(r"[\s,;]+", content.strip("[]() \t\n"))
        if len(parts) != 4 or not all(_WHOLE.fullmatch(part) for part in parts):
            return f"Error: {content[:80]!r} is not four whole numbers, such as `1 2 3 4`."
        return self._tried(*map(int, parts))

    @tool()
    def evaluate(self, a: int, b: int, c: int, d: int) -> str:
        """Try four whole numbers."""
        return self._tried(a, b, c, d)

    def _tried(self, *numbers: int) -> str:
        shown = ", ".join(map(str, numbers))
        if self.stop is not None:
            return OVER
        if self.seen and self.hidden:
            return "Error: the test case has been seen, so nothing more can be tried. Answer."
        if any(abs(number) > LARGEST for number in numbers):
            return f"Error: each number must be from -{LARGEST} to {LARGEST}."
        if numbers == self.case:
            return "Error: that is the test case, which cannot be tried."
        self.tries += 1
        try:
            return f"f({shown}) = {_spoken(self.rule(*numbers))}"
        except Undefined as problem:
            return f"f({shown}) is not defined: {problem}."

    async def look(self, content: str) -> str:
        return self._test_case() if content.lower() == "test" else "Error: only `test` can be looked at."

    @tool()
    def show_test(self) -> str:
        """See the test case."""
        return self._test_case()

    def _test_case(self) -> str:
        if self.stop is not None:
            return OVER
        if not self.tries and self.hidden:
            return "Error: try numbers first. Once the test case is shown, nothing more can be tried."
        self.seen = True
        shown = ", ".join(f"{name} = {number}" for name, number in zip(NAMES, self.case, strict=True))
        return f"The test case is {shown}. {self._answers_left()}"

    async def submit(self, content: str) -> str:
        value = _number(content.strip())
        if value is None:
            return f"Error: {content[:80]!r} is not one number. It does not count as an answer."
        return self._answered(value)

    @tool()
    def answer(self, value: float) -> str:
        """Tell what the rule gives for the test case. Answers are counted."""
        return self._answered(Fraction(value))

    def _answered(self, value: Fraction) -> str:
        if self.stop is not None:
            return OVER
        if self.left is not None:
            self.left -= 1
        if abs(value - self.expected) <= EXACT:
            self.solved, self.stop = True, "solved"
            self.earn(1.0, reason="right answer")
            return "That is right. The game is over."
        self.earn(0.0, reason="wrong answer")
        if self.left is not None and self.left <= 0:
            self.stop = "out_of_attempts"
            return "That is not right, and it was the last answer. The game is over."
        return f"That is not right. {self._answers_left()}"

    def _answers_left(self) -> str:
        if self.left is None:
            return "You may answer more than once."
        return f"You have {self.left} answer{'s' * (self.left != 1)}."

    @tool()
    async def finish(self) -> str:
        """Give up."""
        return await self.give_up()

    def oracle(self) -> Participant:
        return Oracle(self)

    async def score(self) -> list[Reward]:
        return self.ended(self.solved)


class Oracle:
    """Tries a few numbers as a person would, looks at the test case, and answers."""

    def __init__(self, world: FunctionWorld) -> None:
        self.seat = Seat(world.system, tuple(each.name for each in world.tools("assistant")), "oracle")
        tried = [numbers for numbers in ((1, 2, 3, 4), (2, 2, 3, 4), (1, 2, 3, 5)) if numbers != world.case]
        value = float(world.expected)
        self.calls: list[tuple[str, dict[str, Any]]]
        if world.gym.actions == "interact":
            acts = [*(("action", " ".join(map(str, numbers))) for numbers in tried), ("search", "test")]
            acts.append(("answer", repr(value)))
            self.calls = [(INTERACT, {"choice": choice, "content": content}) for choice, content in acts]
        else:
            self.calls = [("evaluate", dict(zip(NAMES, numbers, strict=True))) for numbers in tried]
            self.calls = [*self.calls, ("show_test", {}), ("answer", {"value": value})]
        self.calls = self.calls[-world.gym.max_replies :] if world.gym.max_replies else self.calls

    async def speak(self, view: Sequence[Message]) -> Turn:
        place = sum(message.role == "assistant" for message in view)
        if place >= len(self.calls):
            return Turn("assistant", Message("assistant", ""), heard="", stop="assistant_stop")
        name, arguments = self.calls[place]
        call = ToolCall(f"call_{place}", name, msgspec.json.encode(arguments).decode())
        return Turn("assistant", Message("assistant", "", tool_calls=(call,)))


def _task(key: str, group: str, rule: str, numbers: Sequence[int], words: str, split: str | None) -> Task:
    data = {"rule": rule, "test_case": list(numbers), "expected": str(formula(rule)(*numbers))}
    return Task(key, Function.name, group, (Turn("user", Message("assistant", words)),), data, split=split)


def _raw(row: Mapping[str, Any], key: str) -> Task:
    rule, case, _ = _hidden(row, "", "expected_result")
    return _task(key, f"rule {rule.canonical}", rule.text, case, OPENING, None)


def _hidden(data: Mapping[str, Any], where: str, result: str) -> tuple[Formula, tuple[int, ...], Fraction]:
    """The rule, the test case and what it gives. RowError names the field that is wrong."""
    text, case, told = data.get("rule"), data.get("test_case"), data.get(result)
    if not isinstance(text, str):
        raise RowError(f"{where}rule", "a formula of a, b, c and d", text)
    try:
        rule = formula(text)
    except ValueError as error:
        raise RowError(f"{where}rule", f"a formula of a, b, c and d ({error})", text) from None
    if not isinstance(case, list | tuple) or len(case) != 4 or not all(type(number) is int for number in case):
        raise RowError(f"{where}test_case", "four whole numbers", case)
    try:
        value = rule(*case)
    except Undefined as error:
        raise RowError(f"{where}test_case", f"numbers for which the rule is defined ({error})", case) from None
    if told is not None and not _right(str(told), value):
        raise RowError(f"{where}{result}", f"{value}, what the rule gives", told)
    return rule, tuple(case), value


def _right(told: str, value: Fraction) -> bool:
    number = _number(told)
    return number is not None and abs(number - value) <= EXACT


def _number(text: str) -> Fraction | None:
    return Fraction(text) if _NUMBER.fullmatch(text.strip()) else None


def _spoken(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value)
    return f"{value}, about {float(value):.4f}" if value.denominator < 10**6 else f"about {float(value):.4f}"


@cache
def _on_looking() -> str:
    path = files("usergym.environments") / "prompts" / "_function_looking.md"
    return path.read_text(encoding="utf-8").strip()


@lru_cache(maxsize=4)
def _rules(folder: str) -> Mapping[str, Mapping[str, Any]]:
    path = Path(folder) / FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {row["id"]: row for row in rows}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RowError("data", f"a folder with UserRL's {FILE} ({type(error).__name__})", folder) from None


environment = Function
