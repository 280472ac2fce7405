"""Conversations: what a reply earns, who reacts, and what is left out."""

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.terminal import mock_server, usergym
from usergym.environments import load
from usergym.environments.style import environment as Style
from usergym.environments.style.gym import weights
from usergym.environments.style.oracle import compose
from usergym.environments.style.topical import amiss
from usergym.models.base import Model, ModelError, Reply
from usergym.models.fake import FakeModel
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model, seat_oracle
from usergym.types import Message, Reward, Task, ToolCall, Trajectory, Turn
from usergym.users.styles.reacting import lines
from usergym.users.styles.rules import RULES, score
from usergym.users.styles.spec import StyleSpec, get, names

ASKED = "How do I bake a loaf of sourdough bread?"
LISTED = "For a loaf of bread:\n- mix the dough\n- let it rise\n- bake it"
PLAIN = "Mix the dough, let it rise and bake the bread in a hot oven."


def task(*styles: str, opening: Sequence[Turn] = (), **data: Any) -> Task:
    turns = (*opening, Turn("user", Message("assistant", ASKED)))
    return Task("own", "style", opening=turns, data={"styles": list(styles), **data})


def played(
    gym: Style, given: Task, replies: Sequence[str | Message] | None = None, user: Model | None = None
) -> Trajectory:
    spoken = sum(turn.speaker == "assistant" for turn in given.opening)
    agent = seat_oracle if replies is None else seat_model(ScriptedModel(replies, spoken_before=spoken))
    return asyncio.run(play(gym, begin(given, 0, 0), Cast(agent, user, limits=Limits(gym.max_replies))))


def earned(trajectory: Trajectory, name: str) -> list[Reward]:
    return [reward for reward in trajectory.rewards if reward.name == name]


def test_a_reply_earns_what_the_rules_say_and_the_user_says_why() -> None:
    bad, good = (played(Style(), task("no_lists", "no_emojis"), [reply]) for reply in (LISTED, PLAIN))
    assert (bad.reward(), good.reward()) == (0.5, 1.0)
    assert [turn.speaker for turn in bad.turns] == ["user", "assistant", "user"]
    assert bad.stop == "reacted"
    table = lines().rules
    assert any(words in bad.turns[-1].said for words in table["no_lists"].broken)
    assert any(words in good.turns[-1].said for words in (*table["no_lists"].kept, *table["no_emojis"].kept))
    (style,) = earned(bad, "style")
    assert (style.turn, style.weight) == (1, 1.0)
    assert style.reason.startswith("no_lists: 3 list items")
    rules = {reward.name: (reward.value, reward.weight) for reward in bad.rewards if reward.name.startswith("rule_")}
    assert rules == {"rule_no_lists": (0.0, 0.0), "rule_no_emojis": (1.0, 0.0)}
    assert (earned(bad, "success")[0].value, earned(good, "success")[0].value) == (0.0, 1.0)


def test_every_reply_of_a_conversation_has_its_share() -> None:
    trajectory = played(Style(turns=4), task("no_lists"), [PLAIN, LISTED, PLAIN, PLAIN])
    assert [reward.value for reward in earned(trajectory, "style")] == [1, 0, 1, 1]
    assert [reward.turn for reward in earned(trajectory, "style")] == [1, 3, 5, 7]
    assert trajectory.reward() == 0.75
    heard = [turn.said for turn in trajectory.turns if turn.speaker == "user"][1:]
    assert [said.endswith(lines().again["content"]) for said in heard] == [True, False, True, False]
    assert heard[1].endswith(lines().again["unhappy"])


@given(st.integers(1, 200))
def test_the_shares_of_all_replies_are_one_together(turns: int) -> None:
    total = 0.0
    for weight in weights(turns):
        total += weight
    assert total == 1.0
    assert all(weight == pytest.approx(1 / turns) for weight in weights(turns))


