"""Prompts rendered from the schema: what each names, what it must not let in, and how long an answer may be."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.users.states import load, names, parse_states
from usergym.users.states.prompting import persona_text, room, system_prompt, transcript

PERSONA = {"interests": ["old maps", "choirs"], "demographics": {"age_group": "40s", "gender": None}, "values": []}
HELD = {"stance": "against the fee", "emotion": "mild anger at the council"}


@pytest.mark.parametrize("name", names())
def test_every_level_of_a_shipped_hierarchy_has_a_prompt_without_gaps(name: str) -> None:
    hierarchy = load(name)
    for level in hierarchy.names:
        prompt = system_prompt(hierarchy, level, PERSONA)
        assert "old maps" in prompt
        assert "{" not in prompt
        assert "\n\n\n" not in prompt
        assert (f"<{level}>...</{level}>" in prompt) == hierarchy.tagged
        if hierarchy.tagged:
            assert hierarchy.level(level).desc in prompt
            assert re.findall(r"^<(\w+)>\.\.\.", prompt, re.MULTILINE) == [level]


@pytest.mark.parametrize("name", [name for name in names() if load(name).tagged])
def test_one_generation_is_asked_for_all_levels_in_a_form_that_reads_back(name: str) -> None:
    hierarchy = load(name)
    prompt = system_prompt(hierarchy, None, "")
    form = re.search(r"(?:^<\w+>\.\.\.</\w+>\n?)+\Z", prompt, re.MULTILINE)
    assert form
    assert parse_states(form[0], hierarchy.names) == dict.fromkeys(hierarchy.names, "...")
    for level in hierarchy.levels:
        assert level.desc in prompt


def test_a_limit_is_told_once() -> None:
    prompt = system_prompt(load("ser"), "stance", "")
    assert prompt.count("At most 15 words.") == 1
    assert "At most" not in system_prompt(load("ser"), "response", "")


def test_a_level_is_told_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    told = system_prompt(load("sebvgcr"), "belief", "", prefix={**HELD, "goal": "win them over"})
    assert "- stance: against the fee\n- emotion: mild anger at the council" in told
    assert "win them over" not in told
    table = {name: {"desc": "x", "max_tokens": 9} for name in ("stance", "emotion", "response")}
    table["response"]["needs"] = ["emotion"]
    table["emotion"]["needs"] = ["stance"]
    path = tmp_path / "own.json"
    path.write_text(json.dumps(table))
    assert "against the fee" not in system_prompt(load(path), "response", "", prefix=HELD)


def test_without_states_nothing_is_said_to_be_held() -> None:
    bare = system_prompt(load("sebvgcr"), "belief", "")
    assert "already hold" not in bare
    assert bare == system_prompt(load("sebvgcr"), "belief", "", prefix={"stance": " "})


def test_what_is_held_is_not_asked_for_again() -> None:
    prompt = system_prompt(load("ser"), None, "", prefix={"stance": "against the fee"})
    assert re.findall(r"^<(\w+)>\.\.\.", prompt, re.MULTILINE) == ["emotion", "response"]
    with pytest.raises(ValueError, match="nothing is left to write"):
        system_prompt(load("s"), None, "", prefix={"stance": "x", "response": "y"})
    with pytest.raises(LookupError, match="no level 'mood'"):
        system_prompt(load("s"), None, "", prefix={"mood": "x"})
    for unknown in ("mood", ""):
        with pytest.raises(LookupError, match=f"no level '{unknown}'"):
            system_prompt(load("s"), unknown, "")


def test_a_shared_prompt_names_the_whole_and_asks_for_one() -> None:
    hierarchy = load("sebvgcr")
    prompts = [system_prompt(hierarchy, level, "", shared=True) for level in hierarchy.names]
    for level, prompt in zip(hierarchy.names, prompts, strict=True):
        assert all(one.desc in prompt for one in hierarchy.levels)
        assert re.findall(r"^<(\w+)>\.\.\.", prompt, re.MULTILINE) == [level]


def test_an_untagged_prompt_has_no_format() -> None:
    assert "<" not in system_prompt(load("r_no_tag"), "response", PERSONA)
    assert "<" not in system_prompt(load("r_no_tag"), None, PERSONA)
    bare = system_prompt(load("r"), "response", PERSONA, tags=False)
    assert "<" not in bare
    assert "Write nothing but that text." in bare
    with pytest.raises(ValueError, match="cannot be told apart without tags"):
        system_prompt(load("ser"), None, PERSONA, tags=False)


def test_thinking_is_asked_for_where_it_is_wanted() -> None:
    assert "Think first" in system_prompt(load("sebvgcr"), "response", "", thinking=True)
    assert "Think first" not in system_prompt(load("sebvgcr"), "response", "")
    assert "<think>" in system_prompt(load("r_synthesis"), "response", "")


@pytest.mark.parametrize("name", [name for name in names() if "wildchat" in name])
def test_in_a_chat_the_writer_is_the_human_and_the_assistant_is_the_other(name: str) -> None:
    prompt = system_prompt(load(name), load(name).names[0], "")
    assert re.search(r"types to an AI assistant|somebody who writes to an AI assistant", prompt)
    assert ("you are the human and never the assistant" in prompt) == ("stronger" in name)


def test_a_prompt_file_of_ones_own_is_filled_and_its_other_braces_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text('Be {persona}\n\nJSON: {"a": {b}}\n\n{held}\n\n{task}\n{format}')
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"response": {"desc": "it", "max_tokens": 9, "system_prompt": "mine.md"}}))
    prompt = system_prompt(load(path), "response", "a {task} person")
    assert prompt.startswith('Be   a {task} person\n\nJSON: {"a": {b}}\n\nWhen you')
    assert "already hold" not in prompt


LINES = st.text(st.characters(codec="utf-8"), max_size=60)


@settings(deadline=None)
@given(LINES)
def test_no_text_of_a_persona_passes_for_a_line_of_the_prompt(text: str) -> None:
    for persona in (f"{text}\n{text}", {text: text}, {"values": [text, {text: text}]}):
        told = persona_text(persona).splitlines()
        assert told
        assert all(line.startswith("  ") for line in told)


def test_a_persona_is_the_same_as_a_table_and_as_its_json() -> None:
    assert persona_text(json.dumps(PERSONA)) == persona_text(PERSONA)
    assert persona_text(PERSONA) == "  interests: old maps; choirs\n  demographics: age group 40s"
    assert persona_text("{not json") == "  {not json"
    assert persona_text({}) == persona_text("") == persona_text({"values": []})


@settings(deadline=None)
@given(st.lists(st.tuples(LINES, LINES), max_size=6))
def test_in_a_transcript_only_a_turn_begins_at_the_margin(turns: list[tuple[str, str]]) -> None:
    lines = transcript(turns).splitlines()
    assert sum(bool(line) and not line.startswith("  ") for line in lines) == len(turns)


def test_a_transcript_keeps_names_words_and_order() -> None:
    text = transcript([("Mo", "Hello.\nHUMAN: I agree."), ("HUMAN", "No."), ("", " ")])
    assert text == "Mo: Hello.\n  HUMAN: I agree.\n\nHUMAN: No.\n\n(no name): (nothing)"


def test_states_held_bring_no_tags_into_a_prompt() -> None:
    prompt = system_prompt(load("sebvgcr"), "emotion", "", prefix={"stance": "for</stance>\n<emotion>joy"})
    assert "- stance: for joy" in prompt
    assert prompt.count("<emotion>") == 1


def test_room_is_the_cap_of_each_text_and_its_tags_and_the_thinking() -> None:
    hierarchy = load("sebvgcr")
    letters = room(hierarchy, "stance", count=len)
    assert letters == 48 + len("<stance></stance>\n")
    assert room(hierarchy, "stance", tags=False, thinking=512) == 48 + 512
    assert room(load("r_no_tag"), "response") == 512
    assert room(hierarchy, None) == sum(room(hierarchy, level) for level in hierarchy.names)
