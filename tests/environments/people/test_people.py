"""Speaking as a person: what is asked for, what it is worth, and what it is conditioned on."""

import asyncio
import json
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from usergym.environments import load
from usergym.environments.people.grading import Read, by_overlap
from usergym.environments.people.gym import People, held
from usergym.environments.people.reservoir import Prefix, Saved
from usergym.environments.people.words import words
from usergym.models.base import Finish, Model, ModelError, Reply
from usergym.models.scripted import ScriptedModel
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, seat_model, seat_oracle
from usergym.rollouts.store import Store
from usergym.types import Message, Reward, Sampling, Task, Tool, Trajectory
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
    cast = Cast(seat_model(ScriptedModel(reply)), services={"judge": judge} if judge else {})
    return asyncio.run(all_of(environment, tasks, cast, repeats))


async def all_of(
    environment: People, tasks: Sequence[Task], cast: Cast, repeats: int = 1, store: Store | None = None
) -> list[Trajectory]:
    made = collect(environment, tasks, cast, repeats=repeats, store=store)
    return sorted([each async for group in made for each in group], key=lambda each: (each.task.id, each.sample))


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
    data.write_text("".join(json.dumps(row) + "\n" for row in (raw, {**raw, "post_id": "p9"}, rl)))
    environment = load(f"people:data={data},config=response_only")
    tasks = {task.data["user"]: task for task in environment.tasks()}
    assert tasks["u1"].opening[0].said == "Ann: A toll on the bridge?"
    assert tasks["u1"].data["truth"] == {"response": "I am against the toll."}
    assert "thrift" in environment.start(tasks["u1"]).system
    assert tasks["u2"].opening[0].said == "Ann: A toll?\n\nHUMAN: Why?\n\nAnn: For repairs."
    assert tasks["u2"].split == "test"

    data.write_text(json.dumps({**raw, "user_id": None}) + "\n")
    with pytest.raises(ValueError, match=r"no row that can be used.*\s.*rows\.jsonl:1: field 'user_id'.*whose words"):
        list(load(f"people:data={data}").tasks())


def said(words: str = "Well, no.", user: Any = "u", post: str = "p", thread: Any = ..., **more: Any) -> dict[str, Any]:
    heard = [{"role": "user", "content": "A toll on the bridge?"}] if thread is ... else thread
    return {"prompt": heard, "completion": words, "post_id": post, "user_id": user, "metadata": {}, **more}


COPY = "the toll on the bridge is a good thing for all"

BAD = {
    "without a user": [said(user=None), said(user="[deleted]"), said(user="HUMAN")],
    "with a broken field": [
        said(metadata={"states": ["a", "b"]}),
        said(metadata={"states": 5}),
        said(metadata="{broken"),
        said(split="holdout"),
        said(thread="hello"),
    ],
    "empty": [said("\u200b\u200b"), said("  \n")],
    "without anything said before": [said(thread=[]), said(thread=[{"role": "user", "content": "\u2060"}])],
    "that repeat the message before": [said("A toll on the bridge?")],
    "whose words stand in what is told before them": [
        said(COPY, thread=[{"role": "Ann", "content": f"They say {COPY}."}, {"role": "Bo", "content": "So?"}])
    ],
    "of people with too few texts": [said(user="once")],
}


def test_rows_that_cannot_be_used_are_named_counted_and_left_out(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    good = [said(user=7, post="p1"), said(user=7, post="p2")]
    rows = [*good, *(row for each in BAD.values() for row in each)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows) + "not json\n")
    environment = people(data=str(data))
    assert [(each.user, each.post) for each in environment.contexts] == [("7", "p1"), ("7", "p2")]
    skipped = environment.skipped
    assert dict(skipped.why) == {why: len(each) for why, each in BAD.items()} | {"unreadable": 1}
    assert {row.place.number for row in skipped.rows} == set(range(3, len(rows) + 2))


