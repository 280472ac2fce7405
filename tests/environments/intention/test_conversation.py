"""Whole conversations about vague requests, through the one loop."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from usergym.environments.intention import environment as Intention
from usergym.environments.intention.gym import IntentionWorld
from usergym.models.base import Model, ModelError
from usergym.models.fake import FakeModel
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_model, seat_oracle
from usergym.types import Message, Task, ToolCall, Trajectory, Turn

DETAILS = [
    {
        "description": "the number of nights",
        "importance": 3,
        "inquiry": "How many nights would you stay?",
        "options": ["two nights", "nine nights"],
        "preference": "nine nights",
        "words": ["nights", "how long"],
    },
    {
        "description": "the budget",
        "importance": 2,
        "inquiry": "What may it cost?",
        "options": ["under six hundred", "two thousand"],
        "preference": "two thousand",
        "words": ["cost", "money", "spend"],
    },
    {
        "description": "the season",
        "importance": 1,
        "inquiry": "In which month would it be?",
        "options": ["in early May", "over New Year"],
        "preference": "over New Year",
        "words": ["month", "season", "when"],
    },
]
REQUEST = "Plan a trip to Lisbon for me."
ONE_BY_ONE = ["How many nights would you stay?", "And what may it cost?", "In which month should it be?"]
SHOTGUN = "How many nights would you stay, what may it cost, and in which month should it be?"


def trip() -> Task:
    opening = (Turn("user", Message("assistant", REQUEST)),)
    return Task("trip", "intention", opening=opening, data={"request": REQUEST, "details": DETAILS})


def acts(gym: Intention, lines: Sequence[str]) -> list[Message]:
    """The same acts in the form that the gym wants."""
    if gym.actions == "native":
        return [Message("assistant", line) for line in lines]
    return [Message("assistant", "", tool_calls=(call("action", line),)) for line in lines]


def call(choice: str, content: str) -> ToolCall:
    return ToolCall("call", "interact_with_env", json.dumps({"choice": choice, "content": content}))


def talk(
    gym: Intention,
    lines: Sequence[str],
    user_model: Model | None = None,
    services: Mapping[str, Model] | None = None,
    task: Task | None = None,
) -> Trajectory:
    agent = seat_model(ScriptedModel(acts(gym, lines)))
    cast = Cast(agent, user_model, services=services or {}, limits=Limits(replies=len(lines)))
    return asyncio.run(play(gym, begin(task or trip(), 0, 0), cast))


def answers(trajectory: Trajectory) -> list[str]:
    return [turn.said for turn in trajectory.turns if turn.speaker == "user"][1:]


def scores(trajectory: Trajectory, name: str = "score") -> list[float | None]:
    return [reward.value for reward in trajectory.rewards if reward.name == name]


def test_each_detail_pays_its_importance_once_and_all_of_them_are_worth_one() -> None:
    done = talk(Intention(), ONE_BY_ONE)
    assert [round(value or 0, 6) for value in scores(done)] == [0.5, 0.333333, 0.166667]
    assert (done.reward(), done.stop) == (1.0, "all_known")
    again = talk(Intention(), [ONE_BY_ONE[0], ONE_BY_ONE[0], ONE_BY_ONE[0]])
    assert again.reward() == 0.5
    assert len(scores(again)) == 1


def test_asking_everything_in_one_shotgun_question_is_worse_than_one_by_one() -> None:
    at_once, pairs = (
        talk(Intention(), [SHOTGUN]),
        talk(Intention(), [f"{ONE_BY_ONE[0]} {ONE_BY_ONE[1]}", ONE_BY_ONE[2]]),
    )
    assert at_once.stop == pairs.stop == "all_known"
    assert at_once.reward() == pytest.approx(0.6)
    assert pairs.reward() == pytest.approx(5 / 6 * 0.8 + 1 / 6)


def keywords(split: str) -> dict[str, list[str]]:
    """What an agent learns by heart from a split: descriptions and words of its details, the commonest first."""
    tasks = list(itertools.islice(Intention().tasks(split, 1), 400))
    details = [detail for task in tasks for detail in task.data["details"]]
    found = Counter(detail["description"] for detail in details), Counter(w for d in details for w in d["words"])
    return {
        name: [word for word, _ in each.most_common()] for name, each in zip(("about", "words"), found, strict=True)
    }


@pytest.mark.parametrize("known", ["about", "words"])
@pytest.mark.parametrize("shape", ["What about {}?", "Do you have wishes on {}?", "Tell me about {}."])
def test_fixed_keyword_lists_earn_next_to_nothing_on_the_test_split(known: str, shape: str) -> None:
    gym, listed = Intention(max_steps=16), keywords("train")[known]
    for separator in (", ", " ", " and the "):
        messages = [shape.format(separator.join(listed[place::16])) for place in range(16)]
        tasks = itertools.islice(gym.tasks("test", 2), 12)
        rewards = [talk(gym, messages, task=task).reward() or 0.0 for task in tasks]
        assert sum(rewards) / len(rewards) < 0.1


def test_bare_cues_and_bare_nouns_are_answered_with_one_thing_at_a_time() -> None:
    cues = ("how long", "how much", "how many", "how often", "when", "where", "who", "how old", "how big", "by when")
    nouns = ", ".join(keywords("train")["words"][:19])
    for message in (f"{', '.join(cues)}?", " ".join(f"{cue}?" for cue in cues), f"What about {nouns}?"):
        done = talk(Intention(), [message])
        assert done.reward() == 0.0
        (answer,) = answers(done)
        assert "one thing at a time" in answer.lower()


def test_a_wish_is_voiced_so_that_it_says_what_is_to_be_avoided() -> None:
    tasks = itertools.islice(Intention().tasks(None, 3), 600)
    (task, *_) = (
        task
        for task in tasks
        for detail in task.data["details"]
        if detail["description"] == "principles" and "oil" in detail["preference"]
    )
    done = talk(Intention(), ["Do ethical investments matter to you?"], task=task)
    assert "nothing that has to do with oil" in answers(done)[0].lower()


def test_a_question_stuffed_with_every_word_of_a_generated_task_pays_less_than_its_best_detail_alone() -> None:
    gym = Intention()
    for task in itertools.islice(gym.tasks("train", 3), 40):
        details = task.data["details"]
        stuffed = "Tell me about " + ", ".join(
            " ".join([detail["description"], *detail["words"], *detail["options"]]) for detail in details
        )
        reward = talk(gym, [stuffed + "?"], task=task).reward()
        assert reward is not None
        assert reward <= 1 - (len(details) - 1) / 5 + 1e-9


def test_a_statement_that_holds_all_the_words_asks_for_nothing() -> None:
    done = talk(Intention(), ["I will stay nine nights, it will cost two thousand, in the month of May."])
    assert done.reward() == 0.0
    assert not any("nine" in said or "thousand" in said for said in answers(done))


def test_the_user_says_what_was_asked_and_nothing_more() -> None:
    said = answers(talk(Intention(), ["What may it cost?", "Could you tell me more?", "Do you like jazz?", "I see."]))
    assert "two thousand" in said[0].lower()
    for answer in said:
        assert "nine nights" not in answer.lower()
        assert "new year" not in answer.lower()
    vague, indifferent, nothing = said[1:]
    assert any(word in vague for word in ("definite", "specific", "exactly"))
    assert any(word in indifferent for word in ("preference", "difference", "thought"))
    assert "?" in nothing or "question" in nothing or "Ask" in nothing


def test_the_same_acts_in_both_modes_give_the_same_user_view_and_rewards() -> None:
    lines = ["Anything else?", SHOTGUN]
    one, other = talk(Intention("interact"), lines), talk(Intention("native"), lines)
    assert one.view("user") == other.view("user")
    assert one.rewards == other.rewards
    assert one.stop == other.stop
    assert one.stop == "all_known"
    for actions in ("interact", "native"):
        gym = Intention(actions)
        done = asyncio.run(play(gym, begin(trip(), 0, 0), Cast(seat_oracle)))
        assert done.reward() == 1.0


def test_finish_ends_the_conversation_and_tells_nothing() -> None:
    ways = {
        "interact": ToolCall("1", "interact_with_env", '{"choice": "finish", "content": ""}'),
        "native": ToolCall("1", "finish", "{}"),
    }
    for actions, way in ways.items():
        gym = Intention(actions)  # type: ignore[arg-type]
        agent = seat_model(ScriptedModel([Message("assistant", "", tool_calls=(way,))]))
        done = asyncio.run(play(gym, begin(trip(), 0, 0), Cast(agent)))
        assert (done.stop, done.reward(), done.error) == ("finished", 0.0, None)
        assert "night" not in done.view("assistant")[-1].content


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (ONE_BY_ONE, [1.0, 0.7, 0.4]),
        ([SHOTGUN], [0.6]),
        ([f"{ONE_BY_ONE[1]} {ONE_BY_ONE[2]}", ONE_BY_ONE[0]], [0.5, 1.0]),
    ],
)
def test_the_preset_pays_their_unbounded_sum(lines: list[str], expected: list[float]) -> None:
    done = talk(Intention(preset="userrl"), lines)
    assert scores(done, "userrl") == pytest.approx(expected)
    assert done.reward() == pytest.approx(sum(expected))


def test_user_prompt_contains_the_whole_task_leak() -> None:
    """The peer's user model is given every missing detail; ours only what was asked about, once it was."""
    model = FakeModel(lambda messages, tools, sampling: "Whatever you say.")
    done = talk(Intention(), ["Could you tell me more?", "What may it cost?", "Do you like jazz?"], user_model=model)
    assert done.error is None
    assert len(model.calls) == 3
    for place, asked in enumerate(model.calls):
        shown = "\n".join(message.content for message in asked.messages)
        assert REQUEST in shown
        assert ("two thousand" in shown) == (place == 1)
        for hidden in ("nine nights", "over New Year", "early May", "In which month", "importance"):
            assert hidden not in shown
    assert done.reward() == pytest.approx(1 / 3)
    assert [turn.state for turn in done.turns if turn.speaker == "user"][1:] == [
        {"told": []},
        {"told": ["the budget"]},
        {"told": []},
    ]


