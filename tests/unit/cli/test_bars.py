"""Long work is seen to go on, on a terminal and in a log."""

from __future__ import annotations

import pytest

from cli import demo


@pytest.fixture
def clock() -> list[float]:
    """The time that the bars see; the test moves it."""
    return [0.0]


@pytest.fixture
def progress(clock: list[float]) -> demo.Bars:
    found = demo.bars()
    found.get_time = lambda: clock[0]
    return found


def test_a_log_gets_a_line_every_ten_seconds(
    progress: demo.Bars, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    task = progress.add_task("过去 the past", total=100)
    for second in range(25):
        clock[0] = float(second)
        progress.advance(task, 2)
    assert capsys.readouterr().err.splitlines() == ["  过去 the past 22/100", "  过去 the past 42/100"]


def test_what_a_task_is_called_by_then_is_told(
    progress: demo.Bars, clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    task = progress.add_task("办理 on their way", total=6)
    clock[0] = 11.0
    progress.update(task, completed=4, description="办理 已办结 4")
    assert capsys.readouterr().err.splitlines() == ["  办理 已办结 4 4/6"]