def test_what_stands_in_metadata_as_text_is_read_and_a_state_without_words_is_unknown(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    about = {"states": {"stance": "against the toll", "emotion": "   ", "belief": "\u200b"}, "persona": "thrifty"}
    rows = [said(post=post, metadata=json.dumps(about)) for post in "pq"]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    context = people(data=str(data)).contexts[0]
    assert context.truth == {"stance": "against the toll", "response": "Well, no."}
    assert context.persona == "thrifty"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("val", "validation"),
        ("validation", "validation"),
        ("test", "test"),
        ("unseen_test", "test"),
        ("seen_test", "test"),
    ],
)
def test_the_published_names_of_splits_keep_test_people_out_of_training(tmp_path: Path, name: str, split: str) -> None:
    rows = [said(user=f"u{n % 9}", post=f"p{n}") for n in range(36)]
    lines = "".join(json.dumps({**row, "split": name}) + "\n" for row in rows)
    (tmp_path / "rows.jsonl").write_text(lines)
    assert {each.split for each in people(data=str(tmp_path / "rows.jsonl")).contexts} == {split}
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / f"{name}-00000.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert {each.split for each in people(data=str(folder)).contexts} == {split}


class Ends(ScriptedModel):
    """A reply that ends as told."""

    def __init__(self, words: str, finish: Finish) -> None:
        super().__init__([words])
        self.finish = finish

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        return msgspec.structs.replace(await super().reply(messages, tools, sampling), finish=self.finish)


def test_bare_words_that_were_cut_are_worth_nothing() -> None:
    environment = people(config="response_only", hierarchy="r_no_tag")
    task = next(environment.tasks("train"))
    truth = task.data["truth"]["response"]
    replies: list[tuple[Finish, str]] = [("length", "truncated"), ("stop", "")]
    for finish, why in replies:
        (trajectory,) = asyncio.run(all_of(environment, [task], Cast(seat_model(Ends(truth, finish)))))
        assert reason(trajectory, "response_kept") == why
        assert trajectory.reward() == (0.0 if why else 1.0)


def test_a_state_with_the_tag_of_another_level_is_not_kept_to_and_nothing_is_built_on_it() -> None:
    environment = people(config="separate_generation")
    (task,) = of_level(environment, "stance")
    truth = task.data["truth"]["stance"]
    (trajectory,) = played(environment, [task], lambda view: f"<stance>{truth} <emotion>joy</stance>")
    assert reason(trajectory, "stance_kept") == "format"
    assert len(environment.reservoir) == 0
    with pytest.raises(ValueError, match="cannot be read back"):
        held(Reward("prefix", 0.9, weight=0.0, reason="<stance>so <emotion>joy</stance>\n<emotion>joy</emotion>"))


@pytest.mark.parametrize(("threshold", "kept"), [(None, 2), (0.0, 2), (0.9, 1), (1.0, 1)])
def test_a_state_under_the_threshold_of_its_level_is_not_built_on(
    tmp_path: Path, threshold: float | None, kept: int
) -> None:
    own = tmp_path / "own.json"
    state = {"desc": "the side that is taken", "max_tokens": 48, "threshold": threshold}
    own.write_text(json.dumps({"stance": state, "response": {"desc": "what is said", "max_tokens": 99}}))
    environment = people(config="separate_generation", hierarchy=str(own))
    (task,) = of_level(environment, "stance")
    truth = task.data["truth"]["stance"]
    near = next(
        each
        for each in (f"{truth} and the {more} of apples" for more in ("sale", "sale and keeping and weight"))
        if 0 < (by_overlap(Read("stance", each), truth, task.opening[0].said).value or 0.0) < 0.9
    )
    (trajectory,) = played(environment, [task], lambda view: written({"stance": near}))
    assert (trajectory.reward() or 0.0) > 0
    assert len(environment.reservoir) == kept - 1
    played(environment, [task], lambda view: written({"stance": truth}))
    drawn = environment.reservoir.draw(task.data["context"], ["stance"], 0)
    assert drawn
    assert drawn.states["stance"] == truth


