"""`usergym train users` as a person uses it, and what it trained in other seats."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import command
from tests.cli.train_commands import Run, train_command
from tests.training.orchards import steps
from usergym.environments.people.gym import People
from usergym.rollouts.store import read_trajectories
from usergym.training import tiny
from usergym.users.states.prompting import system_prompt
from usergym.users.states.speaking import read_speech

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked")

SMALL = (
    *("--people", 30, "--posts", 12, "--prompts", 2, "--group", 2, "--micro-batch", 2, "--max-tokens", 12),
    *("--validation", 2, "--learning-rate", 1e-3, "--patience", 60),
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    people = People(people=30, posts=12)
    texts = [text for task in people.tasks("train") for text in (task.opening[0].said, *task.data["truth"].values())]
    frames = [system_prompt(people.hierarchy, level, "") for level in people.hierarchy.names]
    folder = tmp_path_factory.mktemp("policy")
    return tiny.make(folder, texts, fixed=frames, vocabulary=900, hidden=32, layers=1, heads=2, context=1024)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return train_command("users", monkeypatch, capfd, tmp_path)


def test_it_trains_level_by_level_goes_on_where_it_stopped_and_speaks_in_another_gym(
    policy: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "person"
    arguments = (
        "--model",
        policy,
        "--mode",
        "separate_generation",
        "--out",
        out,
        *SMALL,
        "--save-every",
        1,
        "--eval-every",
        1,
    )
    status, told = run(*arguments, "--steps", 2)
    assert status == 0, told
    asked = [(each.task.data["level"], each.task.data["context"]) for each in read_trajectories(out)]
    assert [level for level, _ in asked] == ["stance"] * 4 + ["emotion"] * 4, (
        "a level of the whole block, then the next"
    )
    assert {context for _, context in asked[:4]} == {context for _, context in asked[4:]}
    assert (out / "checkpoints" / "checkpoint-2" / "prefixes.json").is_file()
    assert sum(steps(out, f"states/replies/{why}").get(1, 0) for why in ("format", "truncated", "empty", "kept")) == 1
    speech = read_speech(out / "model")
    assert speech
    assert (speech.hierarchy.names[-1], speech.states, speech.shared) == ("response", True, True)

    status, told = run(*arguments, "--steps", 3)
    assert status == 1
    assert "steps" in told, "another number of steps is another run"

    played = subprocess.run(
        command("rollout", "--env", "people:people=20,speaks=1", "--model", out, "--limit", 2, "--out", tmp_path / "p"),
        capture_output=True,
        text=True,
    )
    failures = (tmp_path / "p" / "failures.jsonl").read_text()
    assert played.returncode in (1, 3), played.stderr
    assert "wrote no response that can be read in 3 attempts" in failures, "an untrained model says nothing"


def test_what_cannot_work_is_one_line_before_any_compute(policy: Path, tmp_path: Path, run: Run) -> None:
    cycle = tmp_path / "cycle.json"
    cycle.write_text(
        json.dumps(
            {
                "stance": {"desc": "a", "max_tokens": 8, "needs": ["emotion"]},
                "emotion": {"desc": "b", "max_tokens": 8, "needs": ["stance"]},
                "response": {"desc": "c", "max_tokens": 8},
            }
        )
    )
    prepared = tmp_path / "prepared"
    (prepared / "rl" / "sebvgcr").mkdir(parents=True)
    (prepared / "rl" / "sebvgcr" / "train.parquet").touch()
    for arguments, said in [
        (("--mode", "separate"), "no mode 'separate'"),
        (("--mode", "eval_only"), "--mode eval_only evaluates and does not train"),
        (("--hierarchy", cycle), "the levels need each other in a cycle"),
        (("--hierarchy", "sebvgrc"), "did you mean"),
        (("--levels", "stance+mood"), "no level 'mood' in the hierarchy sebvgcr"),
        ((tmp_path / "nowhere.parquet",), "there is no such file or folder"),
        (("--people", 0), "people=0: expected 1 or more"),
        (("--speaker", "user"), "--speaker user: people speak in one seat here"),
        (("--user-model", "openai/x"), "--user-model openai/x is about a conversation"),
        (("--agent-model", "oracle"), "--agent-model oracle is about a conversation"),
        (("--max-replies", 3), "--max-replies 3 is about a conversation"),
        ((prepared,), f"so give {prepared / 'rl' / 'sebvgcr'}"),
    ]:
        status, told = run(*arguments, "--model", policy, *[each for each in SMALL if each not in ("--people", 30)])
        assert status in (1, 2), told
        assert said in told
        assert len(told.strip().splitlines()) == 1, told


def of_people(folder: Path, words: str = "I am against it, says {user}.", desc: str = "the side that is taken") -> None:
    """Rows, two of which cannot be used, and levels, in files."""
    rows: list[dict[str, Any]] = [
        {
            "prompt": [{"role": "Ann", "content": f"Plan {post}?"}],
            "completion": words.format(user=user),
            "post_id": f"p{post}",
            "user_id": f"u{user}",
        }
        for user in range(8)
        for post in range(3)
    ]
    rows += [{**rows[0], "user_id": None}, {**rows[0], "user_id": "once"}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    levels = {"stance": {"desc": desc, "max_tokens": 8}, "response": {"desc": "what is said", "max_tokens": 8}}
    (folder / "own.json").write_text(json.dumps(levels))


def test_a_run_is_of_its_levels_and_of_its_rows_and_says_which_rows_it_left_out(
    policy: Path, tmp_path: Path, run: Run
) -> None:
    of_people(tmp_path)
    arguments = (
        *("rows.jsonl", "--hierarchy", "own.json", "--mode", "separate_generation", "--model", policy, "--out", "r"),
        *("--prompts", 2, "--group", 2, "--micro-batch", 2, "--max-tokens", 8, "--validation", 0, "--steps", 1),
    )
    status, told = run(*arguments)
    assert status == 0, told
    why = "1 without a user, 1 of people with too few texts"
    assert f"2 bad rows skipped ({why})" in told
    assert "rows.jsonl:25: field 'user_id'" in told
    assert f"left out: 2 rows ({why})" in told
    record = json.loads((tmp_path / "runs/r/left_out.json").read_text())
    assert record["why"] == {"without a user": 1, "of people with too few texts": 1}
    states = (tmp_path / "runs/r/model/states.json").read_bytes()
    status, told = run(*arguments)
    assert (status, "nothing was left to do" in told) == (0, True), told

    of_people(tmp_path, desc="quite another thing")
    status, told = run(*arguments)
    assert status == 1
    assert 'people.states.stance.desc was "the side that is taken", now "quite another thing"' in told
    of_people(tmp_path, words="I am for it, says {user}.")
    status, told = run(*arguments)
    assert status == 1
    assert "people.rows.digest was" in told
    assert (tmp_path / "runs/r/model/states.json").read_bytes() == states


def test_data_with_bad_rows_only_is_refused(policy: Path, tmp_path: Path, run: Run) -> None:
    of_people(tmp_path)
    rows = (tmp_path / "rows.jsonl").read_text().splitlines()[-2:]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    status, told = run("rows.jsonl", "--model", policy, *SMALL)
    assert status == 1
    assert "has no row that can be used: 2 bad rows skipped (1 without a user, 1 of people with too few texts)" in told


def test_prefixes_of_other_levels_are_refused_before_any_step(policy: Path, tmp_path: Path, run: Run) -> None:
    of_people(tmp_path)
    held = {"states": {"mood": "grim"}, "score": 1, "step": 1}
    saved = {"version": 1, "step": 1, "prefixes": {"x": {"mood": [held]}}}
    (tmp_path / "prefixes.json").write_text(json.dumps(saved))
    status, told = run(
        *("rows.jsonl", "--hierarchy", "own.json", "--mode", "separate_generation", "--model", policy, *SMALL),
        *("--prefixes", "prefixes.json"),
    )
    assert status == 1
    assert "prefixes.json cannot be built on: context 'x' is not in the data" in told


def test_the_plan_says_what_a_run_is_made_of(policy: Path, run: Run) -> None:
    status, told = run("--model", policy, "--dry-run", "--json", *SMALL)
    assert status == 0, told
    plan = json.loads(told[told.index("{") :])
    assert plan["envs"]["people"]["held_out"] == 2
    assert plan["conversations"] == 4
    people = plan["people"]
    assert (people["people"], people["judge"], people["levels"][0], people["levels"][-1]) == (
        30,
        "overlap",
        "stance",
        "response",
    )
    assert sum(each["contexts"] for each in people["splits"].values()) == people["contexts"]

    few = ("--validation", 2)
    status, told = run("--model", policy, "--plan", "--people", 3, "--posts", 2, *few)
    assert status == 0, told
    assert "contexts: 6 of 3 people (train 6 of 3, validation 0 of 0, test 0 of 0)" in told
    assert "levels: stance, emotion" in told
    assert "data: the synthetic population: 3 people, 2 posts, seed 0" in told
    assert "judge: the overlap of words" in told
    assert "note: nobody is held out for validation" in told


def test_a_model_that_looks_local_and_is_not_there_is_no_name_of_a_hub(run: Run) -> None:
    status, told = run("--model", "runs/nope", "--dry-run", *SMALL)
    assert (status, told.splitlines()) == (
        1,
        ["error: no model 'runs/nope': there is no such folder; check the path, or let the run finish first"],
    )


def test_the_help_shows_what_means_something_here_and_its_own_flags_first(run: Run) -> None:
    status, told = run("--help")
    assert status == 0
    for flag in ("--speaker", "--user-temperature", "--agent-model", "--max-replies"):
        assert flag not in told
    assert told.index("Who is learned") < told.index("Who judges") < told.index("Training")


def test_a_step_says_what_became_of_the_replies_and_a_standstill_is_said_once(policy: Path, run: Run) -> None:
    status, told = run("--model", policy, "--out", "still", *SMALL, "--eval-every", 0, "--steps", 12)
    assert status == 0, told
    assert re.search(r"step 1/12  loss .*  kept 0\.00 \((truncated|format) ", told), told
    assert told.count("in 10 steps no group differed") == 1


def test_agent_and_user_are_trained_in_turns_and_drift_is_looked_for(policy: Path, tmp_path: Path) -> None:
    flags = "--prompts 2 --group 2 --micro-batch 2 --validation 0"
    arguments = command(
        *("train", "both", "--env", "people:people=20,speaks=1", "--agent", policy, "--user", policy, "--rounds", 1),
        *("--agent-steps", 1, "--user-steps", 1, "--tasks", 2, "--out", tmp_path / "both", "--json"),
        *("--max-tokens", 8, "--agent-flags", flags),
        *("--user-flags", f"{flags} --max-tokens 8 --people 20 --posts 8"),
    )
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [each["user"] for each in (told["rounds"][0]["own"], *told["rounds"][0]["frozen"])] == [
        "its own user",
        "rules",
    ]
    assert told["user"].endswith("round-1/user")
    replies = [each for path in (tmp_path / "both").rglob("trajectories.jsonl") for each in read_trajectories(path)]
    assert {turn.usage.output_tokens <= 8 for each in replies for turn in each.turns if turn.usage} == {True}
    (first,) = told["rounds"]
    assert "the user never spoke in 2 conversations" in first["unmeasured"], "nobody sits opposite in this environment"
    assert "alarm" not in first
    assert "gain" not in first["own"]
    again = [each for each in arguments if each != "--json"]
    shown = subprocess.run(again, capture_output=True, text=True)
    rounds = json.loads((tmp_path / "both/rounds.json").read_text())
    assert (shown.returncode, rounds) == (0, told["rounds"]), "the same command goes on, and all is there"
    assert "round 1: drift: not measured: with its own user: the user never spoke" in shown.stderr + shown.stdout
    assert "+0.000" not in shown.stdout
