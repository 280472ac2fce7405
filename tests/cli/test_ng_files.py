"""What ng_collect_rollouts does to the files around it: nothing of somebody else's is touched, no two questions share a
file, and a refusal leaves everything as it was."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.ng_terminal import CALENDAR, Running, calendar_row, ng, ng_run, rows, written
from tests.cli.terminal import mock_server

MODE = "+calendar.resources_servers.calendar.environment=calendar:level="


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with mock_server("--text", "[]") as url:
        yield url


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, mock: str) -> Iterator[Running]:
    with ng_run(tmp_path_factory.mktemp("run"), CALENDAR, *policy(mock), MODE + "easy") as found:
        yield found


def policy(url: str, model: str = "model-a") -> list[str]:
    return [f"+policy_base_url={url}", "+policy_api_key=sk-secret", f"+policy_model_name={model}"]


def collect(folder: Path, running: Running, *more: object, source: str = "in.jsonl", status: int = 0) -> str:
    given = (f"+input_jsonl_fpath={source}", running.head, *more)
    if not any("output" in str(each) for each in more):
        given = (*given, "+output_jsonl_fpath=out.jsonl")
    done = ng(folder, "collect_rollouts", *given, status=status)
    return done.stdout + done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()} | {
        str(path.relative_to(folder)): b"" for path in folder.rglob("*") if path.is_dir()
    }


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in.jsonl", "in.jsonl"),
        ("in.jsonl", "./sub/../in.jsonl"),
        ("in.jsonl", "link.jsonl"),
        ("x_failures.jsonl", "x.jsonl"),
        ("x_materialized_inputs.jsonl", "x.jsonl"),
        ("x_aggregate_metrics.json", "x.jsonl"),
        ("x.jsonl.torn", "x.jsonl"),
        (".x.jsonl.tmp", "x.jsonl"),
        ("x.jsonl.run/rows.bin", "x.jsonl"),
        ("in.jsonl", "through_a_folder/in.jsonl"),
        ("in.jsonl", "side.jsonl"),
        ("in.jsonl", "twin.jsonl"),
        ("link.jsonl", "in.jsonl"),
    ],
)
@pytest.mark.parametrize("fresh", ["true", "false"])
def test_the_rows_are_never_written_over(
    tmp_path: Path, running: Running, source: str, output: str, fresh: str
) -> None:
    (tmp_path / source).parent.mkdir(exist_ok=True)
    written(tmp_path / source.replace("link", "in"), [calendar_row()])
    (tmp_path / "sub").mkdir()
    if "link.jsonl" in (source, output):
        (tmp_path / "link.jsonl").symlink_to("in.jsonl")
    (tmp_path / "through_a_folder").symlink_to(".")
    if output == "side.jsonl":
        (tmp_path / "side_materialized_inputs.jsonl").symlink_to("in.jsonl")
    if output == "twin.jsonl":
        (tmp_path / "twin_failures.jsonl").hardlink_to(tmp_path / "in.jsonl")
    before = contents(tmp_path)
    told = collect(tmp_path, running, f"+output_jsonl_fpath={output}", f"+fresh={fresh}", source=source, status=1)
    assert f"is the file of rows {source} itself" in told
    assert "fresh" not in told.partition("error:")[2]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["out.jsonl", "out_failures.jsonl", "out_aggregate_metrics.json"])
def test_a_fresh_start_deletes_nothing_that_this_command_did_not_write(
    tmp_path: Path, running: Running, name: str
) -> None:
    written(tmp_path / "in.jsonl", [calendar_row()])
    (tmp_path / name).write_text("mine\n")
    before = contents(tmp_path)
    told = collect(tmp_path, running, "+fresh=true", status=1)
    assert f"{name} exists and was not collected by this command; give the output another name" in told
    assert "start over" not in told
    assert contents(tmp_path) == before


def test_another_model_or_another_environment_is_refused_with_the_difference(
    tmp_path: Path, running: Running, mock: str
) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(2)])
    collect(tmp_path, running)
    before = contents(tmp_path)
    with ng_run(tmp_path, CALENDAR, *policy(mock, "model-b"), MODE + "hard") as other:
        told = collect(tmp_path, other, "+num_repeats=2", status=1)
    assert "calendar_simple_agent: model was 'model-a' and is 'model-b'" in told
    assert "environment was 'calendar:level=easy' and is 'calendar:level=hard'" in told
    assert contents(tmp_path) == before


def test_the_same_model_behind_another_local_port_is_the_same(tmp_path: Path, running: Running) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(2)])
    collect(tmp_path, running)
    with mock_server("--text", "[]") as url, ng_run(tmp_path, CALENDAR, *policy(url), MODE + "easy") as again:
        collect(tmp_path, again, "+num_repeats=2")
    assert len(rows(tmp_path / "out.jsonl")) == 4
    assert "127.0.0.1" not in (tmp_path / "out.jsonl.run/config.json").read_text()


def test_refusals_leave_everything_as_it_was(tmp_path: Path, running: Running) -> None:
    written(tmp_path / "in.jsonl", [calendar_row(n) for n in range(2)])
    collect(tmp_path, running, "+limit=1")
    before = contents(tmp_path)
    collect(tmp_path, running, "+responses_create_params={temperature: 0.5}", status=1)
    collect(tmp_path, running, "+agent_name=nobody", status=1)
    assert contents(tmp_path) == before
    written(tmp_path / "bad.jsonl", [{}])
    before = contents(tmp_path)
    for into in ("new.jsonl", "far/away/new.jsonl", "new.txt"):
        collect(tmp_path, running, f"+output_jsonl_fpath={into}", source="bad.jsonl", status=1)
    collect(tmp_path, running, "+output_jsonl_fpath=new.txt", status=1)
    assert contents(tmp_path) == before
    collect(tmp_path, running, "+output_jsonl_fpath=far/away/new.jsonl")
    assert len(rows(tmp_path / "far/away/new.jsonl")) == 2


def test_a_position_in_bad_json_is_one_of_the_file(tmp_path: Path, running: Running) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps(calendar_row()) + '\n{"a": tru}\n')
    told = collect(tmp_path, running, status=1)
    assert "in.jsonl:2: not JSON: Expecting value at column 7" in told
    assert "line 1" not in told
