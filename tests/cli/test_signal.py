"""`usergym signal` as a person uses it: cases of our own, a recorded run, tuples; and what cannot work, in one line."""

import json
from array import array
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.cli.terminal import ROOT, usergym
from tests.test_docs import fences
from usergym.cli.signal import signal
from usergym.cli.signal_text import show
from usergym.rollouts.store import Store
from usergym.training import checkpoints, signal_cases, tiny
from usergym.training.chat import Chat
from usergym.training.signal_figures import Token, TokenSignal, aggregate
from usergym.types import Failure, Message, Seat, Task, Tokens, Tool, Trajectory, Turn

SAID = ["Where does the tram stop?", "It stops behind the market.", "And the bus?", "In front of the station, too."]
SIZES: dict[str, Any] = {"hidden": 32, "layers": 1, "heads": 2, "vocabulary": 320, "context": 700}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("tiny"), SAID * 4, **SIZES)


@pytest.fixture(scope="module")
def chat(model: Path) -> Chat:
    return Chat(checkpoints.tokenizer(checkpoints.find(str(model))))


def conversation(chat: Chat | None, name: str = "tram", tools: tuple[Tool, ...] = ()) -> Trajectory:
    """Two replies, both answered; with token ids where there is a chat to make them."""
    head = b""
    trajectory = Trajectory(Task(name, "talk", tools=tools or None), 0, 1, seats={"assistant": Seat("Answer.")})
    for asked, replied in ((SAID[0], SAID[1]), (SAID[2], SAID[3])):
        trajectory.turns.append(Turn("user", Message("assistant", asked)))
        tokens = None
        if chat:
            view = trajectory.view("assistant")
            ids = [*array("i", head), *chat.more(view[-1:])] if head else chat.first(view, tools)
            tokens = Tokens.of(ids, chat.write(Message("assistant", replied)))
            whole = tokens.whole(b"")
            tokens, head = tokens.after(head) if head else tokens, whole
        trajectory.turns.append(Turn("assistant", Message("assistant", replied), tokens=tokens))
    trajectory.turns.append(Turn("user", Message("assistant", "Thanks, short and good.")))
    return trajectory


def kept(folder: Path, *trajectories: Trajectory) -> Path:
    store = Store.open(folder, {"verb": "rollout"})
    store.finish(trajectories)
    store.close()
    return folder


