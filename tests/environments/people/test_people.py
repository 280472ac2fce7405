"""Speaking as a person: what is asked for, what it is worth, and what it is conditioned on."""

import asyncio
import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from usergym.environments import load
from usergym.environments.people.gym import People, held
from usergym.models.base import Model
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, seat_model, seat_oracle
from usergym.types import Message, Task, Trajectory
from usergym.users.states import written
from usergym.users.states.parsing import parse_states

STATES = ("stance", "emotion", "belief", "value", "goal", "communication", "response")


def people(**options: Any) -> People:
    return People(**{"people": 30, "posts": 12, **options})


def of_level(environment: People, level: str, count: int = 1) -> list[Task]:
    return list(islice((task for task in environment.tasks("train") if task.data["level"] == level), count))


def played(
    environment: People,
    tasks: Sequence[Task],
    reply: Callable[[Sequence[Message]], str | Message],
    repeats: int = 1,
    judge: Model | None = None,
) -> list[Trajectory]:
    async def run() -> list[Trajectory]:
        cast = Cast(seat_model(ScriptedModel(reply)), services={"judge": judge} if judge else {})
        found = [each async for group in collect(environment, tasks, cast, repeats=repeats) for each in group]
        return sorted(found, key=lambda each: (each.task.id, each.sample))

    return asyncio.run(run())


def value(trajectory: Trajectory, name: str) -> float | None:
    return next(each.value for each in trajectory.rewards if each.name == name)


def reason(trajectory: Trajectory, name: str) -> str:
    return next(each.reason for each in trajectory.rewards if each.name == name)


def test_every_context_is_asked_for_every_level_once_and_its_prompt_asks_for_that_level_only() -> None:
    environment = people()
    tasks = list(environment.tasks("train"))
    contexts = {task.data["context"] for task in tasks}
    assert sorted((task.data["context"], task.data["level"]) for task in tasks) == sorted(
        (context, level) for context in contexts for level in STATES
    )
    for task in islice(tasks, 20):
        system = environment.start(task).system
        assert f"<{task.data['level']}>...</{task.data['level']}>" in system
        assert all(f"<{other}>" not in system for other in STATES if other != task.data["level"])


def test_the_right_state_is_worth_one_and_that_of_somebody_else_less() -> None:
    environment = people()
    tasks = of_level(environment, "stance", 12)
    truths = [task.data["truth"]["stance"] for task in tasks]
    asked = [(environment.start(task).system, task.opening[0].said) for task in tasks]
    right = dict(zip(asked, truths, strict=True))
    found = played(environment, tasks, lambda view: written({"stance": right[view[0].content, view[-1].content]}))
    assert [value(each, "stance") for each in found] == [1.0] * 12
    wrong = played(environment, tasks, lambda view: written({"stance": truths[-1]}))
    assert sum(value(each, "stance") or 0 for each in wrong) < 8


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("somewhat supports it", "format"),
        ("<stance>somewhat supports the", "truncated"),
        ("<stance> </stance>", "empty"),
        ("<stance>" + "so " * 16 + "</stance>", "long: 16 words; at most 15"),
        ("<stance>supports it</stance><stance>opposes it</stance>", "format"),
    ],
)
def test_what_does_not_keep_to_what_was_asked_is_worth_nothing_and_says_why(reply: str, why: str) -> None:
    environment = people()
    (trajectory,) = played(environment, of_level(environment, "stance"), lambda view: reply)
    assert trajectory.reward() == 0.0
    assert reason(trajectory, "stance_kept") == why
    assert value(trajectory, "stance_kept") == 0.0


def test_in_one_generation_each_level_is_a_share_of_the_reward() -> None:
    environment = people(config="separate_reward")
    task = next(environment.tasks("train"))
    truth = task.data["truth"]
    half = {level: truth[level] if place < 3 else "xyzzy" for place, level in enumerate(STATES)}
    (trajectory,) = played(environment, [task], lambda view: written(half))
    assert trajectory.reward() == pytest.approx(3 / 7, abs=0.02)
    assert [value(trajectory, level) for level in STATES[:3]] == [1.0, 1.0, 1.0]


