"""A service whose clock jumps: the C library's answers are moved by libfaketime, monotonic time stays right."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from deploy.local.layout import HOST
from deploy.waiting import until
from tests.chaos.beside import in_place_of
from tests.chaos.shaken import ShakenStack

RIGHT = timedelta()
NEAR = timedelta(minutes=1)
"""What an answer's way may take."""


class Clock:
    """The clock of one process, which answers on ``port``."""

    def __init__(self, offset: Path, port: int) -> None:
        self._offset = offset
        self._port = port

    def jump(self, offset: timedelta, *, seconds: float = 30) -> None:
        """From now on the clock is wrong by ``offset``; returns when the process itself tells the time so."""
        set_offset(self._offset, offset)
        until(lambda: self._is_wrong_by(offset), f"the clock is wrong by {offset}", seconds=seconds)

    def _is_wrong_by(self, offset: timedelta) -> bool:
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://{HOST}:{self._port}/healthz", timeout=5) as answer,
        ):
            told = parsedate_to_datetime(answer.headers["Date"])
            return abs(told - datetime.now(UTC) - offset) < NEAR
        return False


def set_offset(file: Path, offset: timedelta) -> None:
    """Write down by how much the clock is wrong, for libfaketime."""
    ready = file.with_suffix(".new")
    ready.write_text(f"{offset.total_seconds():+.0f}\n")
    ready.replace(file)


def moved_by(file: Path) -> dict[str, str]:
    """The variables of a process whose clock is wrong by what stands in the file."""
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def library() -> Path:
    """Where the distribution keeps libfaketime."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "the package faketime is not installed: make setup-test installs it"
    return found[0]


@contextmanager
def wrong_clock(stack: ShakenStack, service: str) -> Iterator[Clock]:
    """Within the block the service runs with a clock that can jump; afterwards with the machine's."""
    offset = stack.layout.run / f"clock-{service}"
    set_offset(offset, RIGHT)
    with in_place_of(stack, service, more=moved_by(offset)) as process:
        yield Clock(offset, process.ops)
