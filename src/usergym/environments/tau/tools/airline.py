"""The tools of the airline."""

import json
from collections.abc import Callable
from typing import Any

Desk = Any
Record = dict[str, Any]

NOW = "2024-05-15T15:00:00"
NEW_RESERVATIONS = ("HATHAT", "HATHAU", "HATHAV")
NEW_CERTIFICATES = ("certificate_3221322", "certificate_3221323", "certificate_3221324")
BAG, INSURANCE = 50, 30

AIRPORTS = {
    "SFO": "San Francisco",
    "JFK": "New York",
    "LAX": "Los Angeles",
    "ORD": "Chicago",
    "DFW": "Dallas",
    "DEN": "Denver",
    "SEA": "Seattle",
    "ATL": "Atlanta",
    "MIA": "Miami",
    "BOS": "Boston",
    "PHX": "Phoenix",
    "IAH": "Houston",
    "LAS": "Las Vegas",
    "MCO": "Orlando",
    "EWR": "Newark",
    "CLT": "Charlotte",
    "MSP": "Minneapolis",
    "DTW": "Detroit",
    "PHL": "Philadelphia",
    "LGA": "LaGuardia",
}


def get_user_details(desk: Desk, user_id: str) -> str:
    """Recorded conversations tell the state of an address as its province, the published table as its state."""
    if user_id not in desk["users"]:
        return "Error: user not found"
    user = desk["users"][user_id]
    address = {"province" if field == "state" else field: value for field, value in user["address"].items()}
    return json.dumps(user | {"address": address})


def get_reservation_details(desk: Desk, reservation_id: str) -> str:
    table = desk["reservations"]
    return json.dumps(table[reservation_id]) if reservation_id in table else "Error: user not found"


def list_all_airports(desk: Desk) -> str:
    return json.dumps(AIRPORTS)


def search_direct_flight(desk: Desk, origin: str, destination: str, date: str) -> str:
    found = []
    for _, flight in desk["flights"].items():
        if flight["origin"] == origin and flight["destination"] == destination and _bookable(flight, date):
            found.append(_on(flight, date))
    return json.dumps(found)


def search_onestop_flight(desk: Desk, origin: str, destination: str, date: str) -> str:
    leaving: dict[str, list[Record]] = {}
    for _, flight in desk["flights"].items():
        leaving.setdefault(flight["origin"], []).append(flight)
    found = []
    for first in leaving.get(origin, ()) if isinstance(origin, str) else ():
        for second in leaving.get(first["destination"], ()):
            if second["destination"] != destination:
                continue
            arrival = first["scheduled_arrival_time_est"]
            later = f"2024-05-{int(date[-2:]) + 1}" if "+1" in arrival else date
            if arrival > second["scheduled_departure_time_est"]:
                continue
            if _bookable(first, date) and _bookable(second, later):
                found.append([_on(first, date) | {"date": date}, _on(second, date) | {"date": later}])
    return json.dumps(found)


def _bookable(flight: Record, date: str) -> bool:
    return date in flight["dates"] and flight["dates"][date]["status"] == "available"


def _on(flight: Record, date: str) -> Record:
    told = {key: value for key, value in flight.items() if key != "dates"}
    told.update(flight["dates"][date])
    return told


def book_reservation(
    desk: Desk,
    user_id: str,
    origin: str,
    destination: str,
    flight_type: str,
    cabin: str,
    flights: list[Record],
    passengers: list[Record],
    payment_methods: list[Record],
    total_baggages: int,
    nonfree_baggages: int,
    insurance: str,
) -> str:
    if user_id not in desk["users"]:
        return "Error: user not found"
    taken = desk["reservations"]
    reservation_id = next((each for each in NEW_RESERVATIONS[:2] if each not in taken), NEW_RESERVATIONS[2])
    reservation = {
        "reservation_id": reservation_id,
        "user_id": user_id,
        "origin": origin,
        "destination": destination,
        "flight_type": flight_type,
        "cabin": cabin,
        "flights": flights,
        "passengers": passengers,
        "payment_history": payment_methods,
        "created_at": NOW,
        "total_baggages": total_baggages,
        "nonfree_baggages": nonfree_baggages,
        "insurance": insurance,
    }
    total = 0
    for flight in flights:
        if problem := _fill(desk, flight, cabin, len(passengers)):
            return problem
        total += flight["price"] * len(passengers)
    if insurance == "yes":
        total += INSURANCE * len(passengers)
    total += BAG * nonfree_baggages
    if problem := _unpaid(desk["users"][user_id]["payment_methods"], payment_methods, total):
        return problem
    user = desk["users"].edit(user_id)
    methods = user["payment_methods"]
    for payment in payment_methods:
        method = methods[payment["payment_id"]]
        if method["source"] == "gift_card":
            method["amount"] -= payment["amount"]
        elif method["source"] == "certificate":
            del methods[payment["payment_id"]]
    taken.add(reservation_id, reservation)
    user["reservations"].append(reservation_id)
    return json.dumps(reservation)


