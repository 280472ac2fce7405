"""How long a client waits before it asks again."""

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usergym.models.retry import Retry, again, retry_after


def test_retry_after_is_read_as_seconds_as_milliseconds_and_as_a_date() -> None:
    assert retry_after({"Retry-After": "2.5"}) == 2.5
    assert retry_after({"Retry-After-Ms": "250", "Retry-After": "9"}) == 0.25
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert retry_after({"Retry-After": date}) == pytest.approx(30, abs=2)
    past = email.utils.formatdate(time.time() - 3600, usegmt=True)
    assert retry_after({"Retry-After": past}) == 0.0


@given(st.text())
def test_any_retry_after_text_is_none_or_a_finite_wait(text: str) -> None:
    seconds = retry_after({"Retry-After": text})
    assert seconds is None or 0 <= seconds < float("inf")


@given(st.integers(0, 10_000), st.none() | st.floats(0, 3600))
def test_a_wait_is_at_least_what_was_asked_and_bounded(attempt: int, asked: float | None) -> None:
    retry = Retry(first=0.5, longest=30)
    wait = retry.wait(attempt, asked)
    if asked is None:
        assert 0.25 <= wait <= 30
    else:
        assert asked <= wait <= asked + 0.5


def test_waits_grow_and_are_spread() -> None:
    retry = Retry(first=1.0, longest=100)
    assert min(retry.wait(4, None) for _ in range(50)) > max(retry.wait(2, None) for _ in range(50))
    assert len({retry.wait(0, None) for _ in range(50)}) > 40


def test_only_statuses_that_may_pass_are_asked_again() -> None:
    assert all(again(status) for status in (408, 409, 429, 500, 502, 503, 504, 529))
    assert not any(again(status) for status in (400, 401, 403, 404, 413, 422))
