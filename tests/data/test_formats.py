import json
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from tests.data.strategies import played, trajectories
from usergym.data import formats
from usergym.data.formats import carry, dpo, nemo_gym
from usergym.rows import read_rows
from usergym.types import Message, Task, ToolCall, Trajectory, Turn

SHARED = Path(__file__).parents[3] / "shared" / "data"
ALWAYS_A_ROW = [name for name in formats.NAMES if name not in ("graded", "dpo", "humanlm", "interactions")]


def through_json(row):
    return json.loads(json.dumps(row))


@pytest.mark.parametrize("parquet", [False, True])
@pytest.mark.parametrize("speaker", ["assistant", "user"])
@pytest.mark.parametrize("name", [name for name in formats.NAMES if name != "dpo"])
@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.shrink])
@given(trajectory=trajectories)
def test_out_and_in_again_is_the_same_trajectory(name, speaker, parquet, trajectory):
    rows = formats.write_rows(trajectory, name, speaker, parquet=parquet)
    assert rows or name not in ALWAYS_A_ROW
    for row in map(through_json, rows):
        assert formats.detect(row) == name or name == "verl"
        assert formats.read_row(row) == [trajectory]


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate, Phase.shrink])
@given(first=trajectories, second=trajectories)
def test_a_pair_out_and_in_again_is_the_same_two_trajectories(first, second):
    for row, better, worse in dpo.pairs([first, second]):
        assert formats.read_row(through_json(carry(row, [better, worse]))) == [better, worse]


@pytest.mark.parametrize("name", ALWAYS_A_ROW[1:])
def test_an_edited_row_is_refused_rather_than_read_as_it_was(name):
    (row,) = formats.write_rows(played("a task with a name"), name)
    edited = json.loads(json.dumps(row).replace("please do a task", "please do the task"))
    assert edited != row
    with pytest.raises(ValueError, match=r"usergym.*remove the field"):
        formats.read_row(edited)
    del edited["usergym"]
    assert "please do the task" in str(formats.read_row(edited))


def test_a_column_that_somebody_added_does_not_matter():
    whole = played("x")
    (row,) = formats.write_rows(whole, "messages")
    assert formats.read_row({**row, "length": 12, "none": None}) == [whole]


@pytest.mark.parametrize(
    "file",
    [
        "calendar_example",
        "calendar_example_rollouts",
        "workplace_assistant_example",
        "workplace_assistant_example_rollouts",
    ],
)
def test_real_nemo_gym_rows_survive_reading_and_writing(file):
    path = SHARED / "nemo_gym" / f"{file}.jsonl"
    if not path.exists():
        pytest.skip("no shared data here")
    for _, row in read_rows(path):
        (first,) = formats.read_row(row)
        (plain,) = formats.write_rows(first, "nemo_gym", whole=False)
        (again,) = formats.read_row(through_json(plain))
        assert again == first
        (whole,) = formats.write_rows(first, "nemo_gym")
        assert formats.read_row(whole) == [first]
        known = {"responses_create_params", "response", "reward"}
        assert {key: plain[key] for key in row if key not in known} == {
            key: row[key] for key in row if key not in known
        }
        assert plain.get("reward") == row.get("reward")
        asked, written = (one["responses_create_params"] for one in (row, plain))
        said = [(item["role"], item["content"]) for item in asked["input"]]
        assert [(item["role"], item["content"]) for item in written["input"]] == said
        assert written["tools"] == asked["tools"]
        if "response" in row:
            kinds = [(item["type"], item.get("arguments"), item.get("output")) for item in row["response"]["output"]]
            assert [(i["type"], i.get("arguments"), i.get("output")) for i in plain["response"]["output"]] == kinds
            assert plain["response"]["id"] == row["response"]["id"]


def test_recorded_rewards_and_thoughts_of_nemo_gym_rollouts_are_read():
    path = SHARED / "nemo_gym" / "calendar_example_rollouts.jsonl"
    if not path.exists():
        pytest.skip("no shared data here")
    found = [formats.read_row(row)[0] for _, row in read_rows(path)]
    assert [one.reward() for one in found] == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert all(one.turns[-1].message.reasoning and one.turns[-1].speaker == "assistant" for one in found)
    assert all(one.seats["assistant"].model == "Qwen/Qwen3-8B" for one in found)


