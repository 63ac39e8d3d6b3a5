"""Structured logs in JSON lines, without personal data: events are named, values are ids and codes."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import nullcontext
from typing import Any, TextIO

import psycopg
import structlog

from lianban.chassis.errors import LianbanError
from lianban.contracts.catalogue import InvalidEvent, UnknownEvent
from lianban.contracts.envelope import Undecodable

_OURS = (LianbanError, UnknownEvent, InvalidEvent, Undecodable, AssertionError, ImportError)
"""Errors whose text was written by us and quotes no personal data."""


def say(error: BaseException) -> str:
    """An error in one line for an operator's eyes, without what it holds.

    Only our own errors are quoted in full. PostgreSQL's main message names tables and constraints and never the row
    (that stands in its detail), except where a value could not be read: there what stands in quotes is left out.
    Of all others the type and the place are told.
    """
    name = type(error).__name__
    if isinstance(error, psycopg.Error):
        return f"{name}: {_primary(error)}"
    if isinstance(error, _OURS):
        return f"{name}: {error}".replace("\x00", "")[:2000]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{name} at {_place(frames[-1])}" if frames else name


def _primary(error: psycopg.Error) -> str | None:
    message = error.diag.message_primary
    if message and isinstance(error, psycopg.DataError):
        return re.sub(r'".*"', '"…"', message, flags=re.DOTALL)
    return message


def _place(frame: traceback.FrameSummary) -> str:
    return f"{frame.filename.split('site-packages/')[-1]}:{frame.lineno} {frame.name}"


def without_values(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say where an exception came from without what it holds: messages of foreign errors quote rows and input."""
    given = entry.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        entry["error"] = type(error).__name__
        if isinstance(error, psycopg.Error):
            entry["detail"] = _primary(error)
            entry["constraint"] = error.diag.constraint_name
        elif isinstance(error, _OURS):
            entry["detail"] = str(error)
        entry["where"] = [_place(frame) for frame in traceback.extract_tb(error.__traceback__)[-8:]]
    return entry


class _Gathering(logging.StreamHandler[TextIO]):
    """Writes lines together: each by itself is a call into the system, and wakes whoever reads them.

    From a warning upwards everything is written at once; else whoever gathers calls :meth:`flush` soon.
    """

    MOST = 1 << 16
    """Characters that are kept back at most."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._size = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line until the next flush."""
        try:
            line = self.format(record) + self.terminator
        except Exception:  # noqa: BLE001 - what every handler does with a record that cannot be written
            self.handleError(record)
            return
        self._lines.append(line)
        self._size += len(line)
        if record.levelno >= logging.WARNING or self._size > self.MOST:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        with self.lock or nullcontext():
            lines, self._lines, self._size = self._lines, [], 0
        try:
            if lines:
                self.stream.write("".join(lines))
            super().flush()
        except (OSError, ValueError) as error:  # a full disk, a broken pipe: whoever logs must not fail by it
            self.handleError(logging.LogRecord(__name__, logging.ERROR, __file__, 0, "%s", (error,), sys.exc_info()))


def configure(service: str, level: str = "INFO", *, gather: bool = False) -> None:
    """Send structlog and the standard library's logging as JSON lines to standard output.

    ``gather``: lines are kept until the next :func:`flush`, warnings and errors excepted.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Gathering(sys.stdout) if gather else logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_values,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("amqp", "kombu", "urllib3", "werkzeug", "nameko", "yoyo", "psycopg.pool"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # It quotes the server's message in full where an error follows another one.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    # It quotes in full what a worker raised; the bus tells that itself, without values.
    logging.getLogger("nameko.containers").setLevel(logging.CRITICAL)
    structlog.contextvars.bind_contextvars(service=service)


def flush() -> None:
    """Write the lines that were gathered."""
    for handler in logging.getLogger().handlers:
        handler.flush()