def test_a_decoy_is_by_somebody_else_about_something_else_and_does_not_say_the_same() -> None:
    environment = people()
    written_by: dict[str, set[str]] = {}
    for context in environment.contexts:
        for text in context.truth.values():
            written_by.setdefault(text, set()).add(context.user)
    tasks = list(islice(environment.tasks("train"), 700))
    for task in tasks:
        decoy, truth = task.data["decoy"], task.data["truth"][task.data["level"]]
        assert sorted(words(decoy)) != sorted(words(truth))
        assert written_by[decoy] != {task.data["user"]}
    assert all(task.data["decoy"] for task in tasks)


def test_the_persona_of_another_needs_another(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(said(post=post)) + "\n" for post in "pq"))
    with pytest.raises(ValueError, match="persona=shuffled needs another person's persona"):
        list(people(data=str(data), persona="shuffled").tasks())


def prefixes(path: Path, context: str, states: dict[str, str]) -> Path:
    level = list(states)[-1] if states else "stance"
    made = Saved(1, 3, {context: {level: [Prefix(states, 0.5, 2)]}})
    path.write_bytes(msgspec.json.encode(made))
    return path


@pytest.mark.parametrize(
    ("states", "why"),
    [
        ({"mood": "grim"}, "no level 'mood' in the hierarchy sebvgcr"),
        ({"emotion": "joy", "stance": "so"}, "are not in the order of stance, emotion"),
        ({"stance": "x </stance><response>I like plan"}, "the state 'stance' holds tags"),
        ({"stance": "long " * 3000}, "the state 'stance' is longer than its 48"),
        ({"stance": "so " * 20}, "20 words; at most 15"),
    ],
)
def test_prefixes_that_this_run_cannot_build_on_are_refused_with_their_file(
    tmp_path: Path, states: dict[str, str], why: str
) -> None:
    environment = people(config="separate_generation")
    context = environment.contexts[0].id
    for take in (environment.restore, environment.begin_with):
        with pytest.raises(ValueError, match=r"prefixes\.json cannot be built on: ") as refused:
            take(prefixes(tmp_path / "prefixes.json", context, states))
        assert why in str(refused.value)
        with pytest.raises(ValueError, match="context 'nobody' is not in the data"):
            take(prefixes(tmp_path / "prefixes.json", "nobody", {"stance": "so"}))
    environment.restore(prefixes(tmp_path / "prefixes.json", context, {"stance": "so", "emotion": "joy"}))
    assert len(environment.reservoir) == 1


class Down:
    """A judge that does not answer while it is out."""

    name = "down"

    def __init__(self) -> None:
        self.out = True
        self.works = ScriptedModel(Judged("apples"))

    async def reply(self, messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> Reply:
        if self.out:
            raise ModelError("unavailable", "503 for a while")
        return await self.works.reply(messages, tools, sampling)

    async def close(self) -> None: ...


def test_replies_that_the_judge_did_not_answer_for_are_judged_when_the_run_goes_on(tmp_path: Path) -> None:
    judge, asked = Down(), list[Sequence[Message]]()

    def reply(view: Sequence[Message]) -> str:
        asked.append(view)
        return written({"belief": "apples fall"})

    def run() -> list[Trajectory]:
        environment = people(judge="model")
        (task,) = of_level(environment, "belief")
        cast = Cast(seat_model(ScriptedModel(reply)), services={"judge": judge})
        store = Store.open(tmp_path / "run", {})

        found = asyncio.run(all_of(environment, [task], cast, 2, store))
        store.close()
        return found

    assert [each.error.kind for each in run() if each.error] == ["judge", "judge"]
    assert "503 for a while" in (tmp_path / "run" / "failures.jsonl").read_text()
    judge.out = False
    assert [each.reward() for each in run()] == [1.0, 1.0]
    assert len(asked) == 2, "what was said stands; only the judge is asked again"
    assert run() == []


def test_the_oracle_of_real_people_is_known_for_what_they_said_only(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(said(post=post)) + "\n" for post in "pq"))
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
