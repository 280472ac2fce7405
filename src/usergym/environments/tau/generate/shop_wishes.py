"""What customers of the shop want, and what its rules make of that."""

from collections.abc import Sequence
from random import Random

from usergym.environments.tau import wording
from usergym.environments.tau.desk import Desk, Record
from usergym.environments.tau.generate import people
from usergym.environments.tau.generate.drafts import Call, Draft, Kind, call, wanted

BAD_REASONS = ("I found it cheaper elsewhere", "it takes too long to arrive", "my partner does not like it")


def _order(random: Random, desk: Desk, user_id: str, *statuses: str) -> Record | None:
    held = [desk["orders"][key] for key in desk["users"][user_id]["orders"]]
    fitting = [order for order in held if order["status"] in statuses]
    return random.choice(fitting) if fitting else None


def _looked_up(order: Record, items: Sequence[Record] = ()) -> list[Call]:
    reads = [call("get_order_details", order_id=order["order_id"])]
    return reads + [call("get_product_details", product_id=item["product_id"]) for item in items]


def _cancel(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "pending")
    if order is None:
        return None
    reason = random.choice(("no longer needed", "ordered by mistake"))
    write = call("cancel_pending_order", order_id=order["order_id"], reason=reason)
    return wanted(desk, write, _looked_up(order), touched=order["order_id"])


def _return(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "delivered")
    if order is None:
        return None
    methods = {order["payment_history"][0]["payment_method_id"]}
    methods |= {key for key in desk["users"][user_id]["payment_methods"] if "gift_card" in key}
    write = call(
        "return_delivered_order_items",
        order_id=order["order_id"],
        item_ids=[item["item_id"] for item in _some(random, order)],
        payment_method_id=random.choice(sorted(methods)),
    )
    return wanted(desk, write, _looked_up(order), touched=order["order_id"])


def _some(random: Random, order: Record) -> list[Record]:
    return random.sample(order["items"], random.randint(1, min(2, len(order["items"]))))


def _exchange(random: Random, desk: Desk, user_id: str) -> Draft | None:
    return _swap(random, desk, user_id, "delivered", "exchange_delivered_order_items")


def _modify(random: Random, desk: Desk, user_id: str) -> Draft | None:
    return _swap(random, desk, user_id, "pending", "modify_pending_order_items")


def _swap(random: Random, desk: Desk, user_id: str, status: str, tool: str) -> Draft | None:
    order = _order(random, desk, user_id, status)
    if order is None:
        return None
    old, new, difference = [], [], 0.0
    for item in _some(random, order):
        variants = desk["products"][item["product_id"]]["variants"]
        others = [key for key, each in variants.items() if each["available"] and key != item["item_id"]]
        if others:
            old.append(item)
            new.append(random.choice(others))
            difference += variants[new[-1]]["price"] - item["price"]
    methods = desk["users"][user_id]["payment_methods"]
    able = [key for key, each in methods.items() if each.get("balance", difference) >= difference]
    if not old or not able:
        return None
    write = call(
        tool,
        order_id=order["order_id"],
        item_ids=[item["item_id"] for item in old],
        new_item_ids=new,
        payment_method_id=random.choice(able),
    )
    return wanted(desk, write, _looked_up(order, old), touched=order["order_id"])


def _ship(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "pending")
    if order is None:
        return None
    write = call("modify_pending_order_address", order_id=order["order_id"], **people.address(random))
    return wanted(desk, write, _looked_up(order), touched=order["order_id"])


def _pay(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "pending")
    if order is None:
        return None
    paid = order["payment_history"][0]
    methods = desk["users"][user_id]["payment_methods"]
    able = [key for key, each in methods.items() if each.get("balance", paid["amount"]) >= paid["amount"]]
    able = [key for key in able if key != paid["payment_method_id"]]
    if not able:
        return None
    write = call("modify_pending_order_payment", order_id=order["order_id"], payment_method_id=random.choice(able))
    return wanted(desk, write, _looked_up(order), touched=order["order_id"])