def test_reasoning_is_read_from_summary_and_from_content():
    def row(item):
        said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
        return {"responses_create_params": {"input": "hello"}, "response": {"output": [item, said]}}

    summary = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]}
    content = {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    for item in (summary, content):
        (found,) = formats.read_row(row(item))
        assert found.turns[-1].message == Message("assistant", "hi", "hm")
    assert found.reward() is None


def test_nulls_that_pad_an_expected_state_are_no_events():
    row = {"responses_create_params": {"input": "hello"}, "exp_cal_state": {"0": {"constraint": None}, "1": None}}
    assert formats.read_row(row)[0].task.data["exp_cal_state"] == {"0": {"constraint": None}}


@pytest.mark.parametrize("path", sorted((SHARED / "userrl").glob("*.parquet")), ids=lambda path: path.stem)
def test_real_userrl_files_are_read_and_written_back(path):
    read = 0
    for _, row in read_rows(path):
        assert formats.detect(row) == "userrl"
        (task,) = formats.read_row(row)
        assert task.task.env in path.stem.replace("bamboogle", "search")
        assert task.task.split == "test"
        assert [turn.speaker for turn in task.turns] == ["user"]
        (plain,) = formats.write_rows(task, "userrl", whole=False)
        assert plain == row
        read += 1
    assert read >= 40


def test_a_sharegpt_row_with_calls_is_read_for_what_it_says():
    call = '{"name": "look", "arguments": {"at": "moon"}}'
    row = {
        "system": "Be brief.",
        "tools": json.dumps([{"name": "look", "description": "", "parameters": {}}]),
        "conversations": [
            {"from": "human", "value": "what is up?"},
            {"from": "function_call", "value": call},
            {"from": "observation", "value": "the moon"},
            {"from": "gpt", "value": "<think>\nwell\n</think>\n\nThe moon."},
        ],
        "source": "somewhere",
    }
    (found,) = formats.read_row(row)
    assert [message.role for message in found.view("assistant")] == ["system", "user", "assistant", "tool", "assistant"]
    assert json.loads(found.turns[1].message.tool_calls[0].arguments) == {"at": "moon"}
    assert found.turns[2].message.tool_call_id == found.turns[1].message.tool_calls[0].id
    assert found.turns[3].message == Message("assistant", "The moon.", "well")
    assert found.task.data == {"source": "somewhere"}
    assert [turn.said for turn in found.task.opening] == ["what is up?"]
    (again,) = formats.write_rows(found, "sharegpt", whole=False)
    assert again["conversations"] == row["conversations"]


def test_chat_messages_with_calls_are_read_and_written_alike():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "what is up?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "the moon", "tool_call_id": "c1"},
        {"role": "assistant", "content": "The moon.", "reasoning_content": "well"},
    ]
    (found,) = formats.read_row({"messages": messages})
    assert found.turns[1].message.tool_calls == (ToolCall("c1", "look", "{}"),)
    assert formats.write_rows(found, "messages", whole=False) == [{"messages": messages}]


def test_either_side_is_told_as_its_own_assistant():
    (row,) = formats.write_rows(played("x"), "messages", "user", whole=False)
    assert [(one["role"], one["content"]) for one in row["messages"]] == [
        ("system", "You want x."),
        ("assistant", "please do x"),
        ("user", "done"),
        ("assistant", "thank you"),
    ]


def test_a_preference_pair_is_two_samples_of_one_task():
    row = {"prompt": "what is up?", "chosen": [{"role": "assistant", "content": "The moon."}], "rejected": "Nothing."}
    row["rejected"] = [{"role": "assistant", "content": row["rejected"]}]
    good, bad = formats.read_row(row)
    assert good.task == bad.task
    assert (good.sample, bad.sample) == (0, 1)
    assert (good.reward(), bad.reward()) == (1.0, 0.0)
    ((again, _, _),) = dpo.pairs([bad, good])
    assert again["prompt"] == [{"role": "user", "content": "what is up?"}]
    assert again["chosen"] == row["chosen"]
    assert again["rejected"] == row["rejected"]


