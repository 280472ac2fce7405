"""The calendar conversation, played through the loop."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from usergym.environments import load
from usergym.environments.base import RowError
from usergym.environments.calendar import environment as Calendar
from usergym.environments.calendar import grade
from usergym.environments.calendar.check import validate
from usergym.models.fake import FakeModel
from usergym.rollouts.engine import Cast, Limits, begin, play, seat_idle, seat_oracle
from usergym.types import Message, Task, Trajectory, Turn, split_of
from usergym.users.scripted import ScriptedParticipant

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "nemo_gym"


def one_task(environment: Any = None, level: str | None = None) -> Task:
    made = (environment or Calendar()).tasks(seed=2)
    return next(task for task in made if level is None or task.data["level"] == level)


def answered(task: Task, change: Callable[[int, str], str], environment: Any = None) -> Trajectory:
    """The oracle's answers, each passed through `change(number of the answer, its text)`."""

    def seat(world: Any, seed: int) -> ScriptedParticipant:
        def line(view: Sequence[Message]) -> str | None:
            words = world.perfect_answer(view)
            return None if words is None else change(sum(message.role == "assistant" for message in view), words)

        return ScriptedParticipant("assistant", line)

    return asyncio.run(play(environment or Calendar(), begin(task, 0, 0), Cast(seat)))


def grade_of(trajectory: Trajectory) -> tuple[float | None, str]:
    reward = next(reward for reward in trajectory.rewards if reward.name == "grade")
    return reward.value, reward.reason


def test_the_first_failed_turn_ends_the_conversation_and_names_the_reason() -> None:
    trajectory = answered(one_task(), lambda n, words: "No." if n == 3 else words)
    assert trajectory.stop == "failed_turn"
    assert grade_of(trajectory) == (0.0, "no_json_list")
    verdicts = [(reward.turn, reward.value) for reward in trajectory.rewards if reward.name == "turn_grade"]
    assert verdicts == [(1, 1.0), (3, 1.0), (5, 1.0), (7, 0.0)]


def test_played_to_the_end_one_failed_turn_still_fails_the_whole() -> None:
    environment = Calendar(until="end")
    task = one_task()
    trajectory = answered(task, lambda n, words: "No." if n == 3 else words, environment)
    assert trajectory.stop == "user_stop"
    assert grade_of(trajectory) == (0.0, "no_json_list")
    verdicts = [reward.value for reward in trajectory.rewards if reward.name == "turn_grade"]
    assert verdicts == [float(n != 3) for n in range(len(task.data["steps"]))]
    parts = {reward.name: reward.value for reward in trajectory.rewards if reward.name.startswith("part_")}
    assert parts["part_listed"] == pytest.approx(1 - 1 / len(verdicts))
    assert trajectory.reward() == 0.0


def test_reasons_and_expectations_never_enter_the_conversation() -> None:
    trajectory = answered(one_task(), lambda n, words: "No." if n == 1 else words, Calendar(until="end"))
    text = json.dumps([turn.said for turn in trajectory.turns if turn.speaker == "user"])
    assert "no_json_list" not in text
    assert "min_time" not in text


def test_small_talk_needs_a_calendar_only_at_level_hard() -> None:
    for level, reward in (("easy", 1.0), ("hard", 0.0)):
        task = one_task(level=level)
        intents = task.data["user_intents"]
        chatty = answered(task, lambda n, words, intents=intents: "Nice." if intents[n].startswith("cont") else words)
        assert chatty.reward() == reward
    silent = answered(one_task(level="easy"), lambda n, words: "Nice.")
    assert silent.reward() == 0.0


def test_the_level_of_the_environment_goes_before_that_of_the_task() -> None:
    easy, hard = one_task(level="easy"), one_task(level="hard")
    for forced in ("easy", "hard"):
        prompts = {load(f"calendar:level={forced}").start(task).system for task in (easy, hard)}
        assert len(prompts) == 1
    assert Calendar().start(easy).system != Calendar().start(hard).system