def _move(random: Random, desk: Desk, user_id: str) -> Draft | None:
    write = call("modify_user_address", user_id=user_id, **people.address(random))
    return wanted(desk, write, (), touched="profile")


def _ask_total(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "pending", "processed", "delivered")
    if order is None:
        return None
    key, total = order["order_id"], order["payment_history"][0]["amount"]
    return Draft(f"know what I paid for my order {key}", _looked_up(order), outputs=[str(total)], touched=key)


def _ask_parcel(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "processed", "delivered")
    if order is None:
        return None
    key, parcel = order["order_id"], order["fulfillments"][0]["tracking_id"][0]
    return Draft(f"know the tracking number of my order {key}", _looked_up(order), outputs=[parcel], touched=key)


def _ask_cheapest(random: Random, desk: Desk, user_id: str) -> Draft | None:
    product = random.choice([product for _, product in desk["products"].items()])
    prices = [each["price"] for each in product["variants"].values() if each["available"]]
    if not prices:
        return None
    reads = [call("list_all_product_types"), call("get_product_details", product_id=product["product_id"])]
    say = f"know the price of the cheapest {product['name']} that you have in stock"
    return Draft(say, reads, outputs=[str(min(prices))], touched="question")


def _cancel_for_no_reason(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "pending")
    if order is None:
        return None
    key = order["order_id"]
    say = f"cancel my order {key}: {random.choice(BAD_REASONS)}, and there is no other reason"
    return Draft(say, _looked_up(order), forbidden=True, touched=key)


def _cancel_too_late(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "processed")
    if order is None:
        return None
    key = order["order_id"]
    return Draft(f"cancel my order {key}: I no longer need it", _looked_up(order), forbidden=True, touched=key)


def _refund_elsewhere(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "delivered")
    if order is None:
        return None
    user, paid = desk["users"][user_id], order["payment_history"][0]["payment_method_id"]
    others = [key for key in user["payment_methods"] if "gift_card" not in key and key != paid]
    if not others:
        return None
    item, key = random.choice(order["items"]), order["order_id"]
    told = wording.item(item["name"], item["options"])
    to = wording.method(user, random.choice(others))
    say = f"return {told} from my order {key}, with the refund to {to} and nowhere else"
    return Draft(say, _looked_up(order), forbidden=True, touched=key)


def _exchange_for_other(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "delivered", "pending")
    if order is None:
        return None
    item, key = random.choice(order["items"]), order["order_id"]
    names = [each["name"] for _, each in desk["products"].items() if each["name"] != item["name"]]
    told = wording.item(item["name"], item["options"])
    say = f"exchange {told} in my order {key} for a {random.choice(names)}, not for another {item['name']}"
    return Draft(say, _looked_up(order), forbidden=True, touched=key)


def _damaged(random: Random, desk: Desk, user_id: str) -> Draft | None:
    order = _order(random, desk, user_id, "delivered")
    if order is None:
        return None
    item, key = random.choice(order["items"]), order["order_id"]
    say = f"report that {wording.item(item['name'], item['options'])} of my order {key} came damaged"
    return Draft(say, _looked_up(order), transfer=f"{item['name']} of order {key} came damaged.", touched=key)


KINDS: dict[str, tuple[int, Kind]] = {
    "cancel": (3, _cancel),
    "return": (4, _return),
    "exchange": (4, _exchange),
    "modify": (4, _modify),
    "ship": (2, _ship),
    "pay": (2, _pay),
    "move": (1, _move),
    "ask_total": (1, _ask_total),
    "ask_parcel": (1, _ask_parcel),
    "ask_cheapest": (2, _ask_cheapest),
    "cancel_for_no_reason": (1, _cancel_for_no_reason),
    "cancel_too_late": (1, _cancel_too_late),
    "refund_elsewhere": (1, _refund_elsewhere),
    "exchange_for_other": (1, _exchange_for_other),
    "damaged": (1, _damaged),
}
"""Weights, and how each is drawn."""
