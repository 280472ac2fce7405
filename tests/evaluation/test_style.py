"""Replies paired by prompt, judged once, and counted for what they are."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from usergym.environments import base
from usergym.environments.style.topical import amiss
from usergym.evaluation.answers import (
    Answered,
    Answers,
    key_of_prompt,
    read_answers,
    request_of,
    request_task,
    trained_prompts,
)
from usergym.evaluation.standing import Standing, bias, standing
from usergym.evaluation.style import Book, Pair, judged, pairs
from usergym.evaluation.style_curve import curve, ticks
from usergym.evaluation.style_page import About
from usergym.judges.pairwise import PairwiseJudge
from usergym.judges.rules import RuleJudge
from usergym.judges.verdicts import Opinion, Verdict, alike
from usergym.models.base import ModelError, Reply, StopRun
from usergym.models.fake import FakeModel
from usergym.rollouts.collect import collect
from usergym.rollouts.engine import Cast, Limits, seat_model
from usergym.rollouts.store import Store
from usergym.types import Message, Sampling, Task, Tool, Trajectory, Turn
from usergym.users.styles.spec import get

chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PLAIN = "Boil the egg number {n} for eight minutes and cool it."
LISTED = "The egg number {n}:\n- boil it\n- cool it"
RULES = RuleJudge([get("no_lists")], amiss=amiss)


def task(n: int) -> Task:
    asked = Task(f"t{n}", "style", opening=(Turn("user", Message("assistant", f"How do I boil egg number {n}?")),))
    return request_task(asked, "")


def compared(ours: Sequence[str | None], theirs: Sequence[str | None], cut: Sequence[int] = ()) -> list[Pair]:
    """One sample of each prompt; None: no reply. `cut`: the prompts whose first reply was."""
    tasks = [task(n) for n in range(len(ours))]
    mine, other = (
        {
            (one.id, 0): Answered(text.format(n=n), side == 0 and n in cut)
            for n, (one, text) in enumerate(zip(tasks, texts, strict=True))
            if text is not None
        }
        for side, texts in enumerate((ours, theirs))
    )
    return pairs(tasks, 1, mine, other)


def run(judge: RuleJudge | PairwiseJudge, found: Sequence[Pair], book: Book) -> dict[int, Verdict]:
    async def collected() -> dict[int, Verdict]:
        return {place: verdict async for place, verdict in judged(judge, "no_lists", "m", found, book, 2)}

    return asyncio.run(collected())


def test_a_missing_reply_and_a_cut_one_are_neither_wins_nor_losses(tmp_path: Path) -> None:
    found = compared([PLAIN, PLAIN, None, PLAIN, LISTED], [LISTED, None, LISTED, LISTED, PLAIN], cut=[3])
    verdicts = run(RULES, found, Book(tmp_path / "verdicts.jsonl"))
    assert set(verdicts) == {0, 4}
    told = standing("m", "no_lists", RULES, found, verdicts)
    assert told.outcomes == {"failed": 2, "win": 1, "loss": 1, "cut": 1}
    assert (told.wins.rate, told.wins.judged, told.wins.asked) == (0.5, 2, 5)
    assert told.wins.coverage == 0.4


def test_a_cut_reply_is_judged_as_it_stands_where_that_is_asked_for(tmp_path: Path) -> None:
    found = [Pair(each.task, 0, each.ours, each.theirs, True) for each in compared([PLAIN], [LISTED], cut=[0])]
    assert run(RULES, found, Book(tmp_path / "verdicts.jsonl"))[0].main.outcome == "win"


def test_the_numbers_of_a_standing_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    """Three wins, one tie: 7/8. Scores 1, 1, 1, 1 against 0, 0, 0, 1: a mean difference of 3/4."""
    found = compared([PLAIN] * 4, [LISTED, LISTED, LISTED, PLAIN + " So."])
    told = standing("m", "no_lists", RULES, found, run(RULES, found, Book(tmp_path / "v.jsonl")), step=3)
    assert told.wins.rate == 0.875
    assert told.score is not None
    assert told.baseline_score is not None
    assert told.difference is not None
    assert (told.score.mean, told.baseline_score.mean, told.difference.mean) == (1.0, 0.25, 0.75)
    assert told.difference.low == pytest.approx(0.75 - 3.18244631 * 0.25)  # t of 3 degrees, standard error 1/4
    assert (told.words, told.baseline_words) == (11, (3 * 10 + 12) / 4)
    assert (told.on_topic, told.step, told.agreement) == (1.0, 3, None)
    assert told.bias.first is None


def test_a_reply_to_something_else_scores_nothing_and_is_seen(tmp_path: Path) -> None:
    found = compared(["Bananas are yellow, sweet and cheap."], [PLAIN])
    told = standing("m", "no_lists", RULES, found, run(RULES, found, Book(tmp_path / "v.jsonl")))
    assert (told.on_topic, told.baseline_on_topic, told.wins.rate) == (0.0, 1.0, 0.0)
    assert told.score is not None
    assert told.score.mean == 0.0


def liking(lists: bool) -> FakeModel:
    def answer(messages: Sequence[Message], tools: Sequence[Tool], sampling: Sampling) -> str:
        first = messages[-1].content.split('reply "first"')[1].split(">>>")[0]
        return json.dumps({"style": "first" if ("- boil" in first) == lists else "second"})

    return FakeModel(answer)


def test_a_verdict_is_paid_for_once_and_an_outage_is_asked_again(tmp_path: Path) -> None:
    found = compared([PLAIN] * 3, [LISTED] * 3)
    path = tmp_path / "verdicts.jsonl"
    model = liking(False)
    model.fail = {0: ModelError("unavailable", "503")}
    first = run(PairwiseJudge(model, "p", axes=("style",)), found, Book(path))
    assert sorted(each.main.outcome for each in first.values()) == ["unavailable", "win", "win"]
    model = liking(False)
    again = run(PairwiseJudge(model, "p", axes=("style",)), found, Book(path))
    assert [each.main.outcome for each in again.values()] == ["win"] * 3
    assert len(model.calls) == 2
    model = liking(False)
    run(PairwiseJudge(model, "another taste", axes=("style",)), found, Book(path))
    assert len(model.calls) == 6


def test_what_was_judged_before_a_stop_is_kept_and_a_torn_line_is_set_aside(tmp_path: Path) -> None:
    found = compared([PLAIN] * 5, [LISTED] * 5)
    path = tmp_path / "verdicts.jsonl"
    model = liking(False)
    model.fail = {6: StopRun("the budget is spent")}
    with pytest.raises(StopRun):
        run(PairwiseJudge(model, "p", axes=("style",)), found, Book(path))
    kept = len(path.read_text().splitlines())
    assert 1 <= kept < 5
    with path.open("a") as file:
        file.write('{"key": "torn')
    model = liking(False)
    run(PairwiseJudge(model, "p", axes=("style",)), found, Book(path))
    assert len(model.calls) == 2 * (5 - kept)
    assert len(path.read_text().splitlines()) == 5


def test_a_line_that_is_no_verdict_is_named(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    path.write_text('{"key": 1}\n')
    with pytest.raises(ValueError, match=r"verdicts\.jsonl:1: .*take the line out"):
        Book(path)


@pytest.mark.parametrize(("lists", "agreement", "rate"), [(False, 1.0, 1.0), (True, 0.0, 0.0)])
def test_a_judge_is_measured_by_the_exact_rules(tmp_path: Path, lists: bool, agreement: float, rate: float) -> None:
    found = compared([PLAIN] * 4, [LISTED] * 4)
    judge = PairwiseJudge(liking(lists), "p", axes=("style",))
    told = standing("m", "no_lists", RULES, found, run(judge, found, Book(tmp_path / "v.jsonl")))
    assert (told.agreement, told.agreed_on, told.wins.rate) == (agreement, 4, rate)
    assert (told.bias.first, told.bias.decided, told.bias.always) == (0.5, 8, None)
    assert told.usage.calls == 8


def test_position_bias_is_the_share_of_first_and_one_word_for_all_is_told() -> None:
    def said(*orders: str) -> Verdict:
        return Verdict({"style": Opinion("inconsistent", orders)})  # type: ignore[arg-type]

    assert bias([said("first", "first"), said("first", "second")]).first == 0.75
    assert bias([said("first", "first")] * 2).always == "first"
    assert bias([said("first", "first")]).always is None  # two verdicts may well be alike
    assert bias([said("tie", "cannot_tell")]).first is None
    assert bias([alike("tie")] * 9).always is None  # nobody was asked


def answered(folder: Path, model: FakeModel, tasks: Sequence[Task], taste: str = "") -> list[Trajectory]:
    async def played() -> list[Trajectory]:
        store = Store.open(folder, {"model": model.name})
        cast = Cast(seat_model(model), limits=Limits(1))
        try:
            return [one async for group in collect(Answers(taste), tasks, cast, store=store) for one in group]
        finally:
            store.close()

    return asyncio.run(played())


def test_a_request_is_answered_once_with_the_taste_in_the_system_prompt(tmp_path: Path) -> None:
    model = FakeModel(lambda messages, tools, sampling: "Boil it.")
    asked = request_task(Task("x", "style", opening=task(1).opening), "Be kind.")
    (played,) = answered(tmp_path, model, [asked], taste="You like no lists.")
    assert [(each.role, each.content) for each in model.calls[0].messages] == [
        ("system", "Be kind.\n\nYou like no lists."),
        ("user", "How do I boil egg number 1?"),
    ]
    assert (len(model.calls), played.stop, played.rewards) == (1, "answered", [])
    assert read_answers(tmp_path) == {(asked.id, 0): Answered("Boil it.", False)}
    assert [each.content for each in request_of(asked)] == ["How do I boil egg number 1?"]


def test_a_cut_and_an_empty_reply_are_told_apart_from_one_that_failed(tmp_path: Path) -> None:
    cut = Reply(Message("assistant", "Boil the"), finish="length")
    replies: list[Reply | str] = [cut, "", ""]
    model = FakeModel(lambda messages, tools, sampling: replies.pop(0), fail={2: ModelError("refused", "no")})
    tasks = [task(n) for n in range(3)]

    async def played() -> None:
        store = Store.open(tmp_path, {})
        groups = collect(Answers(), tasks, Cast(seat_model(model)), concurrency=1, store=store)
        assert [group async for group in groups]
        store.close()

    asyncio.run(played())
    assert read_answers(tmp_path) == {
        (tasks[0].id, 0): Answered("Boil the", True),
        (tasks[1].id, 0): Answered("", False),
    }


def test_prompts_of_a_run_are_known_whatever_their_case_and_space(tmp_path: Path) -> None:
    assert trained_prompts(tmp_path) is None
    answered(tmp_path, FakeModel(lambda messages, tools, sampling: "Boil it."), [task(1)])
    found = trained_prompts(tmp_path)
    assert found == {key_of_prompt("how do  i boil\nEGG number 1?")}
    assert key_of_prompt("Boil it.") not in found


def test_two_tasks_that_ask_the_same_are_one_prompt() -> None:
    opening = task(1).opening
    assert (
        request_task(Task("a", "style", opening=opening), "").id
        == request_task(Task("b", "style", opening=opening), "").id
    )
    assert request_task(Task("a", "style", opening=opening), "Be kind.").id != task(1).id


def test_own_prompts_of_the_environment_can_be_asked() -> None:
    environment = base.load("style:style=no_lists")
    first = next(environment.tasks("test", 0))
    asked = request_task(first, environment.start(first).system)
    assert [each.role for each in request_of(asked)] == ["user"]


def drawn(tmp_path: Path, steps: Sequence[int | None], styles: Sequence[str] = ("no_lists",)) -> list[Path]:
    found = compared([PLAIN] * 3, [LISTED] * 3)
    verdicts = run(RULES, found, Book(tmp_path / "v.jsonl"))
    standings: list[Standing] = [
        standing(f"m{step}", style, RULES, found, verdicts, step=step) for style in styles for step in steps
    ]
    return curve(standings, tmp_path, About("no <lists>", "base", "rules", 3, notes=("note <that>",)))


def test_a_run_is_drawn_by_step_on_a_page_that_loads_nothing(tmp_path: Path) -> None:
    png, page = drawn(tmp_path, [3, 6, None])
    assert png.read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert "no &lt;lists&gt; against base" in text
    assert "note &lt;that&gt;" in text
    assert "3 held-out prompts; judged by <b>the exact rules of the style</b>" in text
    assert "win rate against the baseline" in text
    assert "95 % interval, by prompt" in text
    assert "a model without a step: the oracle is" in text
    assert re.search(r">m3</th><td><b>1\.000</b>.*<td>3 of 3</td><td>3 / 0 / 0</td><td>1\.000", text)
    assert "default-src 'none'" in text
    assert not re.search(r"<script|src=|@import|<link|url\((?!#chart\d)", text)


def test_only_steps_that_there_are_stand_on_the_axis_and_each_once(tmp_path: Path) -> None:
    _, page = drawn(tmp_path, [1, 2])
    for chart in page.read_text().split("<figure>")[1:]:
        labels = re.findall(r"role-axis-label.*?</g>", chart)[0]
        assert re.findall(r">(\d+)</text>", labels) == ["0", "1", "2"]
    assert ticks(range(0, 1000, 10)) == [0, 140, 280, 420, 570, 710, 850, 990]


def test_lines_that_lie_on_each_other_are_all_seen(tmp_path: Path) -> None:
    _, page = drawn(tmp_path, [3, 6], ["no_lists", "no_emojis", "concise"])
    text = page.read_text()
    first = text.split("<figure>")[1]
    widths = re.findall(r'aria-roledescription="line mark".*?stroke="(#\w+)" stroke-width="([\d.]+)"', first)
    assert [float(width) for _, width in widths] == pytest.approx([6.0, 3.9, 1.8])
    assert len({colour for colour, _ in widths}) == 3
    for style, (colour, _) in zip(("no_lists", "no_emojis", "concise"), widths, strict=True):
        assert f'style="border-color: {colour}"></i>{style}</span>' in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.skipif(chromium is None, reason="needs chromium")
@pytest.mark.parametrize("width", [1100, 500])
def test_the_page_is_as_wide_as_the_window_in_a_browser(tmp_path: Path, width: int) -> None:
    _, page = drawn(tmp_path, [3, 6, None], ["no_lists", "no_emojis"])
    measure = "document.title = document.documentElement.scrollWidth + ' of ' + innerWidth"
    seen = tmp_path / "seen.html"
    text = re.sub(r"<meta http-equiv.*?>", "", page.read_text())
    seen.write_text(text.replace("</body>", f"<script>{measure}</script></body>"))
    assert chromium
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet += ["--disable-background-networking", "--disable-component-update", "--dump-dom"]
    command = [chromium, *quiet, f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run([*command, seen.as_uri()], capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r"<title>(\d+) of (\d+)</title>", done.stdout)
    assert found, done.stdout[:300]
    assert int(found[1]) <= int(found[2]) == width


def test_without_a_step_there_is_no_curve(tmp_path: Path) -> None:
    assert drawn(tmp_path, [None]) == []
