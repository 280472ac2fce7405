"""Items from files and from runs: what can be compared is, and what cannot is named, counted and left out."""

import json
from pathlib import Path
from typing import Any

import pytest

from usergym.environments.base import load
from usergym.evaluation.study_items import gather
from usergym.evaluation.study_records import Said, settings_of
from usergym.evaluation.study_rows import LONGEST
from usergym.rollouts.store import Store
from usergym.types import Failure, Message, Task, Trajectory, Turn

GOOD: dict[str, Any] = {"id": "1", "context": "Hello?", "candidates": {"x": "Hi.", "y": "Yes?"}}


def written(path: Path, *rows: Any) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_a_thread_may_be_a_text_or_messages_in_any_of_the_usual_forms(tmp_path: Path) -> None:
    forms = (
        "Hello?",
        [{"name": "Ann", "text": "Hello?"}],
        [{"role": "user", "content": "Hello?"}],
        [["Ann", "Hello?"]],
        [],
    )
    rows = [{**GOOD, "id": str(n), "context": form} for n, form in enumerate(forms)]
    read = [item.context for item in gather([written(tmp_path / "items.jsonl", *rows)]).items]
    assert read == [
        (Said("", "Hello?"),),
        (Said("Ann", "Hello?"),),
        (Said("user", "Hello?"),),
        (Said("Ann", "Hello?"),),
        (),
    ]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"candidates": {"x": "Hi."}}, "1 of them; a page shows 2 to 4"),
        ({"candidates": dict.fromkeys("abcde", "Hi.")}, "5 of them"),
        ({"candidates": ["Hi.", "Yes?"]}, "expected an object of texts"),
        ({"candidates": {"x": "Hi.", "y": None}}, "expected an object of texts"),
        ({"candidates": {"x": "Hi.", "y": "  "}}, "that of 'y' is empty"),
        ({"candidates": {"x": "Hi.", "y": "\u200b\u200b"}}, "that of 'y' is empty"),
        ({"context": 7}, "context: expected a text, or a list"),
        ({"context": [{"name": "Ann"}]}, "context[0]: expected {name, text}"),
        ({"truth": 7}, "truth"),
        ({"persona": "x" * (LONGEST + 1)}, "persona: 20,001 characters"),
        ({"id": "0"}, "id '0' stands twice"),
    ],
)
def test_a_row_that_is_no_item_is_named_with_its_place(tmp_path: Path, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError) as raised:
        gather([written(tmp_path / "items.jsonl", {**GOOD, "id": "0"}, GOOD | wrong)])
    assert "items.jsonl:2: " in str(raised.value)
    assert told in str(raised.value)


def reply(task: Task, *said: tuple[str, str], error: Failure | None = None) -> Trajectory:
    turns = [*task.opening, *(Turn(speaker, Message("assistant", text)) for speaker, text in said)]  # type: ignore[arg-type]
    return Trajectory(task, 0, 0, turns=turns, error=error)


def run(folder: Path, *trajectories: Trajectory) -> str:
    store = Store.open(folder, {"verb": "rollout"})
    store.finish(trajectories)
    store.close()
    return str(folder)


def test_runs_of_the_same_tasks_make_items_and_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    opening = (Turn("user", Message("assistant", "Where is it?")),)
    asked = [Task(f"t{n}", "talk", opening=opening) for n in range(5)]
    first = [reply(task, ("assistant", f"There, {task.id}."), ("user", "Thanks.")) for task in asked]
    second = [
        reply(asked[0], ("assistant", "Here.")),
        reply(asked[1], error=Failure("unavailable", "gone")),
        reply(asked[2]),
        reply(asked[3], ("user", "Hm?"), ("assistant", "Here.")),
    ]
    gathered = gather([f"tuned={run(tmp_path / 'a', *first)}", run(tmp_path / "b", *second)])
    (item,) = gathered.items
    assert item.id == "t0"
    assert item.context == (Said("OTHER", "Where is it?"),)
    assert item.candidates == {"tuned": "There, t0.", "b": "Here."}
    assert gathered.left_out == {
        "failed or silent in b": 2,
        "not answered by all": 3,
        "the systems had heard different things": 1,
    }


