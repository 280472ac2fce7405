"""`usergym credit explain` as a person uses it, on runs that the one writer of runs wrote."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.terminal import command, environment, usergym
from usergym.rollouts.store import Store
from usergym.types import Failure, Message, Reward, Speaker, Task, ToolCall, Trajectory, Turn


def said(speaker: Speaker, words: str, *calls: ToolCall) -> Turn:
    return Turn(speaker, Message("assistant", words, tool_calls=calls))


def conversation(task: str, sample: int, *earned: float | None, error: Failure | None = None) -> Trajectory:
    """One reply of the agent for each reward, and the user's words around them."""
    turns, rewards = [said("user", "Guess my rule.")], []
    for place, value in enumerate(earned):
        rewards.append(Reward("step", value, turn=len(turns), reason="" if value is not None else "no verdict"))
        calls = (ToolCall("1", "try_numbers", '{"a": 1}'),) if place % 2 else ()
        turns += [said("assistant", f"Try {place}.", *calls), said("user", "Go on.")]
    return Trajectory(Task(task, "function"), sample, 1, turns=turns, rewards=[] if error else rewards, error=error)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six tasks: a mixed group with an outage and a missing verdict, one without variance, one alone, three more."""
    store = Store.open(tmp_path / "runs" / "mine", {"verb": "rollout"})
    dead = Failure("unavailable", "assistant: no answer after 5 tries")
    store.finish([conversation("mixed", 1, 0, 0), conversation("flat", 0, 1, 0)])
    store.fail(conversation("mixed", 3, 1, error=dead), 0)
    store.fail(conversation("flat", 1, 1, error=dead), 0)
    store.finish([conversation("mixed", 0, 1, -1, 1), conversation("flat", 1, 1, 0), conversation("mixed", 2, 1, None)])
    store.finish([conversation("alone", 0, 1)])
    for task in "abc":
        store.finish([conversation(task, 0, 1), conversation(task, 1, 0)])
    store.close()
    return tmp_path


def explained(folder: Path, *arguments: object) -> dict:
    return json.loads(usergym(folder, "credit", "explain", "mine", "--json", *arguments).stdout)


def test_every_turn_is_shown_with_reward_and_credit_and_who_is_left_out_why(folder: Path) -> None:
    shown = usergym(folder, "credit", "explain", "runs/mine", "--task", "mixed").stdout
    rows = [[cell.strip() for cell in line.split("│")] for line in shown.splitlines() if "│" in line]
    assert ["0", "1", "Try 0.", "+1", "1 (0)", "+1.000"] in [row[1:7] for row in rows]
    lost = next(row for row in rows if "try_numbers" in row[3])
    assert lost[3:5] == ['Try 1. try_numbers({"a": 1})', "-1"]
    assert lost[6].startswith("-0.001")
    zero = next(row for row in rows if row[1] == "1")
    assert zero[6].startswith("-1.000")
    assert zero[6].endswith("█")
    assert "#2 left out: step was not scored: no verdict" in shown
    assert "#3 left out: failed (unavailable): assistant: no answer after 5 tries" in shown
    assert "turns of the assistant: 4 conversations of 1 tasks; left out: 2 conversations" in shown


def test_as_json_it_holds_the_same_and_what_teaches_nothing(folder: Path) -> None:
    found = explained(folder, "--limit", 3)
    assert (found["tasks"], found["unscored"], found["alone"], found["flat"]) == (6, 2, 1, {"usergym": 1})
    mixed, flat, alone = found["groups"]
    assert [member["id"] for member in mixed["members"]] == ["mixed#0", "mixed#1", "mixed#2", "mixed#3"]
    assert mixed["members"][1]["turns"][0] == {
        "turn": 1,
        "words": "Try 0.",
        "reward": 0.0,
        "credit": {"usergym": -1.0},
    }
    assert mixed["members"][1]["baseline"] == {"usergym": 1.0}
    assert mixed["members"][3]["turns"][0]["credit"] == {}
    credits = [turn["credit"] for group in (flat, alone) for member in group["members"] for turn in member["turns"]]
    assert credits == [{"usergym": 0.0}] * 5
    assert not any(member["left_out"] for member in flat["members"]), "sample 1 failed once and then succeeded"


def test_presets_stand_side_by_side(folder: Path) -> None:
    found = explained(folder, "--task", "mixed", "--compare", "userrl", "paper", "--gamma", 0.8)
    turns = found["groups"][0]["members"][0]["turns"]
    assert [list(turn["credit"]) for turn in turns] == [["usergym", "userrl", "paper"]] * 3
    narrow = usergym(folder, "credit", "explain", "mine", "--compare", "userrl", "--compare", "paper", COLUMNS="80")
    assert "usergym" in narrow.stdout
    assert max(map(len, (line for line in narrow.stdout.splitlines() if "│" in line))) <= 80
    assert "score (baseline) by paper: #0 1 (0.5), #1 0 (0.5)" in narrow.stdout


def test_the_first_five_tasks_are_shown_and_how_to_see_the_rest(folder: Path) -> None:
    shown = usergym(folder, "credit", "explain", "mine").stdout
    assert "of 6 tasks in runs/mine/trajectories.jsonl; --limit 6 shows all" in shown
    assert "usergym: no difference between its samples, so no credit" in shown
    assert "1 of 1 samples scored: nothing to compare with" in shown


def test_the_user_has_turns_too(folder: Path) -> None:
    found = explained(folder, "--task", "mixed", "--speaker", "user")
    assert found["unscored"] == 4
    assert found["groups"][0]["members"][0]["left_out"] == "no reward of the user counts"
    assert [turn["turn"] for turn in found["groups"][0]["members"][0]["turns"]] == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "no run nowhere; `usergym rollout --out NAME` makes runs/NAME"),
        (["runs"], "runs holds no trajectories.jsonl"),
        (["mine", "--task", "chess"], "no task 'chess' in runs/mine/trajectories.jsonl; its 6 tasks begin with a, "),
        (["mine", "--limit", 0], "--limit is 0"),
        (["mine", "--gamma", 3], "gamma is 3.0; give a number from 0 to 1"),
        (["runs/mine/failures.jsonl"], "failures.jsonl:1 is no conversation of ours"),
        (["empty.jsonl"], "empty.jsonl holds no conversations"),
    ],
)
def test_what_is_wrong_is_one_line_with_a_remedy(folder: Path, arguments: list[object], told: str) -> None:
    (folder / "empty.jsonl").touch()
    failed = usergym(folder, "credit", "explain", *arguments, fails=True)
    assert told in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_a_line_that_is_being_written_is_passed_over(folder: Path) -> None:
    with (folder / "runs/mine/trajectories.jsonl").open("a") as file:
        file.write('{"task":{"id":"mixed"')
    assert explained(folder, "--limit", 9)["tasks"] == 6


def test_what_was_said_cannot_steer_the_terminal(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs" / "mine", {"verb": "rollout"})
    task = Task("t\x1b[2J", "function")
    said_so = Turn("assistant", Message("assistant", "\x1b[31m[bold]red[/bold]\nnext"))
    store.finish([Trajectory(task, 0, 1, turns=[said_so], rewards=[Reward("r", 1.0)])])
    store.close()
    shown = usergym(tmp_path, "credit", "explain", "mine").stdout
    assert "\x1b" not in shown
    assert "\\x1b[31m[bold]red[/bold] next" in shown


def test_a_hundred_conversations_are_explained_at_once_and_without_torch(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs" / "mine", {"verb": "rollout"})
    for task in range(25):
        store.finish([conversation(str(task), sample, *[sample / 4] * 6) for sample in range(4)])
    store.close()
    best = 9.0
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(
            command("credit", "explain", "mine"), cwd=tmp_path, env=environment(), check=True, capture_output=True
        )
        best = min(best, time.perf_counter() - started)
    assert best < 1.0, "0.2 s on an idle core"
    program = "import sys, usergym.cli.credit, usergym.cli.credit_tables; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