def test_pairs_take_every_gap_and_leave_the_unscored_out():
    samples = [played("x", n, reward, f"reply {n}") for n, reward in enumerate([1.0, 0.0, None, 0.4, 0.4])]
    found = [(row["score_chosen"], row["score_rejected"]) for row, _, _ in dpo.pairs(samples)]
    assert sorted(found) == [(0.4, 0.0), (0.4, 0.0), (1.0, 0.0), (1.0, 0.4), (1.0, 0.4)]
    assert [row["score_rejected"] for row, _, _ in dpo.pairs(samples, gap=0.7)] == [0.0]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {
                "prompt": [
                    {"role": "user", "content": "AITA?", "metadata": {"author": "a"}},
                    {"role": "user", "content": "why", "metadata": {"author": "b"}},
                ],
                "completion": "because",
                "post_id": "p1",
                "user_id": "a",
                "timestamp": 3,
            },
            [("user", "AITA?"), ("assistant", "why"), ("user", "because")],
        ),
        (
            {
                "prompt": [
                    {"role": "system", "content": "You are HUMAN."},
                    {"role": "assistant", "content": "hi", "name": "Bo"},
                ],
                "generation": {"role": "user", "name": "HUMAN", "content": "hello"},
            },
            [("assistant", "hi"), ("user", "hello")],
        ),
        (
            {
                "data_source": "reddit",
                "prompt": [
                    {"role": "user", "content": "first", "name": "HUMAN"},
                    {"role": "assistant", "content": "hi", "name": "Bo"},
                ],
                "ability": "generation",
                "reward_model": {"style": "custom", "ground_truth": "hello"},
                "extra_info": {"target_user_id": "u", "split": "val", "post_id": "p1"},
            },
            [("user", "first"), ("assistant", "hi"), ("user", "hello")],
        ),
    ],
)
def test_humanlm_rows_of_each_shape_put_the_human_in_the_user_seat(row, words):
    assert formats.detect(row) == "humanlm"
    (found,) = formats.read_row(row)
    assert [(turn.speaker, turn.said) for turn in found.turns] == words
    assert found.task.opening == tuple(found.turns[:-1])
    if "post_id" in str(row):
        assert found.task.group == "p1"


def test_interaction_tuples_of_both_shapes_are_read():
    own = {"x": [{"role": "user", "content": "q"}], "y": "a", "o": "no, shorter", "meta": {"id": 1}}
    log = {"prompt": [{"from": "human", "value": "q"}], "completion": "a", "user_response": "no, shorter", "id": 1}
    for row in (own, log):
        assert formats.detect(row) == "interactions"
        (found,) = formats.read_row(row)
        assert [(turn.speaker, turn.said) for turn in found.turns] == [
            ("user", "q"),
            ("assistant", "a"),
            ("user", "no, shorter"),
        ]
        assert found.task.data == {"id": 1}
        (again,) = formats.write_rows(found, "interactions", whole=False)
        assert (again["y"], again["o"]) == ("a", "no, shorter")


def test_every_answered_reply_is_a_tuple():
    words = [("user", "1"), ("assistant", "2"), ("user", "3"), ("assistant", "4"), ("user", "5"), ("assistant", "6")]
    talk = Trajectory(Task("t", "e"), 0, 0, {}, [Turn(who, Message("assistant", text)) for who, text in words])
    rows = formats.write_rows(talk, "interactions", whole=False)
    assert [(len(row["x"]), row["y"], row["o"]) for row in rows] == [(1, "2", "3"), (3, "4", "5")]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"messages": "hello"}, "no known format"),
        ({"messages": [{"role": "king", "content": "x"}]}, r"messages.*king"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]}, r"messages\[1\]\.role"),
        ({"messages": ["x"]}, "messages"),
        ({"conversations": [{"from": "human"}]}, r"conversations\[0\]\.value"),
        ({"conversations": [{"from": "king", "value": "x"}]}, r"conversations\[0\]\.from"),
        ({"conversations": [{"from": "function_call", "value": "not JSON"}]}, r"conversations\[0\]\.value"),
        ({"responses_create_params": {"input": 3}}, r"responses_create_params\.input"),
        ({"responses_create_params": {}}, r"responses_create_params\.input"),
        ({"responses_create_params": {"input": "x"}, "reward": "good"}, "reward"),
        ({"responses_create_params": {"input": "x", "tools": [{"type": "web_search"}]}}, r"tools"),
        ({"messages": [], "usergym": "nonsense"}, "usergym"),
        ({"x": [], "y": 1, "o": "b"}, "'y'"),
        ({"prompt": [], "reward_model": {"env_name": ""}, "extra_info": {}}, r"reward_model\.env_name"),
        ({}, "no known format"),
    ],
)
def test_a_bad_row_is_told_with_its_field(row, field):
    with pytest.raises(ValueError, match=field):
        formats.read_row(row)


def test_a_wrong_format_name_lists_the_right_ones():
    with pytest.raises(LookupError, match=r"alpaca.*sharegpt"):
        formats.load("alpaca")


def test_a_training_row_ends_with_the_last_message_that_was_answered():
    row = nemo_gym.training_row(played("x"), nemo_gym.expected_fields)
    assert row["responses_create_params"]["input"] == [
        {"role": "system", "content": "Be helpful."},
        {"role": "user", "content": "please do x"},
    ]
