"""A generated shop: products with variants, customers with payment methods, orders."""

import itertools
import tomllib
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

from usergym.environments.tau.desk import Record
from usergym.environments.tau.generate import people
from usergym.environments.tau.generate.people import digits

CUSTOMERS = 16
STATUSES = ("pending", "pending", "pending", "delivered", "delivered", "delivered", "processed", "cancelled")


def tables(random: Random) -> dict[str, dict[str, Record]]:
    products = _products(random)
    users = people.customers(random, CUSTOMERS)
    orders: dict[str, Record] = {}
    for user_id, user in users.items():
        user["payment_methods"] = _methods(random)
        user["orders"] = []
        for _ in range(random.randint(2, 5)):
            order = _order(random, user_id, user, products)
            orders[order["order_id"]] = order
            user["orders"].append(order["order_id"])
    return {"products": products, "users": users, "orders": orders}


@cache
def _catalogue() -> list[dict[str, Any]]:
    path = files("usergym.environments.tau.generate") / "products.toml"
    found: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["product"]
    return found


def _products(random: Random) -> dict[str, Record]:
    found = {}
    for kind in _catalogue():
        key = digits(random, 10)
        every = list(itertools.product(*kind["options"].values()))
        variants = {}
        for values in random.sample(every, random.randint(5, 8)):
            item = digits(random, 10)
            price = round(kind["price"] * random.uniform(0.8, 1.3), 2)
            variants[item] = {
                "item_id": item,
                "options": dict(zip(kind["options"], values, strict=True)),
                "available": random.random() < 0.75,
                "price": price,
            }
        found[key] = {"name": kind["name"], "product_id": key, "variants": variants}
    return found


def _methods(random: Random) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for source in random.sample(("credit_card", "gift_card", "paypal", "credit_card"), random.randint(2, 3)):
        key = f"{source}_{digits(random, 7)}"
        found[key] = {"source": source, "id": key}
        if source == "credit_card":
            found[key] |= {"brand": random.choice(("visa", "mastercard")), "last_four": digits(random, 4)}
        elif source == "gift_card":
            found[key]["balance"] = random.randint(5, 900)
    return found


def _order(random: Random, user_id: str, user: Record, products: dict[str, Record]) -> Record:
    key = f"#W{digits(random, 7)}"
    items = []
    for product in random.sample(list(products.values()), random.randint(1, 4)):
        variant = random.choice(list(product["variants"].values()))
        told = {"name": product["name"], "product_id": product["product_id"], "item_id": variant["item_id"]}
        items.append(told | {"price": variant["price"], "options": dict(variant["options"])})
    total = round(sum(item["price"] for item in items), 2)
    method = random.choice(list(user["payment_methods"]))
    status = random.choice(STATUSES)
    paid = {"transaction_type": "payment", "amount": total, "payment_method_id": method}
    order: Record = {
        "order_id": key,
        "user_id": user_id,
        "address": dict(user["address"]),
        "items": items,
        "fulfillments": [],
        "status": status,
        "payment_history": [paid],
    }
    if status in ("processed", "delivered"):
        parcel = {"tracking_id": [digits(random, 12)], "item_ids": [item["item_id"] for item in items]}
        order["fulfillments"].append(parcel)
    if status == "cancelled":
        order["cancel_reason"] = random.choice(("no longer needed", "ordered by mistake"))
        order["payment_history"].append(paid | {"transaction_type": "refund"})
    return order
