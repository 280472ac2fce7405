import json
import random
import tracemalloc

import msgspec
import pytest

from tests.data.strategies import played, said
from usergym.data.convert import read_conversations
from usergym.data.export import ExportOptions, export
from usergym.rows import read_rows
from usergym.types import Failure, Message, Reward, Seat, Task, Trajectory, Turn


def ours(path, trajectories):
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in trajectories))
    return path


def rows(path):
    return [row for _, row in read_rows(path)]


STATES = [{"0": {"event_id": 0, "duration": 30}}, {"0": {"event_id": 0, "duration": 30, "constraint": "before 2pm"}}]


def calendar(key, states=STATES, replies=2, reward=1.0):
    spoken = []
    for n in range(replies):
        spoken += [said("user", f"ask {n}"), Turn("assistant", Message("assistant", f"answer {n}", "private thought"))]
    task = Task(key, "calendar", data={"expected_calendar_states": states, "persona": "hidden"})
    seats = {"assistant": Seat("Keep the calendar.", model="m")}
    return Trajectory(task, 0, 0, seats, spoken, [Reward("grade", reward)], "failed_turn")


def test_a_calendar_row_is_the_documented_one(tmp_path):
    source = ours(tmp_path / "t.jsonl", [calendar("a")])
    done = export(source, tmp_path / "train.jsonl")
    assert rows(tmp_path / "train.jsonl") == [
        {
            "responses_create_params": {
                "input": [
                    {"role": "system", "content": "Keep the calendar."},
                    {"role": "user", "content": "ask 0"},
                    {"role": "assistant", "content": "answer 0"},
                    {"role": "user", "content": "ask 1"},
                ],
                "tools": [],
            },
            "exp_cal_state": STATES[1],
        }
    ]
    assert (done.conversations, done.train, done.left_out) == (1, 1, {})


def test_a_conversation_that_stopped_early_expects_the_state_of_then(tmp_path):
    source = ours(tmp_path / "t.jsonl", [calendar("a", replies=1)])
    export(source, tmp_path / "train.jsonl")
    (row,) = rows(tmp_path / "train.jsonl")
    assert row["exp_cal_state"] == STATES[0]
    assert row["responses_create_params"]["input"][-1] == {"role": "user", "content": "ask 0"}


def test_everything_that_is_left_out_is_counted(tmp_path):
    broken = calendar("b")
    broken.error = Failure("judge", "no answer")
    unheard = calendar("u")
    unheard.turns = unheard.turns[:1]
    talks = [
        calendar("a"),
        broken,
        unheard,
        calendar("c", reward=None),
        calendar("d", states=[None, {}]),
        calendar("e", reward=0.0),
    ]
    source = ours(tmp_path / "t.jsonl", talks)
    done = export(source, tmp_path / "train.jsonl")
    assert done.train == 2
    assert done.left_out == {"error": 1, "unanswered": 1, "unscored": 1, "nothing expected": 1}
    failed = export(source, tmp_path / "failed.jsonl", options=ExportOptions(exclude_success=True))
    assert failed.train == 1
    assert failed.left_out["success"] == 3


def test_the_split_does_not_depend_on_who_finished_first(tmp_path):
    talks = [calendar(f"t{n}") for n in range(60)]
    expected = None
    for seed in range(3):
        random.Random(seed).shuffle(talks)
        source = ours(tmp_path / "t.jsonl", talks)
        done = export(
            source, tmp_path / "train.jsonl", tmp_path / "val.jsonl", ExportOptions("sft", n_val=13, whole=True)
        )
        assert (done.train, done.validation) == (47, 13)
        found = {one.task.id for one in read_conversations(tmp_path / "val.jsonl")}
        assert found.isdisjoint(one.task.id for one in read_conversations(tmp_path / "train.jsonl"))
        expected = expected or found
        assert found == expected


def test_samples_of_a_group_stay_on_one_side(tmp_path):
    talks = [played(f"t{n}", sample, group=f"g{n % 5}") for n in range(20) for sample in range(2)]
    source = ours(tmp_path / "t.jsonl", talks)
    done = export(source, tmp_path / "train.jsonl", tmp_path / "val.jsonl", ExportOptions("sft", n_val=3, whole=True))
    sides = [{one.task.group for one in read_conversations(tmp_path / f"{name}.jsonl")} for name in ("train", "val")]
    assert sides[0].isdisjoint(sides[1])
    assert (done.train, done.validation) == (32, 8)