def test_the_prompt_names_the_window_and_no_placeholder_is_left() -> None:
    for spec in ("calendar", "calendar:min_time=510,max_time=1065", "calendar:told_min_time=9am,told_max_time=5pm"):
        environment = load(spec)
        system = environment.start(next(iter(environment.tasks()))).system
        assert "$" not in system
        window = {"calendar": ("10am", "4pm"), "calendar:min_time=510,max_time=1065": ("8:30am", "5:45pm")}
        assert all(time in system for time in window.get(spec, ("9am", "5pm")))


def test_a_reply_limit_before_the_end_is_no_success() -> None:
    cast = Cast(seat_oracle, limits=Limits(replies=2))
    trajectory = asyncio.run(play(Calendar(), begin(one_task(), 0, 0), cast))
    assert (trajectory.stop, grade_of(trajectory)) == ("reply_limit", (0.0, "unanswered"))


def test_an_expectation_that_cannot_be_read_leaves_the_conversation_unscored() -> None:
    task = one_task()
    states = json.loads(json.dumps(task.data["expected_calendar_states"]))
    states[-1]["0"]["constraint"] = "soonish"
    faulty = msgspec.structs.replace(task, data={**task.data, "expected_calendar_states": states})
    for words in ("No.", "[]"):
        trajectory = answered(faulty, lambda n, _, words=words: words)
        assert trajectory.error is None
        assert trajectory.reward() is None
        assert "soonish" in grade_of(trajectory)[1]
        assert len(trajectory.turns) <= 2


def test_an_event_is_held_to_its_name_only_if_the_user_said_it() -> None:
    task = one_task()
    renamed = "Something else entirely"

    def rename(n: int, words: str) -> str:
        return json.dumps([{**event, "event_name": renamed} for event in json.loads(words)])

    assert grade_of(answered(task, rename)) == (0.0, "wrong_event_name")
    prompts = [f"Please (event id: {step['params'].get('event_id')})" for step in task.data["steps"]]
    paraphrased = msgspec.structs.replace(task, data={**task.data, "user_prompts": prompts})
    assert answered(paraphrased, rename).reward() == 1.0


def test_recorded_messages_are_said_as_they_were() -> None:
    task = one_task()
    prompts = [f"message {n}" for n in range(len(task.data["steps"]))]
    recorded = msgspec.structs.replace(task, data={**task.data, "user_prompts": prompts})
    trajectory = asyncio.run(play(Calendar(), begin(recorded, 0, 0), Cast(seat_oracle)))
    assert [turn.said for turn in trajectory.turns if turn.speaker == "user" and turn.said] == prompts
    assert trajectory.reward() == 1.0


def test_a_model_plays_the_user_where_one_is_given() -> None:
    task = one_task()
    first = task.data["steps"][0]["params"]
    words = f"Could you add {first['event_name']} for {first['duration']} minutes? (event id: {first['event_id']})"
    model = FakeModel(lambda messages, tools, sampling: json.dumps({"USER_MESSAGE": words}))
    cast = Cast(seat_oracle, user_model=model, limits=Limits(replies=1))
    trajectory = asyncio.run(play(Calendar(), begin(task, 0, 0), cast))
    assert trajectory.turns[0].said == words
    assert task.data["persona"] not in trajectory.turns[0].said


def test_splits_are_a_hash_of_the_group() -> None:
    made = list(itertools.islice(Calendar().tasks(), 200))
    for split in ("train", "validation", "test"):
        own = [task.id for task in itertools.islice(Calendar().tasks(split), 5)]
        assert own == [task.id for task in made if split_of(task.group, test=0.1) == split][:5]
    shares = [split_of(str(n), test=0.1) for n in range(5000)]
    assert 0.08 < shares.count("test") / 5000 < 0.12
    assert 0.78 < shares.count("train") / 5000 < 0.82


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("calendar:n_events=13", "give 1 to 12"),
        ("calendar:max_time=950", "divided by 15"),
        ("calendar:mode=lenient", "lenient"),
        ("calendar:n_events=many", "many"),
    ],
)
def test_options_that_cannot_be_are_refused_when_the_environment_is_made(spec: str, words: str) -> None:
    with pytest.raises((ValueError, LookupError)) as caught:
        load(spec)
    assert words in str(caught.value)