def _fill(desk: Desk, flight: Record, cabin: str, seats: int) -> str:
    """Completes a flight of a request with its price and airports, or tells why it cannot be had."""
    number = flight["flight_number"]
    if number not in desk["flights"]:
        return f"Error: flight {number} not found"
    known = desk["flights"][number]
    date = flight["date"]
    if date not in known["dates"]:
        return f"Error: flight {number} not found on date {date}"
    day = known["dates"][date]
    if day["status"] != "available":
        return f"Error: flight {number} not available on date {date}"
    if day["available_seats"][cabin] < seats:
        return f"Error: not enough seats on flight {number}"
    flight["price"] = day["prices"][cabin]
    flight["origin"] = known["origin"]
    flight["destination"] = known["destination"]
    return ""


def _unpaid(methods: Record, payments: list[Record], total: float) -> str:
    for payment in payments:
        method, amount = payment["payment_id"], payment["amount"]
        if method not in methods:
            return f"Error: payment method {method} not found"
        if methods[method]["source"] in ("gift_card", "certificate") and methods[method]["amount"] < amount:
            return f"Error: not enough balance in payment method {method}"
    paid = sum(payment["amount"] for payment in payments)
    return "" if paid == total else f"Error: payment amount does not add up, total price is {total}, but paid {paid}"


def cancel_reservation(desk: Desk, reservation_id: str) -> str:
    if reservation_id not in desk["reservations"]:
        return "Error: reservation not found"
    reservation = desk["reservations"].edit(reservation_id)
    history = reservation["payment_history"]
    history += [{"payment_id": paid["payment_id"], "amount": -paid["amount"]} for paid in history]
    reservation["status"] = "cancelled"
    return json.dumps(reservation)


def update_reservation_flights(
    desk: Desk, reservation_id: str, cabin: str, flights: list[Record], payment_id: str
) -> str:
    if reservation_id not in desk["reservations"]:
        return "Error: reservation not found"
    reservation = desk["reservations"][reservation_id]
    seats = len(reservation["passengers"])
    total = 0
    for flight in flights:
        if kept := _kept(reservation, flight, cabin):
            for field in ("price", "origin", "destination"):
                flight[field] = kept[field]
        elif problem := _fill(desk, flight, cabin, seats):
            return problem
        total += flight["price"] * seats
    total -= sum(flight["price"] for flight in reservation["flights"]) * seats
    if problem := _unpayable(desk, reservation, payment_id, total):
        return problem
    reservation = desk["reservations"].edit(reservation_id)
    _pay(desk, reservation, payment_id, total)
    reservation["flights"] = flights
    return json.dumps(reservation)


def _kept(reservation: Record, flight: Record, cabin: str) -> Record | None:
    for each in reservation["flights"]:
        same = each["flight_number"] == flight["flight_number"] and each["date"] == flight["date"]
        if same and cabin == reservation["cabin"]:
            return dict(each)
    return None


def update_reservation_baggages(
    desk: Desk, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> str:
    if reservation_id not in desk["reservations"]:
        return "Error: reservation not found"
    reservation = desk["reservations"][reservation_id]
    total = BAG * max(0, nonfree_baggages - reservation["nonfree_baggages"])
    if problem := _unpayable(desk, reservation, payment_id, total):
        return problem
    reservation = desk["reservations"].edit(reservation_id)
    reservation["total_baggages"] = total_baggages
    reservation["nonfree_baggages"] = nonfree_baggages
    _pay(desk, reservation, payment_id, total)
    return json.dumps(reservation)


def _unpayable(desk: Desk, reservation: Record, payment_id: str, total: float) -> str:
    methods = desk["users"][reservation["user_id"]]["payment_methods"]
    if payment_id not in methods:
        return "Error: payment method not found"
    method = methods[payment_id]
    if method["source"] == "certificate":
        return "Error: certificate cannot be used to update reservation"
    if method["source"] == "gift_card" and method["amount"] < total:
        return "Error: gift card balance is not enough"
    return ""


def _pay(desk: Desk, reservation: Record, payment_id: str, total: float) -> None:
    user_id = reservation["user_id"]
    if desk["users"][user_id]["payment_methods"][payment_id]["source"] == "gift_card":
        desk["users"].edit(user_id)["payment_methods"][payment_id]["amount"] -= total
    if total != 0:
        reservation["payment_history"].append({"payment_id": payment_id, "amount": total})


def update_reservation_passengers(desk: Desk, reservation_id: str, passengers: list[Record]) -> str:
    if reservation_id not in desk["reservations"]:
        return "Error: reservation not found"
    if len(passengers) != len(desk["reservations"][reservation_id]["passengers"]):
        return "Error: number of passengers does not match"
    reservation = desk["reservations"].edit(reservation_id)
    reservation["passengers"] = passengers
    return json.dumps(reservation)


def send_certificate(desk: Desk, user_id: str, amount: float) -> str:
    if user_id not in desk["users"]:
        return "Error: user not found"
    methods = desk["users"].edit(user_id)["payment_methods"]
    for key in NEW_CERTIFICATES:
        if key not in methods:
            methods[key] = {"source": "certificate", "amount": amount, "id": key}
            return f"Certificate {key} added to user {user_id} with amount {amount}."
    return "None"


_READS = (
    get_user_details,
    get_reservation_details,
    list_all_airports,
    search_direct_flight,
    search_onestop_flight,
)
_WRITES = (
    book_reservation,
    cancel_reservation,
    update_reservation_flights,
    update_reservation_baggages,
    update_reservation_passengers,
    send_certificate,
)
TOOLS: dict[str, Callable[..., str]] = {function.__name__: function for function in _READS + _WRITES}
WRITES = [function.__name__ for function in _WRITES]
