"""The tools of the shop."""

import json
from collections.abc import Callable, Sequence
from typing import Any

Desk = Any
Record = dict[str, Any]

REASONS = ("no longer needed", "ordered by mistake")


def find_user_id_by_email(desk: Desk, email: str) -> str:
    for user_id, user in desk["users"].items():
        if user["email"].lower() == email.lower():
            return str(user_id)
    return "Error: user not found"


def find_user_id_by_name_zip(desk: Desk, first_name: str, last_name: str, zip: str) -> str:
    for user_id, user in desk["users"].items():
        name = user["name"]
        same = name["first_name"].lower() == first_name.lower() and name["last_name"].lower() == last_name.lower()
        if same and user["address"]["zip"] == zip:
            return str(user_id)
    return "Error: user not found"


def get_user_details(desk: Desk, user_id: str) -> str:
    return _details(desk, "user", user_id)


def get_order_details(desk: Desk, order_id: str) -> str:
    return _details(desk, "order", order_id)


def get_product_details(desk: Desk, product_id: str) -> str:
    return _details(desk, "product", product_id)


def _details(desk: Desk, kind: str, key: str) -> str:
    table = desk[f"{kind}s"]
    return json.dumps(table[key]) if key in table else f"Error: {kind} not found"


def list_all_product_types(desk: Desk) -> str:
    ids = {product["name"]: product["product_id"] for _, product in desk["products"].items()}
    return json.dumps(dict(sorted(ids.items())))


def cancel_pending_order(desk: Desk, order_id: str, reason: str) -> str:
    if problem := _wrong(desk, order_id, "pending", "cancelled"):
        return problem
    if reason not in REASONS:
        return "Error: invalid reason"
    order = desk["orders"].edit(order_id)
    refunds = []
    for paid in order["payment_history"]:
        method = paid["payment_method_id"]
        refunds.append(_entry("refund", paid["amount"], method))
        if "gift_card" in method:
            _charge(desk["users"].edit(order["user_id"])["payment_methods"][method], -paid["amount"])
    order["status"] = "cancelled"
    order["cancel_reason"] = reason
    order["payment_history"] += refunds
    return json.dumps(order)


