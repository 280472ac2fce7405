"""Personas: coherent, reproducible, unlimited, and with work to talk about."""

import re
import time
from itertools import islice
from random import Random

import msgspec
import pytest

from usergym.users.persona import Persona, events, generate, persona, trade
from usergym.users.persona_tables import event_names, occupations, people

UNTIMELY = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|morning|noon|afternoon|evening|night|midnight|"
    r"lunch|breakfast|dinner|today|tomorrow|weekend|daily|weekly|[ap]m)\b|\d:\d\d",
    re.IGNORECASE,
)


def test_the_same_seed_and_index_give_the_same_persona_in_any_order() -> None:
    series = list(islice(generate(3), 20))
    assert persona(3, 17) == series[17]
    assert list(islice(generate(3, start=15), 5)) == series[15:]
    assert persona(4, 17) != series[17]
    assert len({who.professional for who in islice(generate(3), 1000)}) == 1000


def test_the_facts_of_a_persona_fit_one_another() -> None:
    cities = set(people().cities)
    for who in islice(generate(11), 3000):
        work = occupations()[who.occupation]
        assert who.age is not None
        assert who.years is not None
        assert who.sex is not None
        assert work.ages[0] <= who.age <= work.ages[1]
        assert 0 <= who.years <= who.age - work.start
        assert who.education in work.education
        generations = people().first_names
        generation = "young" if who.age < 32 else "middle" if who.age < 53 else "older"
        assert who.name.split()[0] in generations[generation][who.sex]
        assert (who.city, who.state) in cities
        for fact in (who.name, who.city, who.state, who.employer, str(who.age), who.occupation):
            assert fact in who.professional
        assert "{" not in who.text()


def test_nobody_is_younger_than_their_degree_or_still_at_work_in_great_age() -> None:
    drawn = list(islice(generate(5), 5000))
    surgeons = [who.age or 0 for who in drawn if who.occupation == "general surgeon"]
    masters = [who.age or 0 for who in drawn if who.education.startswith("master's")]
    assert min(surgeons) >= 34
    assert min(masters) >= 23
    assert max(who.age or 0 for who in drawn) <= 72


def test_both_sexes_and_every_occupation_and_style_are_drawn() -> None:
    drawn = list(islice(generate(5), 5000))
    assert {who.occupation for who in drawn} == set(occupations())
    assert {who.communication for who in drawn} == {manner.name for manner in people().manners}
    assert 0.45 < sum(who.sex == "female" for who in drawn) / len(drawn) < 0.55


def test_traits_are_told_as_many_as_asked() -> None:
    who = persona(1, 1)
    assert who.text(0) == who.professional
    assert who.text(1) == f"{who.professional} {who.traits[0]}"
    assert who.text().endswith(who.traits[-1])
    assert who.text(0, label=True) == f"PERSONA: {who.professional}"


def test_a_persona_survives_a_file() -> None:
    who = persona(1, 2)
    assert msgspec.json.decode(msgspec.json.encode(who), type=Persona) == who


def test_there_are_sixty_occupations_each_with_full_tables() -> None:
    assert len(occupations()) >= 60
    assert len({work.field for work in occupations().values()}) >= 10
    for work in occupations().values():
        assert work.ages[0] >= work.start >= 18, work.name
        assert len(work.events) >= 12, work.name
        assert len(set(work.topics)) >= 8, work.name
        for listed, least in ((work.tasks, 6), (work.tools, 5), (work.worries, 5), (work.colleagues, 4)):
            assert len(set(listed)) == len(listed) >= least, work.name


@pytest.mark.parametrize("occupation", sorted(occupations()))
def test_every_occupation_has_sixty_events_that_tell_no_time(occupation: str) -> None:
    names = [event for by_topic in event_names(occupation).values() for event in by_topic]
    assert len({name for name, _ in names}) >= 60
    for name, short in names:
        assert not UNTIMELY.search(name), name
        assert not UNTIMELY.search(short), short
        assert "{" not in name + short
        assert short
        assert name


def test_events_of_a_conversation_are_distinct_in_both_names() -> None:
    for index in range(300):
        drawn = events(persona(9, index), 12, Random(index))
        assert len(drawn) == 12
        assert len({name.lower() for name, _ in drawn}) == 12
        assert len({short.lower() for _, short in drawn}) == 12
    assert events(persona(9, 0), 5, Random(1)) == events(persona(9, 0), 5, Random(1))


def test_more_events_than_an_occupation_has_are_refused() -> None:
    with pytest.raises(ValueError, match="ask for fewer"):
        events(persona(9, 0), 5000, Random(0))


def test_a_persona_of_another_source_gets_the_work_its_text_speaks_of() -> None:
    assert trade(Persona("She pulls wire, bends conduit and labels breakers.")).name == "electrician"
    assert trade(Persona("A person.", occupation="registered nurse")).name == "registered nurse"
    assert trade(Persona("Xyzzy.")).name == "project coordinator"


def test_five_thousand_personas_a_second() -> None:
    persona(0, 0)
    started = time.process_time()
    for index in range(1000):
        persona(2, index)
    assert time.process_time() - started < 0.2
