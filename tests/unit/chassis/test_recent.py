"""What was read a moment ago serves again, for some seconds, and only for its own database."""

from __future__ import annotations

import pytest

from lianban.chassis import recent
from lianban.chassis.recent import Recent
from lianban.chassis.settings import read, use


class Clock:
    now = 3.0  # a machine that has just started

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(recent, "time", made)
    return made


def test_a_value_is_good_for_its_seconds(clock: Clock) -> None:
    kept: Recent[str, int] = Recent(2.0)
    assert kept.get("a") is None
    assert kept.keep("a", 1) == 1
    assert (kept.of("a", lambda: 2), kept.of("b", lambda: 2), kept.get("b")) == (1, 2, 2)
    clock.now += 1.9
    assert kept.get("a") == 1
    clock.now += 0.1
    assert kept.get("a") is None


def test_it_can_be_had_read_again_at_once(clock: Clock) -> None:
    kept: Recent[str, int] = Recent(2.0)
    kept.keep("a", 1)
    kept.keep("b", 2)
    kept.forget("a")
    kept.forget("not there")
    assert (kept.get("a"), kept.get("b")) == (None, 2)
    kept.clear()
    assert kept.get("b") is None


def test_one_databases_values_are_not_anothers(clock: Clock) -> None:
    kept: Recent[str, int] = Recent(2.0)
    with use(read({"LIANBAN_DATABASE_URL": "postgresql://one"})):
        kept.keep("a", 1)
    with use(read({"LIANBAN_DATABASE_URL": "postgresql://two"})):
        assert kept.get("a") is None