def test_days_of_every_size_are_played_to_full_reward() -> None:
    for spec in ("n_events=1", "n_events=12", "n_events=30,min_time=0,max_time=1440"):
        environment = load(f"calendar:{spec}")
        for task in itertools.islice(environment.tasks(), 3):
            trajectory = asyncio.run(play(environment, begin(task, 0, 0), Cast(seat_oracle)))
            assert (trajectory.error, trajectory.reward()) == (None, 1.0)


@pytest.mark.skipif(not DATA.exists(), reason="the example rows are not here")
def test_the_recorded_rollouts_of_the_example_rows_get_their_recorded_rewards() -> None:
    rows = [json.loads(line) for line in (DATA / "calendar_example.jsonl").read_text(encoding="utf-8").splitlines()]
    rollouts = (DATA / "calendar_example_rollouts.jsonl").read_text(encoding="utf-8").splitlines()
    environment = load("calendar:mode=nemo_gym")
    rewards = []
    for rollout in map(json.loads, rollouts):
        told = [item["content"] for item in rollout["responses_create_params"]["input"]]
        row = next(row for row in rows if [item["content"] for item in row["responses_create_params"]["input"]] == told)
        message = next(item for item in rollout["response"]["output"] if item["type"] == "message")
        task = environment.read(row)
        reply = Turn("assistant", Message("assistant", message["content"][0]["text"]))
        past = [*task.opening, reply]
        trajectory = asyncio.run(play(environment, begin(task, 0, 0), Cast(None), past=past, ending="replayed"))
        assert trajectory.error is None
        rewards.append(trajectory.reward())
        assert rewards[-1] == rollout["reward"]
        best = asyncio.run(play(load("calendar"), begin(task, 0, 0), Cast(seat_oracle)))
        assert (best.reward(), best.stop, len(best.turns)) == (1.0, "assistant_done", len(task.opening) + 1)
        assert best.seats["assistant"].system == row["responses_create_params"]["input"][0]["content"]
    assert rewards == [1.0, 0.0, 1.0, 0.0, 0.0]


def test_idle_play_never_earns_on_own_tasks_in_any_mode_and_level() -> None:
    for mode in ("strict", "nemo_gym"):
        for level in ("mixed", "easy", "hard"):
            environment = Calendar(mode=mode, level=level)
            for task in itertools.islice(environment.tasks(), 6):
                played = asyncio.run(play(environment, begin(task, 0, 0), Cast(seat_idle)))
                assert played.reward() == 0.0


@pytest.mark.parametrize(
    "row",
    [
        {"user_prompts": ["hi"], "expected_calendar_states": [{}]},
        {"user_prompts": ["hi"], "expected_calendar_states": [{"0": None}]},
        {"responses_create_params": {"input": "hi"}, "exp_cal_state": {}},
    ],
)
def test_a_row_that_expects_nothing_is_unscored_and_reported(row: dict) -> None:
    environment = Calendar()
    played = asyncio.run(play(environment, begin(environment.read(row), 0, 0), Cast(seat_idle)))
    assert played.error is None
    assert played.reward() is None
    assert any("nothing to grade" in finding.problem for finding in validate(row))


@pytest.mark.parametrize("field", ["persona", "profile", "events", "steps", "sample_id"])
def test_a_field_of_a_wrong_type_is_named(field: str) -> None:
    row = {"user_prompts": ["hi"], "expected_calendar_states": [{}], field: 7.5}
    with pytest.raises(RowError, match=field):
        Calendar().read(row)


