"""What a customer wants, in words: a call that changes the database, told by the customer who wants it made."""

from collections.abc import Mapping, Sequence
from typing import Any

from usergym.environments.tau.desk import Desk, Record

CABINS = {"basic_economy": "basic economy", "economy": "economy", "business": "business"}


def wish(desk: Desk, call: Mapping[str, Any]) -> str:
    """Continues "I would like to". Ids that the database does not know are told as they are."""
    return _SENTENCES[call["name"]](desk, call["arguments"])


def identity(desk: Desk, user_id: str) -> str:
    """What customers say when they are asked who they are."""
    user = desk["users"][user_id]
    name = f"{user['name']['first_name']} {user['name']['last_name']}"
    if desk.name == "airline":
        return f"My name is {name} and my user id is {user_id}."
    return f"My name is {name}, my zip code is {user['address']['zip']} and my email address is {user['email']}."


def method(user: Record, method_id: str) -> str:
    """How customers call one of their payment methods; with its id where they have two alike."""
    methods = user["payment_methods"]
    if method_id not in methods:
        return method_id
    words = _method(methods[method_id])
    alike = sum(_method(other) == words for other in methods.values()) > 1
    return f"{words} {method_id}" if alike else words


def _method(found: Record) -> str:
    match found["source"]:
        case "credit_card":
            return f"my {str(found['brand']).title()} ending in {found['last_four']}"
        case "gift_card":
            return "my gift card"
        case "certificate":
            return f"my certificate over {found['amount']} dollars"
    return "my PayPal account"


def item(name: str, options: Mapping[str, Any]) -> str:
    told = ", ".join(f"{option} {value}" for option, value in options.items())
    return f"the {name} ({told})" if told else f"the {name}"


def listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def address(given: Mapping[str, Any]) -> str:
    fields = ("address1", "address2", "city", "state", "zip", "country")
    return ", ".join(str(given[field]) for field in fields if given.get(field))


def _owner(desk: Desk, table: str, key: str) -> Record:
    return desk["users"][desk[table][key]["user_id"]] if key in desk[table] else {"payment_methods": {}}


def _items(desk: Desk, order_id: str, item_ids: Sequence[str]) -> list[str]:
    held = {each["item_id"]: each for each in desk["orders"][order_id]["items"]} if order_id in desk["orders"] else {}
    return [item(held[key]["name"], held[key]["options"]) if key in held else f"item {key}" for key in item_ids]


def _variant(desk: Desk, key: str) -> str:
    for _, product in desk["products"].items():
        if key in product["variants"]:
            options = product["variants"][key]["options"]
            return "the one with " + ", ".join(f"{option} {value}" for option, value in options.items())
    return f"item {key}"


def _cancel(desk: Desk, given: Mapping[str, Any]) -> str:
    why = {"no longer needed": "I no longer need it", "ordered by mistake": "I ordered it by mistake"}
    return f"cancel my order {given['order_id']}: {why.get(given['reason'], given['reason'])}"


def _return(desk: Desk, given: Mapping[str, Any]) -> str:
    order = given["order_id"]
    to = method(_owner(desk, "orders", order), given["payment_method_id"])
    return f"return {listed(_items(desk, order, given['item_ids']))} from my order {order}, with the refund to {to}"


def _swap(desk: Desk, given: Mapping[str, Any], verb: str) -> str:
    order = given["order_id"]
    old = _items(desk, order, given["item_ids"])
    pairs = [f"{one} for {_variant(desk, new)}" for one, new in zip(old, given["new_item_ids"], strict=False)]
    by = method(_owner(desk, "orders", order), given["payment_method_id"])
    return f"{verb} in my order {order} {listed(pairs)}; the difference goes over {by}"


def _exchange(desk: Desk, given: Mapping[str, Any]) -> str:
    return _swap(desk, given, "exchange")


def _modify(desk: Desk, given: Mapping[str, Any]) -> str:
    return _swap(desk, given, "change")


def _ship(desk: Desk, given: Mapping[str, Any]) -> str:
    return f"change the address of my order {given['order_id']} to {address(given)}"


def _pay(desk: Desk, given: Mapping[str, Any]) -> str:
    by = method(_owner(desk, "orders", given["order_id"]), given["payment_method_id"])
    return f"change the payment of my order {given['order_id']} to {by}"


def _move(desk: Desk, given: Mapping[str, Any]) -> str:
    return f"change the address in my profile to {address(given)}"


def _flights(flights: Sequence[Mapping[str, Any]]) -> str:
    return listed([f"{flight['flight_number']} on {flight['date']}" for flight in flights])


def _people(passengers: Sequence[Mapping[str, Any]]) -> str:
    return listed([f"{each['first_name']} {each['last_name']} (born {each['dob']})" for each in passengers])


def _book(desk: Desk, given: Mapping[str, Any]) -> str:
    user = desk["users"][given["user_id"]]
    paid = [f"{method(user, each['payment_id'])} ({each['amount']} dollars)" for each in given["payment_methods"]]
    kind = "round trip" if given["flight_type"] == "round_trip" else "one-way trip"
    bags, insured = given["total_baggages"], "with" if given["insurance"] == "yes" else "without"
    return (
        f"book a {kind} from {given['origin']} to {given['destination']} in {CABINS[given['cabin']]}, flights "
        f"{_flights(given['flights'])}, for {_people(given['passengers'])}, with {bags} checked bags, {insured} "
        f"insurance, paid with {listed(paid)}"
    )


def _unbook(desk: Desk, given: Mapping[str, Any]) -> str:
    return f"cancel my reservation {given['reservation_id']}"


def _fly(desk: Desk, given: Mapping[str, Any]) -> str:
    key = given["reservation_id"]
    by = method(_owner(desk, "reservations", key), given["payment_id"])
    flights, cabin = _flights(given["flights"]), CABINS[given["cabin"]]
    return f"change my reservation {key} to the flights {flights} in {cabin}; the difference goes over {by}"


def _bags(desk: Desk, given: Mapping[str, Any]) -> str:
    key, bags = given["reservation_id"], given["total_baggages"]
    by = method(_owner(desk, "reservations", key), given["payment_id"])
    return f"add bags to my reservation {key}, so that it has {bags} checked bags; if that costs anything, by {by}"


def _passengers(desk: Desk, given: Mapping[str, Any]) -> str:
    return f"change the passengers of my reservation {given['reservation_id']} to {_people(given['passengers'])}"


def _compensate(desk: Desk, given: Mapping[str, Any]) -> str:
    return f"get a compensation of {given['amount']} dollars as a certificate for the trouble that I had"


_SENTENCES = {
    "cancel_pending_order": _cancel,
    "return_delivered_order_items": _return,
    "exchange_delivered_order_items": _exchange,
    "modify_pending_order_items": _modify,
    "modify_pending_order_address": _ship,
    "modify_pending_order_payment": _pay,
    "modify_user_address": _move,
    "book_reservation": _book,
    "cancel_reservation": _unbook,
    "update_reservation_flights": _fly,
    "update_reservation_baggages": _bags,
    "update_reservation_passengers": _passengers,
    "send_certificate": _compensate,
}
