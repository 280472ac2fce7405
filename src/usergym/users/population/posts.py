"""Posts of a seed: a plan, what it does to values, and a thread of up to four texts by others."""

from random import Random
from typing import get_args

import msgspec

from usergym.types import stable_hash
from usergym.users.population.mind import mind
from usergym.users.population.people import bystander
from usergym.users.population.saying import comment
from usergym.users.population.spec import Post, Said, Side
from usergym.users.population.tables import Topic, people_tables, topics, values, wording

BEGIN = 1_704_096_000
"""The first post: 2024-01-01 08:00 UTC."""
HOUR = 3600
"""Seconds from one post to the next."""
RUMOUR = 0.5
"""Share of posts with one more effect, on a value that the topic does not touch by itself."""
TURNS = (4, 3, 2, 1)
"""How often threads of 1, 2, ... turns come up, against each other."""


def posts(count: int, seed: int, turns: int = len(TURNS)) -> tuple[Post, ...]:
    """`count` posts, an hour apart, the first ones of any larger count with this seed. Every topic comes up once
    before one does again, then with other rumours and other people. `turns` is the longest thread, 1 to 4. ValueError
    for another one, or a count below 1."""
    if count < 1:
        raise ValueError(f"posts={count}: give 1 or more")
    if not 1 <= turns <= len(TURNS):
        raise ValueError(f"turns={turns}: give 1 to {len(TURNS)}")
    order: list[Topic] = []
    found = []
    for n in range(count):
        if not order:
            order = list(topics())
            Random(stable_hash("population topics", seed, n)).shuffle(order)
        found.append(_post(order.pop(), seed, n, turns))
    return tuple(found)


def _post(topic: Topic, seed: int, n: int, longest: int) -> Post:
    random = Random(stable_hash("population post", seed, n))
    rumour: dict[str, int] = {}
    if random.random() < RUMOUR:
        value = random.choice([value for value in values() if value not in topic.effects])
        rumour[value] = random.choice((-1, 1))
    turns = random.choices(range(1, longest + 1), TURNS[:longest])[0]
    authors = random.sample(people_tables().others, turns)
    side: Side = random.choice(get_args(Side))
    post = Post(
        id=f"post-{seed}-{n}",
        topic=topic.name,
        maker=topic.maker,
        touched=topic.touched,
        effects=(*topic.effects.items(), *rumour.items()),
        thread=(Said(authors[0], _opening(topic, rumour, side, random), side),),
        time=BEGIN + n * HOUR,
    )
    for turn, name in enumerate(authors[1:], 1):
        person = bystander(name, seed, n, turn)
        held = mind(person, post)
        post = msgspec.structs.replace(post, thread=(*post.thread, Said(name, comment(held, person, post), held.side)))
    return post


def _opening(topic: Topic, rumour: dict[str, int], side: Side, random: Random) -> str:
    words = wording().opening
    main, *minor = (_done(value, effect, random) for value, effect in topic.effects.items())
    title = f"{topic.name[0].upper()}{topic.name[1:]}: {topic.plan}."
    sentences = [
        title,
        words.touched.format(topic.touched),
        random.choice(words.main).format(main),
        words.minor.format(" and ".join(minor)),
    ]
    sentences += [words.rumour.format(_done(value, effect, random)) for value, effect in rumour.items()]
    return " ".join([*sentences, random.choice(words.closing(side))])


def _done(value: str, effect: int, random: Random) -> str:
    told = values()[value]
    return random.choice(told.helps if effect > 0 else told.hurts)
