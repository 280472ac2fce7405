"""`usergym styles` as a person uses it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import command, environment, usergym
from usergym.users.styles.spec import get, names


def test_all_styles_are_listed_with_rules_and_an_example_each(tmp_path: Path) -> None:
    printed = " ".join(usergym(tmp_path, "styles").stdout.split())
    for name in names():
        assert f"{name} {get(name).about}" in printed, name
        assert f"rules: {', '.join(get(name).rules)}" in printed
        assert " ".join(get(name).example[:100].split()) in printed
    listed = json.loads(usergym(tmp_path, "styles", "--json").stdout)
    assert [style["name"] for style in listed] == list(names())


def test_a_style_is_shown_with_its_persona_and_its_examples_scored(tmp_path: Path) -> None:
    printed = usergym(tmp_path, "styles", "more_lists").stdout
    assert "a list is what you skim best" in " ".join(printed.replace("│", " ").split())
    assert "has_lists: three different list items or more" in printed
    assert "example, scored 1.00" in printed
    assert "counterexample, scored 0.00" in printed
    (shown,) = json.loads(usergym(tmp_path, "styles", "answer_directly_reduce_formatting", "--json").stdout)
    assert shown["name"] == "answer_direclty_reduce_formatting"
    assert shown["example"]["score"] == 1
    assert set(shown["rules"]) == {"answer_first", "sparse_formatting"}


def test_a_reply_is_scored_with_what_was_found(tmp_path: Path) -> None:
    printed = usergym(tmp_path, "styles", "no_lists", "no_emojis", "--reply", "- tea\n- coffee [bold]").stdout
    assert "2 list items" in printed
    assert "no emoji" in printed
    assert "no_lists: scored 0.00\nno_emojis: scored 1.00" in printed
    at_once = usergym(tmp_path, "styles", "no_lists+no_emojis", "--reply", "- tea\n- coffee [bold]").stdout
    assert "no_lists + no_emojis: scored 0.50" in at_once


def test_the_stages_of_a_sequence_are_scored_each_by_itself(tmp_path: Path) -> None:
    reply = "- tea\n- coffee\n- water"
    printed = usergym(tmp_path, "styles", "no_lists+no_emojis>more_lists", "--reply", reply).stdout
    assert "no_lists + no_emojis: scored 0.50\nmore_lists: scored 1.00" in printed
    stages = json.loads(usergym(tmp_path, "styles", "no_lists>more_lists>no_lists", "--reply", reply, "--json").stdout)
    assert [(stage["style"], stage["score"]) for stage in stages] == [("no_lists", 0.0), ("more_lists", 1.0)]
    assert [found["rule"] for found in stages[1]["verdicts"]] == ["has_lists"]


def test_a_program_reads_the_verdicts_on_a_line_a_file_or_standard_input(tmp_path: Path) -> None:
    reply = "- tea 😀\n- coffee"
    (tmp_path / "reply.txt").write_text(reply)
    arguments = ("styles", "no_lists+no_punctuation", "no_emojis", "--json")
    given = usergym(tmp_path, *arguments, "--reply", reply).stdout
    stages = json.loads(given)
    assert [stage["style"] for stage in stages] == ["no_lists+no_punctuation", "no_emojis"]
    assert all(stage["score"] < 0.5 for stage in stages)
    assert [[found["rule"] for found in stage["verdicts"]] for stage in stages] == [
        ["no_lists", "no_punctuation"],
        ["no_emojis"],
    ]
    assert usergym(tmp_path, *arguments, "--file", "reply.txt").stdout == given
    piped = subprocess.run(
        command(*arguments, "--file", "-"), input=reply.encode() + b"\xff", capture_output=True, env=environment()
    )
    assert json.loads(piped.stdout)[0]["verdicts"][0]["what"] == "2 list items"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no_lisst"], "no style 'no_lisst'; did you mean no_lists"),
        (["--reply", "x"], "a reply is scored under styles; name some"),
        (["poetic", "--reply", "x", "--file", "y"], "--reply and --file both give a reply"),
        (["poetic", "--file", "y"], "y: No such file or directory"),
        (["no_lists+more_lists"], "are opposites"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    failed = usergym(tmp_path, "styles", *arguments, fails=True)
    assert told in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1
