"""The published map of best states: read without running anything, for the rows that are there."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from usergym.cli.train_users import begin_with
from usergym.environments.people.contexts import Context
from usergym.environments.people.gym import People
from usergym.environments.people.reservoir import Offer, Prefix, Reservoir
from usergym.training.verl_prefixes import read_map, write_map

LEVELS = ("stance", "emotion", "response")
CONTEXTS = [
    Context(f"c{n}", f"user-{n}", "post", "", (("Ada", "Cake?"),), {"response": f"words {n}"}, "train", f"user-{n}")
    for n in range(3)
]


def entry(number: int, field: Any, reward: Any, prompt: str = "") -> dict[str, Any]:
    row = {
        "prompt": [{"role": "user", "content": f"Cake?{prompt}"}],
        "extra_info": {"target_user_id": f"user-{number}", "post_id": "post", "index": number},
        "reward_model": {"ground_truth": f"words {number}"},
    }
    return {"reward": reward, "field": field, "data": row, "timestamp": 1.0}


def saved(folder: Path, value: Any) -> Path:
    torch.save(value, folder / "hierarchy_map.pt")
    return folder / "hierarchy_map.pt"


STANCE = "\n<stance>\nfor it\n</stance>\n"


@pytest.mark.parametrize("inside", [True, False])
def test_states_come_with_those_before_them_and_their_mean_score(tmp_path: Path, inside: bool) -> None:
    table = {
        "stance": {"stance:0": [entry(0, "for it", 0.9, STANCE)], "stance:1": entry(1, "against", torch.tensor(1.0))},
        "emotion": {"emotion:0": [entry(0, "joy", 0.5, f"{STANCE}\n<emotion>\njoy\n</emotion>\n")]},
    }
    path = saved(tmp_path, {"hierarchy_map": table, "seen": 3} if inside else table)
    made = read_map(path, CONTEXTS, LEVELS, 40)
    assert (made.kept, made.strange, made.unusable) == (3, 0, 0)
    assert made.saved.prefixes == {
        "c0": {
            "stance": [Prefix({"stance": "for it"}, 0.9, 40)],
            "emotion": [Prefix({"stance": "for it", "emotion": "joy"}, 0.7, 40)],
        },
        "c1": {"stance": [Prefix({"stance": "against"}, 1.0, 40)]},
    }
    write_map(made, tmp_path / "new" / "hierarchy_map.json")
    reservoir = Reservoir(max_age=10)
    reservoir.begin_with(tmp_path / "new" / "hierarchy_map.json")
    assert reservoir.draw("c0", ["stance", "emotion"], 0) == Prefix({"stance": "for it", "emotion": "joy"}, 0.7, 0)
    reservoir.step = 11
    assert reservoir.draw("c0", ["stance", "emotion"], 0) is None, "it grows old from here"


def test_a_prefix_of_another_run_is_as_old_as_it_was_there(tmp_path: Path) -> None:
    there = Reservoir()
    for there.step, said in ((3, "early"), (9, "late")):
        there.offer(Offer(said, "stance", None, said, 1.0))
    there.save(tmp_path / "prefixes.json")
    here = Reservoir(max_age=5)
    here.begin_with(tmp_path / "prefixes.json")
    assert sorted(here.ages()) == [0, 6]
    assert here.draw("early", ["stance"], 0) is None
    assert here.draw("late", ["stance"], 0)


def test_what_cannot_be_used_is_counted_and_left_out(tmp_path: Path) -> None:
    entries = [
        *(entry(7, "for it", 1.0), entry(0, "", 1.0), entry(0, "for it", 3), entry(0, None, 1.0)),
        *({"reward": 1.0, "field": "for it"}, "for it", entry(1, "fine", 1.0)),
    ]
    path = saved(tmp_path, {"stance": {f"stance:{place}": [each] for place, each in enumerate(entries)}, "mood": {}})
    made = read_map(path, CONTEXTS, LEVELS, 0)
    assert (made.kept, made.strange, made.unusable) == (1, 1, 5)


class Boom:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (os.mkdir, (str(self.folder),))


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    path = saved(tmp_path, {"stance": {"a": [Boom(tmp_path / "harm")]}})
    with pytest.raises(ValueError, match=r"hierarchy_map.pt holds more than plain values"):
        read_map(path, CONTEXTS, LEVELS, 0)
    assert not (tmp_path / "harm").exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("data", [b"", b"nothing", b"PK\x03\x04 cut", b"\x80\x04."])
def test_a_file_that_torch_did_not_write_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "hierarchy_map.pt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"hierarchy_map\.pt"):
        read_map(path, CONTEXTS, LEVELS, 0)


@pytest.mark.parametrize("value", [[1], {"stance": 3}, {"hierarchy_map": {"stance": [1]}}])
def test_a_file_of_something_else_is_named(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ValueError, match="holds no map of best states"):
        read_map(saved(tmp_path, value), CONTEXTS, LEVELS, 0)


def test_prefixes_are_for_modes_that_build_on_them(tmp_path: Path) -> None:
    path = tmp_path / "prefixes.json"
    building = People("separate_generation", people=2, posts=1)
    there = Reservoir()
    there.offer(Offer(building.contexts[0].id, "stance", None, "for it", 1.0))
    there.save(path)
    begin_with(building, path)
    assert len(building.reservoir) == 1
    begin_with(People(people=2, posts=1), None)
    with pytest.raises(ValueError, match="separate_system_prompt builds on none; try --mode separate_generation"):
        begin_with(People(people=2, posts=1), path)
