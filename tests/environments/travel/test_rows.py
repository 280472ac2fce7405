"""Rows of data files: our own tasks, UserRL's parquet rows, and its travel records, here made by hand."""

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.terminal import SHARED
from tests.environments.travel.acts import blocks, heard, played, task_of
from usergym.environments.base import RowError
from usergym.environments.travel import environment as Travel
from usergym.environments.travel.asking import understand
from usergym.rollouts.engine import Cast, begin, play, seat_oracle

KEY = "flight:2-39|hotel:2-4"


def option(key: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": key, **fields, "type": kind, "reason": f"the {kind} one"}


RECORD: dict[str, Any] = {
    "scenario": "The traveller wants a flight with wide seats and a hotel with a rooftop bar.",
    "wanted_num": [2, 2],
    "dimensions": ["flight", "hotel"],
    "initial_description": "I need a flight from New York to Denver on December 15th and a hotel there until the 20th.",
    "flight": {
        "preferences": [
            ["flight", "Seat comfort", "Prefers seats with extra width", "I broaden every year.", "more"],
            ["flight", "Layover duration", "Prefers layovers under two hours", "Waiting halls drive me mad."],
        ],
        "arguments": {"origin": "New York", "destination": "Denver", "departure_date": "December 15th", "people": 1},
        "options": {
            "correct": [option("F4", "correct", price=210), option("F9", "correct", price=330)],
            "wrong": [option("F1", "wrong", price=100)],
            "noise": [option("F7", "noise", price=90, origin="Boston")],
        },
        "best_id": "F4",
        "correct_ids": ["F4", "F9"],
    },
    "hotel": {
        "preferences": [
            ["hotel", "Bar", "Prefers a rooftop bar", "I like to toast the skyline."],
            ["hotel", "Bathroom", "Prefers a bathtub", "I think best up to my neck in foam."],
        ],
        "arguments": {"city": "Denver", "check_in_date": "2025-12-15", "check_out_date": "2025-12-20", "guests": "1"},
        "options": {"correct": [option("H3", "correct", price=800)], "wrong": [option("H2", "wrong", price=500)]},
        "best_id": "H3",
        "correct_ids": ["H3"],
    },
}


def row(key: str = KEY, truth: str = "['H3', 'F4']") -> dict[str, Any]:
    """As a merged parquet file has it: what other gyms have is null."""
    about = {"env_name": "TravelGym", "id": key, "title": None}
    return {
        "data_source": "interact_travelgym",
        "prompt": [
            {"role": "system", "content": "Theirs."},
            {"role": "user", "content": "Flight and hotel in Denver, please.\nAnd cheap ones.\n"},
        ],
        "ability": "interaction",
        "reward_model": {**about, "ground_truth": truth, "style": "rule"},
        "extra_info": {
            "index": 7,
            "split": "test",
            "need_tools_kwargs": True,
            "tools_kwargs": {"interact_with_env": {"create_kwargs": about}},
        },
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "travelgym_data_22.json").write_text(json.dumps({KEY: RECORD}))
    return tmp_path


def test_a_row_of_the_peer_is_played_with_its_travel_data_and_keeps_its_split(folder: Path) -> None:
    gym = Travel(data=str(folder))
    task = gym.read(row())
    assert task.opening[0].said == "Flight and hotel in Denver, please.\nAnd cheap ones."
    assert task.split == "test"
    trajectory = asyncio.run(play(gym, begin(task, 0, 0), Cast(seat_oracle)))
    assert (trajectory.error, trajectory.stop, trajectory.reward()) == (None, "answered", 1.0)
    assert Travel().read(msgspec.json.decode(msgspec.json.encode(task))) == task


def test_what_marks_an_option_and_what_tells_the_preferences_reaches_no_view(folder: Path) -> None:
    gym = Travel(data=str(folder))
    task = gym.read(row())
    trajectory = played(gym, task, [("search", "flight from New York to Denver, Dec 15, 1 person")])
    (result,) = heard(trajectory)
    assert result.count('"id"') == 4
    everything = trajectory.task.opening[0].said + result
    assert not any(word in everything for word in ("correct", "wrong", "noise", "reason", "wide seats", "extra width"))
    assert '"scenario"' not in msgspec.json.encode(task).decode()


def test_questions_about_the_peers_preferences_are_known_by_their_own_words(folder: Path) -> None:
    every = [each for block in blocks(Travel(data=str(folder)).read(row())) for each in block.preferences]
    for words, number in (
        ("How wide should your seat be on the flight?", 0),
        ("Is a long layover fine?", 1),
        ("Would you enjoy a bar at the hotel?", 2),
        ("Do you want a bathtub?", 3),
    ):
        assert understand(words, every, every).preference == every[number]
    assert understand("Do you have preferences for the hotel?", every, every).kind == "vague"


def test_a_record_is_a_task_when_it_names_its_id() -> None:
    task = Travel().read({"id": KEY, **RECORD})
    assert task.opening[0].said == RECORD["initial_description"]
    assert [block.key for block in blocks(task)] == ["flight:2-39", "hotel:2-4"]
    with pytest.raises(RowError, match="'id'"):
        Travel().read(RECORD)


def test_a_row_without_its_data_is_told_what_it_needs(folder: Path) -> None:
    with pytest.raises(RowError, match="travel:data=FOLDER") as caught:
        Travel().read(row())
    assert caught.value.field == "reward_model.id"
    with pytest.raises(RowError, match=r"travelgym_data_333\.json, which is not there"):
        Travel(data=str(folder)).read(row("flight:3-1|hotel:3-2|restaurant:3-3"))
    with pytest.raises(RowError, match=r"travelgym_data_22\.json, found 'flight:2-1"):
        Travel(data=str(folder)).read(row("flight:2-1|hotel:2-2"))
    with pytest.raises(RowError, match="best ids") as caught:
        Travel(data=str(folder)).read(row(truth="['H2', 'F4']"))
    assert caught.value.field == "reward_model.ground_truth"
    (folder / "travelgym_data_33.json").write_text("{")
    with pytest.raises(RowError, match="cannot be read"):
        Travel(data=str(folder)).read(row("flight:3-1|hotel:3-2"))


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("dimensions", ["boat"], "dimensions"),
        ("dimensions", None, "dimensions"),
        ("initial_description", 3, "initial_description"),
        ("hotel", [], "hotel"),
        ("hotel.preferences", "none", "hotel.preferences"),
        ("hotel.preferences", [["hotel", "Bar"]], "hotel.preferences[0]"),
        ("hotel.arguments", None, "hotel.arguments"),
        ("hotel.options", [], "hotel.options"),
        ("hotel.options.wrong", ["H2"], "hotel.options.wrong[0]"),
        ("hotel.options.wrong", [{"price": 1}], "hotel.options.wrong[0].id"),
        ("hotel.best_id", None, "hotel.best_id"),
        ("hotel.best_id", "H9", "data.blocks[1].best_id"),
        ("hotel.correct_ids", ["H3", "H8"], "data.blocks[1].best_id"),
        ("hotel.options.wrong", [{"id": "H3"}], "data.blocks[1].options"),
    ],
)
def test_a_record_that_is_wrong_somewhere_is_refused_with_the_place(path: str, value: Any, field: str) -> None:
    record = copy.deepcopy(RECORD)
    *above, last = path.split(".")
    inside = record
    for name in above:
        inside = inside[name]
    inside[last] = value
    with pytest.raises(RowError) as caught:
        Travel().read({"id": KEY, **record})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("data", "field"),
    [({}, "data.blocks"), ({"blocks": []}, "data.blocks"), ({"blocks": [{"aspect": "boat"}]}, "data.blocks")],
)
def test_a_task_of_ours_without_its_blocks_is_refused(data: dict[str, Any], field: str) -> None:
    with pytest.raises(RowError) as caught:
        Travel().read({"id": "x", "env": "travel", "data": data})
    assert caught.value.field == field
    with pytest.raises(RowError, match="'env'"):
        Travel().read({"id": "x", "env": "tau", "data": {}})
    task = msgspec.to_builtins(task_of(Travel()))
    with pytest.raises(RowError, match="one block for each aspect"):
        Travel().read({**task, "data": {"blocks": task["data"]["blocks"][:1] * 2}})


@pytest.mark.skipif(not (SHARED / "data" / "userrl").is_dir(), reason="the peer's data is not here")
def test_the_rows_of_the_peers_file_ask_for_its_travel_data() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(SHARED / "data" / "userrl" / "travel22_multiturn_onechoice.test.parquet").to_pylist()
    for each in rows[:5]:
        with pytest.raises(RowError, match="travel:data=FOLDER"):
            Travel().read(each)
