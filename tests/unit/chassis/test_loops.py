"""Worker loops: again after a moment while there is work, a pause when there is none, back-off when it fails."""

from __future__ import annotations

import time
from collections.abc import Callable

import eventlet
import psycopg
import pytest

from lianban.chassis import metrics
from lianban.chassis.errors import Retry
from lianban.chassis.loops import GATHER_SECONDS, Loop
from lianban.chassis.wakeup import wake


class Rounds:
    """A loop's function that answers what it is told, round by round, and then stops its loop."""

    def __init__(self, *answers: int | Exception | Callable[[], int]) -> None:
        self.answers = list(answers)
        self.pauses: list[float] = []

    def run(self, monkeypatch: pytest.MonkeyPatch, *, every: float = 0.0) -> Loop:
        monkeypatch.setattr(eventlet, "sleep", self.pauses.append)
        loop = Loop("test", self, every=every)
        self.loop = loop
        loop._run()
        return loop

    def __call__(self) -> int:
        answer = self.answers.pop(0)
        if not self.answers:
            self.loop.stopping = True
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


def failures() -> float:
    return float(metrics.loop_failures.labels("test")._value.get())


def test_while_there_is_work_it_goes_on_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = Rounds(3, 2, 0)
    before = metrics.loop_done.labels("test")._value.get()
    rounds.run(monkeypatch, every=0.0)
    assert rounds.pauses == [GATHER_SECONDS, GATHER_SECONDS]
    assert metrics.loop_done.labels("test")._value.get() - before == 5


@pytest.mark.parametrize(
    "error", [Retry("a neighbour is away"), psycopg.OperationalError("gone"), RuntimeError("a bug")]
)
def test_a_failed_round_is_counted_and_repeated_ever_more_slowly(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    before = failures()
    rounds = Rounds(*[error] * 8, 0)
    rounds.run(monkeypatch)
    assert rounds.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert failures() - before == 8


def test_one_good_round_ends_the_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = Rounds(Retry("x"), Retry("x"), 1, Retry("x"), 0)
    rounds.run(monkeypatch)
    assert rounds.pauses == [0.5, 1, GATHER_SECONDS, 0.5]


def test_a_commit_wakes_it_from_its_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    def as_a_commit_comes() -> int:
        wake("test")
        return 0

    started = time.monotonic()
    Rounds(as_a_commit_comes, 1).run(monkeypatch, every=30.0)
    assert time.monotonic() - started < 10
