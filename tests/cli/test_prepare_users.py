"""`usergym prepare users` and the documented script as a person uses them: flags, models over HTTP, resuming."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.model_server import model_server
from tests.cli.terminal import ROOT, environment, usergym
from tests.data.prepare.rows import read, write
from tests.data.prepare.users.threads import PERSONA, reddit, town
from usergym.cli import main
from usergym.data.prepare.users.profile import FIELDS
from usergym.users.population import population

THOUGHT = (
    "Here we are again, and I care more about this place than most who write below it. I want them to hear me out "
    "before anything is settled, so I will put it plainly."
)
RECIPE = ROOT / "recipes/usim/create_any_dataset.py"


def answer(model: str, body: dict[str, Any]) -> str:
    """Draws personas and thinks."""
    told = body["messages"][-1]["content"]
    if not told.startswith("[0]"):
        return THOUGHT
    quote = told.split("\n")[1][:30]
    items = [{"says": f"item {n}", "text": 0, "quote": quote} for n in range(5)]
    return json.dumps(dict.fromkeys(FIELDS, items))


def users(folder: Path, *arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    return usergym(folder, "prepare", "users", *arguments, **more)


def recipe(folder: Path, *arguments: object, fails: bool = False, module: bool = False) -> str:
    """What the documented script printed, run as a file, or as a module of the clone."""
    program = ["-m", "recipes.usim.create_any_dataset"] if module else [str(RECIPE)]
    where = {"PYTHONPATH": str(ROOT)} if module else {}
    line = [sys.executable, *program, *map(str, arguments)]
    done = subprocess.run(line, cwd=folder, env=environment(**where), capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_population_becomes_the_documented_tree(tmp_path: Path):
    write(tmp_path / "raw.jsonl", population(20, 30, 3))
    table = " ".join(users(tmp_path, "--dataset", "plain", "--source", "raw.jsonl", "--out", "d").stdout.split())
    assert "rows read │ 240" in table
    assert "personas: given │ 20" in table
    assert "leaks: texts that stand in their own prompt │ 0" in table
    there = {path.relative_to(tmp_path / "d").as_posix() for path in (tmp_path / "d").rglob("*") if path.is_file()}
    for split in ("train", "val", "test", "test_dropout"):
        assert {f"rl/sebvgcr/{split}.parquet", f"rl/sebvgcr/{split}.example.json"} <= there
    assert {"rl/sebvgcr/manifest.json", "rl/sebvgcr/personas.jsonl", "prompts/sebvgcr_belief.txt"} <= there
    more = ("--sft", "--hierarchy_config_path", "r", "--train_subset_percentage", 50, "--json")
    told = json.loads(users(tmp_path, "--dataset", "plain", "--source", "raw.jsonl", "--out", "d", *more).stdout)
    assert told["out"] == "d/sft/r/50p"
    assert told["written"]["train"] == len(read(tmp_path / "d/sft/r/50p/train.parquet"))
    assert set(told["leaks"].values()) == {0}


def test_a_dry_run_says_what_would_happen_and_creates_nothing(tmp_path: Path):
    write(tmp_path / "raw.jsonl", [{"not": "looked at"}])
    before = sorted(tmp_path.rglob("*"))
    line = ("--dataset", "reddit", "--source", "raw.jsonl", "--mode", "separate_system_prompt", "--dry-run")
    told = users(tmp_path, *line).stdout
    for part in ("raw.jsonl (21 bytes)", "a row for each level", "published runs used 50%", "manifest.json"):
        assert part in told
    found = json.loads(users(tmp_path, *line, "--json", "--split-by", "post").stdout)
    assert set(found) == {"reads", "rules", "writes", "settings"}
    assert found["settings"]["expand"] is True
    thinking = ("--dataset", "reddit", "--source", "raw.jsonl", "--sft", "--thinking-sft", "--dry-run", "--json")
    for arguments, asks in (((*line, "--json"), False), (thinking, True)):
        writes = json.loads(users(tmp_path, *arguments).stdout)["writes"]
        names = [Path(each).name for each in writes]
        assert {"personas.jsonl", "test_dropout.example.json", "manifest.json"} <= set(names)
        assert ("replies.sqlite" in names, "thoughts.jsonl" in names) == (asks, asks)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_piped_is_the_table_and_what_comes_next_and_counts_the_people_of_every_file(tmp_path: Path):
    write(tmp_path / "raw.jsonl", town(persona=PERSONA))
    done = users(tmp_path, "--dataset", "plain", "--source", "raw.jsonl")
    assert done.stdout.splitlines()[0].strip().startswith("rl rows in")
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "next: usergym train users data/users/plain/rl/sebvgcr"
    for split in ("train", "val", "test", "test_dropout"):
        assert f"written: {split}.parquet of" in done.stdout


def test_rows_whose_thoughts_were_all_refused_say_why(tmp_path: Path):
    write(tmp_path / "raw.jsonl", town(persona=PERSONA))
    write(tmp_path / "thoughts.jsonl", [{"id": "nobody", "thinking": "x"}])
    line = ("--dataset", "plain", "--source", "raw.jsonl", "--sft", "--thinking-sft", "--thinking-model", "none")
    told = users(tmp_path, *line, "--trajectory-path", "thoughts.jsonl", fails=True).stderr
    assert "nothing to train on in 120 rows" in told
    assert "the thoughts: " in told
    assert "without a thought in --trajectory-path" in told


def test_the_help_shows_the_flag_of_tags_whole(tmp_path: Path):
    told = " ".join(users(tmp_path, "--help").stdout.split())
    assert "Bare words, without the tags" in told


def test_rows_of_your_own_go_through_the_script(tmp_path: Path):
    write(tmp_path / "raw.jsonl", town(persona=PERSONA))
    recipe(tmp_path, "--dataset", "plain", "--raw_dataset_repo", "raw.jsonl", "--save_data_dir", "out")
    assert (tmp_path / "out/rl/sebvgcr/train.parquet").exists()


def test_the_script_takes_the_documented_flags_as_a_file_and_as_a_module(tmp_path: Path):
    write(tmp_path / "raw/train.parquet", town(persona=PERSONA))
    flags = ("--dataset", "reddit", "--parquet_dir", "raw", "--save_data_dir", "out", "--save_prompt_dir", "p")
    config = ("--hierarchy_config_path", "./recipe/usim/hierarchy_config/sebvgcr.json")
    recipe(tmp_path, *flags, *config, "--train_subset_percentage", 50, "--test_subset_percentage", 50, module=True)
    half = json.loads((tmp_path / "out/rl/sebvgcr/50p/manifest.json").read_text())
    assert (half["settings"]["train_percent"], half["settings"]["test_percent"]) == (50, 50)
    assert (tmp_path / "p/sebvgcr_value.txt").exists()
    bare = ("--hierarchy_config_path", "r", "--sft", "--no_tag", "--item_dropout_prob", 0.5)
    recipe(tmp_path, *flags, *bare, "--field_dropout_prob", 0.2, "--seed", 3)
    made = json.loads((tmp_path / "out/sft/r_no_tag/manifest.json").read_text())["settings"]
    assert (made["tags"], made["item_dropout"], made["field_dropout"], made["seed"]) == (False, 0.5, 0.2, 3)
    with model_server(answer) as server:
        thinks = ("--sft", "--thinking_sft", "--thinking_model", "some-model", "--thinking_batch_size", 3)
        recipe(tmp_path, *flags, *thinks, "--base-url", server.url)
    rows = read(tmp_path / "out/thinking_sft/think_r/train.parquet")
    assert all(THOUGHT in row["generation"]["content"] for row in rows)
    again = ("--sft", "--thinking_sft", "--thinking_model", "none", "--trajectory_path", "out/thinking_sft/think_r")
    recipe(tmp_path, *flags[:4], "--save_data_dir", "again", *again)
    assert read(tmp_path / "again/thinking_sft/think_r/train.parquet") == rows


def test_a_run_that_was_stopped_goes_on_without_asking_again(tmp_path: Path):
    write(tmp_path / "raw.jsonl", town())
    line = ["--dataset", "plain", "--source", "raw.jsonl", "--out", "d", "--sft", "--thinking-sft"]
    line += ["--persona-model", "m", "--thinking-model", "m", "--thinking-batch-size", "1", "--drop-leaks"]
    allowed = [40]

    def until(model: str, body: dict[str, Any]) -> str | None:
        return answer(model, body) if len(server.bodies) <= allowed[0] else None

    with model_server(until, refusal=401) as server:
        told = users(tmp_path, *line, "--base-url", server.url, fails=True).stderr
        assert "stopped:" in told
        assert "Run the same command again" in told
        assert not (tmp_path / "d/thinking_sft").exists()
        allowed[0] = 10**6
        before = len(server.bodies)
        figures = json.loads(users(tmp_path, *line, "--base-url", server.url, "--json").stdout)
        asked = figures["persona_answers"]["answered"] + figures["thoughts"]["answered"]
        assert len(server.bodies) - before == asked - 40
        assert figures["personas"] == {"model": 12}
        after = len(server.bodies)
        users(tmp_path, *line, "--base-url", server.url)
        assert len(server.bodies) == after


@pytest.mark.filterwarnings("ignore:Cyclopts application invoked")
def test_what_is_wrong_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    rows = town(persona=PERSONA)
    write(tmp_path / "raw.jsonl", rows)
    write(tmp_path / "bad.jsonl", [*rows, reddit(user_id=None)])
    write(tmp_path / "none.jsonl", [reddit(text="[deleted]")])
    leaky = {"persona": {**PERSONA, "quotes": [rows[n]["completion"] for n in range(30)]}}
    write(tmp_path / "leaky.jsonl", [{**row, "metadata": leaky} for row in rows])
    plain = ("--dataset", "plain", "--source")
    wrong = {
        ("--dataset", "redit"): "no data set 'redit'; there are reddit",
        ("--dataset", "plain"): "plain has no rows on the hub; give --source",
        (*plain, "gone.jsonl"): "no file or folder gone.jsonl",
        (*plain, "raw.jsonl", "--thinking-sft"): "--thinking-sft is a kind of --sft; give both",
        (*plain, "raw.jsonl", "--no-tag"): "--no-tag is for one level",
        (*plain, "raw.jsonl", "--mode", "separate"): "no mode 'separate'",
        (*plain, "raw.jsonl", "--hierarchy-config-path", "x.json"): "no hierarchy 'x.json'",
        (*plain, "raw.jsonl", "--split-by", "post", "--unseen", "0.1"): "--unseen is for --split-by user",
        (*plain, "raw.jsonl", "--drop-leaks", "--allow-leaks"): "contradict each other",
        (*plain, "raw.jsonl", "--sft", "--thinking-sft", "--thinking-model", "none"): "give it",
        (*plain, "raw.jsonl", "--sft", "--thinking-sft", "--thinking-model", "x"): "does not begin with a provider",
        (*plain, "bad.jsonl", "--strict"): "bad.jsonl:121: field 'user_id'",
        ("--dataset", "reddit", "--source", "none.jsonl"): "(1 deleted or removed); no file was touched",
        (*plain, "leaky.jsonl"): "Take them out with --drop-leaks",
    }
    for arguments, told in wrong.items():
        monkeypatch.setattr("sys.argv", ["usergym", "prepare", "users", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        lines = capsys.readouterr().err.strip().splitlines()
        assert ended.value.code
        assert len(lines) == 1, lines
        assert told in lines[0], lines
    assert not (tmp_path / "data").exists()
    assert "invalid choice: 'redit'" in recipe(tmp_path, "--dataset", "redit", fails=True)
    both = ("--dataset", "reddit", "--parquet_dir", "a", "--raw_dataset_repo", "b")
    assert "not allowed with" in recipe(tmp_path, *both, fails=True)


def test_broken_rows_are_listed_and_the_rest_is_written(tmp_path: Path):
    write(tmp_path / "raw.jsonl", [*town(persona=PERSONA), reddit(user_id=None), {"prompt": []}])
    done = users(tmp_path, "--dataset", "plain", "--source", "raw.jsonl")
    assert "2 bad rows skipped" in done.stdout
    assert "raw.jsonl:121: field 'user_id': expected whose words these are, found nothing" in done.stdout
    assert (tmp_path / "data/users/plain/rl/sebvgcr/train.parquet").exists()


@pytest.mark.parametrize("name", ["wildchat", "wildchat_english"])
def test_both_names_of_the_chats_write_the_same(tmp_path: Path, name: str):
    write(tmp_path / "raw.jsonl", [])
    told = json.loads(users(tmp_path, "--dataset", name, "--source", "raw.jsonl", "--dry-run", "--json").stdout)
    assert told["writes"][0] == "data/users/wildchat_english/rl/sebvgcr_wildchat_stronger/train.parquet"


def test_without_a_network_the_hub_is_told_with_what_to_do(tmp_path: Path):
    told = users(tmp_path, "--dataset", "enron", fails=True, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hf")).stderr
    assert "cannot load snap-stanford/humanual-email from the hub" in told
    assert len(told.strip().splitlines()) == 1
