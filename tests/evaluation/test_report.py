"""The page: everything told, nothing loaded, nothing said in a conversation taken for a part of the page."""

import re
import sys
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.made import calendar, conversation, seat_tired
from usergym.evaluation.plots import bin_width, survival
from usergym.evaluation.report import Source, write_report
from usergym.rollouts.engine import seat_oracle
from usergym.types import Failure, Message, Reward, Seat, Task, ToolCall, Trajectory, Turn, Usage

EVIL = "</script></style></svg><script>alert(\"x\")</script><img src=x onerror='alert(1)'>&{{ 7 * 7 }}"


def talk(key: str, reward: float | None, error: Failure | None = None, evil: str = "") -> Trajectory:
    """A conversation with something in every field that a page could show."""
    turns = [
        Turn("user", Message("assistant", f"please {evil}"), state={f"goal{evil}": evil}),
        Turn("assistant", Message("assistant", "", f"think {evil}", (ToolCall("c", f"look{evil}", f'"{evil}"'),))),
        Turn("assistant", Message("tool", f"result {evil}", tool_call_id="c")),
        Turn("assistant", Message("assistant", f"done {evil}"), f"heard {evil}", usage=Usage(10, 5, 0, 1.5, 1, 0.01)),
        Turn("judge", Message("assistant", f"verdict {evil}"), heard=""),
    ]
    rewards = [
        Reward(f"said{evil}", reward, 0.0, turn=3, reason=f"because {evil}"),
        Reward(f"grade{evil}", reward, reason=f"reason {evil}"),
    ]
    seats = {"assistant": Seat(f"system {evil}", model=f"m{evil}"), "user": Seat(model=f"agenda{evil}")}
    task = Task(f"{key}{evil}", f"env{evil}", data={"persona": evil})
    return Trajectory(task, 0, 0, seats, turns, [] if error else rewards, f"stop{evil}", error)


