"""Collections and questions of one's own, and the peer's rows."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.terminal import SHARED
from tests.environments.search.acts import played, told
from usergym.environments.base import RowError
from usergym.environments.search.world import Search

PEER = SHARED / "data" / "userrl"
needs_peer = pytest.mark.skipif(not PEER.is_dir(), reason="the peer's data is not here")

MANUAL = (
    "The pump must be oiled every forty hours. Use the green can for it.\n\n"
    + "A sentence that has nothing to say about anything here. " * 40
    + "\n\nThe warranty of the pump ends after six years. Keep the receipt."
)
QUESTIONS = [
    {"id": "w", "question": "After how many years does the warranty end?", "answer": ["6 years", "six"]},
    {"id": 2, "question": "Which can is for the oil?", "answer": "green"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "corpus"
    (place / "deep").mkdir(parents=True)
    (place / "pump_manual.txt").write_text(MANUAL)
    (place / "deep" / "boiler.md").write_text("# The boiler\n\nIts pressure is four bars.\n")
    (place / "more.jsonl").write_text(json.dumps({"title": "Café", "text": "The café serves Gugelhupf."}) + "\n\n")
    (place / "ignored.bin").write_bytes(b"\xff\xfe")
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    return tmp_path


def test_a_folder_is_searched_and_its_questions_are_the_tasks(folder: Path) -> None:
    env = Search(corpus=str(folder / "corpus"), questions=str(folder / "questions.jsonl"))
    first, second = env.tasks()
    assert [task.id for task in (first, second)] == ["search-w", "search-2"]
    queries = ["warranty pump years", "pressure of the boiler", "Gugelhupf"]
    trajectory = played(env, first, [*(("search", query) for query in queries), ("answer", "six years")])
    warranty, boiler, cafe = told(trajectory)[:3]
    assert warranty.startswith("1. pump manual\n")
    assert "after six years" in warranty
    assert boiler.startswith("1. The boiler\n")
    assert "four bars" in boiler
    assert cafe.startswith("1. Café\n")
    assert trajectory.reward() == 1.0


def test_one_file_of_articles_is_a_collection(folder: Path) -> None:
    env = Search(corpus=str(folder / "corpus" / "more.jsonl"), questions=str(folder / "questions.jsonl"))
    trajectory = played(env, next(env.tasks()), [("search", "cafe café"), ("search", "warranty")])
    assert [words.startswith("1. Café") for words in told(trajectory)] == [True, False]


def test_every_question_is_in_one_split(folder: Path) -> None:
    rows = [{"id": n, "question": f"What is {n}?", "answer": str(n)} for n in range(200)]
    (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    env = Search(corpus=str(folder / "corpus"), questions=str(folder / "q.jsonl"))
    counts = [len(list(env.tasks(split))) for split in ("train", "validation", "test")]
    assert sum(counts) == 200
    assert min(counts) > 5


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", "{", r"a\.jsonl:1: not JSON"),
        ("a.jsonl", "[]", r"a\.jsonl:1: expected an object"),
        ("a.jsonl", '{"title": "x"}', r"a\.jsonl:1: an article is"),
        ("a.jsonl", '{"title": "x", "text": " "}', r"a\.jsonl:1: an article is"),
        ("a.txt", "  \n ", "holds no articles"),
        ("a.csv", "x,y", "holds no articles"),
    ],
)
def test_a_collection_that_cannot_be_read_is_told_with_its_place(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / name).write_text(content)
    env = Search(corpus=str(tmp_path / "corpus"))
    trajectory = played(env, env.read(QUESTIONS[0]), [("search", "x")])
    assert trajectory.error is not None
    assert trajectory.reward() is None
    assert re.search(words, trajectory.error.message)


def test_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    env = Search(corpus=str(tmp_path))
    trajectory = played(env, env.read(QUESTIONS[0]), [("search", "x")])
    assert "a.txt is not UTF-8" in str(trajectory.error)


def test_a_question_that_cannot_be_read_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": 1, "question": "x?", "answer": "y"}\n{"id": 2, "question": "x?"}\n')
    env = Search(questions=str(tmp_path / "q.jsonl"))
    with pytest.raises(ValueError, match=r"q\.jsonl:2: field 'answer'"):
        list(env.tasks())


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"question": "x?", "answer": "y"}, "id"),
        ({"id": True, "question": "x?", "answer": "y"}, "id"),
        ({"id": 1, "question": "", "answer": "y"}, "question"),
        ({"id": 1, "question": "x?", "answer": []}, "answer"),
        ({"id": 1, "question": "x?", "answer": [3]}, "answer"),
        ({"reward_model": {"env_name": "TurtleGym"}}, r"reward_model\.env_name"),
        ({"reward_model": {"env_name": "SearchGym"}}, r"reward_model\.id"),
        ({"reward_model": {"env_name": "SearchGym", "id": "x"}}, r"reward_model\.ground_truth"),
        ({"reward_model": {"env_name": "SearchGym", "id": "x", "ground_truth": "y"}}, "prompt"),
        ({"id": "x", "env": "turtle", "data": {"question": "x?", "answers": ["y"]}}, "env"),
        ({"id": "x", "env": "search", "data": {"question": "x?"}}, r"data\.answers"),
        ({"id": "x", "env": "search", "data": {"question": "x?", "answers": ["y"], "world": 3}}, r"data\.world"),
        (
            {
                "id": "x",
                "env": "search",
                "data": {"question": "x?", "answers": ["y"], "world": {"seed": 1, "number": 1, "size": 1}},
            },
            r"data\.world",
        ),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_field(row: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError, match=f"field '{field}'"):
        Search().read(row)


@needs_peer
def test_the_peers_questions_and_rows_are_tasks(tmp_path: Path) -> None:
    rows = json.loads((PEER / "questions.json").read_text())
    with pytest.raises(RowError, match=r"search:corpus=FOLDER or engine=serper"):
        Search().read(rows[0])
    (tmp_path / "a.txt").write_text("Citibank was founded in 1812.")
    env = Search(corpus=str(tmp_path))
    tasks = [env.read(row) for row in rows]
    assert len({task.id for task in tasks}) == 125
    for task in tasks:
        assert env.read(msgspec.json.decode(msgspec.json.encode(task))) == task
        assert played(env, task, [("answer", task.data["answers"][0])]).reward() == 1.0
    parquet = pytest.importorskip("pyarrow.parquet")
    again = [env.read(row) for row in parquet.read_table(PEER / "bamboogle_multiturn.test.parquet").to_pylist()]
    assert {task.id for task in again} == {task.id for task in tasks}
    by_id = {task.id: task for task in tasks}
    for task in again:
        assert (task.split, task.data) == ("test", by_id[task.id].data)
        assert task.opening[0].said.startswith(task.data["question"])
