from pathlib import Path

import pytest

from usergym.environments.base import load, names
from usergym.evaluation.suite import Entry, data_file, entries, spec_of, with_data


def test_names_are_divided_by_commas_and_spaces_and_options_stay_with_theirs() -> None:
    assert entries(["function,calendar:level=hard,until=end", "workplace"]) == [
        Entry("function", "function"),
        Entry("calendar:level=hard,until=end", "calendar:level=hard,until=end"),
        Entry("workplace", "workplace"),
    ]


def test_all_is_every_environment_there_is() -> None:
    assert [each.name for each in entries(["all"])] == names()


def test_userrl_is_its_fifteen_names_each_with_an_environment_of_ours() -> None:
    found = entries(["userrl"])
    assert len(found) == 15
    for each in found:
        load(each.spec)


@pytest.mark.parametrize(("name", "spec"), [("travel334", "travel:level=334"), ("bamboogle:k=3", "search:k=3"),
                                            ("travel22:judge=model", "travel:level=22,judge=model")])  # fmt: skip
def test_a_published_name_may_have_options(name: str, spec: str) -> None:
    assert spec_of(name) == spec


@pytest.mark.parametrize("wanted", [["function", "function"], ["function,function"]])
def test_a_name_that_comes_twice_is_refused(wanted: list[str]) -> None:
    with pytest.raises(ValueError, match="twice"):
        entries(wanted)


def test_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="names no environment"):
        entries([" , "])


def test_files_are_found_as_the_repository_and_as_a_flat_folder_have_them(tmp_path: Path) -> None:
    nested = tmp_path / "travel22_multiturn_onechoice" / "test.parquet"
    nested.parent.mkdir()
    nested.touch()
    flat = tmp_path / "tau_multiturn.test.parquet"
    flat.touch()
    assert data_file(tmp_path, "travel22", "test") == nested
    assert data_file(tmp_path, "tau:domain=retail", "test") == flat
    with pytest.raises(ValueError, match="function_multiturn"):
        data_file(tmp_path, "function", "test")


def test_an_environment_is_told_where_the_files_are_if_it_looks_things_up() -> None:
    assert with_data("function", Path("there")) == "function:data=there"
    assert with_data("function:data=here", Path("there")) == "function:data=here"
    assert with_data("calendar", Path("there")) == "calendar"
    assert with_data("function", None) == "function"
