"""The guessing of rules: played through the loop, and every exploit of the peer's gym tried."""

import asyncio
import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest

from tests.cli.terminal import SHARED
from usergym.environments.base import RowError
from usergym.environments.function import Function
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model, seat_oracle
from usergym.types import Message, Task, ToolCall, Trajectory

PEER = SHARED / "data" / "userrl"
needs_peer = pytest.mark.skipif(not PEER.is_dir(), reason="the peer's data is not here")
ROW = {"id": "func-1", "rule": "c * (a * b) * d", "test_case": [3, 5, 5, 3], "expected_result": 225.0}

Act = tuple[str, Any]


def messages(env: Function, acts: Sequence[Act]) -> list[Message]:
    """The acts (choice, content) in the form that the environment wants."""
    native = {"action": "evaluate", "search": "show_test", "answer": "answer", "finish": "finish"}
    found = []
    for place, (choice, content) in enumerate(acts):
        name, arguments = "interact_with_env", {"choice": choice, "content": content}
        if env.actions == "native":
            name = native[choice]
            numbers = dict(zip("abcd", map(int, content.split()), strict=True)) if choice == "action" else {}
            arguments = {"action": numbers, "answer": {"value": content}}.get(choice, {})
        call = ToolCall(str(place), name, json.dumps(arguments))
        found.append(Message("assistant", "", tool_calls=(call,)))
    return [*found, Message("assistant", "I am done.")]


def played(env: Function, task: Task, *acts: Act) -> Trajectory:
    cast = Cast(seat_model(ScriptedModel(messages(env, acts))), limits=Limits(replies=env.max_replies))
    trajectory = asyncio.run(play(env, begin(task, 0, 0), cast))
    assert trajectory.error is None, trajectory.error
    return trajectory


def told(trajectory: Trajectory) -> list[str]:
    return [turn.message.content for turn in trajectory.turns if turn.message.role == "tool"]


def tried(*acts: Act, row: dict[str, Any] = ROW, options: dict[str, Any] | None = None) -> Trajectory:
    env = Function(**(options or {}))
    return played(env, env.read(row), *acts)


@pytest.mark.parametrize(
    "numbers",
    ["3.00000001 5 5 3", "3.0 5 5 3", "3+0 5 5 3", "03 +5 5 3", "3, 5, 5, 3", "[3, 5, 5, 3]", "3e0 5 5 3", "6/2 5 5 3"],
)
def test_the_epsilon_query_and_other_spellings_of_the_test_case_are_refused(numbers: str) -> None:
    (result,) = told(tried(("action", numbers)))
    assert result.startswith("Error")
    assert "225" not in result


@needs_peer
def test_the_epsilon_query_gives_nothing_away_for_any_rule_of_the_peer() -> None:
    for row in json.loads((PEER / "functions.json").read_text())[::20]:
        a, b, c, d = row["test_case"]
        for first in (f"{a}.00000001", f"{a}.0", str(a)):
            (result,) = told(tried(("action", f"{first} {b} {c} {d}"), row=row))
            assert result.startswith("Error")


@pytest.mark.parametrize(
    "numbers", ["1 2 3", "1 2 3 4 5", "1 2 3 4.5", "a b c d", "1 2 3 1001", "1 2 3 ٤", "1_0 2 3 4"]
)
def test_integers_are_enforced_and_what_is_wrong_is_said(numbers: str) -> None:
    (result,) = told(tried(("action", numbers)))
    assert result.startswith("Error")


@pytest.mark.parametrize("first", ["3.00000001", "1.5", "1.0", "true", '"1"'])
def test_integers_are_enforced_by_the_native_tool(first: str) -> None:
    env = Function(actions="native")
    call = ToolCall("1", "evaluate", f'{{"a": {first}, "b": 5, "c": 5, "d": 3}}')
    assert asyncio.run(env.start(env.read(ROW)).call("assistant", call)).startswith("Error")


def test_unlimited_guesses_are_over_after_three_answers() -> None:
    trajectory = tried(*[("answer", str(number)) for number in range(223, 229)])
    assert trajectory.stop == "solved"
    assert trajectory.reward() == 1.0
    late = tried(*[("answer", str(number)) for number in range(222, 229)])
    assert (late.stop, late.reward()) == ("out_of_attempts", 0.0)
    assert "2 answers" in told(late)[0]
    assert "3 answers" in told(tried(("action", "1 2 3 4"), ("search", "test")))[1]


