"""A population as raw rows: what each person wrote under posts, in time order, with the states behind it."""

from collections.abc import Iterator
from random import Random
from typing import Any, TypeVar

from usergym.types import stable_hash
from usergym.users.population.people import people, persona, putting_first
from usergym.users.population.posts import HOUR, TURNS, posts
from usergym.users.population.saying import truth
from usergym.users.population.spec import Person, Post
from usergym.users.population.tables import values

T = TypeVar("T")

COMMENTS = 12
"""Comments of a person, where there are so many posts."""
SOURCE = "population"


class Population:
    """People and posts of a seed. `truth` tells of any two of them, also of those who never met."""

    def __init__(self, people_count: int, posts_count: int, seed: int = 0, turns: int = len(TURNS)) -> None:
        """`turns`: the longest thread, 1 to 4. ValueError for another one, and for fewer than one person or post."""
        self.seed = seed
        self.people = people(people_count, seed)
        self.posts = posts(posts_count, seed, turns)
        self._people = {person.id: person for person in self.people}
        self._posts = {post.id: post for post in self.posts}

    def person(self, user_id: str) -> Person:
        """The person of a row's `user_id`. LookupError for somebody of another population."""
        return _found(self._people, user_id, "person")

    def post(self, post_id: str) -> Post:
        """The post of a row's `post_id`. LookupError for one of another population."""
        return _found(self._posts, post_id, "post")

    def counterfactuals(self, person: Person, post: Post) -> dict[str, dict[str, str]]:
        """The truth of the same person if another value came first for them, by that value; noise and free wording
        stay as they are."""
        others = (value for value in values() if value != person.dear[0])
        return {value: truth(putting_first(person, value), post) for value in others}

    def rows(self, comments: int = COMMENTS) -> Iterator[dict[str, Any]]:
        """Person by person, each with `comments` comments (or one to every post, if there are fewer) by time."""
        if comments < 1:
            raise ValueError(f"comments={comments}: give 1 or more")
        prompts = {post.id: _prompt(post) for post in self.posts}
        for person in self.people:
            told = persona(person)
            for time, post in self._met(person, comments):
                levels = truth(person, post)
                completion = levels.pop("response")
                yield {
                    "prompt": prompts[post.id],
                    "completion": completion,
                    "post_id": post.id,
                    "user_id": person.id,
                    "timestamp": time,
                    "metadata": {"states": levels, "persona": told, "source": SOURCE},
                }

    def _met(self, person: Person, comments: int) -> list[tuple[int, Post]]:
        random = Random(stable_hash("population comments", person.id))
        chosen = random.sample(self.posts, min(comments, len(self.posts)))
        return sorted(((post.time + random.randrange(60, 12 * HOUR), post) for post in chosen), key=lambda met: met[0])


def population(
    people: int, posts: int, seed: int = 0, comments: int = COMMENTS, turns: int = len(TURNS)
) -> Iterator[dict[str, Any]]:
    """Raw rows of a population, the same on every machine: `prompt`, `completion`, `post_id`, `user_id`, `timestamp`,
    and in `metadata` the true `states` and `persona`. `turns` is the longest thread. ValueError for a number below 1,
    or more than 4 turns."""
    return Population(people, posts, seed, turns).rows(comments)


def _prompt(post: Post) -> list[dict[str, Any]]:
    return [
        {"role": "user", "content": said.text, "metadata": {"author": said.author, "turn": turn}}
        for turn, said in enumerate(post.thread)
    ]


def _found(known: dict[str, T], name: str, kind: str) -> T:
    if name not in known:
        raise LookupError(f"no {kind} {name!r} in this population; ids of another seed or a larger count are not in it")
    return known[name]
