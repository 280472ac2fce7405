"""`usergym eval style` as a person uses it: real servers, real checkpoints, real files."""

import json
import re
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.model_server import Asked, model_server
from tests.cli.terminal import usergym
from usergym.cli import main
from usergym.users.styles.spec import get

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked")

PLAIN = "Boil the egg for eight minutes and cool it down."
LISTED = "How to boil an egg:\n- boil water\n- put the egg in\n- cool the egg down"


def answer(model: str, body: dict[str, Any]) -> str:
    question = body["messages"][-1]["content"]
    told = any(row["role"] == "system" for row in body["messages"])
    if model == "judge":
        first = question.split('reply "first"')[1].split(">>>")[0]
        pick = "second" if "- boil" in first else "first"
        return json.dumps({"style": pick, "correctness": "tie", "helpfulness": pick, "length": "cannot_tell"})
    if model == "stubborn":
        return "style: first"
    if model == "chatty":
        return "After all, A is better, B is worse."
    return PLAIN if model == "plain" or told else LISTED


def server() -> AbstractContextManager[Asked]:
    """`plain` writes no lists, `lister` does unless it is told a taste, `judge` dislikes lists, `stubborn` always says
    first, `chatty` gives no verdict."""
    return model_server(answer)


class Here:
    """The command in this process, which has torch at hand already; in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.capsys, self.patch = capsys, patch
        patch.chdir(folder)
        patch.setattr("sys.path", list(sys.path))
        for variable in ("OPENAI_API_KEY", "VLLM_API_KEY", "OPENAI_BASE_URL", "VLLM_BASE_URL"):
            patch.delenv(variable, raising=False)

    def __call__(self, *arguments: object, fails: bool = False) -> str:
        """What it printed; of one that fails, both streams."""
        self.patch.setattr("sys.argv", ["usergym", "eval", "style", *map(str, arguments)])
        status: object = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code
        out, err = self.capsys.readouterr()
        assert bool(status) == fails, out + err
        return " ".join((err + out).split()) if fails else out


@pytest.fixture
def here(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(tmp_path, capsys, monkeypatch)


@pytest.fixture
def eggs(tmp_path: Path) -> Path:
    """Six prompts, one of them twice."""
    rows = [{"prompt": f"How do I boil an egg of size {n}?"} for n in (1, 2, 3, 4, 5, 6, 6)]
    path = tmp_path / "eggs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_who_keeps_the_style_wins_by_the_rules_and_nothing_is_asked_twice(tmp_path: Path, eggs: Path) -> None:
    with server() as asked:
        command = ("eval", "style", "--style", "no_lists", "--prompts", eggs, "--also-styles", "more_lists", "--oracle")
        models = ("--model", f"{asked.url}/plain", "--baseline", f"{asked.url}/lister", "--out", "first")
        told = json.loads(usergym(tmp_path, *command, *models, "--json").stdout)
        assert asked.counts() == {"plain": 6, "lister": 18}
        again = usergym(tmp_path, *command, *models).stdout
        assert asked.counts().total() == 24
    found = {(each["model"].rsplit("/", 1)[-1], each["style"]): each for each in told["standings"]}
    assert set(found) == {
        ("plain", "no_lists"),
        ("plain", "more_lists"),
        ("oracle no_lists", "no_lists"),
        ("oracle more_lists", "more_lists"),
    }
    mine = found["plain", "no_lists"]
    assert (mine["wins"]["rate"], mine["wins"]["judged"], mine["outcomes"]) == (1.0, 6, {"win": 6})
    assert mine["wins"]["wilson"]["low"] == pytest.approx(1 / (1 + 1.959963985**2 / 6))
    assert (mine["score"]["mean"], mine["baseline_score"]["mean"], mine["difference"]["mean"]) == (1.0, 0.0, 1.0)
    assert mine["words"] == len(PLAIN.split())
    assert found["plain", "more_lists"]["wins"]["rate"] == 0.0
    assert found["oracle no_lists", "no_lists"]["wins"]["rate"] == 1.0
    assert "every style: win rate, exact score" in again
    assert json.loads((tmp_path / "runs/first/metrics.json").read_text())["standings"] == told["standings"]
    assert len((tmp_path / "runs/first/verdicts.jsonl").read_text().splitlines()) == 24


def test_the_oracle_is_told_the_taste_and_the_others_are_not(tmp_path: Path, eggs: Path) -> None:
    with server() as asked:
        models = ("--model", f"{asked.url}/plain", "--baseline", f"{asked.url}/lister", "--oracle")
        usergym(tmp_path, "eval", "style", "--style", "no_lists", "--prompts", eggs, *models)
        systems = [
            (model, [row["content"] for row in body["messages"] if row["role"] == "system"])
            for model, body in asked.bodies
        ]
    assert [said for model, said in systems if model == "plain"] == [[]] * 6
    told = [said for model, said in systems if said]
    assert len(told) == 6
    assert get("no_lists").persona.strip() in told[0][0]


def test_a_judge_model_is_asked_both_ways_and_goes_on_where_it_stopped(tmp_path: Path, eggs: Path) -> None:
    with server() as asked:
        command = ["eval", "style", "--style", "no_lists", "--prompts", eggs, "--out", "judged", "--json"]
        command += ["--model", f"{asked.url}/plain", "--baseline", f"{asked.url}/lister"]
        command += ["--judge-model", f"{asked.url}/judge", "--concurrency", 1]
        stopped = usergym(tmp_path, *command, "--max-requests", 17, fails=True)
        assert stopped.returncode == 3
        assert "again" in stopped.stderr
        told = json.loads(usergym(tmp_path, *command).stdout)
        counts = asked.counts()
    assert (counts["plain"], counts["lister"]) == (6, 6)
    assert counts["judge"] == 13  # two for each pair, and the one order whose other was not to be paid for
    (mine,) = told["standings"]
    assert mine["wins"]["rate"] == 1.0
    assert mine["axes"]["correctness"]["rate"] == 0.5
    assert mine["axes"]["length"]["rate"] is None
    assert mine["bias"] == {"first": 0.5, "decided": 12, "always": None}
    assert (mine["agreement"], mine["agreed_on"]) == (1.0, 6)


@pytest.mark.parametrize(
    ("judge", "said"),
    [("stubborn", "said 'first' every time, whatever stood there"), ("chatty", "6 unreadable")],
)
def test_a_judge_that_says_nothing_measures_nothing(tmp_path: Path, eggs: Path, judge: str, said: str) -> None:
    with server() as asked:
        models = ("--model", f"{asked.url}/plain", "--baseline", f"{asked.url}/lister")
        options = ("--prompts", eggs, "--judge-model", f"{asked.url}/{judge}")
        done = usergym(tmp_path, "eval", "style", "--style", "no_lists", *models, *options, fails=True)
    assert said in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--style", "no_list", "--model", "vllm/a", "--baseline", "vllm/b"),
            "no style 'no_list'; did you mean no_lists",
        ),
        (("--style", "no_lists>more_lists", "--model", "vllm/a"), "a sequence is judged one style at a time"),
        (("--style", "no_lists", "--also-styles", "no_lists", "--model", "vllm/a"), "a style comes twice"),
        (("--style", "no_lists"), "give --model or --run"),
        (("--style", "no_lists", "--model", "vllm/a", "--run", "r"), "give --model or --run, one of them"),
        (("--style", "no_lists", "--model", "vllm/a"), "give --baseline"),
        (("--style", "no_lists", "--model", "vllm/a", "--baseline", "vllm/a"), "is the baseline itself"),
        (("--style", "no_lists", "--model", "vllm/a", "vllm/a", "--baseline", "vllm/b"), "one comes twice"),
        (("--style", "no_lists", "--model", "a", "--baseline", "vllm/a"), "does not begin with a provider"),
        (("--style", "no_lists", "--model", "idle", "--baseline", "vllm/a"), "not a model that can be asked"),
        (("--style", "no_lists", "--model", "openai/a", "--baseline", "vllm/a"), "OPENAI_API_KEY"),
        (("--style", "no_lists", "--model", "checkpoint/gone", "--baseline", "vllm/a"), "gone"),
        (("--style", "no_lists", "--model", "vllm/a", "--baseline", "vllm/b", "--judge-model", "x"), "does not begin"),
        (("--style", "no_lists", "--model", "vllm/a", "--baseline", "vllm/b", "--steps", "3"), "give --run"),
        (("--style", "no_lists", "--run", "gone"), "no training run 'gone'"),
        (("--style", "no_lists", "--model", "vllm/a", "--baseline", "vllm/b", "--limit", "1"), "--limit is 1"),
        (("--style", "no_lists", "--model", "vllm/a", "--baseline", "vllm/b", "--prompts", "one.jsonl"), "1 prompt in"),
        (("--style", "no_lists", "--model", "vllm/a", "--baseline", "vllm/b", "--prompts", "bad.jsonl"), "bad.jsonl:1"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_evaluated_is_told_in_one_line(
    here: Here, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    (tmp_path / "one.jsonl").write_text('{"prompt": "How?"}\n{"prompt": "How?"}\n')
    (tmp_path / "bad.jsonl").write_text('{"prompt": 3}\n')
    assert told in here(*arguments, fails=True)
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training run leaves, made without training: a base model, two checkpoints of it, and what was played."""
    from usergym.training.tiny import make

    folder = tmp_path_factory.mktemp("trained")
    texts = ["How do I boil an egg?", PLAIN, LISTED]
    for seed, where in ((0, "base"), (3, "runs/r/checkpoints/checkpoint-3"), (6, "runs/r/checkpoints/checkpoint-6")):
        make(folder / where, texts, vocabulary=300, hidden=32, layers=1, heads=2, context=512, seed=seed)
    make(folder / "larger", texts, vocabulary=300, hidden=64, layers=1, heads=2, context=512)
    config = {"identity": {"grpo": {"model": "base"}, "judge_model": {"name": "x"}}, "starts": [{}]}
    (folder / "runs/r/config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def there(trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    return Here(trained, capsys, monkeypatch)


def test_checkpoints_are_compared_with_the_model_the_run_started_from(trained: Path, there: Here) -> None:
    command = ("--style", "no_lists", "--run", "r", "--limit", 4, "--max-tokens", 8)
    told = json.loads(there(*command, "--keep-cut", "--json"))
    assert told["baseline"] == "base"
    assert [(each["model"], each["step"]) for each in told["standings"]] == [("step 3", 3), ("step 6", 6)]
    assert all(each["wins"]["judged"] == 4 for each in told["standings"])
    assert any("kept no conversations" in note for note in told["notes"])
    folder = trained / "runs/style-no_lists-r"
    assert (folder / "curve.png").exists()
    assert "step" in (folder / "curve.html").read_text()
    weights = trained / "runs/r/checkpoints/checkpoint-6/model.safetensors"
    before = weights.read_bytes()
    weights.write_bytes((trained / "runs/r/checkpoints/checkpoint-3/model.safetensors").read_bytes())
    refused = there(*command, "--keep-cut", fails=True)
    weights.write_bytes(before)
    assert "weights was" in refused
    assert "not judged, step 3: 4 cut" in there(*command, "--steps", 3, fails=True)


def planned(there: Here, *arguments: object) -> Any:
    return json.loads(there("--style", "no_lists", "--limit", 5, "--dry-run", "--json", *arguments))


def test_a_dry_run_checks_and_leaves_nothing(trained: Path, there: Here) -> None:
    told = planned(there, "--run", "r", "--oracle", "--judge-model", "vllm/judge", "--out", "dry")
    assert (told["prompts"], told["replies"], told["judge_calls"]) == (5, 5 * 4, 2 * 5 * 3)
    assert told["models"][:2] == [f"checkpoint/runs/r/checkpoints/checkpoint-{step}" for step in (3, 6)]
    assert not (trained / "runs/dry").exists()


def test_a_baseline_of_another_size_is_told(there: Here) -> None:
    assert not [note for note in planned(there, "--run", "r")["notes"] if "parameters" in note]
    (note,) = [note for note in planned(there, "--run", "r", "--baseline", "larger")["notes"] if "param" in note]
    assert re.search(r"step 3 has [\d.]+ M parameters and the baseline [\d.]+ M", note)


def test_steps_and_checkpoints_that_are_not_there_are_told(trained: Path, there: Here) -> None:
    assert "no checkpoint of step 9; there are 3, 6" in there(
        "--style", "no_lists", "--run", "r", "--steps", 9, fails=True
    )
    empty = trained / "runs/empty"
    (empty / "model").mkdir(parents=True, exist_ok=True)
    (empty / "config.json").write_text("{}")
    assert "give --model runs/empty/model" in there("--style", "no_lists", "--run", "empty", fails=True)


def test_a_checkpoint_by_its_folder_knows_its_run(there: Here) -> None:
    told = planned(there, "--model", "runs/r/checkpoints/checkpoint-3")
    assert told["baseline"] == "checkpoint/base"


def test_prompts_that_were_trained_on_are_refused(trained: Path, there: Here) -> None:
    prompts = trained / "seen.jsonl"
    asked = ["How do I boil an egg?", "What is a stoat?", "Name a river."]
    prompts.write_text("".join(json.dumps({"prompt": each}) + "\n" for each in asked))
    played = {
        "task": {"id": "a", "env": "style"},
        "sample": 0,
        "seed": 0,
        "turns": [
            {"speaker": "user", "message": {"role": "assistant", "content": "What is a  STOAT?"}},
            {"speaker": "assistant", "message": {"role": "assistant", "content": "Name a river."}},
        ],
    }
    kept = trained / "runs/r/trajectories.jsonl"
    kept.write_text(json.dumps(played) + "\n")
    try:
        told = there("--style", "no_lists", "--run", "r", "--prompts", prompts, fails=True)
        assert "1 of 3 prompts were trained on in runs/r, such as 'What is a stoat?'" in told
        notes = planned(there, "--run", "r", "--prompts", prompts, "--ignore-leakage")["notes"]
        assert any("1 of 3 prompts were trained on" in note for note in notes)
    finally:
        kept.unlink()