def test_unlimited_guesses_keep_their_reward_with_the_peers_preset() -> None:
    guesses = [("answer", str(number)) for number in range(219, 226)]
    trajectory = tried(*guesses, options={"preset": "userrl"})
    assert (trajectory.stop, trajectory.reward()) == ("solved", 1.0)
    assert tried(*guesses, options={"preset": "userrl", "attempts": 2}).reward() == 0.0


@pytest.mark.parametrize("actions", ["interact", "native"])
@pytest.mark.parametrize("preset", ["usergym", "userrl"])
def test_finish_reveals_nothing(actions: str, preset: str) -> None:
    trajectory = tried(("finish", ""), options={"actions": actions, "preset": preset})
    assert trajectory.stop == "finished"
    assert trajectory.reward() == 0.0
    assert "225" not in "".join(told(trajectory))
    assert ROW["rule"] not in "".join(message.content for message in trajectory.view("assistant"))


def test_a_wrong_last_answer_does_not_reveal_the_right_one() -> None:
    trajectory = tried(("answer", "1"), ("answer", "2"), ("answer", "3"))
    assert trajectory.stop == "out_of_attempts"
    assert "225" not in "".join(told(trajectory))


def test_both_forms_of_action_give_the_same_texts_and_rewards() -> None:
    acts: list[Act] = [
        ("search", "test"),
        ("action", "1 2 3 4"),
        ("action", "3 5 5 3"),
        ("action", "0 0 0 2000"),
        ("search", "test"),
        ("action", "1 2 3 4"),
        ("answer", 24),
        ("answer", 225),
    ]
    one, other = (tried(*acts, options={"actions": actions}) for actions in ("interact", "native"))
    assert told(one) == told(other)
    assert one.rewards == other.rewards
    assert one.reward() == 1.0
    assert told(one)[1] == "f(1, 2, 3, 4) = 24"


def around(task: Task) -> list[Act]:
    a, b, c, d = task.data["test_case"]
    return [("action", f"{a} {b} {c} {d + step}") for step in (-1, 1, -2, 2)]


def test_interpolating_around_the_test_case_needs_to_know_it_and_then_nothing_can_be_tried() -> None:
    for task in islice(Function().tasks(), 20):
        trajectory = played(Function(), task, ("action", "1 2 3 4"), ("search", "test"), *around(task))
        assert "The test case is a = " in told(trajectory)[1]
        assert all(text.startswith("Error: the test case has been seen") for text in told(trajectory)[2:])


def test_the_test_case_is_not_shown_before_anything_was_tried() -> None:
    trajectory = tried(("search", "test"), ("action", "1 2 3 4"), ("search", "test"), ("answer", "225"))
    assert told(trajectory)[0].startswith("Error: try numbers first.")
    assert "The test case is a = 3" in told(trajectory)[2]
    assert trajectory.reward() == 1.0
    assert "nothing more can be tried" in Function().start(Function().read(ROW)).system


def test_interpolation_stays_possible_with_the_peers_preset() -> None:
    env = Function(preset="userrl")
    task = env.read(ROW)
    trajectory = played(env, task, ("search", "test"), *around(task))
    assert told(trajectory)[1:3] == ["f(3, 5, 5, 2) = 150", "f(3, 5, 5, 4) = 300"]
    assert "nothing more can be tried" not in env.start(task).system


def test_nothing_is_done_after_the_game_is_over() -> None:
    world = Function().start(Function().read(ROW))
    world.stop = "solved"
    for late in (world.submit("225"), world.act("1 2 3 4"), world.look("test")):
        assert asyncio.run(late) == "The conversation is over."
    assert not world.rewards


def test_an_answer_that_is_no_number_is_not_counted() -> None:
    wrong = ["x", "1 2", "nan", "inf", "1e999999", "9" * 5000, "225 or 226"]
    trajectory = tried(*[("answer", text) for text in wrong], ("answer", "225.0"))
    assert trajectory.reward() == 1.0
    assert all("not count" in text for text in told(trajectory)[:-1])


