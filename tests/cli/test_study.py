"""`usergym study` as a person uses it: plan, serve, export, and what cannot work in one line."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.cli.terminal import usergym
from tests.evaluation.study_made import Rater, Recorded, items, prefer, settings
from usergym.cli.study import _begun, study
from usergym.evaluation.study_folder import ANSWERS, read_study
from usergym.evaluation.study_records import Question
from usergym.serving.study_store import StudyStore

QUALITY = {"fine-owl": 7.0, "plain-fox": 5.0, "odd-elk": 4.0}
SECRET_WORDS = "I am Ada of Elm Street"


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of twelve people, the first of whom does not read."""
    folder = tmp_path_factory.mktemp("study")
    asked = (Question("age", "How old?", ("young", "old")), Question("self", "Who are you?"))
    StudyStore(folder, settings(questions=asked, checks=1, raters=12), items(4)).close()
    played = Recorded(*read_study(folder))
    for number in range(12):
        words = {"age": "young", "self": SECRET_WORDS}
        reason = f"{SECRET_WORDS}, {{}}"
        rater = Rater(f"person-{number}", prefer(QUALITY), fails=not number, reason=reason, intake=words)
        rater.takes(played, 1000.0 * number)
    (folder / ANSWERS).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in played.lines))
    return folder


Say = Callable[..., str]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """What a verb prints."""

    def called(*arguments: object) -> str:
        with pytest.raises(SystemExit) as ended:
            study(list(map(str, arguments)))
        printed = capsys.readouterr()
        assert not ended.value.code, printed.err
        return printed.out

    return called


def test_the_export_says_who_wins_how_far_raters_agree_and_who_was_left_out(taken: Path) -> None:
    printed = usergym(taken, "study", "export", taken, COLUMNS="80").stdout
    assert "12 joined, 12 compared something, 12 did all; 11 count, with 44 comparisons" in printed
    assert "left out: 1 failed an attention check" in printed
    assert printed.index("fine-owl") < printed.index("plain-fox") < printed.index("odd-elk")
    assert "Krippendorff's alpha" in printed
    assert "human-like 1-10" in printed, "no header is cut in 80 columns"
    assert re.search(r"fine-owl +│ +44│\d\d\.\d% \[\d\d\.\d%, \d\d\.\d%\]│", printed), "nor an interval"
    assert "Kendall's W" in printed


def test_the_rows_are_the_answers_and_the_figures_are_those_of_the_table(taken: Path, say: Say) -> None:
    rows = list(csv.DictReader(io.StringIO(say("export", taken, "--csv"))))
    assert len(rows) == 12 * 4 * 3
    assert {row["system"] for row in rows} == set(QUALITY)
    out = taken / "all.json"
    say("export", taken, "--json", "--out", out)
    found = json.loads(out.read_text())
    assert [each["system"] for each in found["analysis"]["systems"]] == list(QUALITY)
    counted = [float(row["beaten"]) for row in rows if row["system"] == "fine-owl" and not row["excluded"]]
    assert found["analysis"]["systems"][0]["win"]["rate"] == pytest.approx(sum(counted) / len(counted))


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_a_blind_export_holds_no_system_no_participant_no_item_and_no_free_word(
    taken: Path, say: Say, form: str
) -> None:
    blind = say("export", taken, "--blind", form)
    known = {line["participant"] for line in map(json.loads, (taken / ANSWERS).read_text().splitlines())}
    for name in (*QUALITY, *known, "item", SECRET_WORDS, (taken / "secret").read_text()):
        assert name not in blind.replace('"item"', "").replace(",item,", "")
    assert say("export", taken, "--blind", form) == blind
    texts = say("export", taken, "--blind", "--texts", form)
    assert SECRET_WORDS in texts
    assert not [name for name in (*QUALITY, *known) if name in texts]


def test_a_blind_export_has_the_same_figures_under_other_names(taken: Path, say: Say) -> None:
    open_, blind = (json.loads(say("export", taken, "--json", *more))["analysis"] for more in ([], ["--blind"]))
    assert sorted(each["system"] for each in blind["systems"]) == ["A", "B", "C"]
    assert [each["win"] for each in blind["systems"]] == [each["win"] for each in open_["systems"]]
    assert blind["agreement"] == open_["agreement"]


@pytest.mark.parametrize(
    ("count", "told"), [(1, "1 item holds a system's name in a text"), (2, "2 items hold a system's name in a text")]
)
def test_texts_that_name_their_system_are_counted_in_grammar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, told: str
) -> None:
    named = {"base": "I am base, hello.", "tuned": "Hello."}
    rows = [{"id": f"i{n}", "context": "Who is it?", "candidates": named} for n in range(count)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _begun((str(tmp_path / "items.jsonl"),), tmp_path / "study", None, {"items_each": 1, "checks": 0}, 0).close()
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_plan_says_how_many_are_needed(say: Say) -> None:
    found = json.loads(say("plan", "--effect", 1.0, "--draws", 100, "--json"))
    assert found["answers"] == found["people"] * 5
    assert found["power"] >= 0.8


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "."], "holds no study"),
        (["export", ".", "--csv", "--json"], "give one of them"),
        (["export", ".", "--texts"], "belongs to --blind"),
        (["export", ".", "--out", "x"], "give --csv or --json"),
        (["serve", "--out", "s"], "holds no study"),
        (["serve", "missing.jsonl", "--out", "s"], "no file or run folder missing.jsonl"),
        (["serve", "bad.jsonl", "--out", "s"], "bad.jsonl:1: candidates"),
        (["serve", "good.jsonl", "--out", "s", "--host", "0.0.0.0"], "--invite N"),
        (["serve", "good.jsonl", "--out", "s", "--raters", "0"], "raters is 0"),
        (["serve", "good.jsonl", "--out", "s", "--settings", "none.toml"], "none.toml"),
        (["serve", "good.jsonl", "--out", "taken"], "holds something else"),
        (["serve", "good.jsonl", "--out", "s", "--port", "70000"], "cannot listen"),
        (["plan", "--effect", "0"], "above 0"),
        (["plan", "--effect", "1", "--power", "2"], "power 2"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    (tmp_path / "good.jsonl").write_text('{"id": "1", "context": "Hi", "candidates": {"a": "x", "b": "y"}}\n')
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "context": "Hi", "candidates": {"a": "x"}}\n')
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "trajectories.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        study(arguments)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert told in said
    assert said.count("error:") == 1
