"""From raw rows of six data sets to threads in which the person is HUMAN; and the rule by which a row gives none."""

import datetime
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.prepare.users.threads import MAKERS, amazon, enron, medium, reddit, said, wildchat, youtube
from usergym.data.prepare.users.datasets import dataset
from usergym.data.prepare.users.targets import Limits, Target, target_of
from usergym.environments.base import RowError
from usergym.environments.people.raw import NoUser, read_raw, when

WEEK = 7 * 86_400


def made(name: str, row: dict[str, Any], **limits: int) -> Target | str:
    rules = dataset(name)
    return target_of(read_raw(row), rules, Limits(**{"min_chars": rules.min_chars, **limits}), 0)


def target(name: str, row: dict[str, Any]) -> Target:
    found = made(name, row)
    assert isinstance(found, Target), found
    return found


def test_every_data_set_gives_its_thread_and_its_words():
    threads = {name: target(name, maker()).thread for name, maker in MAKERS.items()}
    assert threads["reddit"] == (("opener", "Am I wrong to keep my sister's bicycle?"),)
    assert threads["youtube"][0] == (
        "Town News",
        "title: The old bridge\ndescription: A report.\ntranscript: It was built long ago.",
    )
    assert threads["youtube"][1] == ("@bert", "Tear it down.")
    assert threads["medium"] == (
        ("Bert Moss", "Why the toll should go"),
        ("HUMAN", "It should stay."),
        ("Cora", "Why, Ann Lee?"),
    )
    assert threads["amazon"] == (
        ("A Press", "categories: Books, Sea\ntitle: The Lamp\nprice: 9.5\nauthor: name Z. Quill\nfeatures: long"),
    )
    assert threads["wildchat_english"] == (
        ("HUMAN", "write a toast"),
        ("assistant", "Dear friends, tonight we gather."),
    )
    assert threads["enron"] == (("bert@corp.example", "Can you book a room for Monday?"),)


def test_the_rest_of_a_row_is_kept():
    found = target("reddit", reddit())
    assert (found.user, found.post, found.truth, found.turn) == ("ann", "p1", "I would let her keep it.", 1)
    assert found.post_metrics == {"score": 12.0, "num_comments": 3.0}
    assert found.comment_metrics == {"score": 4.0}
    assert target("amazon", amazon()).comment_metrics == {"rating": 2.0, "helpful_vote": 3.0}
    states = {"stance": "for the toll", "value": "order"}
    assert target("plain", reddit(metadata={"states": states})).states == states


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("reddit", reddit(text="[deleted]"), "deleted or removed"),
        ("reddit", reddit(text="[ Removed by moderator ]"), "deleted or removed"),
        ("reddit", reddit(prompt=[said("x", "Hm?"), said("y", "[removed]")]), "under a deleted or removed message"),
        ("youtube", youtube(text="@bert you are wrong"), "beginning with @"),
        ("enron", enron(text="ok thanks"), "of fewer than 10 characters"),
        ("enron", enron(timestamp="Tue, 29 May 2001 09:00:00 -0700"), "more than 7 days after the mail before"),
        ("wildchat_english", wildchat(metadata={"language": "German"}), "in another language than English"),
        ("wildchat_english", wildchat(prompt=[{"role": "9f2c", "content": "hi"}]), "that open a conversation"),
        ("medium", medium(text="Why,  Ann Lee?"), "that repeat the message before"),
        ("reddit", reddit(text="  \n "), "empty"),
        ("reddit", reddit(prompt=[]), "without anything said before"),
        ("reddit", reddit(text="word " * 1025), "over 1,024 words"),
        ("reddit", reddit(prompt=[said("a", "x"), said("b", "w " * 1025)]), "behind a comment over 1,024 words"),
        ("reddit", reddit(prompt=[said("a", "w " * 2999)], text="a b"), "over 3,000 words with their thread"),
    ],
)
def test_a_rule_leaves_a_row_out_by_its_name(name: str, row: dict[str, Any], reason: str):
    assert made(name, row) == reason


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("plain", reddit(text="@bert you are wrong")),
        ("reddit", reddit(text="ok")),
        ("reddit", reddit(prompt=[said("a", "w " * 2998)], text="a b")),
        ("reddit", reddit(text="word " * 1024)),
        ("reddit", reddit(text="[deleted] says it all")),
    ],
)
def test_a_rule_keeps_what_it_does_not_name(name: str, row: dict[str, Any]):
    assert isinstance(made(name, row), Target)