def test_our_cases_are_played_scored_shown_and_written(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--model", model, "--n-cases", 4, "--max-tokens", 24, "--min-tokens", 4]
    shown = usergym(tmp_path, "signal", *asked, "--out", "mine", "--html", "page.html").stdout
    assert "moving/reinforce" in shown
    assert "bread/constrain" in shown
    assert "control: Do you happen to know how many strings a harp has?" in shown
    assert "replies with both kinds of reaction" in shown
    assert "(+" in shown
    assert "(-" in shown
    assert "\x1b" not in shown
    made = json.loads((tmp_path / "runs/mine/signals.json").read_text())
    assert [case["id"] for case in made["cases"]][:2] == ["moving/reinforce", "moving/constrain"]
    assert made["aggregate"]["scored"] == 4
    assert made["template"] == "neutral"
    for case in made["cases"]:
        assert "".join(token["text"] for token in case["tokens"]) == case["reply"]
        assert case["signal"] == pytest.approx([a - b for a, b in zip(case["lp_xo"], case["lp_x"], strict=True)])
        assert len(case["tokens"]) == len(case["control_signal"]) == len(case["adjusted"]) >= 4
    first, second, *_ = made["cases"]
    assert first["lp_x"] == pytest.approx(second["lp_x"])
    assert first["lp_xo"] != second["lp_xo"]
    page = (tmp_path / "page.html").read_text()
    assert (tmp_path / "runs/mine/signals.html").read_text() == page
    cut = [not case["tokens"][-1].get("special") for case in made["cases"]]
    assert any(cut), "a model that was never trained seldom ends within 24 tokens"
    assert [case["cut"] for case in made["cases"]] == cut
    assert (made["max_tokens"], {len(case["tokens"]) for case in made["cases"] if case["cut"]}) == (24, {24})
    assert shown.count("24 tokens (cut there), mean") == sum(cut)
    assert f"{sum(cut)} of 4 replies end{'s' * (sum(cut) == 1)} in the middle, cut at --max-tokens" in " ".join(
        shown.split()
    )
    assert page.count("cut at --max-tokens</span>") == sum(cut)
    again = called(capsys, model=str(model), n_cases=4, max_tokens=24, min_tokens=4)
    assert [case["tokens"] for case in again["cases"]] == [case["tokens"] for case in made["cases"]]


def called(capsys: pytest.CaptureFixture[str], *arguments: Any, **options: Any) -> dict[str, Any]:
    signal(*arguments, json=True, **options)
    return json.loads(capsys.readouterr().out)


def test_every_answered_reply_of_a_run_is_scored_in_its_own_ids(
    tmp_path: Path, model: Path, chat: Chat, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = conversation(chat, "lost")
    lost.error = Failure("unavailable", "no answer")
    tool = Tool("look", "Looks it up.", {"type": "object", "properties": {}})
    run = kept(tmp_path / "run", conversation(chat), conversation(chat, "bus", (tool,)), lost)
    made = called(capsys, run, model=str(model))
    assert [case["id"] for case in made["cases"]] == ["tram#0:1", "tram#0:3", "bus#0:1", "bus#0:3"]
    assert not made["left_out"]
    assert [case["reaction"] for case in made["cases"]][:2] == [SAID[2], "Thanks, short and good."]
    assert [token["id"] for token in made["cases"][1]["tokens"]] == chat.write(Message("assistant", SAID[3]))
    assert all(case["kind"] is None and case["control"] for case in made["cases"])
    assert not any(case["cut"] for case in made["cases"])
    (one,) = called(capsys, run, model=str(model), id="bus#0:3", control="none")["cases"]
    assert one["lp_x"] == pytest.approx(made["cases"][3]["lp_x"], abs=1e-5)
    assert len(called(capsys, run, model=str(model), limit=1)["cases"]) == 1


def test_a_run_of_another_tokenizer_is_left_out_with_the_remedy_and_exit_status_1(
    tmp_path: Path, chat: Chat, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny.make(tmp_path / "other", ["Completely different words, and other merges."] * 9, **SIZES)
    with pytest.raises(SystemExit) as left:
        called(capsys, kept(tmp_path / "run", conversation(chat)), model=str(other))
    assert left.value.code == 1
    made = json.loads(capsys.readouterr().out)
    assert [each["why"] for each in made["left_out"]] == ["frame", "frame"]
    assert "usergym convert RUN rows.jsonl --to interactions" in made["left_out"][0]["message"]
    assert made["aggregate"]["scored"] == 0


def test_tuples_bring_reply_reaction_kind_and_control(
    tmp_path: Path, model: Path, chat: Chat, capsys: pytest.CaptureFixture[str]
) -> None:
    x = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    x.append({"role": "user", "content": SAID[0]})
    rows = [
        {"x": x, "y": SAID[1], "o": "Too long.", "meta": {"kind": "constrain", "control": "It rains."}},
        {"x": x, "y": SAID[1], "o": "Nice."},
        {"x": x, "y": SAID[1], "o": "a" * 9000},
        {"x": x, "y": "", "o": "Why so silent?"},
    ]
    path = tmp_path / "tuples.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = called(capsys, path, model=str(model))
    first, second = made["cases"]
    assert (first["kind"], first["control"], second["kind"]) == ("constrain", "It rains.", None)
    assert [token["id"] for token in first["tokens"]] == chat.write(Message("assistant", SAID[1]))
    assert len(first["messages"]) == 3
    assert [each["why"] for each in made["left_out"]] == ["long_reaction", "no_reply"]
    ids = [each["id"] for each in (*made["cases"], *made["left_out"])]
    assert len(set(ids)) == 4  # though three rows have the same context
    assert made["left_out"][0]["id"] == f"{second['id']}~2"


def test_what_cannot_work_is_one_line_before_any_compute(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tiny.make(tmp_path / "bare", SAID, **SIZES)
    for file in (*bare.glob("chat_template*"), bare / "tokenizer_config.json"):
        if file.suffix == ".jinja":
            file.unlink()
        elif file.exists():
            config = json.loads(file.read_text())
            config.pop("chat_template", None)
            file.write_text(json.dumps(config))
    (tmp_path / "alone.jsonl").write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n')
    failed = usergym(tmp_path, "signal", "--model", bare, fails=True).stderr
    assert "has no chat template; give one with --chat-template FILE" in " ".join(failed.split())
    alone = tmp_path / "alone.jsonl"
    capsys.readouterr()  # of the models that were made
    for told, source, options in (
        ("no model 'nowhere'", (), {"model": "nowhere"}),
        ("no hindsight template 'loud'; there are neutral", (), {"template": "loud"}),
        ("no file or run folder gone.jsonl", (Path("gone.jsonl"),), {}),
        ("alone.jsonl holds no reply that was answered", (alone,), {}),
        ("brings its own replies", (alone,), {"n_cases": 3}),
        ("--limit is for a run or a file", (), {"limit": 3}),
        ("no case 'tramway'; there are moving/reinforce", (), {"id": "tramway"}),
        ("--n-cases is 0; give 1 or more", (), {"n_cases": 0}),
        ("gone.json: No such file", (), {"cases": Path("gone.json")}),
    ):
        with pytest.raises(SystemExit) as failure:
            signal(*source, **{"model": str(model), **options})
        assert failure.value.code == 1
        error = capsys.readouterr().err
        assert told in error
        assert len(error.strip().splitlines()) == 1


def drawn(signals: list[TokenSignal], **console: Any) -> str:
    out = StringIO()
    show(Console(file=out, width=200, **console), signals, aggregate(signals), 1.0)
    return out.getvalue()


def test_colours_are_of_one_scale_and_without_them_each_token_has_a_signed_number() -> None:
    tokens = (Token(1, "It"), Token(2, " stops\n"), Token(3, "\x1b[2J"), Token(4, "", "<|end|>"))
    zeros = (0.0,) * 4
    made = TokenSignal(
        *("a", "a", "reinforce", (Message("user", "[bold]Hi"),), "[red]Nice", "Rain", "neutral", "It stops\n"),
        *(tokens, zeros, (2.0, -2.0, 0.5, 0.0), (0.5, -2.0, 0.0, 0.0)),
    )
    plain = drawn([made])
    assert "It(+2.0) stops↵(-2.0)\n\\x1b[2J(+0.5)<|end|>(+0.0)" in plain
    assert "It(+0.5) stops↵(-2.0)\n" in plain
    assert "[bold]Hi" in plain
    assert "[red]Nice" in plain
    assert "\x1b" not in plain
    assert drawn([made], force_terminal=True, color_system="truecolor", no_color=True).count("(+2.0)") == 1
    coloured = drawn([made], force_terminal=True, color_system="truecolor")
    assert "48;2;0;175;70mIt" in coloured  # full green at the limit and beyond
    assert coloured.count("48;2;240;85;75m stops") == 2  # the same red, for reaction and control
    assert "48;2;75;162;110mIt" in coloured  # half of it
    assert "(+2.0)" not in coloured
    assert "\x1b[2J" not in coloured


def test_the_python_of_its_document_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = fences(ROOT / "docs" / "signal.md", "python")
    exec(code, {})


def test_the_cases_of_its_document_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    (text,) = fences(ROOT / "docs" / "signal.md", "toml")
    path.write_text(text)
    assert [case.id for case in signal_cases.read(path)] == ["tea/reinforce", "tea/constrain"]
