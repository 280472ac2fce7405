import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.ng_terminal import CALENDAR, Running, calendar_row, ng, ng_run, rows, written
from tests.cli.terminal import SHARED, mock_server
from usergym.cli.ng import COMMANDS

WORKPLACE = CALENDAR.replace("calendar", "workplace_assistant")
EXAMPLE = SHARED / "data/nemo_gym/workplace_assistant_example.jsonl"


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with mock_server() as url:
        yield url


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, mock: str) -> Iterator[Running]:
    with ng_run(tmp_path_factory.mktemp("run"), CALENDAR, *policy(mock)) as found:
        yield found


def policy(url: str) -> list[str]:
    return [f"+policy_base_url={url}", "+policy_api_key=sk-secret", "+policy_model_name=m"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_its_parameters(tmp_path: Path, name: str) -> None:
    told = ng(tmp_path, name, "--help").stdout
    assert told.startswith(f"Usage: ng_{name}")
    assert "Examples:" in told
    assert told == ng(tmp_path, name, "-h").stdout


def test_the_help_has_all_commands_or_one(tmp_path: Path) -> None:
    told = ng(tmp_path, "help").stdout
    assert all(f"Usage: ng_{each}" in told for each in COMMANDS)
    one = ng(tmp_path, "help", "ng_run").stdout
    assert "policy_base_url" in one
    assert "input_jsonl_fpath" not in one


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("collect_rollouts", ["+agent_nam=x"], "no parameter 'agent_nam'; did you mean agent_name"),
        ("collect_rollouts", [], "needs +input_jsonl_fpath=TEXT"),
        ("collect_rollouts", ["+input_jsonl_fpath=a", "+output_jsonl_fpath=b", "+limit=five"], "+limit=five"),
        ("collect_rollouts", ["+input_jsonl_fpath=a", "+output_jsonl_fpath=b", "+limit=0"], "write +limit=N"),
        ("collect_rollouts", ["--limit", "5"], "written +limit=VALUE"),
        ("collect_rollouts", ["limit"], "write +limit=VALUE"),
        ("viewer", [], "needs +jsonl_fpath=TEXT or ng_viewer JSONL_FPATH"),
        ("viewer", ["nowhere.jsonl"], "no file"),
        ("status", ["+head_server={prot: 1}"], "head_server"),
        ("status", ["+head_server.port=9"], "start ng_run"),
        ("test", ["+entrypoint=resources_servers/calender"], "did you mean calendar"),
        ("help", ["ng_runn"], "did you mean run"),
        ("run", [], "no configuration is given"),
        ("run", ["+config_paths=[resources_servers/calendar/configs/calendar.yaml]"], "model_server 'policy_model'"),
        ("run", [CALENDAR], "policy_model_name is missing"),
        ("run", [CALENDAR, *policy("nowhere")], "http://HOST:PORT/v1"),
        ("run", [CALENDAR, *policy("http://h/v1"), "+default_host=0.0.0.0"], "no token is set"),
        ("run", [WORKPLACE, *policy("http://h/v1"), "+workplace_tables=nowhere"], "holds no emails.csv"),
        ("run", [CALENDAR, *policy("http://h/v1"), "+policy_api=telepathy"], "expected chat or responses"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_the_remedy(
    tmp_path: Path, name: str, arguments: list[str], words: str
) -> None:
    told = ng(tmp_path, name, *arguments, status=1).stderr
    assert words in told
    assert "sk-secret" not in told


def test_a_dry_run_checks_everything_and_starts_nothing(tmp_path: Path, mock: str) -> None:
    given = [*policy(mock), "+policy_model.responses_api_models.openai_model.audio_root=/x", "+dry_run=true"]
    done = ng(tmp_path, "run", CALENDAR, *given)
    assert "nothing was started" in done.stdout
    assert "audio_root has no effect" in done.stderr


def test_headers_and_extra_fields_of_the_configuration_reach_the_model(tmp_path: Path) -> None:
    with mock_server("--key", "sk-secret") as url:
        block = "+policy_model.responses_api_models.openai_model"
        given = [
            *policy(url),
            f"{block}.extra_body={{temperature: 0.25}}",
            f"{block}.openai_default_headers={{X-Team: blue}}",
            f"{block}.max_concurrent_requests=1",
        ]
        written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(4)])
        with ng_run(tmp_path, CALENDAR, *given) as found:
            ng(tmp_path, "collect_rollouts", "+input_jsonl_fpath=in.jsonl", "+output_jsonl_fpath=o.jsonl", found.head)
        from urllib.request import urlopen

        stats = json.loads(urlopen(url.replace("/v1", "/stats")).read())
    assert len(rows(tmp_path / "o.jsonl")) == 4
    assert stats["most_in_flight"] == 1
    assert stats["requests"] == 4