def test_a_duration_that_no_window_holds_is_the_rows_fault() -> None:
    state = {"0": {"event_id": 0, "duration": 500, "constraint": None, "min_time": "10:00", "max_time": "16:00"}}
    with pytest.raises(ValueError, match="duration is 500"):
        grade("[]", state)


def test_a_name_in_a_long_message_is_one_the_user_said() -> None:
    state = {"0": {"event_id": 0, "event_name": "Budget", "duration": 60, "min_time": "10:00", "max_time": "16:00"}}
    row = {"user_prompts": ["Hello. " * 300 + "Add the Budget."], "expected_calendar_states": [state]}
    shown = [{"event_id": 0, "event_name": "Lunch", "start_time": "10:00", "duration": 60}]
    assert grade_of(answered(Calendar().read(row), lambda n, words: json.dumps(shown))) == (0.0, "wrong_event_name")


def test_in_mode_nemo_gym_a_row_that_expects_nothing_keeps_its_reward() -> None:
    environment = Calendar(mode="nemo_gym")
    for reply, reward in (("[]", 1.0), ("no list", 1.0)):
        task = environment.read({"responses_create_params": {"input": "hi"}, "exp_cal_state": {}})
        assert answered(task, lambda n, words, reply=reply: reply, environment).reward() == reward


def test_own_tasks_without_any_state_are_unscored() -> None:
    opening = [{"speaker": "user", "message": {"role": "assistant", "content": "hi"}}]
    row = {"id": "t", "env": "calendar", "opening": opening, "data": {"expected_calendar_states": []}}
    task = Calendar().read(row)
    assert asyncio.run(play(Calendar(), begin(task, 0, 0), Cast(seat_idle))).reward() is None
    assert any("nothing to grade" in finding.problem for finding in validate(row))


NAMED = {"event_id": 0, "event_name": "Lunch"}


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("min_time", -5, "min_time"),
        ("max_time", 1441, "max_time"),
        ("sample_id", True, "sample_id"),
        ("profile", {"professional": 5}, "profile"),
        ("steps", [3], "steps"),
        ("steps", [{"kind": "dance", "params": {"say": "hi"}}], "steps[0].kind"),
        ("steps", [{"kind": "add_event", "params": NAMED}], "steps"),
        ("steps", [{"kind": "add_event", "params": {**NAMED, "duration": "long"}}], "steps[0].params.duration"),
        ("steps", [{"kind": "add_constraint", "params": {**NAMED, "constraint": "soon"}}], "steps"),
    ],
)
def test_what_would_fail_in_play_is_refused_when_read(field: str, value: Any, place: str) -> None:
    row = {"user_prompts": ["hi"], "expected_calendar_states": [{}], field: value}
    with pytest.raises(RowError) as caught:
        Calendar().read(row)
    assert caught.value.field == place
    if field != "sample_id":
        with pytest.raises(RowError) as caught:
            Calendar().read({"id": "t", "env": "calendar", "data": row})
        assert caught.value.field == f"data.{place}"


def test_own_tasks_of_another_environment_or_with_too_few_states_are_refused() -> None:
    data = {"user_prompts": ["a", "b"], "expected_calendar_states": [{}]}
    for env, field in (("workplace", "env"), ("calendar", "data.expected_calendar_states")):
        with pytest.raises(RowError) as caught:
            Calendar().read({"id": "t", "env": env, "data": data})
        assert caught.value.field == field


def test_a_window_that_ends_before_it_begins_is_the_rows_fault() -> None:
    state = {"7": {"event_id": 7, "duration": 30, "constraint": None, "min_time": "16:00", "max_time": "10:00"}}
    with pytest.raises(ValueError, match="event 7: duration is 30, longer than from 16:00 to 10:00"):
        grade("[]", state)