def test_asking_for_every_row_as_validation_says_how_many_there_are_and_leaves_the_old_files(tmp_path):
    source = ours(tmp_path / "t.jsonl", [calendar(f"t{n}") for n in range(7)])
    export(source, tmp_path / "train.jsonl", tmp_path / "val.jsonl", ExportOptions(n_val=0))
    assert len(rows(tmp_path / "train.jsonl")) == 7
    assert rows(tmp_path / "val.jsonl") == []
    with pytest.raises(ValueError, match="7 validation rows asked of 7"):
        export(source, tmp_path / "train.jsonl", tmp_path / "val.jsonl", ExportOptions(n_val=7))
    assert len(rows(tmp_path / "train.jsonl")) == 7


def test_only_the_best_samples_of_each_task_are_taken(tmp_path):
    talks = [played(f"t{n}", sample, sample / 4) for sample in range(4) for n in range(5)]
    source = ours(tmp_path / "t.jsonl", talks)
    options = ExportOptions("sft", top_k=2, min_reward=0.25, whole=True)
    done = export(source, tmp_path / "train.jsonl", options=options)
    found = [(one.task.id, one.sample) for one in read_conversations(tmp_path / "train.jsonl")]
    assert sorted(found) == [(f"t{n}", sample) for n in range(5) for sample in (2, 3)]
    assert done.left_out == {"below the least reward": 5, "not among the best of its task": 5}


def test_the_user_can_be_trained_on_the_same_run(tmp_path):
    gone = played("x")
    gone.turns.append(Turn("user", Message("assistant", ""), heard="", stop="user_stop"))
    source = ours(tmp_path / "t.jsonl", [gone])
    export(source, tmp_path / "a.jsonl", options=ExportOptions("sft"))
    export(source, tmp_path / "u.jsonl", options=ExportOptions("sft", speaker="user"))
    told = [[(m["role"], m["content"]) for m in rows(tmp_path / f"{side}.jsonl")[0]["messages"]] for side in "au"]
    assert told[0] == [("system", "Be helpful."), ("user", "please do x"), ("assistant", "done")]
    assert told[1] == [
        ("system", "You want x."),
        ("assistant", "please do x"),
        ("user", "done"),
        ("assistant", "thank you"),
    ]


@pytest.mark.parametrize("name", ["sft", "sharegpt", "dpo", "nemo_gym", "verl"])
@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_every_format_is_written(tmp_path, name, ending):
    talks = [played(f"t{n}", sample, float(sample), f"reply {sample}") for n in range(4) for sample in range(2)]
    source = ours(tmp_path / "t.jsonl", talks)
    done = export(source, tmp_path / f"train.{ending}", options=ExportOptions(name))
    found = rows(tmp_path / f"train.{ending}")
    assert len(found) == done.train == (4 if name == "dpo" else 8)
    assert "usergym" not in found[0]


def test_preference_tasks_without_a_difference_are_counted(tmp_path):
    talks = [played("same", n, 1.0, f"reply {n}") for n in range(3)] + [
        played("gap", n, float(n), f"reply {n}") for n in range(2)
    ]
    source = ours(tmp_path / "t.jsonl", talks)
    done = export(source, tmp_path / "train.jsonl", options=ExportOptions("dpo"))
    assert (done.train, done.left_out) == (1, {"tasks without a pair": 1})


def test_unscored_conversations_are_kept_only_when_asked(tmp_path):
    source = ours(tmp_path / "t.jsonl", [played("x", reward=None)])
    with pytest.raises(ValueError, match="1 unscored"):
        export(source, tmp_path / "a.jsonl", options=ExportOptions("sft"))
    assert not (tmp_path / "a.jsonl").exists()
    assert export(source, tmp_path / "b.jsonl", options=ExportOptions("sft", keep_unscored=True)).train == 1


def test_tools_whose_environment_is_gone_are_told(tmp_path):
    armed = played("x")
    armed.seats["assistant"] = Seat("s", ("look",))
    source = ours(tmp_path / "t.jsonl", [armed])
    with pytest.raises(LookupError, match=r"x#0 uses tools of environment 'elsewhere'"):
        export(source, tmp_path / "a.jsonl", options=ExportOptions("sft"))


def test_memory_does_not_grow_with_the_run(tmp_path):
    line = json.dumps(msgspec.to_builtins(calendar("t0"))).replace('"hidden"', json.dumps("p" * 2000))

    def peak(count):
        path = tmp_path / "t.jsonl"
        path.write_text("".join(line.replace('"t0"', f'"t{n}"') + "\n" for n in range(count)))
        tracemalloc.start()
        export(path, tmp_path / "train.jsonl", tmp_path / "val.jsonl", ExportOptions(n_val=10))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(50)
    assert peak(3000) < peak(300) + 200_000
