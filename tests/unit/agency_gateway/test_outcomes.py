"""Outcomes of calls are written down together."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from services.agency_gateway.app import delivering


def outcome() -> Any:
    """An outcome, of which only the delivery's id counts here."""
    return SimpleNamespace(item=SimpleNamespace(id=uuid4()))


class Writing:
    """What is written down, batch by batch; ``meanwhile`` ends during the first one, ``afterwards`` in the wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcomes = delivering._Outcomes()
        self.batches: list[list[Any]] = []
        self.waits: list[float] = []
        self.meanwhile: list[Any] = []
        self.afterwards: list[Any] = []
        monkeypatch.setattr(delivering, "_write_down", self._write)
        monkeypatch.setattr(time, "sleep", self._wait)

    def _write(self, batch: list[Any]) -> None:
        self.batches.append(batch)
        self._add(self.meanwhile)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._add(self.afterwards)

    def _add(self, some: list[Any]) -> None:
        while some:
            self.outcomes.add(some.pop(0))


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> Writing:
    return Writing(monkeypatch)


def test_what_ends_while_one_is_written_down_and_shortly_after_is_written_down_together(writing: Writing) -> None:
    first, second, third = outcome(), outcome(), outcome()
    writing.meanwhile, writing.afterwards = [second], [third]
    writing.outcomes.add(first)
    assert writing.batches == [[first], [second, third]]
    assert all(0.0 <= seconds <= delivering.WRITE_WAIT_SECONDS for seconds in writing.waits)


def test_one_that_comes_later_is_written_down_by_who_brings_it(writing: Writing) -> None:
    first, second = outcome(), outcome()
    writing.outcomes.add(first)
    writing.outcomes.add(second)
    assert writing.batches == [[first], [second]]


def test_of_one_delivery_one_attempt_is_written_down_at_a_time(writing: Writing) -> None:
    first, one = outcome(), outcome()
    again = SimpleNamespace(item=one.item)
    writing.meanwhile = [one, again]
    writing.outcomes.add(first)
    assert writing.batches == [[first], [one], [again]]
