"""`usergym prepare` as a person uses it: tables, one JSON object, a dry run, and one line where something is wrong."""

import json

import pytest

from tests.cli.terminal import usergym
from tests.data.prepare.rows import asked, chatted, logged, post, prompts, read, wild, write
from usergym.rows import kind_of


def sources(folder):
    write(folder / "posts/train.jsonl", [post("a cat"), post("A  cat"), post("b" * 2000), post("two cats")])
    write(folder / "posts/validation.jsonl", [post("a cat"), post("three cats")])
    write(folder / "steer.jsonl", [asked(f"question {n}") for n in range(9)])
    write(folder / "feedback.json", [{"conversation": logged("q", "a", "o")}])
    write(folder / "chats.parquet", [wild(f"c{n}", chatted(f"q{n}", "a", "o")) for n in range(5)])


def test_every_source_writes_to_its_documented_folder_and_tells_what_came_of_it(tmp_path):
    sources(tmp_path)
    table = usergym(tmp_path, "prepare", "tldr", "--source", "posts").stdout
    for line in ("rows read │ 6", "left out: of 1,024 characters or more │ 1", "duplicates within train │ 1"):
        assert line in " ".join(table.split())
    assert "held out, but in train too │ 1" in " ".join(table.split())
    assert prompts(tmp_path / "data/tldr_prompts_unique") == ["a cat\nTL;DR:\n", "two cats\nTL;DR:\n"]
    assert prompts(tmp_path / "data/tldr_prompts_unique", "validation") == ["three cats\nTL;DR:\n"]
    usergym(tmp_path, "prepare", "helpsteer", "--source", "steer.jsonl")
    assert len(prompts(tmp_path / "data/helpsteer2_prompts")) >= 7
    usergym(tmp_path, "prepare", "wildfeedback", "--source", "feedback.json", "--held-out", 0)
    assert read(tmp_path / "data/wildfeedback/train.jsonl")[0]["o"] == "o"
    told = json.loads(usergym(tmp_path, "prepare", "wildchat", "--source", "chats.parquet", "--json").stdout)
    about = json.loads((tmp_path / "data/wildchat/prepare.json").read_text())
    assert told == {"out": "data/wildchat", **about}
    assert told["settings"]["seed"] == 42
    assert sum(told["written"].values()) == 5


@pytest.mark.parametrize("name", ["tldr", "wildchat"])
def test_a_dry_run_says_what_would_happen_and_creates_nothing(tmp_path, name):
    write(tmp_path / "rows.jsonl", [{"not": "looked at"}])
    before = sorted(tmp_path.rglob("*"))
    told = usergym(tmp_path, "prepare", name, "--source", "rows.jsonl", "--out", "new/out", "--dry-run").stdout
    for part in ("rows.jsonl (21 bytes)", "rules:", "new/out/train.jsonl", "new/out/prepare.json"):
        assert part in told
    asked_for = usergym(tmp_path, "prepare", name, "--source", "rows.jsonl", "--dry-run", "--json").stdout
    assert set(json.loads(asked_for)) == {"reads", "rules", "writes", "settings"}
    assert sorted(tmp_path.rglob("*")) == before


def test_the_flags_change_the_rules(tmp_path):
    sources(tmp_path)
    flags = ("--max-user", 1, "--language", "any", "--min-messages", 2, "--history", 1, "--alternation", "drop")
    chats = ("prepare", "wildchat", "--source", "chats.parquet", "--out", "a", *flags)
    assert "nothing to train on in 5 rows (5 with a message of the user over 1 characters)" in (
        usergym(tmp_path, *chats, fails=True).stderr
    )
    rows = ("--legacy-rows", "--pair-kind", "user_to_assistant", "--held-out", 0, "--seed", 1, "--limit", 3)
    usergym(tmp_path, "prepare", "wildchat", "--source", "chats.parquet", "--out", "b", *rows)
    assert {row["prompt"][0]["from"] for row in read(tmp_path / "b/train.jsonl")} == {"human"}
    assert len(read(tmp_path / "b/train.jsonl")) == 3


def test_what_is_wrong_is_told_in_one_line(tmp_path):
    sources(tmp_path)
    wrong = {
        ("tldr", "--source", "steer.jsonl"): "steer.jsonl:1: field 'info': expected an object with post or article",
        ("tldr", "--source", "gone.jsonl"): "no file or folder gone.jsonl",
        ("wildchat", "--source", "chats.parquet", "--history", 0): "--history is 0; give 1 or more",
        ("log", "chats.parquet"): "no known format has the fields",
    }
    for arguments, told in wrong.items():
        lines = usergym(tmp_path, "prepare", *arguments, fails=True).stderr.strip().splitlines()
        assert len(lines) == 1, lines
        assert told in lines[0]
    assert not (tmp_path / "data").exists()


def test_bad_rows_are_listed_where_they_are_left_out(tmp_path):
    write(tmp_path / "rows.jsonl", [asked("a"), {"prompt": "b"}])
    told = usergym(tmp_path, "prepare", "helpsteer", "--source", "rows.jsonl", "--skip-bad", "--held-out", 0).stdout
    assert "1 bad row skipped" in told
    assert "rows.jsonl:2: field 'response': expected a text, found nothing" in told


def test_without_a_network_the_hub_is_told_with_what_to_do(tmp_path):
    told = usergym(tmp_path, "prepare", "tldr", fails=True, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hf")).stderr
    assert "cannot load openai/summarize_from_feedback from the hub" in told
    assert "give --source FILE or FOLDER" in told
    assert len(told.strip().splitlines()) == 1
    assert not (tmp_path / "data").exists()


def test_other_outputs_are_kept_unless_forced(tmp_path):
    sources(tmp_path)
    steer = ("prepare", "helpsteer", "--source", "steer.jsonl")
    usergym(tmp_path, *steer, "--held-out", 0)
    usergym(tmp_path, *steer, "--held-out", 0)
    for more in ((), ("--dry-run",)):
        told = usergym(tmp_path, *steer, "--limit", 2, *more, fails=True).stderr
        assert "prepared with other settings (limit None, now 2, held_out 0.0, now 0.02)" in told
    assert len(prompts(tmp_path / "data/helpsteer2_prompts")) == 9
    usergym(tmp_path, *steer, "--limit", 2, "--held-out", 0, "--force")
    assert len(prompts(tmp_path / "data/helpsteer2_prompts")) == 2


def test_a_run_gives_tuples_of_either_speaker(tmp_path):
    usergym(tmp_path, "rollout", "--env", "calendar", "--model", "oracle", "--limit", 3, "--out", "some")
    for speaker in ("assistant", "user"):
        flags = ("--speaker", speaker, "--held-out", 0, "--out", speaker)
        usergym(tmp_path, "prepare", "log", "runs/some", *flags)
        rows = read(tmp_path / speaker / "train.jsonl")
        assert rows
        for row in rows:
            assert row["y"].strip()
            assert row["o"].strip()
            assert row["meta"]["speaker"] == speaker
    usergym(tmp_path, "prepare", "log", "some", "--held-out", 0)
    assert kind_of(tmp_path / "data/some_tuples/train.jsonl") == ".jsonl"
    assert (tmp_path / "data/some_tuples/train.jsonl").exists()
