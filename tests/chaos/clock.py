"""A service whose clock jumps: the C library's answers are moved by libfaketime, monotonic time stays right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.beside import in_place_of
from tests.chaos.shaken import ShakenStack


class Clock:
    """The clock of one process; it goes right until it is told to jump."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset
        self.jump("+0")

    def jump(self, offset: str) -> None:
        """From now on the clock is wrong by ``offset``: ``+1d``, ``-2h``."""
        ready = self._offset.with_suffix(".new")
        ready.write_text(offset + "\n")
        ready.replace(self._offset)


def library() -> Path:
    """Where the distribution keeps libfaketime."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "the package faketime is not installed: make setup-test installs it"
    return found[0]


@contextmanager
def wrong_clock(stack: ShakenStack, service: str) -> Iterator[Clock]:
    """Within the block the service runs with a clock that can jump; afterwards with the machine's."""
    clock = Clock(stack.layout.run / f"clock-{service}")
    more = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(stack.layout.run / f"clock-{service}"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with in_place_of(stack, service, more=more):
        yield clock
