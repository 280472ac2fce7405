"""`usergym eval users` as a person uses it: real servers, real files, held-out people of the population."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.people_server import FROM, people_server
from tests.cli.terminal import usergym
from usergym.cli import main
from usergym.users.population import population

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked")

LEVELS = ["stance", "emotion", "response"]
SER = (*FROM, "--hierarchy", "ser")


class Told(NamedTuple):
    status: int
    stdout: str
    stderr: str


Run = Callable[..., Told]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, in a folder of its own, without its picture, which takes seconds."""
    monkeypatch.setattr("usergym.cli.eval_users.picture", lambda *arguments: [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def called(*arguments: object, fails: bool = False) -> Told:
        monkeypatch.setattr(sys, "argv", ["usergym", "eval", "users", *map(str, arguments)])
        capsys.readouterr()
        status: Any = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        told = Told(status, *capsys.readouterr())
        assert bool(status) == fails, told
        return told

    return called


def cell(told: Mapping[str, Any], model: str, level: str, **more: str) -> Mapping[str, Any]:
    wanted = {"persona": "own", "play": "asked", "judge": told["main"], **more}
    (found,) = (
        each
        for each in told["cells"]
        if each["source"]["model"].rsplit("/", 1)[-1] == model
        and each["level"] == level
        and (each["source"]["persona"], each["source"]["play"], each["judge"])
        == (wanted["persona"], wanted["play"], wanted["judge"])
    )
    assert isinstance(found, dict)
    return found


def difference(told: Mapping[str, Any], kind: str, level: str, **of: str) -> Mapping[str, Any]:
    for each in told[kind]:
        names = {"second": each["second"]["model"].rsplit("/", 1)[-1], "play": each["second"]["play"]}
        names["persona"] = each["first"]["persona"]
        if each["level"] == level and each["judge"] == told["main"] and {**names, **of} == names:
            assert isinstance(each, dict)
            return each
    raise AssertionError(f"no {kind} of {level}, {of}")


def test_who_knows_people_is_told_from_who_does_not_and_controls_fall(tmp_path: Path, run: Run) -> None:
    with people_server() as asked:
        models = (f"{asked.url}/vague", f"{asked.url}/knower")
        command = (*SER, "--model", *models, "--controls", "shuffled", "none", "--limit", 8)
        told = json.loads(run(*command, "--out", "k", "--json").stdout)
        counts = asked.counts()
        again = run(*command, "--out", "k").stdout
        assert asked.counts() == counts
        assert counts == {"vague": 8 * 3 * 6, "knower": 8 * 3 * 6}
    assert (told["contexts"], told["people"], told["levels"], told["main"]) == (8, 8, LEVELS, "overlap")
    for level in LEVELS:
        assert cell(told, "knower", level)["alignment"]["mean"] == 1.0
        assert cell(told, "knower", level, play="spoken")["alignment"]["mean"] == 1.0
        assert cell(told, "vague", level)["alignment"]["mean"] < 0.35
        ours = difference(told, "pairs", level, second="knower", play="asked")
        assert ours["difference"]["mean"] > 0.5
        assert ours["p"] == 2 / 2**8
    for persona in ("shuffled", "none"):
        fell = difference(told, "controls", "response", second="knower", play="spoken", persona=persona)
        assert fell["difference"]["low"] > 0.3
        same = difference(told, "controls", "response", second="vague", persona=persona)
        assert same["difference"]["mean"] == 0.0
    mixed = [cell(told, "knower", "stance", persona="none", play=play)["alignment"] for play in ("asked", "spoken")]
    assert mixed[0] == mixed[1]  # the same texts give the same interval, in whatever order they came
    assert 0 < mixed[0]["low"] < mixed[0]["high"] < 1
    assert cell(told, "constant", "emotion")["alignment"]["mean"] > 0
    assert {each["level"]: each["text"] for each in told["constants"]}.keys() == {*LEVELS}
    assert difference(told, "above_constant", "stance", second="knower")["difference"]["mean"] > 0.5
    assert "over another's [95%]" in again
    assert "(same text always)" in again
    folder = tmp_path / "runs/k"
    assert json.loads((folder / "results.json").read_text()) == told
    plays = sorted(path.name.rsplit("-", 3)[1:] for path in (folder / "plays").glob("*knower*"))
    assert plays == sorted(
        ["knower", persona, play] for persona in ("own", "shuffled", "none") for play in ("asked", "spoken")
    )


def test_the_simulated_people_are_held_beside_the_real_ones(tmp_path: Path, run: Run) -> None:
    with people_server() as asked:
        models = ("--model", f"{asked.url}/vague", f"{asked.url}/knower", "--embedding-model", f"{asked.url}/letters")
        command = (*FROM, *models, "--limit", 16, "--plays", "asked", "--repeats", 2, "--out", "k")
        told = json.loads(run(*command, "--levels", "stance+response", "--json").stdout)
        shown = run(*command, "--levels", "stance+response", "--all").stdout
        short = run(*command, "--levels", "stance+response").stdout
    vague, knower = told["variety"]
    for kind in ("hashed", "embedded"):
        assert knower["variety"][kind]["simulated"] == pytest.approx(knower["variety"][kind]["real"])
        assert vague["variety"][kind]["simulated"] > 3 * vague["variety"][kind]["real_high"]
    assert vague["variety"]["simulated"]["distinct_1"] < vague["variety"]["real"]["distinct_1"]
    (calibrated,) = told["calibration"]  # what `vague` says tells no degree
    assert calibrated["calibration"]["error"] == calibrated["calibration"]["variation"] == 0
    assert calibrated["calibration"]["texts"] == 32
    like = {each["source"]["model"].rsplit("/", 1)[-1]: each for each in told["likeness"]}
    assert [like["knower"][field]["mean"] for field in ("bleu", "edit", "embedding")] == pytest.approx([1, 1, 1])
    assert like["vague"]["edit"]["mean"] < like["constant"]["edit"]["mean"] < 1
    assert "how various they write" in shown
    assert "how strongly they agree" in shown
    assert "how various they write" not in short
    assert "more tables: --all" in short
    assert told["levels"] == ["stance", "response"]


def test_judges_are_compared_with_each_other_and_asked_once(tmp_path: Path, run: Run) -> None:
    with people_server() as asked:
        judges = ("--judge-model", f"{asked.url}/strict", f"{asked.url}/lax")
        who = (*FROM, "--model", f"{asked.url}/knower", "--controls", "shuffled", "--levels", "stance")
        command = (*who, *judges, "--limit", 8, "--plays", "asked", "--out", "j", "--concurrency", 1)
        stopped = run(*command, "--max-requests", 20, fails=True)
        assert stopped.status == 3
        assert "again" in stopped.stderr
        told = json.loads(run(*command, "--json").stdout)
        counts = asked.counts()
        run(*command)
        assert asked.counts() == counts
    assert counts["knower"] == 16
    assert counts["strict"] == counts["lax"]
    assert told["main"].endswith("/strict")
    assert [judge.rsplit("/", 1)[-1] for judge in told["judges"]] == ["overlap", "strict", "lax"]
    found = {(each["first"].rsplit("/")[-1], each["second"].rsplit("/")[-1]): each for each in told["agreement"]}
    both = found["strict", "lax"]["agreement"]
    assert both["spearman"]["value"] > 0.9
    assert both["bias"]["value"] > 0.05
    assert len(found) == 3


def test_a_judge_that_gives_no_verdict_is_left_out_and_loudly_said(tmp_path: Path, run: Run) -> None:
    with people_server() as asked:
        command = (*FROM, "--model", "oracle", "--judge-model", f"{asked.url}/chatty", "--limit", 8)
        done = run(*command, "--levels", "stance", "--plays", "asked", "--out", "c")
    told = json.loads((tmp_path / "runs/c/results.json").read_text())
    assert "WARNING: the judge" in done.stdout
    assert "fewer than half" in done.stdout
    assert told["main"] == "overlap"
    unjudged = cell(told, "oracle", "stance", judge=told["judges"][1])
    assert unjudged["alignment"] is None or unjudged["alignment"]["mean"] == 1.0
    constant = cell(told, "constant", "stance", judge=told["judges"][1])
    assert constant["alignment"] is None
    assert constant["unjudged"] == {"unreadable": 8}


def test_a_model_whose_server_fails_is_left_out_and_no_zero(tmp_path: Path, run: Run) -> None:
    with people_server() as asked:
        models = ("--model", f"{asked.url}/down", f"{asked.url}/mute", "--retries", 0)
        done = run(*SER, *models, "--limit", 6, "--levels", "response", "--out", "d")
    told = json.loads((tmp_path / "runs/d/results.json").read_text())
    for play in ("asked", "spoken"):
        lost = cell(told, "down", "response", play=play)
        assert (lost["alignment"], lost["judged"], lost["lost"]) == (None, 0, {"refused": 6})
        mute = cell(told, "mute", "response", play=play)
        assert (mute["alignment"]["mean"], mute["kept"], mute["judged"]) == (0.0, None, 6)
        assert mute["wrong"] == {"format" if play == "asked" else "empty": 6}
    assert not told["pairs"]
    assert "never got, more than half" in done.stdout
    assert "left out, never got, down: response 6 refused" in done.stdout


def test_people_who_rated_the_same_responses_are_one_more_judge(tmp_path: Path, run: Run) -> None:
    with people_server() as asked:
        models = ("--model", f"{asked.url}/vague", f"{asked.url}/knower", "--levels", "response", "--plays", "asked")
        command = (*FROM, *models, "--limit", 8, "--out", "h")
        run(*command)
        plays = sorted((tmp_path / "runs/h/plays").iterdir())
        contexts = [json.loads(line)["task"]["data"]["context"] for line in (plays[0] / "trajectories.jsonl").open()]
        answers = [
            f"p{n % 3},{context},{play.name},{place},{10 if 'knower' in play.name else 2 + n % 2},5,1,0.5,why,60,"
            for n, context in enumerate(contexts)
            for place, play in enumerate(plays, 1)
        ]
        head = "participant,item,system,place,similarity,likeness,rank,beaten,reason,seconds,excluded"
        (tmp_path / "answers.csv").write_text("\n".join([head, *answers]) + "\n")
        told = json.loads(run(*command, "--human", "answers.csv", "--json").stdout)
    (found,) = told["agreement"]
    assert (found["first"], found["second"], found["agreement"]["texts"]) == ("overlap", "people", 16)
    assert found["agreement"]["spearman"]["value"] > 0.8
    assert cell(told, "knower", "response", judge="people")["alignment"]["mean"] == 1.0


def test_rows_of_real_people_whose_states_nobody_knows_are_held_against_their_words(tmp_path: Path, run: Run) -> None:
    rows = [{**row, "metadata": {"persona": row["metadata"]["persona"]}} for row in population(60, 3)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("rows.jsonl", "--model", "idle", "--limit", 6, "--levels", "stance+response")
    told = json.loads(run(*command, "--plays", "asked", "--json").stdout)
    assert any("the true stance of these people is not known" in note for note in told["notes"])
    assert told["calibration"] == []
    assert told["constants"][0]["level"] == "stance"


def test_a_plan_says_what_would_be_asked_and_asks_nothing(tmp_path: Path, run: Run) -> None:
    with people_server() as asked:
        command = (*FROM, "--model", f"{asked.url}/knower", "--judge-model", f"{asked.url}/strict")
        told = json.loads(run(*command, "--limit", 8, "--plan", "--json").stdout)
        assert not asked.bodies
    assert (told["people"], told["contexts"], told["model_calls"], told["judge_calls"]) == (8, 8, 8 * 14, 8 * 7)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give --model"),
        (("--model", "oracle", "oracle"), "--model oracle oracle: one comes twice"),
        (("--model", "oracle", "--mode", "separate"), "no mode 'separate'"),
        (("--model", "oracle", "--levels", "mood"), "no level 'mood' in the hierarchy sebvgcr"),
        (("--model", "oracle", "--people", "3"), "--split test: nobody is in it; people are in"),
        (("--model", "oracle", "--repeats", "0"), "--repeats is 0; give 1 or more"),
        (("--model", "oracle", "--human", "nowhere.json"), "--human nowhere.json: there is no such file"),
        (("--model", "nobody/x"), "nobody"),
        (("--model", "oracle", "--judge-model", "overlap"), "'overlap' is the name of something else"),
        (("nowhere.jsonl", "--model", "oracle"), "data=nowhere.jsonl"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(tmp_path: Path, run: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run(*arguments, fails=True)
    assert told in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_levels_that_are_asked_for_are_those_that_are_judged_in_the_order_of_the_hierarchy(run: Run) -> None:
    command = (*FROM, "--model", "oracle", "--limit", 2, "--levels", "response+stance")
    with people_server() as asked:
        plan = json.loads(run(*command, "--judge-model", f"{asked.url}/strict", "--plan", "--json").stdout)
        assert (plan["levels"], plan["judge_calls"]) == (["stance", "response"], 2 * 2)
        models = ("--model", f"{asked.url}/knower")
        told = json.loads(run(*FROM, *models, "--limit", 2, "--levels", "response+emotion", "--json").stdout)
        assert asked.counts()["knower"] == 2 * (2 + 7), "what is not judged is still thought before words are spoken"
    assert told["levels"] == ["emotion", "response"]
    assert {(each["source"]["play"], each["level"]) for each in told["cells"]} == {
        (play, level) for play in ("asked", "spoken") for level in ("emotion", "response")
    }


def test_rows_that_were_left_out_are_said_once(tmp_path: Path, run: Run) -> None:
    rows = [*population(60, 3)]
    text = "".join(json.dumps(row) + "\n" for row in [*rows, {**rows[0], "user_id": None}])
    (tmp_path / "rows.jsonl").write_text(text)
    command = ("rows.jsonl", "--model", "oracle", "--limit", 6, "--levels", "response", "--plays", "asked")
    for shown in (run(*command, "--plan").stdout, run(*command).stdout):
        assert shown.count("note: left out: 1 rows (1 without a user)") == 1
    told = json.loads(run(*command, "--json").stdout)
    assert "left out: 1 rows (1 without a user)" in told["notes"]


def test_the_headline_says_how_close_what_the_persona_adds_and_that_there_are_warnings(run: Run) -> None:
    with people_server() as asked:
        models = ("--model", f"{asked.url}/vague", f"{asked.url}/knower", "--controls", "shuffled", "none")
        told = run(*SER, *models, "--limit", 8, "--out", "k").stdout.splitlines()
        few = run(*SER, "--model", f"{asked.url}/down", "--retries", 0, "--limit", 4, "--out", "d", fails=True).stdout
    assert told[0] == "Alignment of the response, states first, 0 to 1, by the overlap of words:"
    assert re.fullmatch(r"  vague: 0\.\d+ \[0\.\d\d, 0\.\d\d\]", told[1])
    assert told[2] == "    its own persona adds, over another's: +0.000, no difference seen"
    assert re.fullmatch(r"  knower: 1\.000; \+[01]\.\d+ \[.*\] over vague", told[4])
    assert re.fullmatch(r"    its own persona adds, over none: \+[01]\.\d+ \[\+[01]\.\d+, \+[01]\.\d+\]", told[6])
    assert told[7].startswith("  for comparison, the same text always: 0.")
    assert max(map(len, told[:8])) <= 80
    assert "down: not judged" in few
    assert "2 warnings below: read them first" in few
    assert "(none persona)" not in "".join(told)


def test_the_help_says_what_it_does_with_examples_and_its_own_flags_first(tmp_path: Path) -> None:
    told = usergym(tmp_path, "eval", "users", "--help").stdout
    assert "usergym eval users --model oracle --limit 20" in told
    assert told.index("Who is simulated") < told.index("Who judges") < told.index("Models ─")


def test_on_a_pipe_a_line_tells_how_far_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usergym.cli.running.TOLD_EVERY", 0.0)
    told = run(*FROM, "--model", "oracle", "--limit", 2, "--levels", "response", "--plays", "asked").stderr
    assert "oracle: 0 of 2" in told
    assert "oracle: 2 of 2, mean 1.000" in told


def test_a_folder_of_other_settings_is_not_mixed_up_with_these(run: Run) -> None:
    command = (*FROM, "--model", "oracle", "--levels", "response", "--plays", "asked", "--out", "o")
    run(*command, "--limit", 6)
    other = run(*command, "--limit", 6, "--temperature", "1", fails=True)
    assert "sampling.temperature was 0.4, now 1" in other.stderr
    grown = run(*command, "--repeats", 2, "--limit", 8, "--json")
    assert cell(json.loads(grown.stdout), "oracle", "response")["judged"] == 16
