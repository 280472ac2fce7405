"""The named modes and model types: each is there, each can be loaded, an unknown one lists them."""

import pytest

from usergym.users.states import load
from usergym.users.states.modes import ALIASES, MODEL_TYPES, MODES, mode, model_type
from usergym.users.states.prompting import system_prompt


@pytest.mark.parametrize("name", MODES)
def test_a_mode_names_a_hierarchy_of_which_every_prompt_renders(name: str) -> None:
    found = mode(name)
    hierarchy = load(found.levels)
    asked = hierarchy.names if found.separate else (None,)
    for level in asked:
        assert system_prompt(hierarchy, level, "", shared=found.separate and not found.own_prompts)
    assert found.trains == (name != "eval_only")


def test_the_documented_keys_are_as_documented() -> None:
    assert {name for name, one in MODES.items() if one.separate and one.conditioned} == {"separate_generation"}
    assert {name for name, one in MODES.items() if one.own_prompts} == {
        name for name in MODES if name.startswith("separate_system_prompt")
    }
    assert {name for name, one in MODES.items() if one.thinking} == {
        name for name in MODES if "think" in name or "hetero" in name
    }
    for name, one in MODES.items():
        assert ("wildchat" in name) == ("wildchat" in one.levels)
    assert load(mode("separate_reward_subset").levels).names == ("stance", "emotion", "response")
    assert load(mode("separate_reward").levels).names == load("sebvgcr").names


def test_hetero_thinks_before_the_response_only() -> None:
    hetero = mode("separate_system_prompt_hetero")
    assert [level for level in load(hetero.levels).names if hetero.thinks(level)] == ["response"]
    assert mode("response_only_think").thinks("response")
    assert not mode("response_only").thinks("response")


@pytest.mark.parametrize("name", [*MODEL_TYPES, *ALIASES, "sft_think"])
def test_a_model_type_is_asked_by_a_hierarchy_that_exists(name: str) -> None:
    found = model_type(name)
    assert load(found.levels).names[-1] == "response"
    assert found.thinking == ("think" in name or "hetero" in name or "instruct" in name)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(LookupError) as refused:
        mode("separate_rewards")
    assert "did you mean separate_reward?" in str(refused.value)
    assert all(name in str(refused.value) for name in MODES)
    with pytest.raises(LookupError) as refused:
        model_type("humanlm")
    assert all(name in str(refused.value) for name in MODEL_TYPES)
