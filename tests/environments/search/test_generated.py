"""Generated worlds: what is asked can be found, and only by searching."""

import asyncio
import time
from itertools import islice

import pytest

from usergym.environments.search import articles, entities, index
from usergym.environments.search.entities import Entity, Spec
from usergym.environments.search.grading import plain
from usergym.environments.search.world import Search
from usergym.rollouts.engine import Cast, begin, play, seat_oracle
from usergym.types import Task

TASKS = list(islice(Search().tasks(seed=3), 120))


def shown(task: Task, query: str) -> str:
    found = index.of_world(Spec(**task.data["world"])).search(query, 5)
    return f" {plain(' '.join(f'{each.title} {each.snippet}' for each in found))} "


def test_every_answer_is_found_by_the_searches_that_lead_to_it() -> None:
    for task in TASKS:
        assert f" {plain(task.data['answers'][0])} " in shown(task, task.data["searches"][-1]), task.data


def test_a_second_hop_is_found_with_what_the_first_search_tells() -> None:
    """The name that the second search is about is in what the first one shows."""
    chained = [task for task in TASKS if task.data["hops"] == 2]
    for task in chained:
        first, second = task.data["searches"]
        tokens = set(plain(second).split()) & set(shown(task, first).split())
        assert len(tokens) >= 1, task.data
    assert len(chained) == 90


def test_two_hops_need_two_searches() -> None:
    """The question itself, put to the search engine, finds few of these answers."""
    chained = [task for task in TASKS if task.data["hops"] == 2]
    direct = sum(f" {plain(task.data['answers'][0])} " in shown(task, task.data["question"]) for task in chained)
    assert direct < len(chained) / 4


def test_no_question_gives_its_answer_away() -> None:
    for task in TASKS:
        assert f" {plain(task.data['answers'][0])} " not in f" {plain(task.data['question'])} "
        assert task.opening[0].said == task.data["question"]


def test_a_world_is_built_in_less_than_300_ms_and_taken_up_in_less_than_1_ms() -> None:
    seconds = []
    for number in range(3):
        begun = time.process_time()
        index.of_world(Spec(77, number))
        seconds.append(time.process_time() - begun)
    assert min(seconds) < 0.3
    begun = time.process_time()
    for task in TASKS:
        Search().start(task)
    assert (time.process_time() - begun) / len(TASKS) < 0.001


def test_a_hundred_conversations_take_less_than_a_second() -> None:
    env = Search()
    tasks = list(islice(env.tasks(seed=4), 100))
    begun = time.process_time()
    for task in tasks:
        asyncio.run(play(env, begin(task, 0, 0), Cast(seat_oracle)))
    assert time.process_time() - begun < 1.0


def test_each_fact_is_told_in_the_article_of_its_entity_and_in_one_article_of_that_title() -> None:
    spec = Spec(5, 6)
    world = entities.build(spec)
    texts: dict[str, str] = {}
    for article in articles.write(spec, world):
        assert article.title not in texts
        texts[article.title] = article.text
    assert len(texts) == sum(map(len, world.values())) == 500
    for entity in (each for group in world.values() for each in group):
        text = texts[entity.title[:1].upper() + entity.title[1:]]
        for relation, value in entity.facts.items():
            assert articles.shown(value, relation) in text, (entity.title, relation)


def test_people_share_names_and_are_told_apart_by_their_profession() -> None:
    people = entities.build(Spec(5, 6))["person"]
    namesakes = [each for each in people if each.namesake]
    assert 4 <= len(namesakes) < len(people) / 3
    assert len({each.title for each in people}) == len(people)
    assert all(str(each) == f"the {each.facts['profession']} {each.name}" for each in namesakes)
    assert len({each.name.split()[-1] for each in people}) < len(people) * 0.8


def test_times_fit_together() -> None:
    for person in entities.build(Spec(1, 1))["person"]:
        born, died, teacher = person.facts["born"], person.facts["died"], person.facts.get("teacher")
        assert isinstance(born, int)
        assert isinstance(died, int)
        assert born < died
        if isinstance(teacher, Entity):
            older = teacher.facts["born"]
            assert isinstance(older, int)
            assert older < born


@pytest.mark.parametrize("size", [50, 1000, 5000])
def test_worlds_of_other_sizes_are_built(size: int) -> None:
    built = entities.build(Spec(1, 1, size))
    assert sum(map(len, built.values())) == pytest.approx(size, rel=0.05)
    task = next(Search(size=size).tasks())
    assert task.data["world"]["size"] == size
    assert Search().read({"id": task.id, "env": "search", "data": task.data}).data == task.data


def test_a_world_belongs_to_one_split_and_worlds_do_not_end() -> None:
    groups: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        tasks = list(islice(Search().tasks(split), 90))
        assert len(tasks) == 90
        groups[split] = {task.group for task in tasks}
        assert all(task.split == split for task in tasks)
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["validation"]
    assert len({task.data["question"] for task in TASKS}) == 120


@pytest.mark.parametrize("size", [0, 49, 5001])
def test_a_world_that_cannot_be_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} articles"):
        Search(size=size)
