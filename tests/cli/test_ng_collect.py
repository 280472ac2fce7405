import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.ng_terminal import CALENDAR, Running, calendar_row, command, ng, ng_run, rows, written
from tests.cli.terminal import environment, mock_server

AGENT = "+agent_name=calendar_simple_agent"
INTO = "+output_jsonl_fpath=out.jsonl"
ANSWER = '[{"event_id": 0, "event_name": "meeting", "start_time": "10:00", "duration": 30}]'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("run")
    with mock_server("--text", ANSWER, "--latency", 0.05) as url, ng_run(folder, CALENDAR, *policy(url)) as found:
        yield found


def policy(url: str) -> list[str]:
    return [f"+policy_base_url={url}", "+policy_api_key=sk-secret", "+policy_model_name=openai/gpt-oss-120b"]


def collect(folder: Path, running: Running, *arguments: object, source: str = "in.jsonl", status: int = 0) -> str:
    done = ng(
        folder, "collect_rollouts", AGENT, f"+input_jsonl_fpath={source}", INTO, running.head, *arguments, status=status
    )
    return done.stdout + done.stderr


def test_it_starts_within_a_second_and_shows_no_key(running: Running) -> None:
    assert "sk-secret" not in running.said
    assert "this is: usergym serve --env calendar" in running.said
    assert float(running.said.partition("ready in ")[2].split()[0]) < 3


def test_a_rollout_has_the_rows_fields_the_response_the_reward_and_its_indices(
    tmp_path: Path, running: Running
) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n, mine=f"kept {n}") for n in range(3)])
    told = collect(tmp_path, running, "+num_repeats=2", "+responses_create_params={temperature: 0.7, max_tokens: 99}")
    found = rows(tmp_path / "out.jsonl")
    assert [(row["_ng_task_index"], row["_ng_rollout_index"]) for row in found] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
    ]
    for row in found:
        assert row["mine"] == f"kept {row['_ng_task_index']}"
        assert row["reward"] == 1.0
        assert row["exp_cal_state"]
        assert row["agent_ref"] == {"type": "responses_api_agents", "name": "calendar_simple_agent"}
        assert row["responses_create_params"]["max_output_tokens"] == 99
        assert row["responses_create_params"]["temperature"] == 0.7
        assert row["response"]["output"][-1]["content"][0]["text"] == ANSWER
    assert told.count("max_tokens is called max_output_tokens") == 1
    assert "this is: usergym collect" in told
    sent = rows(tmp_path / "out_materialized_inputs.jsonl")
    assert [row["_ng_rollout_index"] for row in sent] == [0, 1] * 3
    (metrics,) = json.loads((tmp_path / "out_aggregate_metrics.json").read_text())
    whole = metrics["agent_metrics"]
    assert (whole["mean/reward"], whole["pass@2/reward"]) == (1.0, 1.0)
    assert (whole["rollouts"], whole["tasks"], whole["unscored"]) == (6, 3, 0)
    assert whole["mean/input_tokens"] > 0
    assert [group["rollouts"] for group in metrics["group_level_metrics"]] == [2, 2, 2]


def test_the_only_agent_is_taken_and_a_wrong_one_is_named(tmp_path: Path, running: Running) -> None:
    written(tmp_path / "in.jsonl", [calendar_row()])
    given = ("+input_jsonl_fpath=in.jsonl", INTO, running.head)
    ng(tmp_path, "collect_rollouts", *given)
    assert len(rows(tmp_path / "out.jsonl")) == 1
    wrong = ng(tmp_path, "collect_rollouts", *given, "+agent_name=calender_simple_agent", status=1)
    assert "did you mean calendar_simple_agent" in wrong.stderr


def test_all_bad_rows_are_told_before_anything_is_sent(tmp_path: Path, running: Running) -> None:
    bad = calendar_row()
    del bad["exp_cal_state"]
    written(tmp_path / "in.jsonl", [calendar_row(1), bad, calendar_row(2, agent_ref={"name": "other"})])
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write('{"torn\n')
    told = collect(tmp_path, running, status=1)
    assert "3 of 4 rows cannot be sent, and nothing was sent" in told
    for part in ("in.jsonl:2: field exp_cal_state", "in.jsonl:3: field agent_ref", "in.jsonl:4: not JSON"):
        assert part in told
    assert not (tmp_path / "out.jsonl").exists()
    told = collect(tmp_path, running, "+skip_bad=true")
    assert "3 bad rows skipped" in told
    (row,) = rows(tmp_path / "out.jsonl")
    assert row["_ng_task_index"] == 0
    collect(tmp_path, running, "+fresh=true", status=1)
    assert rows(tmp_path / "out.jsonl") == [row], "what is there is kept until the new rows are known to be sound"


def test_each_problem_of_many_rows_is_told_once_and_twenty_different_ones_are_listed(
    tmp_path: Path, running: Running
) -> None:
    same = [{"responses_create_params": {}} for _ in range(30)]
    different = [{"responses_create_params": {f"odd_{n}": 1}} for n in range(30)]
    written(tmp_path / "in.jsonl", same + different)
    told = collect(tmp_path, running, status=1)
    assert "in.jsonl:1 and 29 more: field responses_create_params.input" in told
    assert told.count("in.jsonl:") == 20
    assert "and 11 more\n" in told


