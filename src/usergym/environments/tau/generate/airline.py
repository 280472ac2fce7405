"""A generated airline: flights day by day, customers with memberships, reservations."""

from random import Random

from usergym.environments.tau.desk import Record
from usergym.environments.tau.generate import people
from usergym.environments.tau.generate.people import digits
from usergym.environments.tau.tools.airline import AIRPORTS

CUSTOMERS = 16
HUBS = 6
TODAY, LAST = 15, 30
DATES = range(10, LAST + 1)
CABINS = ("basic_economy", "economy", "business")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
FREE_BAGS = {"regular": (0, 1, 2), "silver": (1, 2, 3), "gold": (2, 3, 3)}
"""For each passenger, by cabin."""


def day(number: int) -> str:
    return f"2024-05-{number:02}"


def tables(random: Random) -> dict[str, dict[str, Record]]:
    flights = _flights(random)
    users = people.customers(random, CUSTOMERS)
    reservations: dict[str, Record] = {}
    for user_id, user in users.items():
        user["dob"] = people.birthday(random)
        user["payment_methods"] = _methods(random)
        user["saved_passengers"] = [people.passenger(random) for _ in range(random.randint(0, 3))]
        user["membership"] = random.choice(("regular", "regular", "silver", "gold"))
        user["reservations"] = []
        for _ in range(random.randint(2, 4)):
            reservation = _reservation(random, user_id, user, flights)
            reservations[reservation["reservation_id"]] = reservation
            user["reservations"].append(reservation["reservation_id"])
    return {"flights": flights, "users": users, "reservations": reservations}


def _flights(random: Random) -> dict[str, Record]:
    airports = random.sample(sorted(AIRPORTS), HUBS)
    routes = [(one, other) for one in airports for other in airports if one != other]
    numbers = iter(random.sample(range(1, 300), 2 * len(routes)))
    found = {}
    for origin, destination in routes:
        for _ in range(random.randint(1, 2)):
            key = f"HAT{next(numbers):03}"
            leaves, takes = random.randint(5, 19), random.randint(1, 4)
            base = random.randint(50, 160)
            found[key] = {
                "flight_number": key,
                "origin": origin,
                "destination": destination,
                "scheduled_departure_time_est": f"{leaves:02}:00:00",
                "scheduled_arrival_time_est": f"{leaves + takes:02}:00:00",
                "dates": {day(number): _day(random, number, leaves, takes, base) for number in DATES},
            }
    return found


def _day(random: Random, number: int, leaves: int, takes: int, base: int) -> Record:
    if random.random() < 0.08:
        return {"status": "cancelled"}
    if number > TODAY:
        prices = (base, base + random.randint(20, 90), base + random.randint(150, 500))
        seats = [random.randint(0, 20) for _ in CABINS]
        return {
            "status": "available",
            "available_seats": dict(zip(CABINS, seats, strict=True)),
            "prices": dict(zip(CABINS, prices, strict=True)),
        }
    starts, ends = f"{day(number)}T{leaves:02}:{random.randint(1, 9):02}:00", f"{day(number)}T{leaves + takes:02}:05:00"
    if number < TODAY or leaves + takes < 15:
        return {"status": "landed", "actual_departure_time_est": starts, "actual_arrival_time_est": ends}
    if leaves < 15:
        return {"status": "flying", "actual_departure_time_est": starts, "estimated_arrival_time_est": ends}
    status = random.choice(("on time", "delayed"))
    return {"status": status, "estimated_departure_time_est": starts, "estimated_arrival_time_est": ends}


def _methods(random: Random) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for source in ("credit_card", *random.sample(("gift_card", "certificate", "credit_card"), random.randint(1, 2))):
        key = f"{source}_{digits(random, 7)}"
        found[key] = {"source": source, "id": key}
        if source == "credit_card":
            found[key] |= {"brand": random.choice(("visa", "mastercard")), "last_four": digits(random, 4)}
        else:
            found[key]["amount"] = random.randint(1, 40) * 10
    return found


def _reservation(random: Random, user_id: str, user: Record, flights: dict[str, Record]) -> Record:
    key = "".join(random.choices(LETTERS[:-10], k=3)) + "".join(random.choices(LETTERS, k=2)) + digits(random, 1)
    out = random.choice(list(flights.values()))
    legs = [_leg(random, out, random.choice(DATES))]
    back = [each for each in flights.values() if each["origin"] == out["destination"]]
    back = [each for each in back if each["destination"] == out["origin"]]
    both = bool(back) and random.random() < 0.4 and int(legs[0]["date"][-2:]) < LAST
    if both:
        legs.append(_leg(random, random.choice(back), random.randint(int(legs[0]["date"][-2:]) + 1, LAST)))
    cabin = random.choice(CABINS)
    passengers = [{**user["name"], "dob": user["dob"]}]
    passengers += [people.passenger(random) for _ in range(random.choice((0, 0, 1, 2)))]
    free = FREE_BAGS[user["membership"]][CABINS.index(cabin)] * len(passengers)
    insured = random.random() < 0.4
    total = sum(leg["price"] for leg in legs) * len(passengers) + 30 * len(passengers) * insured
    methods = [each for each in user["payment_methods"] if "certificate" not in each]
    earliest = min(int(leg["date"][-2:]) for leg in legs)
    created = 14 if earliest > 14 and random.random() < 0.2 else random.randint(1, 9)
    return {
        "reservation_id": key,
        "user_id": user_id,
        "origin": out["origin"],
        "destination": out["destination"],
        "flight_type": "round_trip" if both else "one_way",
        "cabin": cabin,
        "flights": legs,
        "passengers": passengers,
        "payment_history": [{"payment_id": random.choice(methods), "amount": total}],
        "created_at": f"{day(created)}T{random.randint(16, 23)}:{random.randint(10, 59)}:00",
        "total_baggages": random.randint(0, free),
        "nonfree_baggages": 0,
        "insurance": "yes" if insured else "no",
    }


def _leg(random: Random, flight: Record, number: int) -> Record:
    leg = {field: flight[field] for field in ("origin", "destination", "flight_number")}
    return {**leg, "date": day(number), "price": random.randint(60, 400)}
