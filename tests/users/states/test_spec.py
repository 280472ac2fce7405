"""Hierarchies: those that are shipped, one's own from a file, and everything that is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usergym.users.states import Hierarchy, HierarchyError, Level, load, names
from usergym.users.states.spec import CONFIGS

SIX = ("stance", "emotion", "belief", "value", "goal", "communication")
DOCUMENTED = (
    *("sebvgcr", "sebvgc", "ser", "r", "r_no_tag", "think_r", "tr", "s", "e", "b", "v", "g", "c"),
    *("sebvgcr_hetero", "sebvgcr_think", "r_latent_think", "r_wildchat", "r_wildchat_stronger"),
    *(f"{base}_synthesis{kind}" for base in ("r", "sebvgcr") for kind in ("", "_concise", "_instruct")),
    *("sebvgc_wildchat_stronger", "sebvgcr_wildchat_stronger", "r_no_tag_userlm", "r_no_tag_userlm_wildchat"),
    *(f"labels/{name}" for name in ("sebvgc_combined", "ssr", "sssr", "ssslr", "ssslr_label", "ssslr_nolabel")),
)


def written_file(folder: Path, table: object, name: str = "own.json") -> Path:
    path = folder / name
    path.write_text(table if isinstance(table, str) else json.dumps(table), encoding="utf-8")
    return path


def level(**fields: Any) -> dict[str, Any]:
    return {"desc": "something", "max_tokens": 9, **fields}


def test_every_documented_configuration_is_shipped() -> None:
    assert set(DOCUMENTED) <= set(names())


@pytest.mark.parametrize("name", names())
def test_a_shipped_hierarchy_has_the_documented_shape(name: str) -> None:
    table = json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8"))
    hierarchy = load(name)
    assert hierarchy.name == name
    assert hierarchy.names == tuple(table)
    for fields in table.values():
        assert {"desc", "max_tokens", "threshold", "system_prompt"} <= fields.keys()


def test_the_seven_levels_are_as_documented() -> None:
    hierarchy = load("sebvgcr")
    assert hierarchy.names == (*SIX, "response")
    for state in hierarchy.levels[:-1]:
        assert (state.max_tokens, state.threshold, state.limit) == (48, None, 15)
    assert (hierarchy.level("response").max_tokens, hierarchy.level("response").threshold) == (512, None)
    assert load("sebvgc").names == SIX
    assert load("tr").level("target").max_tokens == 40
    assert [one.max_tokens for one in load("think_r").levels] == [512, 512]
    assert load("s").level("response").max_tokens == 1024


def test_a_level_means_the_same_in_every_hierarchy_of_states() -> None:
    told: dict[str, set[str]] = {}
    for name in names():
        for one in load(name).levels:
            if not name.startswith("labels/"):
                told.setdefault(one.name, set()).add(one.desc)
    assert {one: len(descs) for one, descs in told.items() if len(descs) > 1} == {"response": 2}


def test_a_level_is_conditioned_on_all_before_it_or_on_what_it_needs(tmp_path: Path) -> None:
    hierarchy = load("sebvgcr")
    assert [one.name for one in hierarchy.before("belief")] == ["stance", "emotion"]
    assert hierarchy.before("stance") == ()
    table = {"a": level(), "b": level(needs=[]), "c": level(needs=["b", "a"]), "response": level(needs=["c"])}
    own = load(written_file(tmp_path, table))
    assert [[one.name for one in own.before(name)] for name in own.names] == [[], [], ["a", "b"], ["c"]]
    with pytest.raises(LookupError, match=r"no level 'mood' in the hierarchy own; there are a, b, c, response"):
        own.level("mood")


@settings(deadline=None)
@given(
    st.integers(1, 6).flatmap(lambda size: st.lists(st.sets(st.integers(0, size - 1)), min_size=size, max_size=size))
)
def test_needs_are_taken_exactly_where_they_can_be_written_in_order_and_lead_to_the_response(
    needs: list[set[int]],
) -> None:
    titles = [*(f"l{place}" for place in range(len(needs) - 1)), "response"]
    levels = [
        Level(title, "x", 1, needs=tuple(titles[place] for place in sorted(wanted)))
        for title, wanted in zip(titles, needs, strict=True)
    ]
    reached = {len(needs) - 1}
    for place in reversed(range(len(needs))):
        if place in reached:
            reached |= needs[place]
    in_order = all(need < place for place, wanted in enumerate(needs) for need in wanted)
    if in_order and len(reached) == len(needs):
        hierarchy = Hierarchy("own", tuple(levels))
        for place, title in enumerate(titles):
            assert [one.name for one in hierarchy.before(title)] == [titles[need] for need in sorted(needs[place])]
    else:
        with pytest.raises(HierarchyError, match=r"cycle|written after it|no text reaches"):
            Hierarchy("own", tuple(levels))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "holds no level"),
        ([], "holds no level"),
        ("{", "cannot be read as a hierarchy"),
        ('{"a": {}, "a": {}}', "'a' is there twice; keep one"),
        ({"response": "text"}, "level 'response' is 'text'; give an object with desc and max_tokens"),
        ({"response": {"desc": "x"}}, "max_tokens"),
        ({"response": level(max_token=4)}, "max_token"),
        ({"response": level(max_tokens="9")}, "max_tokens"),
        ({"response": level(max_tokens=0)}, "max_tokens is 0; give 1 or more"),
        ({"response": level(max_words=0)}, "at most 0 words; give 1 or more"),
        ({"response": level(threshold=1.5)}, "threshold is 1.5; give a number from 0 to 1, or null"),
        ({"response": level(threshold=float("nan"))}, "threshold is nan"),
        ({"response": level(desc=" ")}, "its desc is empty"),
        ({"response": level(desc="\u200b")}, "its desc is empty"),
        ({"response": level(max_tokens=10**20)}, "more than 1,000,000 tokens or words"),
        ({"response": level(max_words=10**7)}, "more than 1,000,000 tokens or words"),
        ({"response": level(system_prompt="../../../../../etc/passwd")}, "is outside the folder of the JSON"),
        ({"response": level(system_prompt="/etc/passwd")}, "is outside the folder of the JSON"),
        *(
            ({name: level(), "response": level()}, f"level {name!r}: what a run records has that name")
            for name in ("all", "prefix", "prefixes", "prefix_age", "success", "turn_grade", "a_kept")
        ),
        ({"response": level(name="x")}, "the field 'name' is filled in by reading"),
        ({"response": level(system_prompt="away.md")}, "its system_prompt 'away.md' cannot be read beside the JSON"),
        ({"The response": level()}, "a name is a tag; use small letters"),
        ({"think": level()}, "nothing but thoughts"),
        ({"stance": level(tags=False), "response": level()}, "has no tags, so it cannot be told from the others"),
        ({"a": level(needs=["mood"]), "response": level()}, "level 'a' needs 'mood', which is no level"),
        ({"a": level(needs=["a"]), "response": level()}, "in a cycle: a -> a"),
        ({"a": level(needs=["c"]), "b": level(needs=["a"]), "c": level(needs=["b"])}, "cycle: a -> c -> b -> a"),
        ({"a": level(needs=["b"]), "b": level(), "response": level()}, "needs 'b', which is written after it"),
        ({"response": level(), "stance": level()}, "no text reaches level 'stance': it is behind the response"),
        ({"stance": level(), "response": level(needs=[])}, "no text reaches level 'stance': nothing that is said"),
        (
            {"a": level(), "b": level(), "c": level(needs=["a"]), "response": level(needs=["c"])},
            "no text reaches level 'b'",
        ),
        ({"a": level(), "b": level(needs=[])}, "no text reaches level 'a'"),
    ],
)
def test_a_hierarchy_that_cannot_work_is_refused_with_file_and_reason(tmp_path: Path, table: object, said: str) -> None:
    path = written_file(tmp_path, table)
    with pytest.raises(HierarchyError) as refused:
        load(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_prompt_file_is_read_from_beside_the_json(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "mine.txt").write_text("Be HUMAN.\n{task}")
    path = written_file(tmp_path, {"response": level(system_prompt="prompts/mine.txt")})
    assert load(path).level("response").template == "Be HUMAN.\n{task}"
    before = load(path).digest
    (tmp_path / "prompts" / "mine.txt").write_text("Be yourself.\n{task}")
    assert load(path).digest != before
    (tmp_path / "prompts" / "mine.txt").write_text(" \n")
    with pytest.raises(HierarchyError, match="is empty"):
        load(path)


def test_a_limit_in_the_description_is_a_limit(tmp_path: Path) -> None:
    table = {"stance": level(desc="a side (must be within 15 words)"), "response": level(desc="it", max_words=400)}
    assert [one.limit for one in load(written_file(tmp_path, table)).levels] == [15, 400]


def test_the_documented_path_means_the_shipped_hierarchy() -> None:
    assert load("./recipe/usim/hierarchy_config/sebvgcr.json") == load("sebvgcr")
    assert load("recipe/usim/hierarchy_config/labels/ssr.json") == load("labels/ssr")


@pytest.mark.parametrize("given", ["sebvgrc", "elsewhere/hierarchy.json", "", "a" * 9000, "\0"])
def test_a_hierarchy_that_is_nowhere_is_refused_with_what_there_is(given: str) -> None:
    with pytest.raises(HierarchyError, match=r"did you mean sebvgc|there are b, c, e"):
        load(given)


def test_thoughts_are_written_and_not_judged() -> None:
    assert [one.name for one in load("think_r").judged] == ["response"]
    assert len(load("sebvgcr").judged) == 7
    assert not load("r_no_tag").tagged


@pytest.mark.parametrize("name", [".json", "...json", "-.json"])
def test_a_file_whose_name_is_no_name_for_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps({"response": level()}))
    with pytest.raises(HierarchyError, match="rename the file"):
        load(path)
