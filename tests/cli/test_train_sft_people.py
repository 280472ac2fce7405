"""Fine-tuning on rows of people, which `usergym prepare users --sft` writes: what is taught is what will be asked."""

import json
from pathlib import Path

import pytest

from tests.cli.terminal import usergym
from usergym.cli.train_sft import Reader
from usergym.environments.people.gym import People
from usergym.rows import Skipped
from usergym.training import checkpoints, tiny
from usergym.training.conversations import Encoder, encode


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("people")
    usergym(made, "population", "--people", 12, "--posts", 6, "--out", "rows.jsonl")
    return made


def prepared(folder: Path, *flags: object) -> Path:
    usergym(folder, "prepare", "users", "--dataset", "plain", "--source", "rows.jsonl", *flags)
    return folder


def conversations(source: Path) -> list[tuple[str, str, str]]:
    read = [each for _, each in Reader("assistant", False, Skipped()).all([source])]
    assert all([message.role for message in each.messages] == ["system", "user", "assistant"] for each in read)
    said = (tuple(each.messages) for each in read)
    return [(system.content, thread.content, own.content) for system, thread, own in said]


def test_rows_teach_the_person_what_the_environment_will_ask(folder: Path) -> None:
    where = prepared(folder, "--sft", "--hierarchy-config-path", "sebvgcr", "--out", "sft")
    prepared(folder, "--mode", "separate_reward", "--out", "rl")
    people = People(config="separate_reward", data=str(where / "rl/rl/sebvgcr"))
    asked = {(people.start(task).system, task.opening[0].said): task.data["truth"] for task in people.tasks("train")}
    taught = conversations(where / "sft/sft/sebvgcr")
    assert taught
    for system, thread, own in taught:
        truth = asked[system, thread]
        assert own.startswith(f"<stance>{truth['stance']}</stance>")
        assert own.endswith(f"<response>{truth['response']}</response>")


def test_a_thought_before_the_words_is_learned_with_them(folder: Path, tmp_path: Path) -> None:
    where = prepared(folder, "--sft", "--hierarchy-config-path", "r_no_tag", "--out", "plain")
    (row, *_) = json.loads((where / "plain/sft/r_no_tag/train.example.json").read_text())
    words = row["generation"]["content"]
    row["generation"]["content"] = f"<think>\nThey would be short with him.\n</think>\n{words}"
    file = tmp_path / "thought.jsonl"
    file.write_text(json.dumps(row) + "\n")
    ((_, thread, own),) = conversations(file)
    tiny.make(tmp_path / "model", [thread, own], vocabulary=400, hidden=32, layers=1, heads=2)
    _, tokenizer = checkpoints.load(str(tmp_path / "model"))
    read = [each for _, each in Reader("user", False, Skipped()).all([file])]
    found = encode(Encoder(tokenizer), read, 2048, "drop")
    assert not found.left_out
    (example,) = found.rows
    learned = tokenizer.decode(example.ids[example.own])
    assert learned.startswith("<think>\nThey would be short with him.\n</think>")
    assert words in learned
    assert thread not in learned
