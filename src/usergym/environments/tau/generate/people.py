"""Customers: name, address, email."""

from random import Random
from typing import Any

from usergym.users.persona_tables import people

STREETS = (
    "Alder Street",
    "Birch Road",
    "Canal Street",
    "Dock Lane",
    "Ferry Road",
    "Garden Row",
    "Harbour View",
    "Juniper Way",
    "Mill Lane",
    "Orchard Close",
    "Quarry Hill",
    "Station Road",
    "Tannery Yard",
    "Windmill Street",
)


def digits(random: Random, count: int) -> str:
    return str(random.randrange(10 ** (count - 1), 10**count))


def name(random: Random) -> dict[str, str]:
    found = people()
    generation = found.first_names[random.choice(sorted(found.first_names))]
    first = random.choice(generation["female"] + generation["male"])
    return {"first_name": _plain(first), "last_name": _plain(random.choice(found.last_names))}


def _plain(text: str) -> str:
    """Letters only, so that it can be part of an id and be typed by anybody."""
    return "".join(letter for letter in text if letter.isascii() and letter.isalpha()).capitalize()


def address(random: Random) -> dict[str, str]:
    city, state = random.choice(people().cities)
    return {
        "address1": f"{random.randint(1, 480)} {random.choice(STREETS)}",
        "address2": f"Suite {random.randint(100, 999)}",
        "city": city,
        "country": "USA",
        "state": state,
        "zip": digits(random, 5),
    }


def birthday(random: Random) -> str:
    return f"{random.randint(1945, 2004)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"


def passenger(random: Random) -> dict[str, str]:
    return {**name(random), "dob": birthday(random)}


def customers(random: Random, count: int) -> dict[str, dict[str, Any]]:
    """By id: name, address, email; the rest is the domain's."""
    found: dict[str, dict[str, Any]] = {}
    while len(found) < count:
        who = name(random)
        plain = f"{who['first_name']}_{who['last_name']}".lower()
        email = f"{plain.replace('_', '.')}{digits(random, 4)}@example.com"
        found[f"{plain}_{digits(random, 4)}"] = {"name": who, "address": address(random), "email": email}
    return found