def test_a_perfect_conversation_of_any_length_earns_exactly_one() -> None:
    for turns in (1, 2, 3, 6, 7):
        assert played(Style(turns=turns), task("no_lists")).reward() == 1.0


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("I see.", "2 words; a reply has 4"),
        ("Bread!", "1 word; a reply has 4"),
        (ASKED, "it repeats the request"),
        ("The weather is lovely in Lisbon today.", "no word of the request is in it"),
    ],
)
def test_what_is_no_reply_to_the_request_earns_nothing(reply: str, why: str) -> None:
    trajectory = played(Style(), task("no_lists"), [reply])
    assert trajectory.reward() == 0.0
    (style,) = earned(trajectory, "style")
    assert style.reason == why
    assert (earned(trajectory, "on_topic")[0].value, earned(trajectory, "rule_no_lists")[0].value) == (0.0, 1.0)
    assert trajectory.turns[-1].said in lines().beside_the_point


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("Why?", "That is how it is."),
        ("如何在家烤面包", "烤面包要有耐心"),
        ("What is the capital of France?", "The capital city is Paris."),
        ("Explain baking.", "Bakers bake it hot."),
    ],
)
def test_an_honest_reply_is_one(request_: str, reply: str) -> None:
    assert amiss(request_, reply) == ""


BIKE = "How do I keep the chain of my bike from rusting in winter?"


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (BIKE, "Oil it well today. <!-- keep bike chain -->"),
        (BIKE, "Oil it well today. <!-- keep bike chain"),
        (BIKE, "Ok sure fine yes <a chain>"),
        (BIKE, "Ok sure fine yes <b title='bike chain'>"),
        (BIKE, "Ok sure fine yes https://bike.org/chain"),
        (BIKE, BIKE.replace("bike", "bi\u00adke")),
        (BIKE, f"\u200b{BIKE}"),
        (BIKE, f"{BIKE} Yes"),
        (BIKE, f"{BIKE.rstrip('?')} ok sure"),
        (BIKE, "winter in rusting from bike my of chain the keep ok"),
        (BIKE, "chain chain chain chain"),
        (BIKE, "chain\nchain\nchain\nchain"),
        (BIKE, "bike chain rusting winter keep"),
        ("如何在家烤面包", "如何在家烤面包"),
    ],
)
def test_words_that_are_hidden_or_repeated_make_no_reply(request_: str, reply: str) -> None:
    assert amiss(request_, reply)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (BIKE, "Wax the bike now."),
        (BIKE, "<b>Oil</b> the <i>chain</i> once a week."),
        (BIKE, "# Chain\n\nWax it once a week."),
        (BIKE, "```python\noil(bike.chain, every=7, unit='days')\n```"),
        ("What is the best way to cook rice?", "R\u0456ce is good so"),
        ("How do I clean a vase?", "ask a friend about the vase!"),
        ("How do I clean a vase?", "take the vase outside"),
        (f"Sum this up: {' '.join(f'the word{n} is blue' for n in range(60))}", "word1 and word2 and word3 is blue"),
    ],
)
def test_a_reply_in_whatever_dress_is_one(request_: str, reply: str) -> None:
    assert amiss(request_, reply) == ""


@settings(max_examples=80, deadline=None)
@given(st.text(min_size=1, max_size=200).filter(str.strip))
def test_whatever_is_written_is_graded_and_reacted_to(reply: str) -> None:
    trajectory = played(Style(), task("no_lists", "no_emojis"), [reply])
    assert trajectory.error is None
    assert 0 <= (trajectory.reward() or 0) <= 1
    assert trajectory.reward() is not None
    assert trajectory.turns[-1].speaker == "user"
    assert trajectory.turns[-1].said


def test_a_reply_to_an_earlier_part_of_the_conversation_is_one() -> None:
    before = (
        Turn("user", Message("assistant", "Tell me about volcanoes.")),
        Turn("assistant", Message("assistant", "They erupt.")),
    )
    row = {"messages": [{"role": "user", "content": "Tell me about volcanoes."}]}
    row["messages"] += [{"role": "assistant", "content": "They erupt."}, {"role": "user", "content": "Shorter!"}]
    gym = Style(style="no_lists")
    trajectory = played(gym, gym.read(row), ["Volcanoes erupt, that is all."])
    assert trajectory.turns[:2] == list(before)
    assert trajectory.reward() == 1.0
    assert len(earned(trajectory, "style")) == 1


@pytest.mark.parametrize("cut", [0, 1])
def test_a_reply_that_is_cut_off_earns_nothing_and_counts(cut: int) -> None:
    def reply(messages: Sequence[Message], *rest: Any) -> Reply:
        place = sum(message.role == "assistant" for message in messages)
        return Reply(Message("assistant", PLAIN), finish="length" if place == cut else "stop")

    agent = seat_model(FakeModel(reply))
    trajectory = asyncio.run(play(Style(turns=2), begin(task("no_lists"), 0, 0), Cast(agent)))
    assert (trajectory.stop, trajectory.error) == ("length", None)
    assert trajectory.reward() == cut / 2
    assert earned(trajectory, "style")[-1].reason == f"{2 - cut} of 2 replies were not given"


