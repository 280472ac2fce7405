"""Whole conversations about an opinion, through the one loop."""

import asyncio
import itertools
import json
import time
from collections.abc import Mapping, Sequence

import pytest

from usergym.environments.persuasion import environment as Persuasion
from usergym.environments.persuasion.claims import STANCES, claims
from usergym.models.base import Model, ModelError, StopRun
from usergym.models.fake import FakeModel
from usergym.models.sampled import SampledModel
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model, seat_oracle
from usergym.types import Message, Sampling, Task, ToolCall, Trajectory
from usergym.users.states import load
from usergym.users.states.speaking import SpeakingModel, Speech

ACKNOWLEDGED = "I understand that teenagers sit half awake in class, and that is a real problem."
POINTS = [point.text for claim in claims() if claim.key == "late-school-start" for point in claim.points]


def school() -> Task:
    return next(task for task in Persuasion().tasks() if task.group == "claim-late-school-start")


def acts(gym: Persuasion, lines: Sequence[str]) -> list[Message]:
    if gym.actions == "native":
        return [Message("assistant", line) for line in lines]
    return [Message("assistant", "", tool_calls=(act(line),)) for line in lines]


def act(words: str, choice: str = "answer") -> ToolCall:
    return ToolCall("call", "interact_with_env", json.dumps({"choice": choice, "content": words}))


def talk(
    gym: Persuasion,
    lines: Sequence[str],
    user_model: Model | None = None,
    services: Mapping[str, Model] | None = None,
    task: Task | None = None,
) -> Trajectory:
    agent = seat_model(ScriptedModel(acts(gym, lines)))
    cast = Cast(agent, user_model, services=services or {}, limits=Limits(replies=len(lines)))
    return asyncio.run(play(gym, begin(task or school(), 0, 0), cast))


def declared(trajectory: Trajectory) -> list[str]:
    return [turn.state["stance"] for turn in trajectory.turns if turn.speaker == "user" and turn.state]


def scores(trajectory: Trajectory, name: str = "score") -> list[float | None]:
    return [reward.value for reward in trajectory.rewards if reward.name == name]


def says(*held: str) -> FakeModel:
    """A user model that declares these stances, one after the other."""
    replies = iter(held)
    return FakeModel(lambda messages, tools, sampling: json.dumps({"response": "Well.", "stance": next(replies)}))


def test_six_points_lead_from_one_end_to_the_other_and_are_worth_one() -> None:
    lines = [f"{ACKNOWLEDGED} {POINTS[0]}", *POINTS[1:5], f"{POINTS[5]} For example, bakers and nurses do."]
    done = talk(Persuasion(), lines)
    assert declared(done) == list(STANCES[1:])
    assert (done.reward(), done.stop) == (1.0, "persuaded")


def test_swinging_back_and_forth_earns_nothing() -> None:
    """The peer pays against the stance before, so that a user who is pushed back and won again pays again."""
    insult, back = "You are an idiot.", "Many teenagers would be tired all the same if they went to bed at midnight."
    lines = [f"{ACKNOWLEDGED} {POINTS[0]}", insult, f"{back} 1", insult, f"But look: {POINTS[0]} They really would."]
    ours, theirs = talk(Persuasion(), lines), talk(Persuasion(preset="userrl"), lines)
    assert declared(ours) == declared(theirs) == ["Agree", "Strongly Agree", "Agree", "Strongly Agree", "Agree"]
    assert ours.reward() == pytest.approx(1 / 6)
    assert theirs.reward() == pytest.approx(3 / 6, abs=1e-5)


def test_a_user_model_that_oscillates_cannot_be_farmed() -> None:
    held = ("Neutral", "Strongly Agree", "Neutral", "Strongly Agree", "Partly Disagree")
    ours = talk(Persuasion(judge="user"), ["Why?"] * 5, says(*held))
    theirs = talk(Persuasion(judge="user", preset="userrl"), ["Why?"] * 5, says(*held))
    assert ours.reward() == pytest.approx(4 / 6)
    assert theirs.reward() == pytest.approx(10 / 6, abs=1e-5)


