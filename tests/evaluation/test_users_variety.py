"""How various simulated people write, and how far that is from how real ones do."""

from itertools import permutations, product

import numpy as np
import pytest

from usergym.evaluation.users_variety import HALVINGS, energy, halvings, hashed, variety

USERS = [f"u{n // 3}" for n in range(60)]
REAL = [
    f"I like the {('bridge', 'ferry', 'tram', 'park')[n % 4]} number {n} and say so on day {n * 7 % 11}"
    for n in range(60)
]


def vectors(seed: int, shift: float = 0.0, count: int = 60) -> np.ndarray:
    random = np.random.default_rng(seed)
    found = random.normal(0, 1, (count, 8))
    found[:, 0] += shift
    made: np.ndarray = found / np.linalg.norm(found, axis=1, keepdims=True)
    return made


def test_the_distance_of_one_distribution_to_itself_is_nought_on_average() -> None:
    users = [str(n) for n in range(60)]
    found = [energy(vectors(n), vectors(1000 + n), users, n) for n in range(40)]
    means = [each.simulated for each in found if each]
    floors = [each.real for each in found if each]
    for values in (means, floors):
        assert len(values) == 40
        assert abs(float(np.mean(values))) < 4 * float(np.std(values)) / 40**0.5 + 1e-12
    assert min(means) < 0


def test_the_distance_is_that_of_the_formula() -> None:
    def mean(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
        return sum(float(np.linalg.norm(one - other)) for one, other in pairs) / len(pairs)

    def by_hand(one: np.ndarray, other: np.ndarray) -> float:
        within = [mean(list(permutations(each, 2))) for each in (one, other)]
        return 2 * mean(list(product(one, other))) - sum(within)

    simulated, real, users = vectors(0, 0.5, 8), vectors(1, 0.0, 8), [str(n // 2) for n in range(8)]
    found = energy(simulated, real, users, 3)
    halves = halvings(users, 3)
    assert found is not None
    assert found.simulated == pytest.approx(np.mean([by_hand(simulated[one], real[two]) for one, two in halves]))
    assert found.real == pytest.approx(np.mean([by_hand(real[one], real[two]) for one, two in halves]))


def test_other_texts_are_further_away_than_halves_of_the_real_ones() -> None:
    users = [str(n) for n in range(60)]
    found = energy(vectors(0, 1.5), vectors(1), users)
    assert found is not None
    assert found.simulated > 2 * found.real_high > 0


def test_people_are_never_on_both_sides_of_a_halving() -> None:
    found = halvings(USERS)
    assert len(found) == HALVINGS
    for one, other in found:
        assert not {USERS[place] for place in one} & {USERS[place] for place in other}
        assert sorted([*one, *other]) == list(range(60))
    assert halvings(["a", "b", "c"] * 5) == []


def test_a_hashed_text_is_of_length_one_whatever_it_says_and_nothing_says_nothing() -> None:
    found = hashed(["the ferry, the ferry", "", "fähre 🚢", "\ud800"])
    assert np.linalg.norm(found, axis=1).round(9).tolist() == [1.0, 0.0, 1.0, 1.0]
    same, near, far = hashed(["I back the late ferry", "I back the late tram", "Rain again"])
    assert same @ near > 0.4 > abs(same @ far)


def test_one_text_for_everybody_is_less_various_and_far_from_the_real_ones() -> None:
    found = variety(USERS, ["I see."] * 60, REAL)
    assert found.simulated.distinct_1 < found.real.distinct_1
    assert found.simulated.self_bleu > 0.9 > found.real.self_bleu
    assert found.hashed is not None
    assert found.hashed.simulated > 10 * abs(found.hashed.real)
    assert found.embedded is None
    copied = variety(USERS, REAL, REAL)
    assert copied.hashed is not None
    assert copied.hashed.simulated == pytest.approx(copied.hashed.real)


def test_texts_without_a_vector_are_left_out_of_the_embedded_distance() -> None:
    real = [list(each) for each in vectors(1)]
    mine = [None if n < 6 else list(each) for n, each in enumerate(vectors(2))]
    found = variety(USERS, REAL, REAL, (mine, real))
    assert found.embedded is not None
    assert found.embedded.texts == 54
    assert variety(USERS, REAL, REAL, ([None] * 60, real)).embedded is None
