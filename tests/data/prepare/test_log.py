"""Tuples of recorded conversations of any format: what was answered, and nothing that failed or was cut."""

import msgspec
import pytest

from tests.data.prepare.rows import chatted, read, write
from usergym.data.prepare.log import Log, open_log
from usergym.data.prepare.pipeline import Plan, prepare
from usergym.types import Failure, Message, Seat, Task, ToolCall, Trajectory, Turn


def spoke(speaker, text, **turn):
    return Turn(speaker, Message("assistant", text), **turn)


def talk(name, *turns, **more):
    seats = {"assistant": Seat("Be brief.", model="a-model"), "user": Seat("You want tea.")}
    return Trajectory(Task(name, "shop", **more.pop("task", {})), 0, 1, seats, list(turns), **more)


def prepared(folder, trajectories, recipe=Log(), **plan):
    write(folder / "run" / "trajectories.jsonl", msgspec.to_builtins(trajectories))
    report = prepare(recipe, open_log(folder / "run"), Plan(folder / "out", **{"held_out": 0.0, **plan}))
    return report, read(folder / "out/train.jsonl")


def four():
    turns = (
        ("user", "Tea?"),
        ("assistant", "Black."),
        ("user", "Green!"),
        ("assistant", "Green."),
        ("user", "Thanks."),
    )
    return [spoke(*turn) for turn in turns]


def test_every_reply_that_was_answered_is_a_tuple(tmp_path):
    report, rows = prepared(tmp_path, [talk("t1", *four())])
    assert [(row["y"], row["o"]) for row in rows] == [("Black.", "Green!"), ("Green.", "Thanks.")]
    system = {"role": "system", "content": "Be brief."}
    assert rows[0]["x"] == [system, {"role": "user", "content": "Tea?"}]
    assert rows[0]["meta"] == {
        "source": "log",
        "conversation_id": "t1#0",
        "turn_id": 2,
        "env": "shop",
        "speaker": "assistant",
        "model": "a-model",
    }
    assert report.written["train"] == 2


def test_the_user_is_a_speaker_too(tmp_path):
    _, rows = prepared(tmp_path, [talk("t1", *four())], Log(speaker="user"))
    assert [(row["y"], row["o"]) for row in rows] == [("Green!", "Green.")]
    roles = [message["role"] for message in rows[0]["x"]]
    assert roles == ["system", "assistant", "user"], "of the user's own view"


def test_a_chat_log_of_another_format_and_a_context_that_is_cut_to_the_last_messages(tmp_path):
    file = write(tmp_path / "chats.jsonl", [{"messages": chatted("q1", "a1", "q2", "a2", "q3", "a3", "q4")}])
    prepare(Log(history=3), open_log(file), Plan(tmp_path / "out", held_out=0.0))
    rows = read(tmp_path / "out/train.jsonl")
    contexts = [[message["content"] for message in row["x"]] for row in rows]
    assert contexts == [["q1"], ["q1", "a1", "q2"], ["q2", "a2", "q3"]]


def test_what_failed_or_was_cut_at_length_is_left_out_and_counted(tmp_path):
    cut_reply = [spoke("user", "Tea?"), spoke("assistant", "Bla", stop="length"), spoke("user", "What?")]
    cut_reaction = [spoke("user", "Tea?"), spoke("assistant", "Black."), spoke("user", "Gre")]
    trajectories = [
        talk("ok", *four()),
        talk("failed", *four(), error=Failure("unavailable", "gone")),
        talk("cut", *cut_reply),
        talk("cut too", *cut_reaction, stop="length"),
        talk("silent", spoke("user", "Tea?"), spoke("assistant", "Black.")),
    ]
    report, rows = prepared(tmp_path, trajectories)
    assert len(rows) == 2
    assert report.left_out == {
        "that failed (unavailable)": 1,
        "that gave no tuple": 2,
        "without a reply in words that was answered": 1,
    }
    assert report.tally.left_out == {"whose reply was cut at length": 1, "whose reaction was cut at length": 1}


