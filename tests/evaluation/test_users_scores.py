"""People are what is counted: means, intervals and differences."""

import numpy as np
import pytest

from tests.evaluation.users_made import MODEL, OTHER, said
from usergym.evaluation.users import Said
from usergym.evaluation.users_scores import Score, Sheet, clustered


def test_a_person_counts_once_however_much_they_said() -> None:
    found = clustered({("ann", "a"): [1.0, 0.0], ("ann", "b"): [1.0], ("bea", "c"): [0.0]})
    assert found is not None
    assert (found.mean, found.people, found.contexts, found.replies) == (0.375, 2, 3, 4)


def test_an_interval_over_people_covers_the_truth_though_texts_of_one_person_are_alike() -> None:
    random = np.random.default_rng(0)
    covered = narrow = 0
    for trial in range(100):
        own = random.normal(0, 1, 20)
        values = {(str(user), str(n)): [own[user] + random.normal(0, 0.3)] for user in range(20) for n in range(10)}
        found = clustered(values, trial)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high
        single = clustered({(f"{user}-{n}", n): each for (user, n), each in values.items()}, trial)
        assert single is not None
        assert single.low is not None
        assert single.high is not None
        narrow += single.low <= 0 <= single.high
    assert covered >= 87  # 95% of 100, less nearly four standard errors
    assert narrow < 65


def test_too_little_is_known_of_other_people_from_one_from_five_or_from_all_alike() -> None:
    assert clustered({}) is None
    one = {("ann", str(n)): [n / 9] for n in range(9)}
    few = {(str(n), "a"): [n / 5] for n in range(5)}
    alike = {(str(n), "a"): [0.5] for n in range(9)}
    for values in (one, few, alike):
        found = clustered(values)
        assert found is not None
        assert found.low is None
        assert found.high is None


def sheet(rows: list[tuple[Said, float | None]], failure: str = "") -> Sheet:
    scores = [Score(value, "" if value is not None or each.lost else failure) for each, value in rows]
    return Sheet([each for each, _ in rows], {"judge": scores}, ["stance"])


def test_a_reply_that_breaks_the_form_is_zero_and_what_is_not_known_is_not() -> None:
    cell = sheet(
        [
            (said("a", user="ann"), 0.8),
            (said("b", "", user="bea", wrong="format"), 0.0),
            (said("c", "", user="cid", lost="unavailable"), None),
            (said("d", user="dan"), None),
        ],
        "unreadable",
    ).cell(MODEL, "stance", "judge")
    assert cell.alignment
    assert cell.kept
    assert (cell.alignment.mean, cell.alignment.people) == (0.4, 2)
    assert (cell.kept.mean, cell.kept.people) == (0.8, 1)
    assert cell.least
    assert (cell.least.mean, cell.least.people) == (pytest.approx(0.8 / 3), 3)
    assert (cell.asked, cell.judged) == (4, 2)
    assert (cell.wrong, cell.lost, cell.unjudged) == ({"format": 1}, {"unavailable": 1}, {"unreadable": 1})


def test_a_difference_is_taken_in_the_same_context_so_that_what_is_hard_cancels() -> None:
    rows: list[tuple[Said, float | None]] = []
    for n in range(12):
        hard = n / 12
        rows.append((said(f"c{n}", user=f"u{n}"), hard))
        rows.append((said(f"c{n}", user=f"u{n}", source=OTHER), hard + 0.05 + 0.01 * (n % 2)))
    rows.append((said("c99", user="u99", source=OTHER), 0.0))  # the first was not judged there
    found = sheet(rows).difference(MODEL, OTHER, "stance", "judge")
    assert found is not None
    assert found.difference.mean == pytest.approx(0.055)
    assert found.difference.contexts == 12
    assert found.difference.low is not None
    assert found.difference.low > 0.05
    assert found.p == pytest.approx(2 / 2**12)
    assert found.smallest is not None
    assert found.smallest < 0.01
    assert sheet([(said("a"), 1.0)]).difference(MODEL, OTHER, "stance", "judge") is None