def test_what_was_found_at_a_level_conditions_the_next_and_the_best_of_a_group_is_kept() -> None:
    environment = people(config="separate_generation", block=1)
    stance, emotion = list(islice(environment.tasks("train"), 2))
    assert (stance.data["level"], emotion.data["level"]) == ("stance", "emotion")
    truth = stance.data["truth"]
    draws = iter(["xyzzy plugh", truth["stance"], "something else", "xyzzy"])
    played(environment, [stance], lambda view: written({"stance": next(draws)}), repeats=4)
    assert environment.start(emotion).system.count(f"- stance: {truth['stance']}") == 1

    (after,) = played(environment, [emotion], lambda view: written({"emotion": truth["emotion"]}))
    told = next(each for each in after.rewards if each.name == "prefix")
    assert held(told).states == {"stance": truth["stance"]}
    assert told.weight == 0
    best = environment.reservoir.draw(stance.data["context"], ["stance", "emotion"], 0)
    assert best
    assert best.states == {"stance": truth["stance"], "emotion": truth["emotion"]}
    assert best.score == 1.0


def test_held_out_people_add_nothing_to_what_is_built_on() -> None:
    environment = people(config="separate_generation")
    tasks = list(islice(environment.tasks("validation"), 5))
    played(environment, tasks, lambda view: written({"stance": "somewhat supports it"}))
    assert len(environment.reservoir) == 0


def test_another_persona_and_none_change_what_is_told_and_not_what_is_true() -> None:
    own, shuffled, none = (people(persona=which) for which in ("own", "shuffled", "none"))
    tasks = [{task.id: task for task in each.tasks("test")} for each in (own, shuffled, none)]
    assert tasks[0].keys() == tasks[1].keys() == tasks[2].keys()
    for key, task in tasks[0].items():
        assert tasks[1][key].data["truth"] == task.data["truth"] == tasks[2][key].data["truth"]
        assert tasks[1][key].data["persona"] != task.data["persona"]
        assert tasks[2][key].data["persona"] == ""


def test_bare_words_are_what_a_person_says_and_states_in_the_reasoning_are_graded_without_weight() -> None:
    environment = people(speaks=True)
    task = next(environment.tasks("train"))
    truth = task.data["truth"]
    assert environment.start(task).system == task.data["persona"]
    thought = written({"stance": truth["stance"], "emotion": "xyzzy"})
    (trajectory,) = played(environment, [task], lambda view: Message("assistant", truth["response"], reasoning=thought))
    assert trajectory.reward() == 1.0
    assert value(trajectory, "stance") == 1.0
    assert (value(trajectory, "emotion") or 0) < 0.5


class Judged:
    """A judge that reads key points and marks texts by whether they hold a word; or fails as told."""

    def __init__(self, word: str, prose: bool = False) -> None:
        self.word, self.prose, self.asked = word, prose, 0

    def __call__(self, view: Sequence[Message]) -> str:
        self.asked += 1
        material, _ = json.JSONDecoder().raw_decode(view[-1].content, view[-1].content.index("{"))
        if "texts" not in material:
            return '{"points": ["takes a side"]}'
        if self.prose:
            return "I would say that all of them are fine."
        marks = {
            label: {"p1": 1.0, "penalty": 0.0, "relation": "same"}
            if self.word in text
            else {"p1": 0.0, "penalty": 0.0, "relation": "unrelated"}
            for label, text in material["texts"].items()
        }
        return json.dumps(marks)


def test_a_judge_sees_a_group_together_and_code_makes_the_score() -> None:
    environment = people(judge="model")
    (task,) = of_level(environment, "belief")
    draws = iter(["apples fall", "rivers run", "apples rot", "stones stay"])
    found = played(
        environment,
        [task],
        lambda view: written({"belief": next(draws)}),
        repeats=4,
        judge=ScriptedModel(judge := Judged("apples")),
    )
    assert sorted((each.reward() or 0.0) for each in found) == [0.0, 0.0, 1.0, 1.0]
    assert judge.asked == 2, "one call for the key points, one for the group"


def test_a_judge_that_returns_prose_leaves_the_replies_unscored_and_not_zero() -> None:
    environment = people(judge="model")
    (task,) = of_level(environment, "belief")
    found = played(
        environment,
        [task],
        lambda view: written({"belief": "apples fall"}),
        judge=ScriptedModel(Judged("apples", prose=True)),
    )
    assert found[0].reward() is None
    assert reason(found[0], "belief").startswith("unreadable")


