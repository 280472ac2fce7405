"""The figures of a study, on raters whose preferences are known."""

import msgspec
import pytest

from tests.evaluation.study_made import Rater, items, prefer, settings
from usergym.evaluation.study import Analysis, analyse
from usergym.evaluation.study_answers import Answer, Rules
from usergym.evaluation.study_export import as_csv
from usergym.evaluation.study_progress import PATIENCE, Progress
from usergym.evaluation.study_records import Line

QUALITY = {"fine-owl": 7.0, "plain-fox": 5.0, "odd-elk": 5.0}


def studied(*raters: Rater, count: int = 8, **given: object) -> Progress:
    progress = Progress(settings(raters=100, **given), items(count))
    for rater in raters:
        rater.takes(progress)
    return progress


@pytest.fixture(scope="module")
def twenty() -> Analysis:
    return analyse(studied(*(Rater(f"p{n}", prefer(QUALITY)) for n in range(20))))[0]


def test_the_better_system_wins_by_rate_by_rating_and_by_test_and_equal_ones_do_not(twenty: Analysis) -> None:
    best, *others = twenty.systems
    assert best.system == "fine-owl"
    assert best.win.rate is not None
    assert best.win.wilson is not None
    assert best.win.wilson.low > 0.7
    assert best.similarity.interval is not None
    assert best.similarity.interval.low < 7.0 < best.similarity.interval.high
    assert best.first > 0.7
    by_pair = {(pair.first, pair.second): pair for pair in twenty.pairs}
    assert by_pair["fine-owl", "plain-fox"].similarity_holm < 0.001
    assert by_pair["fine-owl", "plain-fox"].similarity.mean == pytest.approx(2, abs=0.5)
    assert by_pair["odd-elk", "plain-fox"].similarity_holm > 0.05
    assert len(others) == 2


def test_wins_and_first_places_add_up_and_the_place_on_the_page_does_not_matter(twenty: Analysis) -> None:
    assert sum(each.first for each in twenty.systems) == pytest.approx(1)
    assert sum(each.win.rate or 0 for each in twenty.systems) == pytest.approx(1.5)
    assert set(twenty.by_place) == {"1", "2", "3"}
    assert all(rate == pytest.approx(0.5, abs=0.12) for rate in twenty.by_place.values())
    assert twenty.coherence == 1.0
    assert twenty.minutes == pytest.approx((4, 4, 4))


def test_a_tie_is_half_a_win_for_both() -> None:
    equal = prefer(dict.fromkeys(QUALITY, 5.0), noise=0)
    one = prefer({"fine-owl": 9, "plain-fox": 9, "odd-elk": 2}, noise=0)
    analysis, rows = analyse(studied(Rater("p", one), Rater("q", one), Rater("r", equal)))
    assert analysis.excluded["all ratings alike"] == 1
    assert {(row.system, row.beaten) for row in rows if not row.excluded} == {
        ("fine-owl", 0.75),
        ("plain-fox", 0.75),
        ("odd-elk", 0.0),
    }
    assert {row.beaten for row in rows if row.excluded} == {0.5}
    assert {each.system: each.first for each in analysis.systems} == {"fine-owl": 0.5, "plain-fox": 0.5, "odd-elk": 0}
    pair = next(pair for pair in analysis.pairs if (pair.first, pair.second) == ("fine-owl", "plain-fox"))
    assert pair.win.rate == 0.5
    assert pair.similarity.pairs == 0


def test_who_does_not_read_is_left_out_with_the_reason_and_still_stands_in_the_rows() -> None:
    good = [Rater(f"good{n}", prefer(QUALITY)) for n in range(4)]
    bad = [
        Rater("careless", prefer(QUALITY), fails=True),
        Rater("hasty", prefer(QUALITY), seconds=2),
        Rater("pasting", prefer(QUALITY), reason="Because it is the best one by far."),
        Rater("alike", lambda system, draw: 7),
    ]
    progress = studied(*good, *bad, checks=2)
    analysis, rows = analyse(progress)
    assert (analysis.compared, analysis.finished, analysis.counted) == (8, 8, 4)
    assert analysis.excluded == {
        "failed an attention check": 1,
        "too fast": 1,
        "all ratings alike": 1,
        "one reason for everything": 1,
    }
    assert (analysis.checks, analysis.checks_failed) == (16, 2)
    assert {row.participant for row in rows if row.excluded} == {"careless", "hasty", "pasting", "alike"}
    assert analysis.comparisons == 16
    lenient, _ = analyse(progress, Rules(failures=2, least_seconds=1))
    assert lenient.counted == 6
    assert analyse(progress, Rules(everybody=True))[0].counted == 8


def test_raters_who_agree_agree_and_raters_who_draw_lots_do_not() -> None:
    exact = prefer({"fine-owl": 9, "plain-fox": 5, "odd-elk": 1}, noise=0)
    same, _ = analyse(studied(*(Rater(f"p{n}", exact) for n in range(6))))
    assert same.kendall_w == pytest.approx(1)
    assert [each.alpha for each in same.agreement] == pytest.approx([1, 1, 1])
    lots, _ = analyse(studied(*(Rater(f"p{n}", lambda system, draw: draw.randint(1, 10)) for n in range(24))))
    assert all(each.alpha is not None and abs(each.alpha) < 0.15 for each in lots.agreement)
    alone, _ = analyse(studied(Rater("p", prefer(QUALITY))))
    assert alone.kendall_w is None
    assert [each.alpha for each in alone.agreement] == [None, None, None]
    assert alone.systems[0].win.wilson is None
    assert alone.wanting == 8


def test_nothing_that_counts_is_told_and_not_a_zero() -> None:
    with pytest.raises(ValueError, match=r"1 joined, 1 compared something, and 1 are left out \(1 too fast\)"):
        analyse(studied(Rater("hasty", prefer(QUALITY), seconds=1)))


def test_who_fails_a_check_frees_the_place_for_somebody_else() -> None:
    progress = Progress(settings(raters=1, items_each=3, checks=3), items(3))
    Rater("careless", prefer(QUALITY), fails=True).takes(progress)
    assert progress.people["careless"].compared() == 3
    Rater("good", prefer(QUALITY)).takes(progress)
    assert progress.people["good"].compared() == 3
    Rater("late", prefer(QUALITY)).takes(progress)
    assert progress.people["late"].compared() == 0


def test_an_abandoned_comparison_goes_to_somebody_else_after_a_while() -> None:
    progress = Progress(settings(raters=1, items_each=1), items(1))
    for name in ("gone", "next"):
        progress.apply(Line(0.0, name, "joined"))
    given = progress.next_assignment(progress.people["gone"], 0.0)
    assert given is not None
    progress.apply(Line(0.0, "gone", "assigned", item=given.item, order=given.order))
    assert progress.next_assignment(progress.people["next"], 10.0) is None
    assert progress.next_assignment(progress.people["next"], PATIENCE + 1) is not None


def test_a_spreadsheet_takes_no_word_of_a_participant_for_a_formula() -> None:
    row = Answer("p", "=i", "s", 1, 5, 5, 1, 1.0, '=HYPERLINK("x")', 3.0, ("too fast", "all ratings alike"))
    lines = as_csv([row, msgspec.structs.replace(row, reason="fine, then\nmore")]).splitlines()
    assert lines[0].startswith("participant,item,system,place,similarity,likeness,rank,beaten,reason")
    assert lines[1].startswith("p,'=i,s,1,5,5,1,1.0,\"'=HYPERLINK(")
    assert "too fast; all ratings alike" in lines[1]
