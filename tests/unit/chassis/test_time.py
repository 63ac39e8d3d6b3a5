"""A process goes by its database's clock, carried on by the monotonic one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from lianban.chassis import time

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(time, "_kept_to", None)
    yield
    time._kept_to = None


def moves(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: seconds)


def test_before_any_database_has_spoken_the_machine_is_believed() -> None:
    assert abs(time.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_databases_clock_counts_and_goes_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    time.keep_to(NOON, asked=100.0, answered=100.0)
    moves(monkeypatch, 107.5)
    assert time.now() == NOON + timedelta(seconds=7.5)


def test_what_the_exchange_took_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    time.keep_to(NOON, asked=100.0, answered=100.0)
    time.keep_to(NOON + timedelta(seconds=10), asked=110.0, answered=114.0)
    moves(monkeypatch, 120.0)
    assert time.now() == NOON + timedelta(seconds=20)


def test_a_database_whose_clock_was_set_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    time.keep_to(NOON, asked=100.0, answered=100.0)
    time.keep_to(NOON + timedelta(hours=1), asked=110.0, answered=110.0)
    moves(monkeypatch, 111.0)
    assert time.now() == NOON + timedelta(hours=1, seconds=1)


def test_an_instant_that_was_set_comes_first() -> None:
    time.keep_to(NOON, asked=100.0, answered=100.0)
    with time.at(NOON - timedelta(days=400)):
        assert time.now() == NOON - timedelta(days=400)
