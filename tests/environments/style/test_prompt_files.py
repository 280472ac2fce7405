"""Requests of one's own, from files of several shapes, and what is said of files that cannot be used."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import usergym
from usergym.environments import load
from usergym.environments.base import RowError
from usergym.environments.style import environment as Style
from usergym.types import Message, Task, Turn

CHAT = [
    {"role": "system", "content": "You bake."},
    {"role": "user", "content": "Which flour?"},
    {"role": "assistant", "content": "Rye."},
    {"role": "user", "content": "And how much water?"},
]


def written(path: Path, rows: Any) -> str:
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow.parquet").write_table(pytest.importorskip("pyarrow").Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    return str(path)


def tasks(prompts: str, split: str | None = None, seed: int = 0, **options: Any) -> list[Task]:
    return list(Style(prompts=prompts, **options).tasks(split, seed))


@pytest.mark.parametrize("name", ["p.jsonl", "p.json", "p.parquet"])
def test_texts_are_read_from_every_kind_of_file(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, [{"prompt": f"What is {n} plus one?"} for n in range(20)])
    found = tasks(path)
    assert {task.opening[0].said for task in found} == {f"What is {n} plus one?" for n in range(20)}
    assert all(task.data == {"styles": ["concise_casual_beginner"]} for task in found)


def test_chat_messages_become_the_opening_and_the_system_prompt(tmp_path: Path) -> None:
    logged = [
        {"from": "human", "value": "Which flour?"},
        {"from": "gpt", "value": "Rye."},
        {"from": "human", "value": "And how much water?"},
        {"from": "gpt", "value": "This is what came after."},
    ]
    told = (
        Turn("user", Message("assistant", "Which flour?")),
        Turn("assistant", Message("assistant", "Rye.")),
        Turn("user", Message("assistant", "And how much water?")),
    )
    rows = [{"prompt": CHAT}, {"messages": CHAT}, {"x": CHAT, "y": "A litre.", "o": "Too much!"}, {"x": logged}]
    found = sorted(tasks(written(tmp_path / "p.jsonl", rows)), key=lambda task: task.id)
    assert [task.opening for task in found] == [told] * 4
    assert [task.data.get("system") for task in found] == ["You bake."] * 3 + [None]
    assert Style().start(found[0]).system == "You bake."


def test_nulls_of_a_parquet_file_do_not_matter(tmp_path: Path) -> None:
    rows = [{"prompt": "What is yeast?", "messages": None}, {"prompt": None, "messages": CHAT[1:2]}]
    found = tasks(written(tmp_path / "p.parquet", rows))
    assert {task.opening[0].said for task in found} == {"What is yeast?", "Which flour?"}


def test_messages_are_read_by_the_fields_that_are_not_null(tmp_path: Path) -> None:
    nulls = {"from": None, "value": None}
    rows = [{"x": [{**nulls, "role": "user", "content": "Which flour?"}]}]
    rows += [{"x": [{"from": "human", "value": None, "content": "Which flour?"}]}]
    found = tasks(written(tmp_path / "p.jsonl", rows))
    assert [task.opening[0].said for task in found] == ["Which flour?"] * 2


def test_the_seed_orders_the_rows_and_every_row_comes_once(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", [{"prompt": f"What is {n}?"} for n in range(50)])
    one, again, other = tasks(path, seed=1), tasks(path, seed=1), tasks(path, seed=2)
    assert one == again
    assert [task.opening for task in one] != [task.opening for task in other]
    assert sorted(task.opening[0].said for task in one) == sorted(task.opening[0].said for task in other)
    assert {task.id for task in one}.isdisjoint(task.id for task in other)


def test_rows_are_split_by_what_they_ask_or_as_they_say(tmp_path: Path) -> None:
    rows = [{"prompt": f"What is {n}?"} for n in range(400)] * 2
    path = written(tmp_path / "p.jsonl", rows)
    found = {split: tasks(path, split) for split in ("train", "validation", "test")}
    assert sum(map(len, found.values())) == 800
    assert 20 < len(found["validation"]) < 160
    for one, other in itertools.combinations(found.values(), 2):
        assert {task.opening for task in one}.isdisjoint(task.opening for task in other)
    assert len(tasks(path, "train", held_out=0)) == 800
    said = written(tmp_path / "said.jsonl", [{"prompt": f"What is {n}?", "split": "test"} for n in range(30)])
    assert len(tasks(said, "test")) == 30
    assert tasks(said, "train") == []


def test_rows_of_one_conversation_stay_together(tmp_path: Path) -> None:
    rows = [{"x": [{"role": "user", "content": f"{n}"}], "meta": {"conversation_id": "c1"}} for n in range(30)]
    assert len({task.group for task in tasks(written(tmp_path / "p.jsonl", rows))}) == 1


def test_a_sequence_of_styles_goes_by_the_number_of_the_task(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", [{"prompt": f"What is {n}?"} for n in range(10)])
    styles = [task.data["styles"] for task in tasks(path, style="no_lists>more_lists", every=4)]
    assert styles == [["no_lists"]] * 4 + [["more_lists"]] * 6
    own = itertools.islice(Style(style="no_lists>no_lists+no_emojis>more_lists", every=2).tasks("train", 0), 8)
    stages = [["no_lists"]] * 2 + [["no_lists", "no_emojis"]] * 2 + [["more_lists"]] * 4
    assert [task.data["styles"] for task in own] == stages


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"is empty; give rows such as \{\"prompt\""),
        ("\n\n", "is empty"),
        ('{"prompt": "Hello?"}\n{"prompt": ""}\n', "row 2: field 'prompt': expected a text that is not empty"),
        ('{"prompt": "Hello?"}\n\n{"question": "Why?"}\n', "row 3: field 'prompt': expected a text, or chat messages"),
        ('{"prompt": 7}\n', "row 1: field 'prompt': expected a text or a list of chat messages, found 7"),
        ('{"prompt": "\\u200b\\ufeff"}\n', "row 1: field 'prompt': expected a text that is not empty"),
        ("[1, 2]\n", "row 1: expected a JSON object, found a list"),
        ("{'prompt': 'Hello?'}\n", "row 1: not JSON"),
        ('{"prompt": "\\xff"}\n', "row 1: not JSON"),
        (
            '{"messages": [{"role": "pope", "content": "x"}]}',
            "row 1: field 'messages': expected chat messages .*'pope'",
        ),
        ('{"messages": ["x"]}', r"row 1: field 'messages\[0\]': expected a message with role and content"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "row 1: field 'messages': expected a message of the"),
        (
            '{"messages": [{"role": "user", "content": " "}]}',
            r"row 1: field 'messages\[0\]\.content': expected a text that is not empty",
        ),
        ('{"prompt": "Hello?", "split": "dev"}', "row 1: field 'split': expected train, validation, test"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_file_row_and_field(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=why) as caught:
        load(f"style:prompts={path}")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such file; check the path"):
        Style(prompts=str(tmp_path / "none.jsonl"))
    for name, text, why in (
        ("p.txt", "x", r"expected one of \.jsonl"),
        ("p.json", '{"prompt": "x"}', "expected a JSON list"),
        ("p.parquet", "x", "not a parquet file"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=why):
            Style(prompts=str(tmp_path / name))


def test_a_bad_file_is_one_line_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "Hello?"}\n{"question": "Why?"}\n')
    done = usergym(tmp_path, "rollout", "--env", "style:prompts=p.jsonl", "--model", "oracle", fails=True)
    assert done.stderr.count("\n") == 1
    assert re.search(r"prompts=p\.jsonl, row 2: field 'prompt'", done.stderr)


def test_rows_given_with_tasks_have_the_styles_of_the_environment() -> None:
    gym = Style(style="no_lists+no_emojis")
    task = gym.read({"prompt": "What is yeast?", "id": "a"})
    assert (task.id, task.data["styles"]) == ("style-a", ["no_lists", "no_emojis"])
    assert gym.read({"messages": CHAT}).data["system"] == "You bake."
    with pytest.raises(RowError, match=r"a sequence of styles needs prompts=FILE"):
        Style(style="no_lists>more_lists").read({"prompt": "What is yeast?"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"env": "intention"}, "env"),
        ({"data": {}}, "data.styles"),
        ({"data": {"styles": []}}, "data.styles"),
        ({"data": {"styles": ["no_list"]}}, "no_lists"),
        ({"data": {"styles": [3]}}, "data.styles"),
        ({"opening": []}, "opening"),
        ({"opening": [{"speaker": "assistant", "message": {"role": "assistant", "content": "x"}}]}, "opening"),
    ],
)
def test_a_task_that_cannot_be_played_is_refused_with_the_field(change: dict[str, Any], field: str) -> None:
    opening = [{"speaker": "user", "message": {"role": "assistant", "content": "What is yeast?"}}]
    row = {"id": "a", "env": "style", "opening": opening, "data": {"styles": ["no_lists"]}}
    assert Style().read(row).id == "a"
    with pytest.raises(RowError, match=field):
        Style().read({**row, **change})


def test_a_sequence_goes_through_few_prompts_again_until_every_style_had_its_tasks(tmp_path: Path) -> None:
    asked = tmp_path / "few.jsonl"
    asked.write_text("".join(json.dumps({"prompt": f"How do I mend chair {n}?"}) + "\n" for n in range(10)))
    once = list(load(f"style:style=no_lists,prompts={asked}").tasks("train"))
    twice = list(load(f"style:style=no_lists>more_lists,every=25,prompts={asked}").tasks("train"))
    assert 0 < len(once) < 10
    assert [task.data["styles"] for task in twice] == [["no_lists"]] * 25 + [["more_lists"]] * 25
    assert len({task.id for task in twice}) == 50
    assert {task.group for task in twice} == {task.group for task in once}