def test_a_call_of_a_tool_is_answered_with_text_and_forgiven_once() -> None:
    call = Message("assistant", tool_calls=(ToolCall("1", "search", "{}"),))
    trajectory = played(Style(), task("no_lists"), [call, PLAIN])
    assert "no tool named 'search'" in trajectory.turns[2].message.content
    assert trajectory.reward() == 1.0
    assert played(Style(), task("no_lists"), [call, call, PLAIN]).reward() == 0.0


def test_a_style_without_an_exact_rule_gives_no_reward_which_is_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    vague = StyleSpec("no_lists", "about", "You like wit.", {}, "example", "counterexample")
    monkeypatch.setattr("usergym.environments.style.rows.get", lambda name: vague)
    trajectory = played(Style(), task("no_lists"), [PLAIN], FakeModel(lambda *asked: "Witty!"))
    assert trajectory.error is None
    assert trajectory.turns[-1].said == "Witty!"
    assert trajectory.reward() is None
    assert {reward.name for reward in trajectory.rewards} == {"on_topic"}
    alone = played(Style(), task("no_lists"), [PLAIN])
    assert alone.error is not None
    assert (alone.error.kind, alone.rewards) == ("user", [])
    assert "--user-model" in alone.error.message


# The user.


def test_a_user_model_reacts_with_the_tastes_in_its_prompt_and_its_words_are_heard() -> None:
    model = FakeModel(lambda *asked: "Fewer bullets, more talk.")
    trajectory = played(Style(), task("no_lists", "no_emojis"), [LISTED], model)
    assert trajectory.turns[-1].said == "Fewer bullets, more talk."
    system, user = model.calls[0].messages
    assert get("no_lists").persona.strip() in system.content
    assert get("no_emojis").persona.strip() in system.content
    assert f"| {ASKED}\n" in user.content
    assert "| - mix the dough\n" in user.content
    assert model.calls[0].sampling.max_tokens == 128
    assert trajectory.reward() == 0.5
    longer = FakeModel(lambda *asked: "Fewer bullets.")
    played(Style(reaction_tokens=900), task("no_lists"), [LISTED], longer)
    assert longer.calls[0].sampling.max_tokens == 900


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *asked: Reply(Message("assistant", " ")), "user"),
        (lambda *asked: Reply(Message("assistant", "Too"), finish="length"), "user"),
        (lambda *asked: "no " * 1000, "user"),
        (lambda *asked: Reply(Message("assistant", "x"), finish="content_filter"), "refused"),
    ],
)
def test_a_reaction_that_fails_leaves_the_conversation_out(answer: Callable[..., Any], kind: str) -> None:
    trajectory = played(Style(), task("no_lists"), [PLAIN], FakeModel(answer))
    assert trajectory.error is not None
    assert trajectory.error.kind == kind
    assert (trajectory.rewards, trajectory.reward()) == ([], None)
    assert [turn.speaker for turn in trajectory.turns] == ["user", "assistant"]


def test_a_dead_user_endpoint_leaves_the_conversation_out() -> None:
    dead = FakeModel(lambda *asked: "x", fail={0: ModelError("unavailable", "gone")})
    trajectory = played(Style(), task("no_lists"), [PLAIN], dead)
    assert trajectory.error is not None
    assert trajectory.error.kind == "unavailable"


def test_unrelated_reactions_are_the_same_whatever_the_reply_is_and_ask_no_model() -> None:
    model = FakeModel(lambda *asked: "Fewer bullets.")
    gym = Style(reactions="unrelated")
    one, other = (played(gym, task("no_lists"), [reply], model) for reply in (LISTED, PLAIN))
    assert one.turns[-1].said == other.turns[-1].said
    assert one.turns[-1].said in lines().unrelated
    assert model.calls == []
    assert (one.reward(), other.reward()) == (0.0, 1.0)


# The agent.


