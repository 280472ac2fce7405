"""Agreement with recorded conversations and with the published tasks."""

import pytest

from tests.environments.tau.published import cases, domain, needs_data

pytestmark = needs_data
RECORDED = [pytest.param(name, row, id=f"{name}-{row['id']}") for name in ("airline", "retail") for row in cases(name)]


@pytest.mark.parametrize(("name", "row"), RECORDED)
def test_a_recorded_conversation_gives_the_same_texts_and_the_same_reward(name: str, row: dict) -> None:  # type: ignore[type-arg]
    desk = domain(name).desk()
    calls, said = [], []
    for event in row["events"]:
        if "say" in event:
            said.append(event["say"])
            continue
        calls.append(event["call"])
        assert desk.call(event["call"]["name"], event["call"]["arguments"]) == event["output"]
    assert domain(name).reward(row["task"], calls, said) == row["reward"]
    assert domain(name).published(row["task"], desk, said) == row["reward"]


@pytest.mark.parametrize("name", ["airline", "retail"])
def test_the_own_calls_of_every_published_task_earn_its_reward(name: str) -> None:
    for row in domain(name).tasks.values():
        assert domain(name).reward(row, row["actions"], row["outputs"]) == 1.0
        if row["outputs"]:
            assert domain(name).reward(row, row["actions"], row["outputs"][1:]) == 0.0


def test_what_was_said_counts_without_commas_and_in_any_letter_case() -> None:
    retail = domain("retail")
    row = retail.tasks["retail-test-016"]
    assert row["outputs"] == ["8276.23"]
    assert retail.reward("retail-test-016", row["actions"], ["That is $8,276.23 in all."]) == 1.0
    assert retail.reward("retail-test-016", row["actions"], ["That is $8,276.", "23"]) == 0.0
    spoken = {"name": "respond", "arguments": {"content": "8276.23"}}
    assert retail.reward("retail-test-016", [*row["actions"], spoken], []) == 1.0


def test_the_order_of_independent_changes_does_not_count_but_each_of_them_does() -> None:
    retail = domain("retail")
    one, other = retail.tasks["retail-test-074"]["actions"]
    assert one["arguments"]["order_id"] != other["arguments"]["order_id"]
    assert retail.reward("retail-test-074", [other, one], []) == 1.0
    assert retail.reward("retail-test-074", [one], []) == 0.0
    assert retail.reward("retail-test-074", [other], []) == 0.0


def test_twenty_four_published_test_tasks_ask_for_nothing() -> None:
    asked = [
        row
        for name in ("airline", "retail")
        for key, row in domain(name).tasks.items()
        if "-test-" in key and not row["outputs"]
        if not any(
            each["name"].split("_")[0] not in ("get", "find", "list", "search", "transfer") for each in row["actions"]
        )
    ]
    assert len(asked) == 24


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(LookupError, match="no task 'retail-test-999' in the domain retail"):
        domain("retail").reward("retail-test-999", [], [])