def test_division_is_exact_and_what_is_not_defined_is_said() -> None:
    row = {"rule": "a / b + c / d", "test_case": [6, 3, 4, 2]}
    trajectory = tried(("action", "1 3 1 3"), ("action", "1 10 2 10"), ("action", "1 0 1 1"), ("answer", "4"), row=row)
    assert told(trajectory)[:3] == [
        "f(1, 3, 1, 3) = 2/3, about 0.6667",
        "f(1, 10, 2, 10) = 3/10, about 0.3000",
        "f(1, 0, 1, 1) is not defined: it divides by zero.",
    ]
    assert trajectory.reward() == 1.0


def test_a_rule_with_towers_of_powers_answers_at_once() -> None:
    row = {"rule": "a ** b ** c ** d", "test_case": [2, 2, 1, 1]}
    trajectory = tried(("action", "9 999 999 999"), ("action", "2 -1 1 1"), ("action", "1 9 2 2"), row=row)
    assert "too large" in told(trajectory)[0]
    assert told(trajectory)[1:] == ["f(2, -1, 1, 1) = 1/2, about 0.5000", "f(1, 9, 2, 2) = 1"]


def test_splits_share_no_rule_however_it_is_written() -> None:
    env = Function()
    rules = {split: {task.group for task in islice(env.tasks(split), 300)} for split in ("train", "validation", "test")}
    assert rules["train"].isdisjoint(rules["test"])
    assert rules["train"].isdisjoint(rules["validation"])
    again = env.read({"rule": "d * b * (a * c)", "test_case": [3, 5, 5, 3]})
    assert again.group == env.read(ROW).group


def test_the_result_of_a_test_case_is_none_of_the_numbers_that_are_shown() -> None:
    for task in islice(Function().tasks(), 300):
        assert int(task.data["expected"]) not in (0, 1, -1, *task.data["test_case"])


@needs_peer
def test_all_rules_of_the_peer_are_read_and_give_what_they_say() -> None:
    env = Function()
    rows = json.loads((PEER / "functions.json").read_text())
    tasks = [env.read(row) for row in rows]
    assert len(tasks) == 538
    for row, task in zip(rows, tasks, strict=True):
        assert float(task.data["expected"]) == row["expected_result"]
    for task in tasks[::25]:
        assert asyncio.run(play(env, begin(task, 0, 0), Cast(seat_oracle))).reward() == 1.0


@needs_peer
def test_parquet_rows_of_the_peer_find_their_rule_and_keep_their_split() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(PEER / "function_multiturn.test.parquet").to_pylist()
    env = Function(data=str(PEER))
    tasks = [env.read(row) for row in rows]
    assert len({task.id for task in tasks}) == 78
    assert {task.split for task in tasks} == {"test"}
    assert tasks[0].opening[0].message.content.startswith("My mapping function")
    assert asyncio.run(play(env, begin(tasks[0], 0, 0), Cast(seat_oracle))).reward() == 1.0
    with pytest.raises(RowError, match="function:data=FOLDER"):
        Function().read(rows[0])
    with pytest.raises(RowError, match=r"reward_model\.ground_truth"):
        env.read({**rows[0], "reward_model": {**rows[0]["reward_model"], "ground_truth": "3"}})
    with pytest.raises(RowError, match=r"functions\.json"):
        Function(data="/nowhere").read(rows[0])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rule": "__import__('os').getcwd()"}, "rule"),
        ({"rule": "a + b + c"}, "rule"),
        ({"rule": 3}, "rule"),
        ({"rule": "a + b + c + d.x"}, "rule"),
        ({"rule": "(" * 150}, "rule"),
        ({"test_case": [1, 2, 3]}, "test_case"),
        ({"test_case": [1.0, 2, 3, 4]}, "test_case"),
        ({"test_case": [True, 2, 3, 4]}, "test_case"),
        ({"expected_result": 3}, "expected_result"),
        ({"rule": "a / (b - c) * d"}, "test_case"),
    ],
)
def test_a_row_that_cannot_be_played_is_refused_with_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError) as refused:
        Function().read({**ROW, **change})
    assert refused.value.field == field


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="attempts=-1"):
        Function(attempts=-1)
    with pytest.raises(ValueError, match="max_steps=0"):
        Function(max_steps=0)
