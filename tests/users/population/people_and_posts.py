"""People and posts of any seed, for properties that hold for all of them."""

from hypothesis import strategies as st

from usergym.users.population import Person, Post, people, posts

SEEDS = st.integers(0, 10**6)


@st.composite
def persons(draw: st.DrawFn) -> Person:
    return people(draw(st.integers(1, 5)), draw(SEEDS))[-1]


@st.composite
def some_post(draw: st.DrawFn) -> Post:
    return posts(draw(st.integers(1, 12)), draw(SEEDS))[-1]