def test_an_out_of_list_stance_is_a_typed_outcome_and_not_a_frozen_reward() -> None:
    strange = talk(Persuasion(judge="user"), ["Why?"], says(*["Mildly amused"] * 3))
    assert strange.error is not None
    assert (strange.error.kind, strange.rewards) == ("user", [])
    assert "Mildly amused" in strange.error.message
    once = talk(Persuasion(judge="user"), ["Why?", "And?"], says("Mildly amused", "Agree", "NEUTRAL"))
    assert once.error is None
    assert declared(once) == ["Agree", "Neutral"]
    assert once.reward() == pytest.approx(3 / 6)
    verdicts = iter(["Mildly amused", "Partly Agree"])
    judge = FakeModel(lambda messages, tools, sampling: json.dumps({"analysis": "", "stance": next(verdicts)}))
    judged = talk(Persuasion(judge="model"), ["Why?", "And?"], says("Agree", "Agree"), {"judge": judge})
    assert scores(judged) == [None, pytest.approx(2 / 6)]
    assert judged.reward() is None


@pytest.mark.parametrize("verdict", ["I cannot tell", '{"stance": 3}', '{"analysis": "Disagree"}'])
def test_a_verdict_that_cannot_be_read_is_unscored_and_never_zero(verdict: str) -> None:
    done = talk(Persuasion(judge="model"), ["Why?"], says("Agree"), {"judge": ScriptedModel(lambda view: verdict)})
    assert (done.error, done.reward()) == (None, None)


def test_an_outage_of_the_judge_is_unscored_and_never_zero() -> None:
    def down(messages: object, tools: object, sampling: object) -> str:
        raise ModelError("unavailable", "503")

    done = talk(Persuasion(judge="model"), ["Why?"], says("Agree"), {"judge": FakeModel(down)})
    assert (done.error, done.reward()) == (None, None)
    unseated = talk(Persuasion(judge="model"), ["Why?"], says("Agree"))
    assert unseated.reward() is None
    assert "--judge-model" in next(reward.reason for reward in unseated.rewards if reward.value is None)


def test_the_user_is_not_its_own_judge() -> None:
    """The peer asks one model for words and verdict. Here the user is asked for words alone, and the judge, who reads
    them in a context of its own, decides."""
    user = says("Strongly Disagree")
    judge = FakeModel(lambda messages, tools, sampling: json.dumps({"analysis": "polite", "stance": "Agree"}))
    done = talk(Persuasion(judge="model"), ["Why do you think so?"], user, {"judge": judge})
    assert declared(done) == []
    assert done.reward() == pytest.approx(1 / 6)
    (asked,) = judge.calls
    assert "person: Well." in asked.messages[0].content
    assert "Strongly Disagree" not in asked.messages[0].content.split("stance", 1)[0]
    (shown,) = user.calls
    told = "".join(message.content for message in shown.messages)
    assert "polite" not in told
    assert "stance" not in told
    assert list((shown.sampling.json_schema or {})["properties"]) == ["response"]


@pytest.mark.parametrize("judge", ["rules", "model", "user"])
def test_a_conversation_lived_again_is_judged_by_what_was_recorded(judge: str) -> None:
    gym = Persuasion(judge=judge)  # type: ignore[arg-type]
    verdicts = iter(["Agree", "Mildly amused", "Neutral"])
    model = FakeModel(lambda messages, tools, sampling: json.dumps({"analysis": "", "stance": next(verdicts)}))
    lines = [f"{ACKNOWLEDGED} {POINTS[0]}", POINTS[1], POINTS[2]]
    once = talk(gym, lines, says("Agree", "Partly Agree", "Agree"), {"judge": model})
    again = asyncio.run(play(gym, begin(school(), 0, 0), Cast(None), past=once.turns, ending=once.stop))
    assert once.error is again.error is None
    assert (again.turns, again.rewards, again.stop) == (once.turns, once.rewards, once.stop)


def test_the_stance_is_private() -> None:
    done = talk(Persuasion(judge="user"), ["Why?", "And?"], says("Agree", "Neutral"))
    view = "".join(message.content for message in done.view("assistant"))
    assert not any(f'"{stance}"' in view for stance in STANCES)
    assert "stance" not in view


def test_with_rules_as_judge_a_user_model_is_told_where_it_stands_and_its_own_claim_counts_nothing() -> None:
    user = says("Strongly Disagree", "Strongly Disagree")
    done = talk(Persuasion(), [f"{ACKNOWLEDGED} {POINTS[0]}", "Be quick."], user)
    assert done.reward() == pytest.approx(1 / 6)
    first, second = ("".join(message.content for message in call.messages) for call in user.calls)
    assert "you privately hold: Agree." in first
    assert "you privately hold: Agree." in second
    assert not any(point in first + second for point in POINTS[1:])


WRITTEN = {
    "stance": "<stance>still for an early start</stance>",
    "emotion": "<emotion>calm</emotion>",
    "response": "<response>I will think about it.</response>",
}