class Tags(HTMLParser):
    """Which elements a browser would make, and what they load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.loaded: list[str] = []
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.loaded.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)


def page_of(folder: Path, runs: Mapping[str, Source], title: str = "a page", samples: int = 30) -> str:
    write_report(folder / "deep" / "report.html", runs, title, samples)
    return (folder / "deep" / "report.html").read_text()


def test_the_page_tells_every_agent_and_shows_conversations(tmp_path: Path) -> None:
    down = Failure("judge", "the judge is down", 4)
    bad = [talk("t0", 0.0), talk("t1", None), talk("t2", None, down)]
    runs: dict[str, Source] = {"good": [talk(f"t{n}", 1.0) for n in range(4)], "bad": lambda: iter(bad)}
    page = page_of(tmp_path, runs, "A & B")
    assert "<title>A &amp; B</title>" in page
    assert "1 of 3" in page
    assert "1 judge" in page
    assert "judge at turn 4: the judge is down" in page
    assert page.count('<details class="conversation"') == 7
    assert "bad against good, mean reward on the tasks both have (1)" in page
    for words in ("please ", "think ", "result ", "done ", "heard ", "verdict ", "because ", "private state"):
        assert words in page
    assert page.index(">failed</span>") < page.index(">error</span>") < page.index(">unscored</span>")


def test_nothing_said_becomes_part_of_the_page(tmp_path: Path) -> None:
    failure = Failure("judge", "down ")
    clean = Tags(page_of(tmp_path, {"run": [talk("t", 0.0), talk("u", None, failure)]}))
    wrong = Failure("judge", f"down {EVIL}")
    page = page_of(tmp_path, {f"run{EVIL}": [talk("t", 0.0, evil=EVIL), talk("u", None, wrong, EVIL)]}, EVIL)
    evil = Tags(page)
    assert evil.names["script"] == 1
    assert evil.names["img"] == 0
    assert evil.handlers == []
    assert evil.loaded == clean.loaded == []
    assert {**evil.names, "tspan": 0} == {**clean.names, "tspan": 0}
    assert "{{ 7 * 7 }}" in page


def test_nothing_is_loaded_from_elsewhere_and_plots_do_not_share_ids(tmp_path: Path) -> None:
    runs = {name: [talk(f"t{n}", float(n % 2)) for n in range(3)] for name in ("a", "b")}
    page = page_of(tmp_path, runs)
    assert page.count("<figure>") == 5
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\((?!#)", page)
    assert set(re.findall(r'https?://[^"<\s]+', page)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for used in re.findall(r"url\(#([^)]+)\)", page):
        assert used in ids


def test_real_conversations_have_a_plot_of_how_long_they_go_well(tmp_path: Path) -> None:
    runs = {"oracle": calendar(seat_oracle, 4), "tired": calendar(seat_tired(), 4), "ungraded": [conversation()]}
    page = page_of(tmp_path, runs)
    assert page.count("<figure>") == 6
    drawn = page[page.index("No failed reply yet") :]
    lines = re.findall(r'run: (\w+)" role="graphics-symbol" aria-roledescription="line mark"', drawn)
    assert sorted(lines) == ["oracle", "tired"]
    assert "I would rather not." in page
    assert page.count('data-outcome="passed"') == 5
    assert page.count('data-outcome="failed"') == 4


def test_without_the_packages_the_page_says_how_to_get_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "usergym.evaluation.plots", raising=False)
    monkeypatch.delattr("usergym.evaluation.plots", raising=False)
    monkeypatch.setitem(sys.modules, "altair", None)
    page = page_of(tmp_path, {"a": [talk("t", 1.0)]})
    assert "<figure>" not in page
    assert "pip install 'usergym[plots]'" in page


@pytest.mark.parametrize("runs", [{}, {"empty": []}, {"lost": [talk("t", None, Failure("user", "gone"))]}])
def test_a_run_without_a_single_reward_has_a_page_without_a_number(
    tmp_path: Path, runs: dict[str, list[Trajectory]]
) -> None:
    page = page_of(tmp_path, runs)
    assert page.rstrip().endswith("</html>")
    assert page.count("not scored</td>") == len(runs)
    assert "0.000" not in page


def test_the_conversations_shown_do_not_depend_on_the_order_of_the_run(tmp_path: Path) -> None:
    talks = [talk(f"t{n}", float(n % 2)) for n in range(60)]
    page = page_of(tmp_path, {"a": talks}, samples=9)
    assert page == page_of(tmp_path, {"a": talks[::-1]}, samples=9)
    assert page.count('<details class="conversation"') == 9


def test_every_outcome_has_its_share_of_the_room_failed_ones_first(tmp_path: Path) -> None:
    down = Failure("unavailable", "no answer")
    talks = [talk(f"f{n}", 0.0) for n in range(50)] + [talk(f"p{n}", 1.0) for n in range(50)]
    talks += [talk("lost", None, down), talk("unjudged", None)]
    page = page_of(tmp_path, {"a": talks}, samples=10)
    shown = re.findall(r'data-outcome="(\w+)"', page)
    assert shown == ["failed"] * 4 + ["error", "unscored"] + ["passed"] * 4


def test_a_negative_reward_has_its_place_on_the_scale(tmp_path: Path) -> None:
    runs = {"low": [conversation("a", reward=-1.0)], "high": [conversation("a", reward=1.0)]}
    page = page_of(tmp_path, runs)
    assert re.findall(r'class="mean" x="([-\d.]+)"', page) == ["-0.75", "99.25"]


def test_very_long_words_are_cut_and_the_page_says_so(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"a": [conversation("t", said="ab" * 200_000)]})
    assert len(page) < 150_000
    assert "380,000 more characters" in page


def test_a_page_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    first = page_of(tmp_path, {"a": [talk("t", 1.0)]})

    def broken() -> list[Trajectory]:
        raise ValueError("line 3")

    with pytest.raises(ValueError, match="line 3"):
        write_report(tmp_path / "deep" / "report.html", {"a": broken})
    assert (tmp_path / "deep" / "report.html").read_text() == first
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_words_stand_out_from_their_ground_in_both_schemes() -> None:
    import usergym.evaluation as room

    css = (Path(room.__file__).parent / "templates" / "report.css").read_text()
    schemes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    assert len(schemes) == 2
    for colours in schemes:
        for ground in ("ground", "panel", "agent", "user"):
            for words in ("text", "quiet", "good", "bad", "none"):
                assert contrast(colours[words], colours[ground]) >= 4.5, (words, ground, colours[ground])


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it, from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_survival_is_the_textbook_one() -> None:
    points = survival(Counter({1: 2, 3: 1}), Counter({2: 4, 3: 3}))
    assert [reply for reply, _ in points] == [0, 1, 2, 3]
    assert [share for _, share in points] == pytest.approx([1.0, 0.8, 0.8, 0.6])


@given(st.floats(-1e6, 1e6, allow_nan=False), st.floats(0, 1e6, allow_nan=False), st.sampled_from([0.1, 1.0]))
def test_bins_are_round_and_few(least: float, span: float, finest: float) -> None:
    width = bin_width(least, least + span, finest)
    assert span / width <= 20 + 1e-6
    assert f"{width:.0e}"[0] in "125"
    assert f"{width:.0e}" == f"{width:.1e}".replace(".0", "")


def test_values_that_nobody_had_keep_their_place_on_the_axis(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"a": [conversation(str(n), reward=value) for n, value in enumerate((0.1, 0.5))]})
    drawn = page[page.index("Rewards of conversations") :]
    assert re.findall(r">(0\.\d)</text>", drawn[: drawn.index("</figure>")]) == ["0.1", "0.2", "0.3", "0.4", "0.5"]


def test_text_that_no_plot_can_hold_is_drawn_without_it(tmp_path: Path) -> None:
    trajectory = Trajectory(Task("t\u2028", "calendar"), 0, 0, stop="a\x00b\u2029")
    trajectory.rewards = [Reward("grade", 0.0, reason="why\u2028\x00\x1b not")]
    write_report(tmp_path / "r.html", {"run\u2028\x00": [trajectory]})
    assert "<svg" in (tmp_path / "r.html").read_text()


def test_a_title_holds_no_control_characters(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"a": [talk("t", 1.0)]}, title="one\x00two\u2028three\ud800")
    assert "<h1>one two three </h1>" in page


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told_with_path_and_remedy_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ".r.html.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"cannot write .*r\.html: No space left.*; make room, or give another path"):
        write_report(tmp_path / "r.html", {"a": [talk("t", 1.0)]})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"cannot write .*r\.html: .*give another path"):
        write_report(tmp_path / "file" / "r.html", {"a": [talk("t", 1.0)]})
