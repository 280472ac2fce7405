import contextlib
import copy
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.data.gym_lint import Fault, mend_row

TOOL = {
    "type": "function",
    "name": "email_send_email",
    "description": "Sends.",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}


def row(**params: Any) -> dict[str, Any]:
    asked = {"input": [{"role": "user", "content": "Send it."}], "tools": [TOOL], **params}
    return {
        "id": 0,
        "responses_create_params": asked,
        "ground_truth": [{"name": "email_send_email", "arguments": "{}"}],
        "category": "workplace_assistant_email",
        "environment_name": "workplace_assistant",
    }


def mended(value: dict[str, Any], environment: str | None = "workplace") -> tuple[dict[str, Any], Counter[str]]:
    notes: Counter[str] = Counter()

    def note(kind: str) -> None:
        notes[kind] += 1

    before = copy.deepcopy(value)
    out = mend_row(value, environment, {}, note)
    assert value == before, "the row itself was changed"
    return out, notes


def test_a_sound_row_is_left_as_it_is() -> None:
    sound = row(temperature=1.0, parallel_tool_calls=False)
    assert mended(sound) == (sound, {})


@pytest.mark.parametrize(
    ("tool", "note"),
    [
        ({**TOOL, "database": "email", "operation_type": "write"}, "database"),
        ({"type": "function", "function": {k: v for k, v in TOOL.items() if k not in ("type", "strict")}}, "unwrapped"),
        ({key: value for key, value in TOOL.items() if key != "strict"}, "strict"),
        ({**TOOL, "parameters": '{"type": "object", "properties": {}}'}, "JSON text"),
        ({key: value for key, value in TOOL.items() if key != "parameters"}, "without parameters"),
    ],
)
def test_a_tool_that_the_peer_refuses_is_mended_with_a_note(tool: dict[str, Any], note: str) -> None:
    out, notes = mended(row(tools=[tool]))
    assert out["responses_create_params"]["tools"] == [TOOL]
    assert any(note in kind for kind in notes)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_chat_apis_bound_is_renamed(name: str) -> None:
    out, notes = mended(row(**{name: 2048}))
    assert out["responses_create_params"]["max_output_tokens"] == 2048
    assert name not in out["responses_create_params"]
    assert sum(notes.values()) == 1


def test_recorded_arguments_and_ground_truth_in_other_forms_are_mended() -> None:
    value = {**row(), "ground_truth": '[{"name": "email_send_email", "arguments": {"a": 1}}]'}
    out, notes = mended(value)
    assert out["ground_truth"] == [{"name": "email_send_email", "arguments": '{"a":1}'}]
    assert len(notes) == 2


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"ground_truth": None}, "ground_truth", "it is missing"),
        ({"ground_truth": [{"name": "x", "arguments": "{"}]}, "ground_truth[0].arguments", "no JSON"),
        ({"ground_truth": [{"arguments": "{}"}]}, "ground_truth[0]", "name"),
        ({"category": None}, "category", "missing"),
        ({"id": None}, "id", "whole number"),
        ({"responses_create_params": None}, "responses_create_params", "expected an object"),
        ({"responses_create_params": {"tools": []}}, "responses_create_params.input", "missing"),
    ],
)
def test_what_cannot_be_mended_is_named(change: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Fault, match=words) as caught:
        mended({**row(), **change})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("params", "field", "words"),
    [
        ({"temprature": 1}, "temprature", "did you mean temperature"),
        ({"messages": []}, "messages", "call it input"),
        ({"temperature": 9}, "temperature", "from 0 to 2"),
        ({"max_output_tokens": 0}, "max_output_tokens", "from 1"),
        ({"max_output_tokens": True}, "max_output_tokens", "from 1"),
        ({"input": []}, "input", "list of messages"),
        ({"input": " "}, "input", "empty"),
        ({"input": [{"role": "system", "content": "x"}]}, "input", "nobody asks"),
        ({"input": [{"role": "waiter", "content": "x"}]}, "input", "waiter"),
        ({"input": ["x"]}, "input[0]", "expected a message"),
        ({"tools": {}}, "tools", "list of functions"),
        ({"tools": [TOOL, TOOL]}, "tools[1].name", "twice"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "function"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "name"),
        ({"stream": True}, "stream", "not streamed"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_to_do(params: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Fault) as caught:
        mended(row(**params))
    assert caught.value.field == f"responses_create_params.{field}"
    assert words in str(caught.value)


def test_a_row_without_the_field_its_environment_needs_is_named_with_a_near_one() -> None:
    value = {"responses_create_params": {"input": "Add it."}, "exp_cal_stat": {}}
    with pytest.raises(Fault, match="did you mean exp_cal_stat"):
        mended(value, "calendar")
    assert mended(value, None)[0]["responses_create_params"]["input"] == "Add it."


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
places = st.sampled_from(["responses_create_params", "ground_truth", "id", "params", "tools", "input", "tool"])


@given(places, json_values, st.sampled_from(["workplace", "calendar", None]))
def test_any_row_is_mended_or_named(place: str, value: Any, environment: str | None) -> None:
    strange = row()
    if place in strange:
        strange[place] = value
    elif place == "params":
        strange["responses_create_params"] |= value if isinstance(value, dict) else {"metadata": value}
    elif place == "tool":
        strange["responses_create_params"]["tools"] = [value]
    else:
        strange["responses_create_params"][place] = value
    with contextlib.suppress(Fault):
        out, _ = mended(strange, environment)
        assert mended(out, environment) == (out, {}), "mending twice is mending once"


def test_names_that_the_workplace_has_no_tool_for_get_a_note() -> None:
    strange = row(tools=[TOOL, {**TOOL, "name": "send_pigeon"}])
    strange["ground_truth"] = [{"name": "email_send_emails", "arguments": "{}"}]
    out, notes = mended(strange)
    assert out == strange
    told = "\n".join(notes)
    assert "offers the model 'send_pigeon', which is no tool of the workplace" in told
    assert "calls 'email_send_emails', which is no tool of the workplace; did you mean email_send_email?" in told
