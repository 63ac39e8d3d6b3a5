"""The store of request rates: a moving window per caller, and nothing kept of those who went away."""

from __future__ import annotations

import pytest
from limits import parse
from limits.strategies import MovingWindowRateLimiter

from lianban.chassis.web import rates
from lianban.chassis.web.rates import SWEEP_SECONDS, ProcessStorage


class Clock:
    now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(rates, "time", made)
    return made


@pytest.fixture
def store(clock: Clock) -> ProcessStorage:
    return ProcessStorage()


THREE = parse("3 per minute")


def test_a_window_moves_with_the_requests(clock: Clock, store: ProcessStorage) -> None:
    limiter = MovingWindowRateLimiter(store)
    assert limiter.hit(THREE, "a")
    clock.now += 30
    assert [limiter.hit(THREE, "a") for _ in range(3)] == [True, True, False]
    assert limiter.get_window_stats(THREE, "a") == (1_000_060, 0)
    clock.now += 31  # the first request is more than a minute ago
    assert limiter.test(THREE, "a")
    assert [limiter.hit(THREE, "a") for _ in range(2)] == [True, False]


def test_callers_are_counted_apart(store: ProcessStorage) -> None:
    limiter = MovingWindowRateLimiter(store)
    assert [limiter.hit(THREE, "a") for _ in range(4)] == [True, True, True, False]
    assert limiter.hit(THREE, "b")
    assert limiter.get_window_stats(THREE, "c").remaining == 3


def test_a_request_that_costs_more_than_what_is_left_is_refused_and_not_counted(store: ProcessStorage) -> None:
    limiter = MovingWindowRateLimiter(store)
    assert limiter.hit(THREE, "a", cost=2)
    assert not limiter.hit(THREE, "a", cost=2)
    assert not limiter.hit(THREE, "a", cost=4)
    assert limiter.hit(THREE, "a")


def test_callers_who_went_away_are_forgotten(clock: Clock, store: ProcessStorage) -> None:
    limiter = MovingWindowRateLimiter(store)
    for number in range(50):
        limiter.hit(THREE, str(number))
    clock.now += SWEEP_SECONDS + 1
    limiter.hit(THREE, "late")
    assert store.reset() == 1
