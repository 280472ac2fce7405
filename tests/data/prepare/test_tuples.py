"""Tuples of recorded chats: what is a tuple, what a context is, and every rule on its boundary."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.prepare.rows import chatted, logged, read, wild, write
from usergym.data.convert import read_conversations
from usergym.data.prepare.pipeline import Plan, prepare
from usergym.data.prepare.sources import open_source
from usergym.data.prepare.wildchat import WildChat
from usergym.data.prepare.wildfeedback import WildFeedback
from usergym.rows import BadRow
from usergym.types import split_of


def prepared(folder, recipe, rows, **plan):
    file = write(folder / "rows.jsonl", rows)
    return prepare(recipe, open_source(str(file)), Plan(folder / "out", **{"held_out": 0.0, **plan}))


def tuples(folder, split="train"):
    return read(folder / "out" / f"{split}.jsonl")


def words(row):
    return [message["content"] for message in row["x"]], row["y"], row["o"]


def test_every_reply_that_was_answered_is_a_tuple(tmp_path):
    report = prepared(tmp_path, WildFeedback(), [{"conversation": logged("q1", "a1", "q2", "a2", "q3", "a3")}])
    first, second = tuples(tmp_path)
    assert first == {
        "x": [{"role": "user", "content": "q1"}],
        "y": "a1",
        "o": "q2",
        "meta": {"source": "wildfeedback", "conversation_id": "row 0", "row_idx": 0, "turn_id": 1},
    }
    assert words(second) == (["q1", "a1", "q2"], "a2", "q3")
    assert second["meta"]["turn_id"] == 3
    assert (report.read["all"], report.made, report.written["train"]) == (1, 2, 2)


def test_tuples_are_read_as_interactions(tmp_path):
    prepared(tmp_path, WildChat(), [wild("c1", chatted("q1", "a1", "q2"))])
    (trajectory,) = read_conversations(tmp_path / "out/train.jsonl")
    assert [message.content for message in trajectory.view("assistant")] == ["q1", "a1", "q2"]
    assert trajectory.task.data["conversation_id"] == "c1"


def test_the_context_is_the_last_five_messages_from_the_first_of_the_user_on(tmp_path):
    said = [f"m{n}" for n in range(9)]
    prepared(tmp_path, WildFeedback(), [{"conversation": logged(*said)}])
    assert words(tuples(tmp_path)[-1]) == (["m2", "m3", "m4", "m5", "m6"], "m7", "m8")
    prepared(tmp_path, WildFeedback(history=4), [{"conversation": logged(*said)}], force=True)
    assert words(tuples(tmp_path)[-1]) == (["m4", "m5", "m6"], "m7", "m8")


def test_consecutive_messages_of_one_speaker_are_joined_and_none_is_lost(tmp_path):
    said = logged("q1", "and this", "a1", "more", "o1", "o2", "a2", "o3", roles="hhgghhgh")
    report = prepared(tmp_path, WildFeedback(), [{"conversation": said}])
    first, second = tuples(tmp_path)
    assert words(first) == (["q1\n\nand this"], "a1\n\nmore", "o1\n\no2")
    assert words(second) == (["q1\n\nand this", "a1\n\nmore", "o1\n\no2"], "a2", "o3")
    assert [row["meta"]["turn_id"] for row in (first, second)] == [3, 6]
    assert report.tally.notes == {"joined to the one before": 3}


def test_as_documented_later_messages_are_dropped(tmp_path):
    said = logged("q1", "and this", "a1", "more", "o1", "o2", "a2", "o3", roles="hhgghhgh")
    prepared(tmp_path, WildFeedback(alternation="drop"), [{"conversation": said}])
    first, second = map(words, tuples(tmp_path))
    assert first == (["q1", "a1"], "more", "o1"), "the documented context may end on the assistant"
    assert second == (["and this", "a1", "o1"], "a2", "o3"), "of the last five, two are dropped"
    chat = [wild("c", chatted(*(each["value"] for each in said), roles="hhgghhgh"))]
    report = prepared(tmp_path, WildChat(alternation="drop"), chat, force=True)
    assert [words(row) for row in tuples(tmp_path)] == [second], "five messages back it is the user again"
    assert report.tally.left_out == {"whose context does not end on the user": 1}


@pytest.mark.parametrize(
    "nulls",
    [{"from": None, "value": None}, {"value": None}, {"from": None}],
)
def test_messages_are_read_by_the_fields_that_are_not_null(tmp_path, nulls):
    rows = [{"conversation": [{**nulls, **message} for message in chatted("q1", "a1", "q2")]}]
    prepared(tmp_path, WildFeedback(), rows)
    assert [words(row) for row in tuples(tmp_path)] == [(["q1"], "a1", "q2")]
    other = {"role": None, "content": None}
    rows = [{"conversation": [{**other, **message} for message in logged("q3", "a3", "q4")]}]
    prepared(tmp_path, WildFeedback(), rows, force=True)
    assert [words(row) for row in tuples(tmp_path)] == [(["q3"], "a3", "q4")]


def test_a_message_of_no_width_has_no_words(tmp_path):
    report = prepared(tmp_path, WildFeedback(), [{"conversation": logged("q1", "a1", "\u200b", "a2", "q3")}])
    assert [words(row) for row in tuples(tmp_path)] == [(["q1"], "a1\n\na2", "q3")]
    assert report.tally.notes["without words"] == 1


@pytest.mark.parametrize("flag", ["max_chats", "enough_chats", "enough_tuples"])
@pytest.mark.parametrize("given", [0, -5])
def test_a_number_of_conversations_or_tuples_below_one_is_refused(flag, given):
    with pytest.raises(ValueError, match=f"--{flag.replace('_', '-')} is {given}; give 1 or more"):
        WildChat(**{flag: given})


@pytest.mark.parametrize("recipe", [WildFeedback(), WildChat()])
def test_three_messages_are_enough_and_two_are_not(tmp_path, recipe):
    rows = [wild("a", chatted("q", "a", "o")), wild("b", chatted("q2", "a"))]
    report = prepared(tmp_path, recipe, rows)
    assert len(tuples(tmp_path)) == 1
    assert report.left_out == {"of fewer than 3 messages": 1}


def test_a_conversation_with_a_reply_over_4096_characters_is_left_out_whole(tmp_path):
    rows = [{"conversation": logged("q", "a" * size, "o", "a2", "o2")} for size in (4096, 4097)]
    report = prepared(tmp_path, WildFeedback(), rows)
    assert [len(row["y"]) for row in tuples(tmp_path)] == [4096, 2]
    assert report.left_out == {"with a message of the assistant over 4,096 characters": 1}


def test_a_conversation_of_100_000_characters_is_kept_and_a_longer_one_is_not(tmp_path):
    rows = [{"conversation": logged("q" * size, "a", "o")} for size in (99_998, 99_999)]
    report = prepared(tmp_path, WildFeedback(), rows)
    assert len(tuples(tmp_path)) == 1
    assert report.left_out == {"over 100,000 characters": 1}


def test_a_message_of_the_user_over_4096_characters_is_too_long_in_one_source_only(tmp_path):
    rows = [wild(name, chatted("q" * size, "a", "o")) for name, size in (("a", 4096), ("b", 4097))]
    report = prepared(tmp_path, WildChat(), rows)
    assert len(tuples(tmp_path)) == 1
    assert report.left_out == {"with a message of the user over 4,096 characters": 1}
    assert prepared(tmp_path, WildFeedback(), rows, force=True).written["train"] == 2
    assert prepared(tmp_path, WildFeedback(max_user=4096), rows, force=True).written["train"] == 1


def test_what_became_too_long_by_joining_is_left_out_and_counted(tmp_path):
    rows = [wild("a", chatted("q", "a" * 3000, "b" * 3000, "o", "c", "d" * 3000, "e" * 3000, roles="hgghghh"))]
    report = prepared(tmp_path, WildChat(), [*rows, wild("z", chatted("q", "a", "o"))])
    assert report.written["train"] == 1
    assert report.tally.left_out == {
        "with a joined reply over 4,096 characters": 1,
        "with a joined reaction over 4,096 characters": 1,
    }


@pytest.mark.parametrize(
    ("language", "kept"), [("English", True), (" english", True), ("en", True), ("French", False), (None, False)]
)
def test_only_english_chats_are_kept(tmp_path, language, kept):
    rows = [wild("sure", chatted("q", "a", "o")), wild("c", chatted("q1", "a1", "o1"), language)]
    report = prepared(tmp_path, WildChat(), rows)
    assert report.written["train"] == 1 + kept
    assert report.left_out == ({} if kept else {"in another language than English": 1})


def test_a_row_without_a_language_is_told(tmp_path):
    row = wild("c", chatted("q", "a", "o"))
    del row["language"]
    with pytest.raises(BadRow, match=r"rows\.jsonl:1: field 'language': expected the name of a language"):
        prepared(tmp_path, WildChat(), [row])
    assert prepared(tmp_path, WildChat(language="any"), [row]).written["train"] == 1


def test_it_stops_after_enough_conversations_or_enough_of_both(tmp_path):
    rows = [wild(f"c{n}", chatted(f"q{n}", "a", "o", "a2", "o2")) for n in range(10)]
    report = prepared(tmp_path, WildChat(max_chats=4, enough_chats=3, enough_tuples=7), rows)
    assert (report.read["all"], report.made, report.stopped) == (4, 8, "4 conversations")
    report = prepared(tmp_path, WildChat(max_chats=9, enough_chats=3, enough_tuples=6), rows, force=True)
    assert (report.read["all"], report.made, report.stopped) == (3, 6, "3 conversations and 6 tuples")
    report = prepared(tmp_path, WildChat(max_chats=9, enough_chats=2, enough_tuples=7), rows, force=True)
    assert (report.read["all"], report.stopped) == (4, "2 conversations and 7 tuples")


def test_the_documented_numbers_are_the_defaults():
    rules = WildChat()
    assert (rules.min_messages, rules.max_chat, rules.max_reply, rules.max_user) == (3, 100_000, 4096, 4096)
    assert (rules.history, rules.max_chats, rules.enough_chats, rules.enough_tuples) == (5, 15_000, 14_000, 50_000)
    assert WildFeedback().max_user is None


def test_messages_without_words_or_of_another_role_are_left_out_and_counted(tmp_path):
    messages = [
        {"role": "system", "content": "be nice"},
        None,
        *chatted("q", "a"),
        {"role": "user", "content": None},
        {"role": "alien", "content": "zap"},
        *chatted("  o \n"),
    ]
    report = prepared(tmp_path, WildChat(), [wild("c", messages)])
    assert [words(row) for row in tuples(tmp_path)] == [(["q"], "a", "o")]
    assert report.tally.notes == {"of another role": 2, "null": 1, "without words": 1}


@pytest.mark.parametrize("roles", ["hhhh", "gggg", "gghh"])
def test_a_conversation_without_a_reply_to_the_user_gives_no_tuple(tmp_path, roles):
    rows = [{"conversation": logged("1", "2", "3", "4", roles=roles)}, {"conversation": logged("q", "a", "o")}]
    report = prepared(tmp_path, WildFeedback(), rows)
    assert report.written["train"] == 1
    assert report.left_out == {"that gave no tuple": 1}
    assert report.tally.left_out.total() == (roles == "gghh")


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ("text", "'conversation': expected a list of messages, found 'text'"),
        ([3], r"'conversation\[0\]': expected a message with from and value, or role and content, found 3"),
        ([{"role": "user", "content": ["x"]}], r"'conversation\[0\]\.content': expected a text"),
    ],
)
def test_messages_of_another_shape_are_told_with_their_place(tmp_path, messages, told):
    with pytest.raises(BadRow, match=rf"rows\.jsonl:1: field {told}"):
        prepared(tmp_path, WildFeedback(), [{"conversation": messages}])


def test_a_null_conversation_is_a_short_one_and_a_missing_one_a_bad_row(tmp_path):
    rows = [{"conversation": None}, {"conversations": logged("q", "a", "o")}]
    assert prepared(tmp_path, WildFeedback(), rows).left_out == {"of fewer than 3 messages": 1}
    with pytest.raises(BadRow, match="'conversations': expected a list of messages, found nothing"):
        prepared(tmp_path, WildFeedback(), [{"dialogue": []}], force=True)


def test_a_documented_row_of_feedback_has_the_documented_fields(tmp_path):
    rows = [{"conversation": logged("q0", "a0", "o0")}, {"conversation": logged("q", "a", "o")}]
    prepared(tmp_path, WildFeedback(legacy_rows=True), rows)
    assert tuples(tmp_path)[1] == {
        "id": "1_1",
        "original_conv_id": 1,
        "turn_id": 1,
        "prompt": [{"from": "human", "value": "q"}],
        "completion": {"from": "gpt", "value": "a"},
        "user_response": {"from": "human", "value": "o"},
        "prompt_len": 1,
        "completion_len": 1,
        "total_conv_len": 3,
    }


def test_a_documented_row_of_chats_also_says_whence_it_is(tmp_path):
    prepared(tmp_path, WildChat(legacy_rows=True), [wild("c9", chatted("q", "a", "oh"))])
    (row,) = tuples(tmp_path)
    assert (row["id"], row["conversation_id"], row["row_idx"], row["user_response_len"]) == ("c9_1", "c9", 0, 2)
    assert (row["model"], row["timestamp"]) == ("some-model", "2023-04-09 00:02:53+00:00")


def test_replies_that_nobody_answered_only_have_a_place_in_documented_rows(tmp_path):
    rows = [wild("c", chatted("q", "a", "o", "last"))]
    report = prepared(tmp_path, WildChat(pair_kind="user_to_assistant"), rows)
    assert (report.written["train"], report.tally.left_out) == (1, {"without a reaction": 1})
    prepared(tmp_path, WildChat(pair_kind="user_to_assistant", legacy_rows=True), rows, force=True)
    answered, last = tuples(tmp_path)
    assert (answered["turn_id"], answered["user_response"]["value"]) == (1, "o")
    assert (last["turn_id"], last["user_response"], last["user_response_len"]) == (3, None, None)


def test_a_conversation_is_in_one_split_and_its_copies_in_one_place(tmp_path):
    rows = [wild(f"c{n}", chatted(f"q{n % 70}", "a", "o", "a2", f"o{n % 70}")) for n in range(100)]
    report = prepared(tmp_path, WildChat(), rows, held_out=0.3)
    kept, held_out = (
        {row["meta"]["conversation_id"] for row in tuples(tmp_path, name)} for name in ("train", "validation")
    )
    assert kept
    assert held_out
    assert not kept & held_out
    assert report.duplicates.total() == 60
    assert report.duplicates["across"]


messages = st.lists(st.tuples(st.sampled_from("hg"), st.sampled_from(["a", "b", "", "a b"])), max_size=9)


@settings(max_examples=60, deadline=None)
@given(chats=st.lists(messages, max_size=6), alternation=st.sampled_from(["join", "drop"]))
def test_contexts_alternate_from_user_to_user_and_no_held_out_one_is_in_train(tmp_path_factory, chats, alternation):
    folder = tmp_path_factory.mktemp("chats")
    said = [chatted(*(text for _, text in chat), roles="".join(role for role, _ in chat)) for chat in chats]
    first = next(name for name in map(str, range(99)) if split_of(name, 0.5) == "train")
    rows = [wild(first, chatted("x", "y", "z")), *(wild(f"c{n}", each) for n, each in enumerate(said))]
    report = prepared(folder, WildChat(alternation=alternation), rows, held_out=0.5)
    kept, held_out = tuples(folder), tuples(folder, "validation")
    for row in (*kept, *held_out):
        roles = [message["role"] for message in row["x"]]
        assert roles == ["user", "assistant", "user", "assistant", "user"][: len(roles)]
        assert len(roles) % 2 == 1
        assert row["y"].strip()
        assert row["o"].strip()
    assert not {str(row["x"]) for row in kept} & {str(row["x"]) for row in held_out}
    assert report.read["all"] == len(rows)
    assert report.made == sum(report.written.values()) + report.duplicates.total()


@settings(max_examples=40, deadline=None)
@given(chat=messages)
def test_joining_loses_no_word(tmp_path_factory, chat):
    folder = tmp_path_factory.mktemp("chat")
    spoken = [(role, f"{n} {text}") for n, (role, text) in enumerate(chat)]
    said = [*logged("q"), *logged(*(text for _, text in spoken), roles="".join(role for role, _ in spoken))]
    rows = [{"conversation": [*said, *logged("a", "end", roles="gh")]}]
    prepared(folder, WildFeedback(history=99), rows)
    last = tuples(folder)[-1]
    heard = "\n\n".join([*(message["content"] for message in last["x"]), last["y"], last["o"]])
    assert heard == "\n\n".join([each["value"] for each in said] + ["a", "end"])