def test_the_judge_has_a_context_of_its_own_and_its_verdict_decides() -> None:
    judge = FakeModel(lambda messages, tools, sampling: json.dumps({"analysis": "both", "asked": [2, 1]}))
    done = talk(Intention(judge="model"), ["Tell me about the purse and the pillows."], services={"judge": judge})
    assert done.reward() == pytest.approx(5 / 6 * 0.8)
    (asked,) = judge.calls
    assert "purse and the pillows" in asked.messages[0].content
    assert "3. the season" in asked.messages[0].content
    assert "two thousand" not in asked.messages[0].content
    assert "nine nights" in answers(done)[0]
    shown = "\n".join(message.content for message in done.view("user") + done.view("assistant"))
    assert "analysis" not in shown


def test_a_judged_conversation_lived_again_is_judged_by_what_was_recorded() -> None:
    gym, verdicts = Intention(judge="model"), iter(['{"asked": [2]}', "what?", '{"asked": [1, 2]}'])
    judge = FakeModel(lambda messages, tools, sampling: next(verdicts))
    once = talk(gym, ["The purse?", "The pillows?", "Both?"], services={"judge": judge})
    again = asyncio.run(play(gym, begin(trip(), 0, 0), Cast(None), past=once.turns, ending=once.stop))
    assert once.error is again.error is None
    assert scores(once) == [pytest.approx(1 / 3), None, pytest.approx(1 / 2)]
    assert (again.turns, again.rewards, again.stop) == (once.turns, once.rewards, once.stop)