def test_a_long_post_is_no_long_comment():
    assert isinstance(made("reddit", reddit(prompt=[said("a", "w " * 2000)])), Target)


def test_a_mail_behind_a_gap_of_a_week_begins_its_thread_anew():
    sent = [0, WEEK + 1, WEEK + 2]
    thread = [
        {"role": f"m{n}@corp.example", "content": f"mail number {n}", "metadata": {"timestamp": time}}
        for n, time in enumerate(sent)
    ]
    row = enron(prompt=thread, timestamp=WEEK + 100)
    assert [text for _, text in target("enron", row).thread] == ["mail number 1", "mail number 2"]
    assert len(target("plain", row).thread) == 3


def test_mentions_of_the_person_by_handle_become_human_too():
    thread = [said("bert", "Hey @ann and u/ann, what about annika or ann?")]
    found = target("reddit", reddit(prompt=thread))
    assert found.thread[0][1] == "Hey HUMAN and HUMAN, what about annika or ann?"


def test_names_are_compared_without_case():
    assert target("enron", enron(prompt=[{"role": "ANN@corp.example", "content": "Hi"}])).thread[0][0] == "HUMAN"


@pytest.mark.parametrize("user", [None, "", "  ", "[deleted]", "HUMAN"])
def test_a_row_without_a_person_says_so(user: str | None):
    with pytest.raises(NoUser, match="whose words these are"):
        read_raw(reddit(user_id=user))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"prompt": "hello"}, "field 'prompt'"),
        ({"prompt": [said("a", "x"), None]}, "field 'prompt'"),
        ({"prompt": [{"role": "a", "content": 5}]}, r"prompt\[0\].content"),
        ({"prompt": [{"role": ["a"], "content": "x"}]}, r"prompt\[0\].role"),
        ({"prompt": [{"role": "a", "content": "x", "metadata": "{broken"}]}, r"prompt\[0\].metadata"),
        ({"completion": 7}, "field 'completion'"),
        ({"user_id": {"name": "ann"}}, "field 'user_id'"),
        ({"user_id": True}, "field 'user_id'"),
        ({"timestamp": "some day"}, "field 'timestamp'"),
        ({"timestamp": [1]}, "field 'timestamp'"),
        ({"metadata": ["x"]}, "field 'metadata'"),
        ({"metadata": {"states": {"stance": 4}}}, "metadata.states.stance"),
    ],
)
def test_a_broken_field_is_named(change: dict[str, Any], told: str):
    with pytest.raises(RowError, match=told):
        read_raw(reddit(**change))


@pytest.mark.parametrize("field", ["prompt", "completion", "user_id"])
def test_a_missing_field_is_named(field: str):
    with pytest.raises(RowError, match=field):
        read_raw({name: value for name, value in reddit().items() if name != field})


def test_metadata_may_be_json_and_nulls_of_parquet_are_nothing():
    row = reddit(metadata='{"score": 9}', timestamp=None, persona=None)
    raw = read_raw(row)
    assert (raw.about, raw.time, raw.persona) == ({"score": 9}, None, None)


@pytest.mark.parametrize(
    "value",
    [
        1_600_000_000,
        1_600_000_000.0,
        1_600_000_000_000,
        "1600000000",
        "2020-09-13T12:26:40Z",
        "2020-09-13 12:26:40",
        "Sun, 13 Sep 2020 14:26:40 +0200",
        datetime.datetime(2020, 9, 13, 12, 26, 40),
    ],
)
def test_every_way_to_write_a_time_is_the_same_time(value: object):
    assert when(value) == 1_600_000_000


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), "nan", "yesterday", {}])
def test_what_is_no_time_is_refused(value: object):
    with pytest.raises(RowError, match="timestamp"):
        when(value)


def test_both_names_of_the_chats_are_one_and_an_unknown_name_lists_what_there_is():
    assert dataset("wildchat") is dataset("wildchat_english")
    with pytest.raises(LookupError, match="no data set 'redit'; there are reddit, youtube"):
        dataset("redit")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(row=st.fixed_dictionaries({}, optional=dict.fromkeys([*reddit(), "extra_info", "generation"], JSON)))
def test_whatever_a_row_holds_it_is_read_or_its_field_is_named(row: dict[str, Any]):
    with suppress(RowError):
        assert read_raw(row).user