def test_it_goes_on_where_it_stopped_and_sets_a_torn_line_aside(tmp_path: Path, running: Running) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(6)])
    collect(tmp_path, running, "+limit=3")
    first = (tmp_path / "out.jsonl").read_bytes()
    with (tmp_path / "out.jsonl").open("ab") as file:
        file.write(b'{"_ng_task_index": 3, "_ng')
    told = collect(tmp_path, running)
    assert "torn last line" in told
    assert "3 rollouts were there already" in told
    assert (tmp_path / "out.jsonl").read_bytes().startswith(first)
    assert [row["_ng_task_index"] for row in rows(tmp_path / "out.jsonl")] == list(range(6))
    collect(tmp_path, running, "+num_repeats=2")
    assert len(rows(tmp_path / "out.jsonl")) == 12
    before = (tmp_path / "out.jsonl").read_bytes()
    collect(tmp_path, running, "+num_repeats=2")
    assert (tmp_path / "out.jsonl").read_bytes() == before


def test_another_question_is_refused_with_the_difference_shown(tmp_path: Path, running: Running) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(3)])
    collect(tmp_path, running)
    told = collect(tmp_path, running, "+responses_create_params={temperature: 0.5}", status=1)
    assert "params was {} and is {'temperature': 0.5}" in told
    written(tmp_path / "in.jsonl", [calendar_row(0), calendar_row(7), calendar_row(2)])
    assert "row 2 of the input is another one" in collect(tmp_path, running, status=1)
    collect(tmp_path, running, "+fresh=true")
    assert "team 7" in str(rows(tmp_path / "out.jsonl")[1])


def test_a_file_of_somebody_elses_is_not_written_to(tmp_path: Path, running: Running) -> None:
    written(tmp_path / "in.jsonl", [calendar_row()])
    (tmp_path / "out.jsonl").write_text("mine\n")
    assert "was not collected by this command" in collect(tmp_path, running, status=1)
    assert (tmp_path / "out.jsonl").read_text() == "mine\n"


def test_nobody_there_is_told_with_what_to_start(tmp_path: Path) -> None:
    written(tmp_path / "in.jsonl", [calendar_row()])
    done = ng(tmp_path, "collect_rollouts", AGENT, "+input_jsonl_fpath=in.jsonl", INTO, "+head_server.port=9", status=1)
    assert "start ng_run" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_a_failed_rollout_is_a_typed_line_and_the_batch_goes_on(tmp_path: Path) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(8)])
    faults = ("--error-rate", 0.5, "--error-statuses", 400)
    with mock_server("--text", ANSWER, *faults) as url, ng_run(tmp_path, CALENDAR, *policy(url)) as found:
        told = collect(tmp_path, found)
    done = {row["_ng_task_index"] for row in rows(tmp_path / "out.jsonl")}
    failed = {row["_ng_task_index"]: row for row in rows(tmp_path / "out_failures.jsonl")}
    assert done
    assert failed
    assert done | set(failed) == set(range(8))
    assert done.isdisjoint(failed)
    assert all(row["_ng_failure_class"] == "refused" and "a mock error" in row["error"] for row in failed.values())
    assert f"failed: {len(failed)} refused" in told


def test_a_server_that_is_killed_costs_what_was_in_flight_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(60)])
    with mock_server("--text", ANSWER, "--latency", 0.1) as url:
        with ng_run(tmp_path, CALENDAR, *policy(url)) as found:
            given = (AGENT, "+input_jsonl_fpath=in.jsonl", INTO, found.head, "+num_samples_in_parallel=4")
            collecting = subprocess.Popen(
                command("collect_rollouts", *given),
                cwd=tmp_path,
                env=environment(),
                stderr=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            while not (tmp_path / "out.jsonl").exists() or len(rows(tmp_path / "out.jsonl")) < 8:
                time.sleep(0.02)
            found.kill()
            killed = time.monotonic()
            _, told = collecting.communicate(timeout=40)
            assert time.monotonic() - killed < 20
        assert collecting.returncode == 1, told
        assert "Traceback" not in told
        assert "run the same command again" in told
        came_in = rows(tmp_path / "out.jsonl")
        assert 8 <= len(came_in) < 60
        with ng_run(tmp_path, CALENDAR, *policy(url), port=found.port) as again:
            ng(tmp_path, "collect_rollouts", *given[:-2], again.head)
    after = rows(tmp_path / "out.jsonl")
    assert [row["_ng_task_index"] for row in after] == list(range(60))
    ids = {row["response"]["id"] for row in after}
    assert {row["response"]["id"] for row in came_in} <= ids


def test_a_refused_key_ends_the_batch_at_once(tmp_path: Path) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(20)])
    with mock_server("--key", "another") as url, ng_run(tmp_path, CALENDAR, *policy(url)) as found:
        started = time.monotonic()
        told = collect(tmp_path, found, status=1)
    assert "refused the key" in told
    assert "policy_api_key" in told
    assert "sk-secret" not in told
    assert time.monotonic() - started < 5
    assert "Start the servers" not in told
    assert [each.name for each in tmp_path.iterdir()] == ["in.jsonl"], "nothing came of it, so nothing stays"