@pytest.mark.parametrize("verdict", ["none of your business", '{"asked": [7]}', '{"asked": [0]}', '{"asked": "1"}'])
def test_a_verdict_that_cannot_be_read_is_unscored_and_never_zero(verdict: str) -> None:
    judge = ScriptedModel(lambda view: verdict)
    done = talk(Intention(judge="model"), ["What may it cost?"], services={"judge": judge})
    assert done.error is None
    assert done.reward() is None
    assert scores(done) == [None]
    assert "once more" in answers(done)[0]


def test_an_outage_of_the_judge_is_unscored_and_the_user_model_makes_nothing_up() -> None:
    def down(messages: object, tools: object, sampling: object) -> str:
        raise ModelError("unavailable", "503")

    user = FakeModel(lambda messages, tools, sampling: "canned")
    done = talk(Intention(judge="model"), ["What may it cost?"], user, {"judge": FakeModel(down)})
    assert done.reward() is None
    assert user.calls == []
    assert "503" in next(reward.reason for reward in done.rewards if reward.value is None)


def test_a_failing_user_model_is_a_failure_and_no_canned_reply() -> None:
    done = talk(Intention(), ["What may it cost?"], user_model=ScriptedModel([]))
    assert done.error is not None
    assert done.rewards == []


def test_nothing_hidden_is_in_the_agents_view_before_it_was_asked_about() -> None:
    gym = Intention()
    for task in itertools.islice(gym.tasks(None, 11), 60):
        world = gym.start(task)
        assert isinstance(world, IntentionWorld)
        hidden = set(world.secrets())
        assert len(hidden) == 2 * len(task.data["details"])
        idle = talk(gym, ["I see.", "Could you tell me more?", "What else matters to you?"], task=task)
        view = "\n".join(message.content for message in idle.view("assistant")).lower()
        assert not [secret for secret in hidden if f" {secret.lower()}" in view]
        assert idle.reward() == 0.0


def test_a_world_starts_in_a_millisecond_and_a_hundred_conversations_take_a_second() -> None:
    gym = Intention()
    tasks = list(itertools.islice(gym.tasks(None, 1), 150))
    begun = time.process_time()
    for task in tasks:
        gym.start(task)
    assert (time.process_time() - begun) / len(tasks) < 0.001
    begun = time.process_time()
    for task in tasks:
        asyncio.run(play(gym, begin(task, 0, 0), Cast(seat_oracle)))
    assert (time.process_time() - begun) / len(tasks) < 0.01