def spoken(config: str, words: str, stop: str | None = None) -> list[Trajectory]:
    """Everybody of a small population says the same in every task."""
    tasks = load(f"people:people=3,posts=2,config={config}").tasks()
    turn = Turn("assistant", Message("assistant", words), stop=stop)
    return [Trajectory(task, 0, 0, turns=[*task.opening, turn]) for task in tasks]


def test_runs_that_speak_as_people_are_compared_by_their_words_alone(tmp_path: Path) -> None:
    """One was asked for the words only, one for each state by itself, one for words without tags."""
    tagged = "<stance>strongly for it</stance>\n<response>Tagged words.</response>"
    runs = {
        "a": spoken("response_only", "<response>Plain words.</response>"),
        "b": spoken("separate_system_prompt", tagged),
        "c": spoken("response_only", "<think>So it is.</think>Untagged words."),
    }
    gathered = gather([run(tmp_path / name, *each) for name, each in runs.items()])
    assert gathered.left_out == {}
    assert len(gathered.items) == 6
    for item in gathered.items:
        assert item.candidates == {"a": "Plain words.", "b": "Tagged words.", "c": "Untagged words."}
        assert item.truth
        assert item.persona
        assert item.context
        assert all(said.name and ":" not in said.name and said.text for said in item.context)


def test_words_that_are_not_whole_are_left_out_and_two_personas_are_not_shown(tmp_path: Path) -> None:
    good = run(tmp_path / "good", *spoken("response_only", "<response>Words.</response>"))
    cut = run(tmp_path / "cut", *spoken("response_only", "<response>Words that", "length"))
    with pytest.raises(ValueError, match=r"failed or silent in cut \(6\), not answered by all \(6\)"):
        gather([good, cut])
    control = run(tmp_path / "control", *spoken("response_only,persona=shuffled", "<response>Hm.</response>"))
    gathered = gather([good, control])
    assert len(gathered.items) == 6
    assert {item.persona for item in gathered.items} == {""}


def test_files_of_responses_are_joined_by_id_and_a_telling_text_is_counted(tmp_path: Path) -> None:
    one = written(tmp_path / "owl.jsonl", {"id": 1, "context": "Hi", "response": "I am Owl."})
    two = written(tmp_path / "fox.jsonl", {"id": 1, "context": "Hi", "response": "Hello."})
    gathered = gather([one, two])
    assert gathered.items[0].candidates == {"owl": "I am Owl.", "fox": "Hello."}
    assert gathered.named == 1
    with pytest.raises(ValueError, match="same name"):
        gather([one, one])
    with pytest.raises(ValueError, match="5 systems"):
        gather([one] * 5)
    with pytest.raises(ValueError, match="no item is left"):
        gather([one, written(tmp_path / "elk.jsonl", {"id": 2, "context": "Hi", "response": "Hm."})])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raters = 0", "raters is 0"),
        ("checks = 9", "9 checks in 5 items"),
        ("colour = 'red'", "colour"),
        ("raters = 'three'", "raters"),
        ("consent = ' '", "must say something"),
        ("title = ", "settings.toml"),
        ("[[questions]]\nname = 'A b'\nask = 'Why?'", "question 'A b'"),
        ("[[questions]]\nname = 'a'\nask = 'Why?'\nchoices = ['one']", "has one choice"),
        ("[[levels]]\nname = 'a'\nask = '?'\n[[levels]]\nname = 'a'\nask = '?'", "level 'a'"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_their_field(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ValueError) as raised:
        settings_of(path, {})
    assert told in str(raised.value)


def test_a_response_of_which_nothing_can_be_seen_is_no_candidate(tmp_path: Path) -> None:
    rows = [{"id": n, "context": "Hello?", "response": text} for n, text in enumerate(("Hi.", "\u200b", "\u2060 "))]
    others = [{**row, "response": "Yes?"} for row in rows]
    gathered = gather([written(tmp_path / "a.jsonl", *rows), written(tmp_path / "b.jsonl", *others)])
    assert [item.id for item in gathered.items] == ["0"]
    assert gathered.left_out["failed or silent in a"] == 2