def test_replies_and_reactions_keep_the_length_that_was_asked_for(tmp_path):
    def said(reply, reaction):
        return talk(f"{reply}{reaction}", spoke("user", "q"), spoke("assistant", reply), spoke("user", reaction))

    pairs = [
        ("ab", "abcd"),
        ("abcd", "ab"),
        ("a", "ab"),
        ("ab", "abcde"),
        ("abcde", "ab"),
        (" ab ", " "),
        ("a b", "  ab"),
    ]
    report, rows = prepared(tmp_path, [said(*pair) for pair in pairs], Log(min_chars=2, max_chars=4))
    assert [(row["y"], row["o"]) for row in rows] == [("ab", "abcd"), ("abcd", "ab"), ("a b", "  ab")]
    assert report.tally.left_out == {
        "with a reply under 2 characters": 1,
        "with a reaction over 4 characters": 1,
        "with a reply over 4 characters": 1,
        "with an empty reaction": 1,
    }


def test_calls_and_their_results_stay_in_the_context(tmp_path):
    call = Message("assistant", "", tool_calls=(ToolCall("c1", "look", "{}"),))
    turns = [
        spoke("user", "Tea?"),
        Turn("assistant", call),
        Turn("assistant", Message("tool", "in stock", tool_call_id="c1")),
        spoke("assistant", "Yes."),
        spoke("user", "One."),
    ]
    _, (row,) = prepared(tmp_path, [talk("t", *turns)])
    assert (row["y"], row["o"]) == ("Yes.", "One.")
    assert [message["role"] for message in row["x"]] == ["system", "user", "assistant", "tool"]


def test_consecutive_messages_of_one_speaker_are_joined(tmp_path):
    messages = chatted("q1", "q2", "a1", "a2", "o1", "o2", roles="hhgghh")
    file = write(tmp_path / "chats.jsonl", [{"messages": messages}])
    report = prepare(Log(), open_log(file), Plan(tmp_path / "out", held_out=0.0))
    (row,) = read(tmp_path / "out/train.jsonl")
    assert (row["x"][0]["content"], row["y"], row["o"]) == ("q1\n\nq2", "a1\n\na2", "o1\n\no2")
    assert report.tally.notes == {"joined to the one before": 3}


def test_the_samples_of_one_task_are_in_one_split_and_pinned_ones_where_they_are_pinned(tmp_path):
    def variant(name, sample, **task):
        trajectory = talk(name, *four(), task=task)
        trajectory.sample = sample
        trajectory.turns[0] = spoke("user", f"Tea {name} {sample}?")
        return trajectory

    talks = [variant(f"t{n}", sample) for n in range(30) for sample in range(2)]
    pinned = [variant(f"p {split}", 0, split=split) for split in ("train", "validation", "test")]
    report, rows = prepared(tmp_path, [*talks, *pinned], held_out=0.3)
    kept = {row["meta"]["conversation_id"].split("#")[0] for row in rows}
    held_out = {row["meta"]["conversation_id"].split("#")[0] for row in read(tmp_path / "out/validation.jsonl")}
    assert not kept & held_out
    assert "p train" in kept
    assert "p validation" in held_out
    assert len(kept) + len(held_out) == 32
    assert report.tally.left_out == {"pinned to split test": 2}


def test_a_random_order_has_the_same_tuples(tmp_path):
    talks = [talk(f"t{n}", spoke("user", f"q{n}"), spoke("assistant", "a"), spoke("user", "o")) for n in range(20)]
    _, stored = prepared(tmp_path, talks)
    _, shuffled = prepared(tmp_path, talks, seed=3, force=True)
    assert stored != shuffled
    assert sorted(map(str, stored)) == sorted(map(str, shuffled))


@pytest.mark.parametrize("wrong", [{"min_chars": 0}, {"min_chars": 5, "max_chars": 4}, {"history": 0}])
def test_rules_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="give 1"):
        Log(**wrong)


def test_a_log_that_is_not_there_or_of_no_known_shape_is_told(tmp_path):
    with pytest.raises(ValueError, match="no file or run folder"):
        open_log(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match="no file or run folder"):
        open_log(tmp_path)
    file = write(tmp_path / "odd.jsonl", [{"a": 1}])
    with pytest.raises(ValueError, match=r"odd\.jsonl:1: no known format has the fields a"):
        prepare(Log(), open_log(file), Plan(tmp_path / "out"))