def test_a_row_of_prepared_people_is_a_task_and_a_bad_one_names_its_field(tmp_path: Path) -> None:
    raw = {
        "prompt": [{"role": "user", "content": "A toll on the bridge?", "metadata": {"author": "Ann"}}],
        "completion": "I am against the toll.",
        "post_id": "p1",
        "user_id": "u1",
        "metadata": {"persona": {"values": ["thrift", "freedom"]}},
    }
    rl = {
        "data_source": "reddit",
        "prompt": [
            {"role": "system", "content": "You are HUMAN."},
            {"role": "user", "content": "A toll?", "name": "Ann"},
            {"role": "user", "content": "Why?", "name": "HUMAN"},
            {"role": "user", "content": "For repairs.", "name": "Ann"},
        ],
        "reward_model": {"style": "custom", "ground_truth": "Fine then."},
        "extra_info": {"target_user_id": "u2", "split": "test", "persona": '{"values": ["craft"]}', "post_id": "p2"},
    }
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in (raw, rl)))
    environment = load(f"people:data={data},config=response_only")
    tasks = {task.data["user"]: task for task in environment.tasks()}
    assert tasks["u1"].opening[0].said == "Ann: A toll on the bridge?"
    assert tasks["u1"].data["truth"] == {"response": "I am against the toll."}
    assert "thrift" in environment.start(tasks["u1"]).system
    assert tasks["u2"].opening[0].said == "Ann: A toll?\n\nHUMAN: Why?\n\nAnn: For repairs."
    assert tasks["u2"].split == "test"

    data.write_text(json.dumps({**raw, "user_id": None}) + "\n")
    with pytest.raises(ValueError, match=r"rows\.jsonl:1: field 'user_id': expected a text: whose words these are"):
        list(load(f"people:data={data}").tasks())


def test_the_oracle_of_real_people_is_known_for_what_they_said_only(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    row = {"prompt": [], "completion": "Well, no.", "post_id": "p", "user_id": "u", "metadata": {}}
    data.write_text(json.dumps(row) + "\n")
    environment = load(f"people:data={data}")
    tasks = {task.data["level"]: task for task in environment.tasks()}
    assert environment.start(tasks["response"]).oracle()
    with pytest.raises(LookupError, match="nobody knows the stance of u"):
        environment.start(tasks["stance"]).oracle()


def test_the_oracle_earns_all_in_every_mode_that_trains() -> None:
    for config in ("response_only", "separate_generation", "separate_reward", "separate_system_prompt"):
        environment = people(config=config)

        async def run(environment: People = environment) -> list[float | None]:
            tasks = islice(environment.tasks("train"), 8)
            return [each.reward() async for group in collect(environment, tasks, Cast(seat_oracle)) for each in group]

        assert asyncio.run(run()) == [pytest.approx(1.0)] * 8, config


def test_states_are_read_back_from_what_was_held() -> None:
    states = {"stance": "somewhat supports the toll", "emotion": "mild joy at the toll"}
    assert dict(parse_states(written(states), list(states), "exact")) == states


def test_rows_that_say_their_split_may_share_people_and_one_target_for_each_level_is_one_context(
    tmp_path: Path,
) -> None:
    def row(split: str, words: str, level: str) -> dict[str, Any]:
        info = {"target_user_id": "u", "split": split, "post_id": f"p-{words}", "hierarchy_name": level}
        prompt = [{"role": "user", "content": "A toll?", "name": "Ann"}]
        return {"prompt": prompt, "reward_model": {"ground_truth": words}, "extra_info": info}

    data = tmp_path / "rows.jsonl"
    rows = [row("train", "Yes.", "stance"), row("train", "Yes.", "response"), row("val", "No.", "response")]
    data.write_text("".join(json.dumps(each) + "\n" for each in rows))
    tasks = list(people(data=str(data)).tasks())
    assert len(tasks) == 2 * len(STATES)
    train, held_out = ({task.group for task in tasks if task.split == split} for split in ("train", "validation"))
    assert train.isdisjoint(held_out)
