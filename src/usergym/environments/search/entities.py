"""A world that is drawn from a seed: towns, rivers, people, companies, books, and what they have to do with one
another."""

from dataclasses import dataclass, field
from random import Random

from usergym.environments.search.names import Names
from usergym.types import stable_hash

SHARES = {
    "mountain": 0.04,
    "river": 0.06,
    "town": 0.14,
    "person": 0.32,
    "company": 0.10,
    "book": 0.12,
    "invention": 0.08,
    "building": 0.08,
    "festival": 0.06,
}
"""Of the articles of a world."""

PRESS = "books"
"""What a company makes that publishes."""
FAMILIES = 0.6
"""Share of last names that several people bear."""
NAMESAKES = 0.06
"""Share of people who bear the whole name of another."""


Facts = dict[str, "Entity | int | str"]


@dataclass(eq=False, slots=True)
class Entity:
    kind: str
    name: str
    facts: "Facts" = field(default_factory=dict)
    namesake: bool = False
    """Whether somebody else has the same name."""

    @property
    def title(self) -> str:
        return f"{self.name} ({self.facts['profession']})" if self.namesake else self.name

    def __str__(self) -> str:
        """As a text speaks of it, so that it cannot be taken for another."""
        return f"the {self.facts['profession']} {self.name}" if self.namesake else self.name


@dataclass(frozen=True, slots=True)
class Spec:
    """All that a world is drawn from."""

    seed: int
    number: int
    size: int = 500
    """Articles."""

    def __post_init__(self) -> None:
        if not 50 <= self.size <= 5_000:
            raise ValueError(f"a world of {self.size} articles; expected 50 to 5000")


def build(spec: Spec) -> dict[str, list[Entity]]:
    """The entities of a world, by kind."""
    random = Random(stable_hash("search-world", spec.seed, spec.number, spec.size))
    names = Names(random)
    counts = {kind: max(2, round(spec.size * share)) for kind, share in SHARES.items()}
    provinces = [names.province() for _ in range(6)]
    seas = [f"{kind} of {names.province()}" for kind in names.words["waters"]]
    world: dict[str, list[Entity]] = {
        "mountain": [Entity("mountain", names.mountain()) for _ in range(counts["mountain"])],
        "river": [Entity("river", f"the {names.river()}") for _ in range(counts["river"])],
        "town": [Entity("town", names.town()) for _ in range(counts["town"])],
        "person": _people(counts["person"], names, random),
    }
    _land(world, provinces, seas, random)
    _lives(world, random)
    _companies(world, counts["company"], names, random)
    _works(world, counts, names, random)
    _places(world, counts, names, random)
    return world


def _people(count: int, names: Names, random: Random) -> list[Entity]:
    firsts = [names.first() for _ in range(max(12, count // 3))]
    lasts = [names.last() for _ in range(max(12, round(count * FAMILIES)))]
    people: list[Entity] = []
    known: dict[str, list[Entity]] = {}
    while len(people) < count:
        name = f"{random.choice(firsts)} {random.choice(lasts)}"
        if people and random.random() < NAMESAKES:
            name = random.choice(people).name
        others = known.get(name, [])
        free = [
            each for each in names.words["professions"] if each not in {other.facts["profession"] for other in others}
        ]
        if len(others) > 1 or (others and random.random() > 0.5):
            continue
        person = Entity("person", name, {"profession": random.choice(free)}, namesake=bool(others))
        for other in others:
            other.namesake = True
        known.setdefault(name, []).append(person)
        people.append(person)
    return people


def _land(world: dict[str, list[Entity]], provinces: list[str], seas: list[str], random: Random) -> None:
    for mountain in world["mountain"]:
        mountain.facts |= {"height": random.randrange(780, 4200), "province": random.choice(provinces)}
    for river in world["river"]:
        source = random.choice(world["mountain"])
        river.facts |= {"source": source, "length": random.randrange(41, 980), "sea": random.choice(seas)}
    for town in world["town"]:
        town.facts |= {
            "river": random.choice(world["river"]),
            "province": random.choice(provinces),
            "founded": random.randrange(1080, 1690),
            "population": random.randrange(21, 4800) * 100,
        }


def _lives(world: dict[str, list[Entity]], random: Random) -> None:
    people = world["person"]
    for person in people:
        person.facts |= {"birthplace": random.choice(world["town"]), "born": random.randrange(1710, 1890)}
        person.facts["died"] = _year(person, "born") + random.randrange(41, 92)
    for person in people:
        born = _year(person, "born")
        older = [each for each in random.sample(people, 12) if 18 <= born - _year(each, "born") <= 55]
        if older:
            person.facts["teacher"] = older[0]
    for town in world["town"]:
        town.facts["mayor"] = random.choice(people)


def _companies(world: dict[str, list[Entity]], count: int, names: Names, random: Random) -> None:
    made: list[Entity] = []
    while len(made) < count:
        founder, publishes = random.choice(world["person"]), len(made) % 4 == 0
        kind = "Press" if publishes else random.choice(names.words["firms"])
        name = names.of(founder.name.split()[-1], kind)
        if name is None:
            continue
        founded = _year(founder, "born") + random.randrange(22, 40)
        product = PRESS if publishes else random.choice(names.words["products"])
        facts: Facts = {
            "founder": founder,
            "seat": random.choice(world["town"]),
            "founded": founded,
            "product": product,
        }
        made.append(Entity("company", name, facts))
    world["company"] = made


def _works(world: dict[str, list[Entity]], counts: dict[str, int], names: Names, random: Random) -> None:
    presses = [each for each in world["company"] if each.facts["product"] == PRESS]
    makers = [each for each in world["company"] if each.facts["product"] != PRESS]
    world["book"], world["invention"] = [], []
    for _ in range(counts["book"]):
        author = random.choice(world["person"])
        year = _year(author, "born") + random.randrange(21, 41)
        facts: Facts = {
            "author": author,
            "year": year,
            "publisher": random.choice(presses),
            "setting": random.choice(world["town"]),
        }
        world["book"].append(Entity("book", names.title(), facts))
    while len(world["invention"]) < counts["invention"]:
        inventor = random.choice(world["person"])
        name = names.of("the", inventor.name.split()[-1], random.choice(names.words["devices"]))
        if name is not None:
            year = _year(inventor, "born") + random.randrange(20, 41)
            made = Entity("invention", name, {"inventor": inventor, "year": year, "maker": random.choice(makers)})
            world["invention"].append(made)


def _places(world: dict[str, list[Entity]], counts: dict[str, int], names: Names, random: Random) -> None:
    world["building"], world["festival"] = [], []
    while len(world["building"]) < counts["building"]:
        patron, designer = random.choice(world["person"]), random.choice(world["person"])
        name = names.of("the", patron.name.split()[-1], random.choice(names.words["buildings"]))
        if name is not None:
            opened = _year(designer, "born") + random.randrange(26, 41)
            facts: Facts = {"town": random.choice(world["town"]), "architect": designer, "opened": opened}
            world["building"].append(Entity("building", name, facts))
    while len(world["festival"]) < counts["festival"]:
        town, founder = random.choice(world["town"]), random.choice(world["person"])
        name = names.of(
            "the", random.choice(world["river"]).name.removeprefix("the "), random.choice(names.words["festivals"])
        )
        if name is not None:
            first = _year(founder, "born") + random.randrange(20, 41)
            world["festival"].append(Entity("festival", name, {"town": town, "founder": founder, "first": first}))


def _year(entity: Entity, fact: str) -> int:
    year = entity.facts[fact]
    assert isinstance(year, int)
    return year
