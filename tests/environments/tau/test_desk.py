"""The tools, on databases of our own; and that conversations do not see each other's changes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.environments.tau import Desk, Domain, generate
from usergym.environments.tau.desk import canonical
from usergym.environments.tau.domain import own_tools
from usergym.environments.tau.tools import TOOLS, WRITES

RETAIL, AIRLINE = generate.domain("retail", 1, 0), generate.domain("airline", 1, 0)


def order(status: str) -> dict[str, Any]:
    return next(each for each in RETAIL.tables["orders"].values() if each["status"] == status)


def test_a_change_is_seen_on_its_own_desk_only() -> None:
    before = canonical(dict(RETAIL.tables["orders"]))
    one, other = RETAIL.desk(), RETAIL.desk()
    key = order("pending")["order_id"]
    assert '"status": "cancelled"' in one.call("cancel_pending_order", {"order_id": key, "reason": "no longer needed"})
    assert '"status": "cancelled"' in one.call("get_order_details", {"order_id": key})
    assert '"status": "pending"' in other.call("get_order_details", {"order_id": key})
    assert canonical(dict(RETAIL.tables["orders"])) == before
    assert not one.same_as(other)


def test_a_desk_copies_only_what_it_changes() -> None:
    desk = RETAIL.desk()
    for name in ("get_order_details", "get_user_details", "list_all_product_types"):
        desk.call(name, {"order_id": order("pending")["order_id"]})
    assert not any(table.own for table in desk.tables.values())
    desk.call("cancel_pending_order", {"order_id": order("pending")["order_id"], "reason": "ordered by mistake"})
    assert sum(len(table.own) for table in desk.tables.values()) <= 2


def test_a_change_and_its_opposite_leave_the_same_database() -> None:
    user = next(iter(RETAIL.tables["users"]))
    address = dict(RETAIL.tables["users"][user]["address"])
    desk = RETAIL.desk()
    desk.call("modify_user_address", {"user_id": user, **address, "zip": "00001"})
    assert not desk.same_as(RETAIL.desk())
    desk.call("modify_user_address", {"user_id": user, **address})
    assert desk.same_as(RETAIL.desk())
    assert RETAIL.desk().same_as(desk)


def test_the_caller_keeps_its_arguments() -> None:
    task = next(t for t in generate.tasks(["airline"], None, 1) if t.data["actions"][-1]["name"] == "book_reservation")
    found = generate.domain("airline", **task.data["database"])
    arguments = task.data["actions"][-1]["arguments"]
    before = json.dumps(arguments)
    desk = found.desk()
    made = json.loads(desk.call("book_reservation", arguments))
    assert made["reservation_id"] == "HATHAT"
    assert made["flights"][0]["price"]
    desk.call("cancel_reservation", {"reservation_id": "HATHAT"})
    assert json.dumps(arguments) == before


def test_numbers_that_are_written_differently_differ() -> None:
    assert len({canonical({"amount": value}) for value in (1, 1.0, True, "1", None)}) == 5
    assert canonical({"a": 1, "b": [2]}) == canonical({"b": [2], "a": 1})


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("no_such_tool", {}, "Unknown action no_such_tool"),
        ("get_order_details", {"order_id": "#W0"}, "Error: order not found"),
        (
            "get_order_details",
            {},
            "Error: GetOrderDetails.invoke() missing 1 required positional argument: 'order_id'",
        ),
        (
            "get_order_details",
            {"order_id": "#W0", "x": 1},
            "Error: GetOrderDetails.invoke() got an unexpected keyword argument 'x'",
        ),
        ("get_order_details", {"order_id": []}, "Error: unhashable type: 'list'"),
        ("find_user_id_by_email", {"email": 5}, "Error: 'int' object has no attribute 'lower'"),
        ("think", {"thought": "hm"}, ""),
        ("transfer_to_human_agents", {"summary": "x"}, "Transfer successful"),
    ],
)
def test_whatever_is_wrong_with_a_call_is_a_text(name: str, arguments: dict[str, Any], answer: str) -> None:
    assert RETAIL.desk().call(name, arguments) == answer


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("2 + 2", "4.0"),
        ("(100.10 - 3) * 2 / 3", "64.73"),
        ("7 // 2 - -1", "4.0"),
        ("2 ** 10", "1024.0"),
        ("1 / 0", "Error: division by zero"),
        ("2 +", "Error: invalid syntax (<string>, line 1)"),
        ("abs(1)", "Error: invalid characters in expression"),
        ("2(3)", "Error: 'int' object is not callable"),
        ("9 ** 9 ** 9 ** 9", "Error: int too large to convert to float"),
    ],
)
def test_arithmetic(expression: str, answer: str) -> None:
    assert RETAIL.desk().call("calculate", {"expression": expression}) == answer
    assert AIRLINE.desk().call("calculate", {"expression": expression}) == answer


@given(st.text("0123456789+-*/(). ", max_size=30))
@settings(max_examples=150, deadline=None)
def test_arithmetic_never_raises_and_never_hangs(expression: str) -> None:
    assert RETAIL.desk().call("calculate", {"expression": expression})


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_arguments_break_a_tool(data: st.DataObject) -> None:
    found = data.draw(st.sampled_from([RETAIL, AIRLINE]))
    tool = data.draw(st.sampled_from(own_tools(found.name)))
    ids = [key for table in found.tables.values() for key in table]
    value = _VALUES | st.sampled_from(ids)
    arguments = {name: data.draw(value) for name in tool.parameters["properties"]}
    assert isinstance(found.desk().call(tool.name, arguments), str)


def test_a_gift_card_pays_and_is_paid_back() -> None:
    product = {
        "name": "Mug",
        "product_id": "1",
        "variants": {
            "11": {"item_id": "11", "options": {"size": "S"}, "available": True, "price": 10.5},
            "12": {"item_id": "12", "options": {"size": "L"}, "available": True, "price": 14.75},
            "13": {"item_id": "13", "options": {"size": "XL"}, "available": False, "price": 1.0},
            "14": {"item_id": "14", "options": {"size": "XXL"}, "available": True, "price": 99.0},
        },
    }
    bought = {"name": "Mug", "product_id": "1", "item_id": "11", "price": 10.5, "options": {"size": "S"}}
    paid = {"transaction_type": "payment", "amount": 10.5, "payment_method_id": "gift_card_1"}
    held = {"order_id": "#W1", "user_id": "u", "items": [bought], "status": "pending", "payment_history": [paid]}
    cards = {"gift_card_1": {"source": "gift_card", "balance": 5, "id": "gift_card_1"}}
    shop = Domain(
        "retail", {"products": {"1": product}, "users": {"u": {"payment_methods": cards}}, "orders": {"#W1": held}}
    )

    def swap(desk: Desk, new: str) -> str:
        arguments = {"order_id": "#W1", "item_ids": ["11"], "new_item_ids": [new], "payment_method_id": "gift_card_1"}
        return desk.call("modify_pending_order_items", arguments)

    desk = shop.desk()
    assert swap(desk, "13") == "Error: new item 13 not found or available"
    assert swap(desk, "14") == "Error: insufficient gift card balance to pay for the new item"
    changed = json.loads(swap(desk, "12"))
    assert changed["status"] == "pending (item modified)"
    assert changed["payment_history"][1]["amount"] == 4.25
    assert (
        json.loads(desk.call("get_user_details", {"user_id": "u"}))["payment_methods"]["gift_card_1"]["balance"] == 0.75
    )
    assert swap(desk, "11") == "Error: non-pending order cannot be modified"
    cancelled = shop.desk()
    cancelled.call("cancel_pending_order", {"order_id": "#W1", "reason": "no longer needed"})
    assert cancelled["users"]["u"]["payment_methods"]["gift_card_1"]["balance"] == 15.5


def test_our_schemas_name_every_tool() -> None:
    for name, tools in TOOLS.items():
        schemas = {tool.name: tool for tool in own_tools(name)}
        assert schemas.keys() == tools.keys()
        assert WRITES[name] < schemas.keys()
        for tool in schemas.values():
            assert tool.description
            assert tool.parameters["type"] == "object"
            assert set(tool.parameters["required"]) == set(tool.parameters["properties"])
