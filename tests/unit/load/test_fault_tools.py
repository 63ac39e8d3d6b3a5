"""The tools of the fault suite see what they are there to see."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.local.checks import taken
from deploy.waiting import NotSo, until
from tests.chaos import invariants
from tests.chaos.clock import RIGHT, Clock, moved_by, set_offset
from tests.integration.demo.programs import free_port

Started = Callable[[dict[str, str]], int]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    """Starts a web server that tells the time, with some variables; gives its port."""
    with ExitStack() as servers:

        def start(variables: dict[str, str]) -> int:
            (tmp_path / "healthz").touch()
            port = free_port()
            command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
            server = servers.enter_context(
                subprocess.Popen(command, cwd=tmp_path, env=variables, stderr=subprocess.DEVNULL)
            )
            servers.callback(server.kill)
            until(lambda: taken(port), "the server listens", seconds=30, every=0.05)
            return port

        yield start


@pytest.mark.parametrize("offset", [timedelta(days=1), timedelta(days=-1)], ids=["forward", "back"])
def test_a_clock_jumps_and_goes_right_again(started: Started, tmp_path: Path, offset: timedelta) -> None:
    file = tmp_path / "clock"
    set_offset(file, RIGHT)
    clock = Clock(file, started(moved_by(file)))
    clock.jump(offset)
    with pytest.raises(NotSo):
        Clock(tmp_path / "another", clock._port).jump(RIGHT, seconds=0)  # still wrong
    clock.jump(RIGHT)


def test_a_clock_that_does_not_move_is_told(started: Started, tmp_path: Path) -> None:
    with pytest.raises(NotSo, match="the clock is wrong by 1 day"):
        Clock(tmp_path / "clock", started({})).jump(timedelta(days=1), seconds=0)


def test_letters_go_out_again_only_for_a_kill() -> None:
    assert invariants.most_mails_again(Counter()) == 0
    assert invariants.most_mails_again(Counter(intake=2, postgres=1, rabbitmq=1)) == 0
    assert invariants.most_mails_again(Counter(notification=2, mail=1)) == 20


@pytest.mark.parametrize(("told", "found"), [("0", []), ("3", ["3"]), ("", ["unknown"])])
def test_messages_in_a_consumers_hand_are_found(told: str, found: list[str]) -> None:
    lines = [f"{name}\t0" for name in invariants._queues()]
    lines[5] = lines[5].removesuffix("0") + told
    stack: Any = SimpleNamespace(control_broker=lambda *_: "\n".join(lines))
    assert [line.split()[0] for line in invariants._messages_in_hand(stack)] == found
