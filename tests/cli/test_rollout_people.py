"""`usergym rollout` in the environment people: rows that cannot be used and judges that fail are in its summary."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.model_server import model_server
from tests.cli.terminal import usergym


def row(user: str, post: str, words: str = "Well, no.") -> dict[str, Any]:
    thread = [{"role": "Ann", "content": "A toll on the bridge?"}]
    return {"prompt": thread, "completion": words, "post_id": post, "user_id": user}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [row("u", "p"), row("u", "q"), row("[deleted]", "p"), row("u", "r", "\u200b"), row("once", "p")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def test_rows_that_are_left_out_are_said_at_the_start_in_the_summary_and_in_the_record(data: Path) -> None:
    arguments = ("rollout", "--env", "people:data=rows.jsonl,config=response_only", "--model", "oracle", "--limit", 2)
    done = usergym(data.parent, *arguments, "--out", "told")
    why = "1 without a user, 1 empty, 1 of people with too few texts"
    assert f"3 bad rows skipped ({why})" in done.stderr
    assert "rows.jsonl:3: field 'user_id'" in done.stderr
    assert f"left out: 3 rows ({why})" in done.stdout + done.stderr
    again = usergym(data.parent, *arguments, "--out", "told", "--json")
    wanted = {"without a user": 1, "empty": 1, "of people with too few texts": 1}
    assert json.loads(again.stdout)["rows_left_out"] == wanted
    (record,) = (each for each in (data.parent / "runs/told").glob("*.json") if "rows_left_out" in each.read_text())
    assert '"empty": 1' in record.read_text()


def answer(model: str, body: dict[str, Any]) -> str | None:
    question = body["messages"][-1]["content"]
    if model == "speaker":
        return "<response>Oh, sure.</response>"
    if '"texts"' not in question:
        return '{"points": ["is against it"]}'
    return {"prose": "All of them are fine.", "count": '{"t9": {"p1": 1}}'}[model]


@pytest.mark.parametrize("judge", ["prose", "count"])
def test_why_a_judge_gave_no_reward_is_counted_in_the_table_and_in_json(data: Path, judge: str) -> None:
    with model_server(answer) as server:
        arguments = (
            *("rollout", "--env", "people:data=rows.jsonl,config=response_only,judge=model", "--limit", 2),
            *("--model", f"{server.url}/speaker", "--judge-model", f"{server.url}/{judge}", "--out", "judged"),
        )
        told = usergym(data.parent, *arguments, fails=True)
        found = json.loads(usergym(data.parent, *arguments, "--json", fails=True).stdout)["summary"]
    assert (found["unscored"], found["errors"]) == (2, {})
    assert sum(found["unscored_by"].values()) == 2
    (reason,) = found["unscored_by"]
    assert f"not scored by: {reason} 2" in told.stdout


def test_a_run_does_not_go_on_with_levels_that_were_changed(data: Path) -> None:
    levels = data.parent / "levels.json"
    level = {"desc": "What they say.", "max_tokens": 40}
    arguments = ("rollout", "--env", "people:data=rows.jsonl,hierarchy=levels.json", "--model", "oracle", "--limit", 2)
    levels.write_text(json.dumps({"response": level}))
    usergym(data.parent, *arguments, "--out", "told")
    levels.write_text(json.dumps({"response": {**level, "desc": "What they shout."}}))
    done = usergym(data.parent, *arguments, "--out", "told", fails=True)
    assert "env_files was" in done.stderr
