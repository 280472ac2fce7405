"""What customers of the airline want, and what its rules make of that."""

from collections.abc import Callable
from random import Random

from usergym.environments.tau.desk import Desk, Record
from usergym.environments.tau.generate import people
from usergym.environments.tau.generate.airline import CABINS, FREE_BAGS, LAST, TODAY, day
from usergym.environments.tau.generate.drafts import Call, Draft, Kind, call, wanted

GONE = ("landed", "flying")
HEALTH = ("I am ill and the doctor forbids me to fly", "a storm is forecast for that day")
PLANS = ("my plans have changed", "the meeting I wanted to fly to is off", "I found another way to travel")


def _statuses(desk: Desk, reservation: Record) -> list[str]:
    legs = reservation["flights"]
    return [desk["flights"][leg["flight_number"]]["dates"][leg["date"]]["status"] for leg in legs]


def _recent(reservation: Record) -> bool:
    """Booked within the last 24 hours; the generator books nothing between."""
    return bool(reservation["created_at"] >= f"{day(TODAY - 1)}T15:00:00")


def _covered(reservation: Record) -> bool:
    return bool(reservation["cabin"] == "business" or _recent(reservation))


def _one(
    random: Random, desk: Desk, user_id: str, test: Callable[[Record, list[str]], bool]
) -> tuple[Record, list[Call]] | None:
    held = [desk["reservations"][key] for key in desk["users"][user_id]["reservations"]]
    held = [each for each in held if "status" not in each and test(each, _statuses(desk, each))]
    if not held:
        return None
    found = random.choice(held)
    return found, [call("get_reservation_details", reservation_id=found["reservation_id"])]


def _ahead(reservation: Record, statuses: list[str]) -> bool:
    return all(status == "available" for status in statuses)


def _cancel(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and _covered(each))
    if found is None:
        return None
    reservation, reads = found
    write = call("cancel_reservation", reservation_id=reservation["reservation_id"])
    return wanted(desk, write, reads, f": {random.choice(PLANS)}", reservation["reservation_id"])


def _cancel_insured(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and each["insurance"] == "yes")
    if found is None:
        return None
    reservation, reads = found
    write = call("cancel_reservation", reservation_id=reservation["reservation_id"])
    return wanted(desk, write, reads, f": {random.choice(HEALTH)}", reservation["reservation_id"])


def _cancel_anyway(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and not _covered(each))
    if found is None:
        return None
    reservation, reads = found
    key = reservation["reservation_id"]
    say = f"cancel my reservation {key} and have my money back: {random.choice(PLANS)}"
    return Draft(say, reads, forbidden=True, touched=key)


def _cancel_flown(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda _, statuses: statuses[0] in GONE and statuses[-1] == "available")
    if found is None:
        return None
    reservation, reads = found
    key = reservation["reservation_id"]
    say = f"cancel what is left of my reservation {key}: {random.choice(PLANS)}"
    return Draft(say, reads, transfer=f"Wants to cancel {key}, which is partly flown.", touched=key)


def _payable(random: Random, desk: Desk, user_id: str) -> str:
    methods = desk["users"][user_id]["payment_methods"]
    cards: list[str] = [key for key, each in methods.items() if each["source"] == "credit_card"]
    return random.choice(cards)


def _cabin(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and each["cabin"] != "business")
    if found is None:
        return None
    reservation, reads = found
    days = [desk["flights"][leg["flight_number"]]["dates"][leg["date"]] for leg in reservation["flights"]]
    if any(each["available_seats"]["business"] < len(reservation["passengers"]) for each in days):
        return None
    legs = reservation["flights"]
    reads = reads + [_search(leg["origin"], leg["destination"], leg["date"]) for leg in legs]
    write = call(
        "update_reservation_flights",
        reservation_id=reservation["reservation_id"],
        cabin="business",
        flights=[{"flight_number": leg["flight_number"], "date": leg["date"]} for leg in legs],
        payment_id=_payable(random, desk, user_id),
    )
    return wanted(desk, write, reads, touched=reservation["reservation_id"])


def _search(origin: str, destination: str, date: str) -> Call:
    return call("search_direct_flight", origin=origin, destination=destination, date=date)