def trained(seen: list[Sequence[Message]]) -> SpeakingModel:
    """A user that writes its states and then words, as `usergym train users` leaves one."""

    def answer(view: Sequence[Message]) -> str:
        seen.append(view)
        return next(text for level, text in WRITTEN.items() if f"<{level}>..." in view[0].content)

    return SpeakingModel(ScriptedModel(answer), Speech(load("ser")))


@pytest.mark.parametrize("judge", ["rules", "model"])
def test_a_trained_user_plays_where_its_stance_is_read_from_words(judge: str) -> None:
    seen: list[Sequence[Message]] = []
    verdict = FakeModel(lambda messages, tools, sampling: json.dumps({"analysis": "", "stance": "Agree"}))
    gym = Persuasion(judge=judge)  # type: ignore[arg-type]
    user = SampledModel(trained(seen), Sampling(0.7))
    done = talk(gym, [f"{ACKNOWLEDGED} {POINTS[0]}"], user, {"judge": verdict})
    assert done.error is None
    (*_, last) = [turn.said for turn in done.turns if turn.speaker == "user"]
    assert (last, done.reward()) == ("I will think about it.", pytest.approx(1 / 6))
    assert len(seen) == 3
    assert "JSON" not in seen[0][0].content


def test_a_trained_user_that_was_to_declare_its_stance_is_refused_before_anybody_is_asked() -> None:
    seen: list[Sequence[Message]] = []
    agent = FakeModel(lambda messages, tools, sampling: "Why?")
    cast = Cast(seat_model(agent), trained(seen))
    with pytest.raises(StopRun, match="persuasion:judge=rules, or with persuasion:judge=model") as refused:
        asyncio.run(play(Persuasion(judge="user"), begin(school(), 0, 0), cast))
    assert "\n" not in str(refused.value)
    assert (seen, agent.calls) == ([], [])


def test_a_user_model_that_is_cut_off_or_empty_is_a_failure() -> None:
    for written in ("", "{", '{"response": " ", "stance": "Agree"}'):
        done = talk(Persuasion(), ["Why?"], ScriptedModel(lambda view, written=written: written))
        assert done.error is not None
        assert done.error.kind == "user"


def test_the_same_acts_in_both_modes_give_the_same_user_view_and_rewards() -> None:
    lines = [f"{ACKNOWLEDGED} {POINTS[0]}", "What matters to you?", POINTS[1]]
    one, other = talk(Persuasion("interact"), lines), talk(Persuasion("native"), lines)
    assert one.view("user") == other.view("user")
    assert one.rewards == other.rewards
    for actions in ("interact", "native"):
        gym = Persuasion(actions)  # type: ignore[arg-type]
        assert asyncio.run(play(gym, begin(school(), 0, 0), Cast(seat_oracle))).reward() == 1.0


def test_answer_and_action_are_the_same_act() -> None:
    told = []
    for choice in ("answer", "action"):
        agent = ScriptedModel([Message("assistant", "", tool_calls=(act(f"{ACKNOWLEDGED} {POINTS[0]}", choice),))])
        cast = Cast(seat_model(agent), limits=Limits(replies=1))
        done = asyncio.run(play(Persuasion(), begin(school(), 0, 0), cast))
        told.append((done.rewards, done.view("user")))
    assert told[0] == told[1]


def test_the_oracle_turns_every_claim_in_every_seed() -> None:
    gym = Persuasion()
    for task in itertools.chain(gym.tasks(None, 1), gym.tasks(None, 2)):
        done = asyncio.run(play(gym, begin(task, 0, 0), Cast(seat_oracle, limits=Limits(replies=16))))
        assert (done.reward(), done.stop) == (1.0, "persuaded"), task.id


def test_points_that_were_not_taken_in_are_never_shown() -> None:
    gym = Persuasion()
    for task in gym.tasks(None, 3):
        hidden = gym.start(task).secrets()
        done = talk(gym, ["What matters to you in this?", "I see.", "What else would you want to know?"], task=task)
        view = "\n".join(message.content for message in done.view("assistant"))
        assert len(hidden) == 6
        assert not [secret for secret in hidden if secret in view]
        assert done.reward() == 0.0


def test_a_world_starts_in_a_millisecond_and_a_hundred_conversations_take_a_second() -> None:
    gym = Persuasion()
    tasks = list(gym.tasks(None, 1))
    begun = time.process_time()
    for task in tasks:
        gym.start(task)
    assert (time.process_time() - begun) / len(tasks) < 0.001
    begun = time.process_time()
    for task in tasks:
        asyncio.run(play(gym, begin(task, 0, 0), Cast(seat_oracle)))
    assert (time.process_time() - begun) / len(tasks) < 0.01
