"""A synthetic population with known latent states: people, posts, and what each person thinks and writes about each.

It stands in for data that cannot be shipped. A persona and a thread together decide the states, by rules that are
known; neither does alone. The comment is composed of the states.
"""

from usergym.users.population.degrees import stance_degree
from usergym.users.population.people import people, persona
from usergym.users.population.posts import posts
from usergym.users.population.rows import Population, population
from usergym.users.population.saying import truth
from usergym.users.population.spec import LEVELS, Manner, Person, Post, Said

__all__ = [
    "LEVELS",
    "Manner",
    "Person",
    "Population",
    "Post",
    "Said",
    "people",
    "persona",
    "population",
    "posts",
    "stance_degree",
    "truth",
]
