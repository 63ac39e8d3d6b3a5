"""How psycopg waits for the database under eventlet: the other greenlets run meanwhile.

psycopg's own ``wait_select`` with eventlet's ``select`` sets two listeners and a timer for every exchange with the
server, which cost more than the exchange itself. Here a greenlet waits for its socket and for nothing else: time-outs
are the server's (``statement_timeout``) and the connection's (keep-alive, ``tcp_user_timeout``).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import Any, TypeVar

from eventlet import hubs, patcher

RV = TypeVar("RV")

LOOK_SECONDS = 0.05
"""How often a greenlet that cannot send looks whether there is something to read."""


class _LookAgain(Exception):
    """It is time to look at both directions again."""


READ, WRITE = 1, 2
"""psycopg's ``Wait`` and ``Ready``, as numbers."""

_select = patcher.original("select")
_READABLE = _select.POLLIN | _select.POLLHUP | _select.POLLERR
_WRITABLE = _select.POLLOUT


def wait(gen: Generator[int, int, RV], fileno: int, interval: float = 0.0, timeout: float | None = None) -> RV:
    """Drive a psycopg generator to its end, with the signature of :func:`psycopg.waiting.wait`.

    ``interval`` serves signals, which eventlet's hub handles by itself. Raises :class:`ValueError` for a ``timeout``,
    which only ``Connection.notifies`` asks for; nothing here listens for notifications.
    """
    if timeout is not None:
        raise ValueError("this wait has no time-out: use the server's statement_timeout")
    try:
        wanted = next(gen)
        while True:
            wanted = gen.send(_ready(fileno, int(wanted)))
    except StopIteration as ended:
        result: RV = ended.value
        return result


def _ready(fileno: int, wanted: int) -> int:
    """Wait until the socket is ready for what is wanted, or for a part of it."""
    if wanted == READ:
        hubs.trampoline(fileno, read=True)
        return READ
    while not (ready := ready_now(fileno, wanted)):  # what is sent almost always fits into the socket's buffer
        with suppress(_LookAgain):  # the hub waits for one direction, and the server may itself wait to be read
            hubs.trampoline(fileno, write=True, timeout=LOOK_SECONDS, timeout_exc=_LookAgain)
    return ready


def ready_now(fileno: int, wanted: int) -> int:
    """What a socket is ready for in this moment: writing in any case, reading where it is wanted; waits for nothing."""
    poll = _select.poll()
    poll.register(fileno, (_select.POLLIN if wanted & READ else 0) | _WRITABLE)
    found: list[tuple[int, Any]] = poll.poll(0)
    events = found[0][1] if found else 0
    return (READ if events & _READABLE else 0) | (WRITE if events & _WRITABLE else 0)