def test_the_taste_is_in_the_agents_prompt_only_if_it_is_shown() -> None:
    given = task("no_lists", "no_emojis", system="You bake.")
    personas = [get(name).persona.strip() for name in ("no_lists", "no_emojis")]
    hidden, shown = (played(Style(show=show), given, [PLAIN]).view("assistant")[0].content for show in (False, True))
    assert hidden == "You bake."
    assert shown.startswith("You bake.\n\n")
    assert all(persona in shown for persona in personas)
    assert Style().start(given).secrets() == personas
    assert Style(show=True).start(given).secrets() == ()
    assert played(Style(), task("no_lists"), [PLAIN]).view("assistant")[0].role == "user"


def test_the_oracle_keeps_every_rule_on_every_topic() -> None:
    requests = [task.opening[0].said for task in itertools.islice(Style().tasks(None, 1), 25)]
    for rule in RULES:
        style = StyleSpec(rule, "about", "persona", {}, "example", "counterexample", (rule,))
        for request in requests:
            reply = compose([style], request)
            assert score([style], reply) == 1.0
            assert amiss(request, reply) == ""


@pytest.mark.parametrize("name", names())
def test_the_oracle_pleases_every_user(name: str) -> None:
    for each in itertools.islice(Style(style=name).tasks(None, 3), 8):
        reply = compose([get(name)], each.opening[0].said)
        assert score([get(name)], reply) in (1.0, None)


def test_the_oracle_says_which_rules_no_reply_keeps() -> None:
    style = StyleSpec("odd", "about", "persona", {}, "example", "counterexample", ("no_lists", "has_lists", "long"))
    with pytest.raises(LookupError, match=r"no reply is known that keeps all rules of odd: .*lists would be broken"):
        compose([style], ASKED)


def test_the_oracle_finds_a_reply_even_where_a_request_has_no_word_of_its_own() -> None:
    for request in ("Why?", "如何在家烤面包", "???"):
        assert amiss(request, compose([get("no_lists")], request)) == ""


# Options.


def test_a_wrong_style_is_told_with_the_nearest_names() -> None:
    with pytest.raises(LookupError, match=r"no style 'no_list'; did you mean .*no_lists"):
        load("style:style=no_list")


def test_styles_that_contradict_each_other_are_refused_with_both_names() -> None:
    with pytest.raises(ValueError, match="no_lists and more_lists"):
        load("style:style=no_lists+more_lists")
    with pytest.raises(ValueError, match=r"no_punctuation and high_initiative contradict .* no_punctuation would be"):
        load("style:style=no_emojis>no_punctuation+no_emojis+high_initiative")
    assert load("style:style=no_lists>more_lists,every=3")


def test_every_two_styles_either_have_a_reply_that_pleases_both_or_are_refused() -> None:
    pleased, refused = 0, []
    for one, other in itertools.combinations(names(), 2):
        try:
            Style(style=f"{one}+{other}")
        except ValueError as error:
            refused.append((one, other, str(error)))
            continue
        pleased += 1
        styles = [get(one), get(other)]
        assert score(styles, compose(styles, "What is the difference between a cat and a dog?")) == 1.0
    for one, other, why in refused:
        assert f"{one} and {other}" in why
    assert pleased >= 400


@pytest.mark.parametrize("option", ["turns=0", "every=0", "reaction_tokens=0", "held_out=0.6", "held_out=-1"])
def test_options_out_of_range_are_refused_with_their_value(option: str) -> None:
    name, _, value = option.partition("=")
    with pytest.raises(ValueError, match=rf"{name}={re.escape(value)}"):
        load(f"style:{option}")


def test_the_terminal_shows_what_was_earned(tmp_path: Path) -> None:
    with mock_server() as url:
        for model, user, reward in (("oracle", None, 1.0), ("idle", None, 0.0), ("oracle", f"{url}/mock", 1.0)):
            more = ("--user-model", user) if user else ()
            done = usergym(
                *(tmp_path, "rollout", "--env", "style:style=no_lists,turns=2", "--model", model, "--limit", 6),
                *("--json", "--fresh", "--out", tmp_path / "o", *more),
            )
            assert done.stderr == ""
            kept = [json.loads(line) for line in (tmp_path / "o" / "trajectories.jsonl").read_text().splitlines()]
            assert len(kept) == 6
            for row in kept:
                assert row["seats"]["user"]["model"] == (user or "rules")
                total = sum(each["value"] * each["weight"] for each in row["rewards"])
                assert total == pytest.approx(reward)