def test_the_status_shows_every_server_and_whether_it_answers(tmp_path: Path, running: Running) -> None:
    told = json.loads(ng(tmp_path, "status", running.head, "+json=true").stdout)
    kinds = {each["name"]: each["kind"] for each in told}
    assert kinds == {
        "head_server": "head",
        "policy_model": "model",
        "calendar": "resources",
        "calendar_simple_agent": "agent",
    }
    for each in told:
        assert each["healthy"]
        assert each["pid"] == running.process.pid
        assert 0 <= each["uptime"] < 120
        assert each["port"]
    assert "well" in ng(tmp_path, "status", running.head).stdout


@pytest.mark.parametrize("form", ["out.jsonl", "+jsonl_fpath=out.jsonl"])
def test_the_listing_and_one_whole_conversation(tmp_path: Path, form: str) -> None:
    def rollout(number: int) -> dict:
        output = [
            {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": '{"name": "Ada"}'},
            {"type": "function_call_output", "call_id": "c1", "output": '{"output": ["ada@x.com"]}'},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": f"Found {number}."}]},
        ]
        response = {"output": output, "usage": {"input_tokens": 10, "output_tokens": 2}}
        return calendar_row(number, _ng_task_index=number, response=response, reward=float(number % 2))

    written(tmp_path / "out.jsonl", [rollout(n) for n in range(30)])
    with (tmp_path / "out.jsonl").open("a") as file:
        file.write('{broken\n[1]\n{"responses_create_params": 5, "reward": "much"}\n')
    done = ng(tmp_path, "viewer", form)
    assert "rows 1 to 20 of 31" in done.stdout
    assert "mean reward 0.500" in done.stdout
    assert "300 tokens in, 60 out" in done.stdout
    assert "look_up" in done.stdout
    assert "out.jsonl:31: not JSON" in done.stderr
    assert "out.jsonl:32: expected a JSON object" in done.stderr
    assert "out.jsonl:33: " in done.stderr
    assert "out.jsonl:33: " in ng(tmp_path, "viewer", form, "+row=31", status=1).stderr
    last = [json.loads(line) for line in ng(tmp_path, "viewer", form, "+offset=28", "+json=true").stdout.splitlines()]
    assert [row["said"] for row in last] == ["Found 28.", "Found 29."]
    whole = ng(tmp_path, "viewer", form, "+row=4").stdout
    for part in ("Keep the calendar.", "with team 3", "calls look_up", '"name": "Ada"', "ada@x.com", "Found 3."):
        assert part in whole
    assert "there is no row 99" in ng(tmp_path, "viewer", form, "+row=99", status=1).stderr


def test_an_environment_is_tested_by_either_name(tmp_path: Path) -> None:
    done = ng(tmp_path, "test", "+entrypoint=resources_servers/calendar")
    assert "promises kept by calendar" in done.stdout
    assert "usergym test-env calendar" in done.stderr
    told = json.loads(ng(tmp_path, "test", "+environment=calendar:level=hard", "+json=true").stdout)
    assert all(check["passed"] for check in told["calendar:level=hard"])


def test_the_versions_are_printed_as_text_and_json(tmp_path: Path) -> None:
    found = json.loads(ng(tmp_path, "version", "+json=true").stdout)
    assert {"usergym", "python", "aiohttp", "msgspec"} <= set(found)
    assert found["python"] in ng(tmp_path, "version").stdout


@pytest.mark.skipif(not EXAMPLE.exists(), reason="needs the peer's rows")
def test_the_guide_works_on_the_peers_rows(tmp_path: Path, mock: str) -> None:
    given = ("+agent_name=workplace_assistant_simple_agent", f"+input_jsonl_fpath={EXAMPLE}", "+limit=5")
    collect = ("collect_rollouts", *given, "+output_jsonl_fpath=rollouts_output.jsonl")
    with ng_run(tmp_path, WORKPLACE, *policy(mock)) as without:
        assert "note: no workplace tables were found" in without.said
        assert "+workplace_tables=FOLDER" in ng(tmp_path, *collect, without.head, status=1).stderr
    tables = str(SHARED / "data/workplace")
    with ng_run(tmp_path, WORKPLACE, *policy(mock), USERGYM_WORKPLACE_TABLES=tables) as found:
        assert "no workplace tables" not in found.said
        ng(tmp_path, *collect, found.head)
    written_rows = rows(tmp_path / "rollouts_output.jsonl")
    assert [row["id"] for row in written_rows] == [json.loads(line)["id"] for line in EXAMPLE.open()]
    assert all(row["reward"] == 0.0 and row["ground_truth"] and row["category"] for row in written_rows)
    assert "rows 1 to 5 of 5" in ng(tmp_path, "viewer", "rollouts_output.jsonl").stdout
