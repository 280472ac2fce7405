"""What the ng_ commands tell people: advice that can be acted on, in lines that fit, and never a key."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.ng_terminal import CALENDAR, Running, calendar_row, command, ng, ng_run, rows, written
from tests.cli.terminal import environment, mock_server
from usergym.cli.ng import COMMANDS

MODEL = "responses_api_models/openai_model/configs/openai_model.yaml"
LOCAL = "responses_api_models/local_model/configs/local_model.yaml"
ENVIRONMENT = "resources_servers/calendar/configs/calendar.yaml"
BOTH = ("+input_jsonl_fpath=in.jsonl", "+output_jsonl_fpath=out.jsonl")


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with mock_server("--reply", "computed") as url:
        yield url


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, mock: str) -> Iterator[Running]:
    with ng_run(tmp_path_factory.mktemp("run"), CALENDAR, *policy(mock)) as found:
        yield found


def policy(url: str, model: str = "org/model") -> list[str]:
    return [f"+policy_base_url={url}", "+policy_api_key=sk-secret", f"+policy_model_name={model}"]


def dry(folder: Path, *arguments: object, **more: str) -> str:
    return ng(folder, "run", *arguments, "+dry_run=true", **more).stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_terminal_of_eighty_columns(tmp_path: Path, name: str) -> None:
    told = ng(tmp_path, name, "-h", COLUMNS="80").stdout
    assert [line for line in told.splitlines() if len(line) > 80] == []


def test_the_help_of_ng_run_names_the_environment_variables(tmp_path: Path) -> None:
    told = ng(tmp_path, "run", "-h").stdout
    assert "USERGYM_TOKEN" in told
    assert "USERGYM_WORKPLACE_TABLES" in told


def test_the_example_of_ng_run_works_in_a_shell(tmp_path: Path, mock: str) -> None:
    told = ng(tmp_path, "run", "-h").stdout.partition("Examples:\n")[2].strip()
    first = told.split("\n  ng_run")[0].replace("ng_run ", " ".join(command("run")) + " +dry_run=true ", 1)
    done = subprocess.run(
        ["sh", "-c", first], cwd=tmp_path, env=environment(NVIDIA_API_KEY="k"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "--model nim/openai/gpt-oss-120b" in done.stderr
    assert "NIMS_API_KEY or NVIDIA_API_KEY" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["+limit=abc"], "+limit=abc: expected a whole number; write +limit=N"),
        (["+limit=0"], "+limit=0: expected a whole number >= 1"),
        (["+head_server.prt=11050"], "+head_server.prt=11050: head_server has no field 'prt'; did you mean port?"),
        (["+head_server.port=x"], "+head_server.port=x: expected a whole number; write +head_server.port=N"),
        (["+responses_create_params={temperture: 1}"], "did you mean temperature?"),
    ],
)
def test_a_wrong_parameter_is_quoted_as_given(
    tmp_path: Path, running: Running, arguments: list[str], words: str
) -> None:
    written(tmp_path / "in.jsonl", [calendar_row()])
    head = () if "head_server" in arguments[0] else (running.head,)
    told = ng(tmp_path, "collect_rollouts", *BOTH, *head, *arguments, status=1).stderr
    assert words in told
    assert "the overrides of" not in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["+config_paths=x.yaml"], "+config_paths=x.yaml: expected a list; write +config_paths=[x.yaml]"),
        (["+config_paths=[resources_servers/math/configs/math.yaml]"], "shipped with usergym are resources_servers/"),
        (["+config_paths=[resources_servers/calender/configs/calender.yaml]"], f"did you mean {ENVIRONMENT}?"),
        ([f"+config_paths=[{MODEL},{LOCAL},{ENVIRONMENT}]"], f"openai_model ({MODEL} (shipped with usergym)), local"),
        ([f"+config_paths=[{MODEL},{LOCAL},{ENVIRONMENT}]"], "two models take one ng_run each"),
        ([f"+config_paths=[{MODEL},two.yaml,{ENVIRONMENT}]"], "other_model (two.yaml) is used by second"),
        ([f"+config_paths=[{MODEL},two.yaml,{ENVIRONMENT}]"], "one ng_run each, with a +head_server.port of its own"),
        ([CALENDAR, "+default_host=0.0.0.0"], "set USERGYM_TOKEN"),
    ],
)
def test_a_wrong_configuration_is_told_with_the_file_and_the_remedy(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "two.yaml").write_text(
        "other_model: {responses_api_models: {openai_model: {openai_base_url: http://h/v1, openai_model: m}}}\n"
        "desk: {resources_servers: {calendar: {}}}\n"
        "second: {responses_api_agents: {simple_agent: {resources_server: {name: desk},"
        " model_server: {name: other_model}}}}\n"
    )
    told = ng(tmp_path, "run", *arguments, *policy("http://h/v1"), status=1).stderr
    assert words in told
    assert "--token-variable" not in told


def test_a_key_of_env_yaml_can_be_taken_out(tmp_path: Path) -> None:
    (tmp_path / "env.yaml").write_text("policy_api_key: sk-secret\npolicy_model_name: m\n")
    given = (CALENDAR, "+policy_base_url=http://h/v1")
    assert "policy_api_key: '****'" in ng(tmp_path, "dump_config", *given).stdout
    assert "policy_api_key: ''" in ng(tmp_path, "dump_config", *given, "~policy_api_key").stdout
    assert "there is no" in ng(tmp_path, "run", *given, "~policy_model_nam", status=1).stderr


def test_the_configuration_is_dumped_with_the_command_line_of_ng_run(tmp_path: Path) -> None:
    given = (CALENDAR, *policy("http://h/v1"), "+policy_api=responses", "+default_host=::1", "+dry_run=true")
    told = ng(tmp_path, "dump_config", *given, "+workplace_tables=x", "+head_server.port=1").stdout
    assert "api: responses" in told
    assert "sk-secret" not in told
    nothing = ng(tmp_path, "dump_config", status=1).stderr
    assert nothing == ng(tmp_path, "run", status=1).stderr
    assert "no configuration is given" in nothing


def test_the_verb_has_the_same_flags_or_says_what_has_none(tmp_path: Path) -> None:
    block = "+policy_model.responses_api_models.openai_model"
    told = dry(
        tmp_path,
        CALENDAR,
        *policy("http://10.0.0.7:8000/v1"),
        "+policy_api=responses",
        "+default_host=0.0.0.0",
        "+head_server.host=0.0.0.0",
        f"{block}.sampling_overrides={{temperature: 0.5}}",
        f"{block}.port=12345",
        USERGYM_TOKEN="t0ken",
    )
    line = next(line for line in told.splitlines() if line.startswith("this is:"))
    assert "--model http://10.0.0.7:8000/v1/org/model --api responses --no-send-seed --host 0.0.0.0" in line
    assert "--token-variable USERGYM_TOKEN" in line
    assert "# a key is read from USERGYM_API_KEY" in line
    assert "no flag for sampling_overrides, ports other than the head's" in line
    assert "t0ken" not in told


def test_a_taken_port_is_told_with_who_has_it_and_which_to_give(tmp_path: Path, running: Running, mock: str) -> None:
    told = ng(tmp_path, "run", CALENDAR, *policy(mock), running.head, status=1).stderr
    assert f"calendar_simple_agent (process {running.process.pid}) listens there" in told
    assert f"+head_server.port={running.port + 1}" in told


def test_the_model_is_called_as_it_was_named(tmp_path: Path, running: Running) -> None:
    written(tmp_path / "in.jsonl", [calendar_row()])
    ng(tmp_path, "collect_rollouts", *BOTH, running.head)
    assert rows(tmp_path / "out.jsonl")[0]["response"]["model"] == "org/model"
    servers = {
        each["kind"]: each["url"] for each in json.loads(ng(tmp_path, "status", running.head, "+json=true").stdout)
    }
    (model,) = json.loads(urllib.request.urlopen(f"{servers['model']}/v1/models").read())["data"]
    assert model["id"] == "org/model"
    body = {"verify_responses": rows(tmp_path / "out.jsonl")}
    asked = urllib.request.Request(f"{servers['agent']}/aggregate_metrics", json.dumps(body).encode())
    (kept,) = json.loads((tmp_path / "out_aggregate_metrics.json").read_text())
    del kept["agent_ref"]
    assert json.loads(urllib.request.urlopen(asked).read()) == kept, "the file says what the server says"


def texts(folder: Path, running: Running, *more: object) -> list[str]:
    """What the model said in four rollouts of one row; a request that is the same gets the same reply."""
    written(folder / "in.jsonl", [calendar_row()])
    ng(folder, "collect_rollouts", *BOTH, "+num_repeats=4", "+fresh=true", running.head, *more)
    return [row["response"]["output"][-1]["content"][0]["text"] for row in rows(folder / "out.jsonl")]


def test_a_seed_is_sent_where_it_was_asked_for(tmp_path: Path, running: Running, mock: str) -> None:
    assert len(set(texts(tmp_path, running))) == 1
    seeded = texts(tmp_path, running, "+num_repeats_add_seed=true")
    assert len(set(seeded)) == 4
    assert texts(tmp_path, running, "+num_repeats_add_seed=true") == seeded
    with ng_run(tmp_path, CALENDAR, *policy(mock), "+policy_send_seed=true") as found:
        assert len(set(texts(tmp_path, found))) == 4
    with ng_run(tmp_path, CALENDAR.replace("openai_model", "vllm_model"), *policy(mock)) as found:
        assert len(set(texts(tmp_path, found))) == 4


def test_a_token_that_is_wanted_is_told_alone(tmp_path: Path, mock: str) -> None:
    with ng_run(tmp_path, CALENDAR, *policy(mock), USERGYM_TOKEN="t0ken") as found:
        told = ng(tmp_path, "status", found.head, status=1).stderr
        assert "wants a token (401); set USERGYM_TOKEN" in told
        assert "start ng_run" not in told
        assert "wants another token" in ng(tmp_path, "status", found.head, status=1, USERGYM_TOKEN="x").stderr
        ng(tmp_path, "status", found.head, USERGYM_TOKEN="t0ken")


def test_the_servers_terminal_says_once_that_the_model_cannot_be_asked(tmp_path: Path) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(8)])
    with mock_server("--key", "another") as url, ng_run(tmp_path, CALENDAR, *policy(url)) as found:
        told = ng(tmp_path, "collect_rollouts", *BOTH, found.head, status=1).stderr
        found.process.terminate()
        said = found.process.communicate(timeout=10)[0]
    assert "a key or an address is given to ng_run" in told
    assert said.count("refused the key") == 1
    assert "sk-secret" not in said


def test_the_status_fits_eighty_columns_and_tells_the_process_once(tmp_path: Path, running: Running) -> None:
    told = ng(tmp_path, "status", running.head, COLUMNS="80").stdout
    assert "calendar_simple_agent" in told
    assert told.count(f"process {running.process.pid}, up ") == 1


def rollout(number: int, **more: object) -> dict:
    names = ("email_search_emails", "email_search_emails", "calendar_create_event")
    calls = [
        {"type": "function_call", "call_id": f"c{n}", "name": name, "arguments": "{}"} for n, name in enumerate(names)
    ]
    words = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]}
    response = {"output": [*calls, words], "usage": {"input_tokens": 10, "output_tokens": 2}}
    return calendar_row(number, response=response, reward=1.0, **more)


def test_the_listing_is_readable_in_eighty_columns(tmp_path: Path) -> None:
    written(tmp_path / "out.jsonl", [rollout(n, id=f"task-{'0123456789abcdef' * 2}{n}") for n in range(3)])
    told = ng(tmp_path, "viewer", "out.jsonl", COLUMNS="80").stdout
    assert "email_search_emails x2" in told
    assert "0123456789abcdef" not in told
    assert "which of its rollouts" in told
    past = ng(tmp_path, "viewer", "out.jsonl", "+offset=7").stdout
    assert "has 3 rows; +offset=7 (--offset 7) is past the last" in past
    written(tmp_path / "in.jsonl", [calendar_row()])
    assert "none of them has a response" in ng(tmp_path, "viewer", "in.jsonl").stdout


def test_what_is_reported_is_short_and_counts_what_was_asked_for(tmp_path: Path, running: Running) -> None:
    names = ("workplace_assistant_email", "workplace_assistant_customer_relationship_manager")
    written(tmp_path / "in.jsonl", [calendar_row(n, category=names[n % 2]) for n in range(5)])
    ng(tmp_path, "collect_rollouts", *BOTH, running.head)
    told = ng(tmp_path, "collect_rollouts", *BOTH, running.head, "+limit=3", COLUMNS="80").stdout
    assert "3 rollouts were asked for, 5 are in out.jsonl" in told
    assert "│ email " in told
    assert "workplace_assistant" not in told
    assert "│ manager" not in told


def test_the_version_shows_the_extras(tmp_path: Path) -> None:
    found = json.loads(ng(tmp_path, "version", "+json=true").stdout)
    named = f"{found['extras']}, {found.get('extras not installed', '')}"
    assert all(extra in named for extra in ("data", "local", "mcp"))