def exchange_delivered_order_items(
    desk: Desk, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> str:
    if problem := _wrong(desk, order_id, "delivered", "exchanged"):
        return problem
    order = desk["orders"][order_id]
    problem, difference = _swap(desk, order, item_ids, new_item_ids)
    if problem:
        return problem
    difference = round(difference, 2)
    method = _method(desk, order, payment_method_id)
    if method is None:
        return "Error: payment method not found"
    if method["source"] == "gift_card" and method["balance"] < difference:
        return "Error: insufficient gift card balance to pay for the price difference"
    old, new = sorted(item_ids), sorted(new_item_ids)
    order = desk["orders"].edit(order_id)
    order["status"] = "exchange requested"
    order["exchange_items"] = old
    order["exchange_new_items"] = new
    order["exchange_payment_method_id"] = payment_method_id
    order["exchange_price_difference"] = difference
    return json.dumps(order)


def modify_pending_order_address(
    desk: Desk, order_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> str:
    if problem := _wrong(desk, order_id, "pending", "modified"):
        return problem
    order = desk["orders"].edit(order_id)
    order["address"] = _address(address1, address2, city, state, country, zip)
    return json.dumps(order)


def modify_pending_order_items(
    desk: Desk, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> str:
    if problem := _wrong(desk, order_id, "pending", "modified"):
        return problem
    order = desk["orders"][order_id]
    problem, difference = _swap(desk, order, item_ids, new_item_ids)
    if problem:
        return problem
    method = _method(desk, order, payment_method_id)
    if method is None:
        return "Error: payment method not found"
    if method["source"] == "gift_card" and method["balance"] < difference:
        return "Error: insufficient gift card balance to pay for the new item"
    order = desk["orders"].edit(order_id)
    kind = "payment" if difference > 0 else "refund"
    order["payment_history"].append(_entry(kind, abs(difference), payment_method_id))
    if method["source"] == "gift_card":
        _charge(desk["users"].edit(order["user_id"])["payment_methods"][payment_method_id], difference)
    for item_id, new_item_id in zip(item_ids, new_item_ids, strict=True):
        item = _item(order, item_id)
        variant = desk["products"][item["product_id"]]["variants"][new_item_id]
        item.update(item_id=new_item_id, price=variant["price"], options=variant["options"])
    order["status"] = "pending (item modified)"
    return json.dumps(order)


def modify_pending_order_payment(desk: Desk, order_id: str, payment_method_id: str) -> str:
    if problem := _wrong(desk, order_id, "pending", "modified"):
        return problem
    order = desk["orders"][order_id]
    method = _method(desk, order, payment_method_id)
    if method is None:
        return "Error: payment method not found"
    first = order["payment_history"][0]
    if len(order["payment_history"]) > 1 or first["transaction_type"] != "payment":
        return "Error: there should be exactly one payment for a pending order"
    amount, before = first["amount"], first["payment_method_id"]
    if before == payment_method_id:
        return "Error: the new payment method should be different from the current one"
    if method["source"] == "gift_card" and method["balance"] < amount:
        return "Error: insufficient gift card balance to pay for the order"
    order = desk["orders"].edit(order_id)
    order["payment_history"] += [_entry("payment", amount, payment_method_id), _entry("refund", amount, before)]
    methods = desk["users"].edit(order["user_id"])["payment_methods"]
    if method["source"] == "gift_card":
        _charge(methods[payment_method_id], amount)
    if "gift_card" in before:
        _charge(methods[before], -amount)
    return json.dumps(order)


def modify_user_address(
    desk: Desk, user_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> str:
    if user_id not in desk["users"]:
        return "Error: user not found"
    user = desk["users"].edit(user_id)
    user["address"] = _address(address1, address2, city, state, country, zip)
    return json.dumps(user)


def return_delivered_order_items(desk: Desk, order_id: str, item_ids: list[str], payment_method_id: str) -> str:
    if problem := _wrong(desk, order_id, "delivered", "returned"):
        return problem
    order = desk["orders"][order_id]
    if _method(desk, order, payment_method_id) is None:
        return "Error: payment method not found"
    if "gift_card" not in payment_method_id and payment_method_id != order["payment_history"][0]["payment_method_id"]:
        return "Error: payment method should be either the original payment method or a gift card"
    if _missing(order, item_ids) is not None:
        return "Error: some item not found"
    returned = sorted(item_ids)
    order = desk["orders"].edit(order_id)
    order["status"] = "return requested"
    order["return_items"] = returned
    order["return_payment_method_id"] = payment_method_id
    return json.dumps(order)


def _wrong(desk: Desk, order_id: str, status: str, done: str) -> str:
    if order_id not in desk["orders"]:
        return "Error: order not found"
    if desk["orders"][order_id]["status"] != status:
        return f"Error: non-{status} order cannot be {done}"
    return ""


def _missing(order: Record, item_ids: Sequence[str]) -> str | None:
    """The first id of which more are named than the order holds."""
    held = [item["item_id"] for item in order["items"]]
    return next((each for each in item_ids if item_ids.count(each) > held.count(each)), None)


def _swap(desk: Desk, order: Record, item_ids: list[str], new_item_ids: list[str]) -> tuple[str, float]:
    """What is wrong with changing these items into those, or what it costs."""
    if (missing := _missing(order, item_ids)) is not None:
        return f"Error: {missing} not found", 0
    if len(item_ids) != len(new_item_ids):
        return "Error: the number of items to be exchanged should match", 0
    difference: float = 0
    for item_id, new_item_id in zip(item_ids, new_item_ids, strict=True):
        item = _item(order, item_id)
        variants = desk["products"][item["product_id"]]["variants"]
        if new_item_id not in variants or not variants[new_item_id]["available"]:
            return f"Error: new item {new_item_id} not found or available", 0
        difference += variants[new_item_id]["price"] - item["price"]
    return "", difference


def _item(order: Record, item_id: str) -> Record:
    found: list[Record] = [item for item in order["items"] if item["item_id"] == item_id]
    return found[0]


def _method(desk: Desk, order: Record, payment_method_id: str) -> Record | None:
    methods: dict[str, Record] = desk["users"][order["user_id"]]["payment_methods"]
    return methods.get(payment_method_id)


def _charge(method: Record, amount: float) -> None:
    method["balance"] = round(method["balance"] - amount, 2)


def _entry(kind: str, amount: float, method: str) -> Record:
    return {"transaction_type": kind, "amount": amount, "payment_method_id": method}


def _address(address1: str, address2: str, city: str, state: str, country: str, zip: str) -> Record:
    return {
        "address1": address1,
        "address2": address2,
        "city": city,
        "state": state,
        "country": country,
        "zip": zip,
    }


_READS = (
    find_user_id_by_email,
    find_user_id_by_name_zip,
    get_user_details,
    get_order_details,
    get_product_details,
    list_all_product_types,
)
_WRITES = (
    cancel_pending_order,
    exchange_delivered_order_items,
    modify_pending_order_address,
    modify_pending_order_items,
    modify_pending_order_payment,
    modify_user_address,
    return_delivered_order_items,
)
TOOLS: dict[str, Callable[..., str]] = {function.__name__: function for function in _READS + _WRITES}
WRITES = [function.__name__ for function in _WRITES]
