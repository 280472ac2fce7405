"""Who somebody is: given, by rules or by a model; with evidence, without what is redacted, with parts withheld."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from tests.data.prepare.users.threads import PERSONA, reddit, said
from usergym.data.prepare.users.asking import Tally
from usergym.data.prepare.users.datasets import dataset
from usergym.data.prepare.users.dropout import dropped
from usergym.data.prepare.users.own_rules import by_rules
from usergym.data.prepare.users.personas import by_model
from usergym.data.prepare.users.profile import FIELDS, Evidence, Item, Profile, given
from usergym.data.prepare.users.redact import KINDS, Redaction
from usergym.data.prepare.users.targets import Limits, Target, target_of
from usergym.environments.base import RowError
from usergym.environments.people.raw import read_raw
from usergym.environments.people.words import RUN, words
from usergym.models.base import ModelError, Reply
from usergym.models.fake import FakeModel
from usergym.types import Message
from usergym.users.population import population

TEXTS = (
    "As a nurse I say hospitals are unfair to families... don't you think?",
    "Hospitals again! I live in Leeds and the waiting was awful.",
    "maybe the hospitals will listen because we asked, lol",
)


def test_rules_find_items_and_where_they_stand():
    found = by_rules(TEXTS)
    told = {item.says for items in found.values() for item in items}
    assert {"nurse", "from Leeds", "writes about hospitals", "cares about fairness", "asks questions"} <= told
    assert {"jokes or laughs", "trails off", "begins in lower case", "about 11 words a message"} <= told
    subjects = next(item for item in found["interests"] if item.says == "writes about hospitals")
    assert [place.text for place in subjects.evidence] == [0, 1, 2]


@examples(texts=st.lists(st.text(max_size=60) | st.sampled_from(TEXTS), min_size=1, max_size=6))
def test_every_quote_of_the_rules_stands_at_its_place_and_is_too_short_to_be_a_leak(texts: list[str]):
    found = by_rules(texts)
    assert list(found) == list(FIELDS)
    for items in found.values():
        for item in items:
            assert item.evidence
            for place in item.evidence:
                assert 0 <= place.start <= place.end <= len(texts[place.text])
                assert place.quote in ("", texts[place.text][place.start : place.end])
                assert len(words(place.quote)) < RUN or len(place.quote.split()) == 1


HARD = (
    "I hate the new bus timetable. Write to peter@x.org or see http://x.org/bus for it.",
    "We worked in Leeds, and I enjoy gardening. http://a.org/leeds http://b.org",
    "I live in Leeds and gardening is important to me; see www.garden.example/tomato or garden.org/nurse?",
    "As a nurse peter@x.org or anna@y.org may say: enjoy it, hate it, live it, @bert. Tomatoes!",
    "I hate tomatoes but gardening with the tomatoes is so important, http://x.org peter@x.org",
)


def test_only_what_is_named_as_a_thing_is_written_about():
    found = by_rules(HARD)
    assert [item.says for item in found["interests"]] == ["writes about gardening", "writes about tomatoes"]
    assert [item.says for item in found["demographics"]] == ["from Leeds", "nurse"]
    assert "asks questions" not in [item.says for item in found["communication"]]


def test_acts_judgements_names_and_places_of_ordinary_talk_are_no_interests():
    texts = [
        "We love Porto. Ann wants to travel, and the travel is amazing.",
        "I travel with Ann. The cheese from Porto is amazing, and cheese makes me deeply cheerful.",
        "Ann is cheerful, I am so cheerful, and the cheese was worth it. It seemed cheerful.",
    ]
    assert [item.says for item in by_rules(texts)["interests"]] == ["writes about cheese"]


@pytest.mark.parametrize("texts", [TEXTS, HARD, [row["completion"] for row in population(6, 20, seed=3)]])
def test_evidence_holds_what_it_is_evidence_of_and_no_address(texts: Sequence[str]):
    found = by_rules(texts)
    quoted = [(item.says, place.quote) for items in found.values() for item in items for place in item.evidence]
    for says, quote in quoted:
        assert not re.search(r"@|http|www|\.org", quote)
        if says.startswith("writes about "):
            assert says.removeprefix("writes about ") in quote.lower()
    assert any(says.startswith("writes about ") for says, _ in quoted)


@pytest.mark.parametrize(("texts", "quote"), [(TEXTS, "As a nurse I say hospitals"), (HARD, "As a nurse")])
def test_evidence_of_what_somebody_is_ends_before_a_leak_would_begin(texts: Sequence[str], quote: str):
    items = [item for listed in by_rules(texts).values() for item in listed]
    assert quote in [place.quote for item in items if item.says == "nurse" for place in item.evidence]


def test_a_match_that_would_be_a_leak_itself_has_a_place_and_no_quote():
    remark = "(which nobody who has ever waited for that ferry would say)"
    (item,) = [each for each in by_rules([f"Fine {remark}."])["communication"] if "brackets" in each.says]
    assert item.evidence == (Evidence(0, 5, 5 + len(remark)),)


def answer(**fields: list[tuple[str, int, str]]) -> str:
    """A persona as a model writes it."""
    listed = {
        name: [{"says": says, "text": text, "quote": quote} for says, text, quote in fields.get(name, ())]
        for name in FIELDS
    }
    return json.dumps(listed)


GOOD = answer(interests=[("health care", 1, "hospitals AGAIN")], values=[("equal treatment", 0, "unfair to  families")])


def asked(*answers: Any) -> tuple[dict[str, tuple[Item, ...]] | None, Tally, FakeModel]:
    """What comes of a model that gives these answers in turn."""
    given_ = iter(answers)

    def reply(*_: object) -> Any:
        one = next(given_)
        if isinstance(one, ModelError):
            raise one
        return one

    model, tally = FakeModel(reply), Tally()
    return asyncio.run(by_model(model, TEXTS, tally)), tally, model


@pytest.mark.parametrize("text", [GOOD, f"```json\n{GOOD}\n```", f"<think>who is it?</think>{GOOD}"])
def test_a_models_items_stand_where_their_quotes_do(text: str):
    found, tally, model = asked(text)
    assert found is not None
    assert found["interests"] == (Item("health care", (Evidence(1, 0, 15, "Hospitals again"),)),)
    assert found["values"] == (Item("equal treatment", (Evidence(0, 31, 49, "unfair to families"),)),)
    assert (tally.answered, dict(+tally.refused), dict(tally.failed)) == (1, {}, {})
    shown = model.calls[0].messages[1].content
    assert all(text in shown for text in TEXTS)


def test_items_without_evidence_are_left_out_and_counted():
    lies = [("tall", 0, "I am tall"), ("rich", 7, "As a nurse"), ("none", 0, ""), ("nurse", 0, "as a nurse")]
    found, tally, _ = asked(answer(interests=lies))
    assert found is not None
    assert [item.says for item in found["interests"]] == ["nurse"]
    assert tally.refused["items whose quote is not in the text"] == 3


def test_a_bad_answer_is_asked_for_again_with_another_draw():
    found, tally, model = asked("I would say a nurse.", GOOD)
    assert found is not None
    assert tally.refused == {"no JSON of the asked shape": 1, "items whose quote is not in the text": 0}
    assert len({call.sampling.seed for call in model.calls}) == 2


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (["no", "no", "no"], "no JSON of the asked shape"),
        ([GOOD[:40]] * 3, "no JSON of the asked shape"),
        (["{}"] * 3, "without the field demographics"),
        ([answer(values=[("x", 0, "not there")])] * 3, "no item with evidence"),
        ([Reply(Message("assistant", GOOD), finish="length")] * 3, "cut off"),
        ([ModelError("unavailable", "down")], "unavailable"),
        ([ModelError("refused", "no")], "refused"),
    ],
)
def test_a_persona_that_a_model_does_not_give_is_named_and_never_empty(answers: list[Any], why: str):
    found, tally, _ = asked(*answers)
    assert found is None
    assert tally.failed == {why: 1}


def test_a_given_persona_is_read_in_every_shape():
    fields = {
        "interests": ["rowing", "NA", ""],
        "demographics": {"age group": "50s", "gender": None},
        "analysis": "dry",
    }
    plain = given("ann", fields)
    assert plain == given("ann", json.dumps(fields)) == given("ann", json.dumps(json.dumps(fields)))
    assert plain is not None
    assert plain.told() == {"interests": ["rowing"], "demographics": ["age group: 50s"], "analysis": ["dry"]}
    assert plain.items == 1
    text = given("ann", " Ann rows. {not json ")
    assert text is not None
    assert text.told() == "Ann rows. {not json"
    assert given("ann", "") is given("ann", {"interests": ["n/a"]}) is None
    with pytest.raises(RowError, match="persona"):
        given("ann", 7)


def test_a_text_is_no_evidence_for_itself():
    quoted = Item("sails", (Evidence(0, 0, 4, "I sail"), Evidence(1, 0, 4, "we sailed")))
    alone = Item("is tall", (Evidence(0, 5, 9, "being tall"),))
    whole = Profile("ann", "model", {"interests": (quoted, alone)}, texts=("a", "b"))
    assert whole.told() == {"interests": ['sails ("I sail")', 'is tall ("being tall")']}
    assert whole.without("a").told() == {"interests": ['sails ("we sailed")']}
    assert whole.without("c") == whole
    assert whole.without("b").told() == whole.told()


def target(**row: Any) -> Target:
    found = target_of(read_raw(reddit(**row)), dataset("reddit"), Limits(), 0)
    assert isinstance(found, Target)
    return found


def test_what_is_redacted_is_gone_everywhere_and_nothing_else_is():
    thread = [
        said("Bert Moss", "Hi Ann,\nwrite to bert.moss@corp.example or see https://corp.example/x?y=1, please."),
        said("Cora", "Bert Moss is right, ask @doris or u/emil. My name is Cora Bell.\nBest,\nCora Bell"),
    ]
    found = Redaction(KINDS).target(target(user="ann_lee", prompt=thread, text="Thanks Bert Moss, says ann_lee"))
    told = " ".join(part for turn in found.thread for part in turn) + found.truth
    for secret in ("Bert", "Moss", "corp.example", "Cora", "Bell", "doris", "emil", "Ann", "ann_lee"):
        assert secret not in told, told
    assert [name for name, _ in found.thread] == ["PERSON 1", "PERSON 2"]
    assert found.truth == "Thanks PERSON 1, says HUMAN"
    assert found.user.startswith("user-")
    assert found.post == "p1"
    assert Redaction(()).target(target(user="ann_lee")) == target(user="ann_lee")


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("emails", "see www.x.example @bert [e-mail]"),
        ("urls", "see [link] @bert a@x.example"),
        ("handles", "see www.x.example @someone a@x.example"),
        ("names", "see www.x.example @bert a@x.example"),
    ],
)
def test_each_kind_is_redacted_by_itself(kind: str, left: str):
    assert Redaction([kind]).text("see www.x.example @bert a@x.example") == left


def test_quotes_leave_a_persona_and_its_items_stay():
    item = Item('likes "the sea and all" (“very much”)', (Evidence(0, 0, 9, "I love it"),))
    profile = Profile("ann", "model", {"interests": (item,)}, texts=("a",))
    redacted = Redaction(["quotes"]).profile(profile)
    assert redacted.told() == {"interests": ["likes"]}
    assert redacted.fields["interests"][0].evidence == (Evidence(0, 0, 9),)
    assert redacted.user == "ann"


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="--redact faces: there are names, quotes"):
        Redaction(["faces"])


PARTS = st.dictionaries(
    st.text(min_size=1, max_size=4), st.lists(st.text(max_size=4), min_size=1, max_size=6), min_size=1
)


@examples(told=PARTS, fields=st.floats(0, 1), items=st.floats(0, 1), key=st.text(max_size=5))
def test_what_is_withheld_is_a_share_and_never_all(told: dict[str, list[str]], fields: float, items: float, key: str):
    left = dropped(told, fields, items, key)
    assert left == dropped(told, fields, items, key)
    assert isinstance(left, dict)
    assert len(left) == max(1, len(told) - int(fields * len(told)))
    assert list(left) == [name for name in told if name in left]
    for name, kept in left.items():
        assert len(kept) == max(1, len(told[name]) - int(items * len(told[name])))


def test_dropout_differs_from_row_to_row_and_cuts_a_text_by_sentences():
    told = {field: [f"{n}" for n in range(10)] for field in PERSONA}
    assert len({json.dumps(dropped(told, 0.4, 0.6, str(key))) for key in range(20)}) > 15
    assert dropped(told, 0, 0, "a") == told
    text = "Ann rows. She sings! Is it true? Yes."
    kept = dropped(text, 0, 0.5, "a")
    assert isinstance(kept, str)
    assert 0 < len(kept) < len(text)
    assert dropped(text, 0.6, 0, "a") == text