def _rebook(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(
        random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and each["cabin"] != "basic_economy"
    )
    if found is None:
        return None
    reservation, reads = found
    cabin, first = reservation["cabin"], reservation["flights"][0]
    before = int(reservation["flights"][1]["date"][-2:]) - 1 if len(reservation["flights"]) > 1 else LAST
    wanted_day = random.randint(TODAY + 1, max(TODAY + 1, before))
    seats = len(reservation["passengers"])
    options = _bookable(desk, reservation["origin"], reservation["destination"], day(wanted_day), cabin, seats)
    options = [key for key in options if (key, day(wanted_day)) != (first["flight_number"], first["date"])]
    if not options or wanted_day > before:
        return None
    new = {"flight_number": random.choice(options), "date": day(wanted_day)}
    kept = [{"flight_number": leg["flight_number"], "date": leg["date"]} for leg in reservation["flights"][1:]]
    write = call(
        "update_reservation_flights",
        reservation_id=reservation["reservation_id"],
        cabin=cabin,
        flights=[new, *kept],
        payment_id=_payable(random, desk, user_id),
    )
    reads = [*reads, _search(reservation["origin"], reservation["destination"], day(wanted_day))]
    return wanted(desk, write, reads, touched=reservation["reservation_id"])


def _bookable(desk: Desk, origin: str, destination: str, date: str, cabin: str, seats: int) -> list[str]:
    found = []
    for key, flight in desk["flights"].items():
        if (flight["origin"], flight["destination"]) == (origin, destination):
            that_day = flight["dates"][date]
            if that_day["status"] == "available" and that_day["available_seats"][cabin] >= seats:
                found.append(key)
    return found


def _rebook_basic(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(
        random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and each["cabin"] == "basic_economy"
    )
    if found is None:
        return None
    reservation, reads = found
    key, date = reservation["reservation_id"], day(random.randint(TODAY + 1, LAST))
    say = f"move the first flight of my reservation {key} to {date}, in the same cabin"
    return Draft(say, reads, forbidden=True, touched=key)


def _bags(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, _ahead)
    if found is None:
        return None
    reservation, reads = found
    total = reservation["total_baggages"] + random.randint(1, 3)
    member = FREE_BAGS[desk["users"][user_id]["membership"]]
    free = member[CABINS.index(reservation["cabin"])] * len(reservation["passengers"])
    write = call(
        "update_reservation_baggages",
        reservation_id=reservation["reservation_id"],
        total_baggages=total,
        nonfree_baggages=max(0, total - free),
        payment_id=_payable(random, desk, user_id),
    )
    return wanted(desk, write, reads, touched=reservation["reservation_id"])


def _passengers(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and len(each["passengers"]) > 1)
    if found is None:
        return None
    reservation, reads = found
    people_now = [*reservation["passengers"][:-1], people.passenger(random)]
    key = reservation["reservation_id"]
    write = call("update_reservation_passengers", reservation_id=key, passengers=people_now)
    return wanted(desk, write, reads, touched=key)


def _fewer(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and len(each["passengers"]) > 1)
    if found is None:
        return None
    reservation, reads = found
    key, last = reservation["reservation_id"], reservation["passengers"][-1]
    say = f"take {last['first_name']} {last['last_name']} off my reservation {key}, the others still fly"
    return Draft(say, reads, forbidden=True, touched=key)


def _insure(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda each, statuses: _ahead(each, statuses) and each["insurance"] == "no")
    if found is None:
        return None
    reservation, reads = found
    key = reservation["reservation_id"]
    return Draft(f"add travel insurance to my reservation {key}", reads, forbidden=True, touched=key)


def _compensate(random: Random, desk: Desk, user_id: str) -> Draft | None:
    return _complain(random, desk, user_id, True)


def _compensate_anyway(random: Random, desk: Desk, user_id: str) -> Draft | None:
    return _complain(random, desk, user_id, False)


def _complain(random: Random, desk: Desk, user_id: str, due: bool) -> Draft | None:
    member = desk["users"][user_id]["membership"] != "regular"
    found = _one(
        random,
        desk,
        user_id,
        lambda each, statuses: (
            "cancelled" in statuses and due == (member or each["insurance"] == "yes" or each["cabin"] == "business")
        ),
    )
    if found is None:
        return None
    reservation, reads = found
    key = reservation["reservation_id"]
    why = f", because a flight of my reservation {key} was cancelled"
    if not due:
        say = f"get a compensation as a certificate for the trouble that I had{why}"
        return Draft(say, reads, forbidden=True, touched=key)
    amount = 100 * len(reservation["passengers"])
    return wanted(desk, call("send_certificate", user_id=user_id, amount=amount), reads, why, key)


def _book(random: Random, desk: Desk, user_id: str) -> Draft | None:
    flight = random.choice([each for _, each in desk["flights"].items()])
    date, cabin = day(random.randint(TODAY + 1, LAST)), random.choice(CABINS)
    user, that_day = desk["users"][user_id], flight["dates"][date]
    passengers = [{**user["name"], "dob": user["dob"]}, *user["saved_passengers"][: random.randint(0, 1)]]
    if that_day["status"] != "available" or that_day["available_seats"][cabin] < len(passengers):
        return None
    free = FREE_BAGS[user["membership"]][CABINS.index(cabin)] * len(passengers)
    bags, insured = random.randint(0, free + 1), random.random() < 0.3
    total = (that_day["prices"][cabin] + 30 * insured) * len(passengers) + 50 * max(0, bags - free)
    write = call(
        "book_reservation",
        user_id=user_id,
        origin=flight["origin"],
        destination=flight["destination"],
        flight_type="one_way",
        cabin=cabin,
        flights=[{"flight_number": flight["flight_number"], "date": date}],
        passengers=passengers,
        payment_methods=[{"payment_id": _payable(random, desk, user_id), "amount": total}],
        total_baggages=bags,
        nonfree_baggages=max(0, bags - free),
        insurance="yes" if insured else "no",
    )
    return wanted(desk, write, [_search(flight["origin"], flight["destination"], date)], touched="book")


def _ask_paid(random: Random, desk: Desk, user_id: str) -> Draft | None:
    found = _one(random, desk, user_id, lambda each, statuses: True)
    if found is None:
        return None
    reservation, reads = found
    key, paid = reservation["reservation_id"], reservation["payment_history"][0]["amount"]
    return Draft(f"know what I paid for my reservation {key}", reads, outputs=[str(paid)], touched=key)


KINDS: dict[str, tuple[int, Kind]] = {
    "book": (4, _book),
    "cancel": (3, _cancel),
    "cancel_insured": (2, _cancel_insured),
    "rebook": (4, _rebook),
    "cabin": (3, _cabin),
    "bags": (3, _bags),
    "passengers": (2, _passengers),
    "compensate": (3, _compensate),
    "ask_paid": (2, _ask_paid),
    "cancel_anyway": (2, _cancel_anyway),
    "rebook_basic": (2, _rebook_basic),
    "fewer": (1, _fewer),
    "insure": (1, _insure),
    "compensate_anyway": (1, _compensate_anyway),
    "cancel_flown": (3, _cancel_flown),
}
"""Weights, and how each is drawn."""
