"""The peer's stories and rows, and our own, as tasks."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.terminal import SHARED
from usergym.environments.base import RowError
from usergym.environments.turtle import judging
from usergym.environments.turtle.world import Turtle, TurtleWorld
from usergym.rollouts.engine import Cast, begin, play, seat_idle, seat_oracle

PEER = SHARED / "data" / "userrl"
needs_peer = pytest.mark.skipif(not PEER.is_dir(), reason="the peer's data is not here")

STORY = {
    "judgment": "Yes",
    "new_title": "The Kettle",
    "new_surface": "A man boils water and nobody drinks it.",
    "new_bottom": "The man lives beside a railway. The steam warms the frozen signal lamp outside of his window.",
    "evaluation": [
        {"statement": "The steam warms a frozen signal lamp.", "score": 0.7},
        {"statement": "The man lives beside a railway.", "score": 0.3},
    ],
}
ROW: dict[str, Any] = {
    "data_source": "interact_turtlegym",
    "prompt": [
        {"role": "system", "content": "Play."},
        {"role": "user", "content": "Title: The Kettle\nSurface: A man boils water and nobody drinks it.\n"},
    ],
    "reward_model": {"env_name": "TurtleGym", "title": "The Kettle", "style": "rule", "ground_truth": "x"},
    "extra_info": {"split": "test", "index": 0},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stories.json").write_text(json.dumps({"7": STORY}))
    return tmp_path


def test_a_story_of_the_peer_is_a_task_whose_own_story_solves_it() -> None:
    env = Turtle()
    task = env.read(STORY)
    assert [(part["says"], part["weight"]) for part in task.data["parts"]] == [
        ("The steam warms a frozen signal lamp.", 0.7),
        ("The man lives beside a railway.", 0.3),
    ]
    assert STORY["new_surface"] in task.opening[0].said
    assert env.read(msgspec.json.decode(msgspec.json.encode(task))) == task
    oracle = asyncio.run(play(env, begin(task, 0, 0), Cast(seat_oracle)))
    assert (oracle.reward(), oracle.stop) == (1.0, "solved")


def test_a_parquet_row_takes_its_criteria_from_the_folder_and_keeps_its_words_and_split(folder: Path) -> None:
    task = Turtle(data=str(folder)).read(ROW)
    assert task.split == "test"
    assert task.opening[0].said == ROW["prompt"][1]["content"].strip()
    assert task.group == Turtle().read(STORY).group
    assert Turtle(data=str(folder / "stories.json")).read(ROW) == task


def test_a_file_of_stories_is_a_set_of_tasks(folder: Path) -> None:
    (task,) = Turtle(data=str(folder)).tasks()
    assert task == Turtle().read(STORY)
    assert (
        len([each for split in ("train", "validation", "test") for each in Turtle(data=str(folder)).tasks(split)]) == 1
    )
    with pytest.raises(RowError, match="turtle:data=FILE"):
        Turtle().read({"7": STORY, "8": STORY})


def test_a_parquet_row_alone_tells_no_criteria() -> None:
    with pytest.raises(RowError, match="turtle:data=FOLDER"):
        Turtle().read(ROW)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"new_bottom": ""}, "new_bottom"),
        ({"new_title": 3}, "new_title"),
        ({"evaluation": []}, "evaluation"),
        ({"evaluation": [{"statement": "x"}]}, r"evaluation\[0\].score"),
        ({"evaluation": [{"score": 1}]}, r"evaluation\[0\].statement"),
        ({"evaluation": [{"statement": "x", "score": 0.5}]}, "evaluation"),
        ({"evaluation": [{"statement": "x", "score": 2}, {"statement": "y", "score": -1}]}, "evaluation"),
        ({"evaluation": [{"statement": "x", "score": float("nan")}]}, "evaluation"),
    ],
)
def test_a_story_that_cannot_be_read_is_refused_with_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError, match=f"field '{field}'"):
        Turtle().read({**STORY, **change})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"reward_model": None}, "reward_model.env_name"),
        ({"reward_model": {"env_name": "TravelGym"}}, "reward_model.env_name"),
        ({"reward_model": {"env_name": "TurtleGym"}}, "reward_model.title"),
        ({"reward_model": {"env_name": "TurtleGym", "title": "Another"}}, "reward_model.title"),
        ({"prompt": []}, "prompt"),
    ],
)
def test_a_parquet_row_that_cannot_be_read_is_refused_with_its_field(
    folder: Path, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(RowError, match=f"field '{field}'"):
        Turtle(data=str(folder)).read({**ROW, **change})


@pytest.mark.parametrize("content", ["{", "[]", '{"1": 2}'])
def test_a_file_of_stories_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "stories.json").write_text(content)
    with pytest.raises(RowError):
        Turtle(data=str(tmp_path)).read(ROW)
    with pytest.raises(RowError, match=r"stories\.json"):
        Turtle(data=str(tmp_path / "nowhere")).read(ROW)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"title": "T", "surface": "s", "bottom": "b", "parts": [{"says": "x", "weight": 0.4}]},
        {"title": "T", "surface": "s", "bottom": "b", "parts": [{"says": "x", "weight": 1, "needs": "a | & b"}]},
        {"title": "T", "surface": "s", "bottom": "b", "facts": [{"ask": "x", "answer": "maybe", "on": "x"}]},
    ],
)
def test_a_task_that_is_no_story_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(RowError, match="data"):
        Turtle().read({"id": "t", "env": "turtle", "data": data})
    with pytest.raises(RowError, match="env"):
        Turtle().read({"id": "t", "env": "search", "data": data})


@needs_peer
def test_the_peers_stories_are_solved_by_their_own_criteria_and_never_by_idling() -> None:
    env = Turtle()
    stories = json.loads((PEER / "stories_first60.json").read_text())
    assert len(stories) == 60
    for story in stories.values():
        task = env.read(story)
        assert asyncio.run(play(env, begin(task, 0, 0), Cast(seat_idle))).reward() == 0.0
        oracle = asyncio.run(play(env, begin(task, 0, 0), Cast(seat_oracle)))
        assert (oracle.error, oracle.reward()) == (None, 1.0), task.id


@needs_peer
def test_the_rules_are_wary_of_stories_of_which_they_know_only_statements() -> None:
    """What another story earns is next to nothing; what the story itself earns is far from everything."""
    worlds = [
        Turtle().start(Turtle().read(story))
        for story in json.loads((PEER / "stories_first60.json").read_text()).values()
    ]
    stories = [world.story for world in worlds if isinstance(world, TurtleWorld)]
    told = [judging.overall(judging.by_rules(story.bottom, story), story) for story in stories]
    assert 0.3 < sum(told) / len(told) < 0.5
    pairs = itertools.pairwise(stories)
    assert sum(judging.overall(judging.by_rules(other.bottom, story), story) for story, other in pairs) < 1


@needs_peer
def test_the_peers_rows_find_their_stories() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(PEER / "turtle_multiturn.test.parquet").to_pylist()
    env = Turtle(data=str(PEER))
    known = {story["new_title"] for story in json.loads((PEER / "stories_first60.json").read_text()).values()}
    found = [row for row in rows if row["reward_model"]["title"] in known]
    assert found
    for row in rows:
        if row in found:
            assert env.read(row).split == "test"
        else:
            with pytest.raises(RowError, match=r"reward_model\.title"):
                env.read(row)
