"""Connections that send what belongs to one exchange together.

psycopg sends each statement of a pipeline by itself, and asks the system before each whether the socket is ready: a
batch of thirty writes was sixty system calls here and woke the server thirty times. libpq gathers statements in its
buffer by itself, so they are left there until the exchange is complete.

This relies on how psycopg 3.3 is made inside (``_communicate_gen``); a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import Pipeline
from psycopg.generators import send

Row = TypeVar("Row")

MOST = 2000
"""Statements that are gathered at most; then they are sent."""


class _Gathering(Pipeline):
    """Sends at the end of the pipeline, or when very much has come together."""

    _complete = False
    """What was sent last ends with the synchronisation point: the server answers all of it without being asked."""

    def _communicate_gen(self) -> Generator[Any, Any, None]:
        queue = self.command_queue
        if not queue or (queue[-1] != self.pgconn.pipeline_sync and len(queue) < MOST):
            return
        yield from self._send()

    def _fetch_gen(self, *, flush: bool) -> Generator[Any, Any, None]:
        if flush:
            yield from self._send()
        yield from super()._fetch_gen(flush=flush and not self._complete)

    def _send(self) -> Generator[Any, Any, None]:
        if not self.command_queue:
            return
        self._complete = self.command_queue[-1] == self.pgconn.pipeline_sync
        try:
            while self.command_queue:
                self.command_queue.popleft()()
        except BaseException:  # one that cannot be sent must not be passed over: a commit may stand behind it
            self.command_queue.clear()
            self.pgconn.finish()
            raise
        yield from send(self.pgconn)


class Connection(psycopg.Connection[Row]):
    """psycopg's connection, whose pipelines gather."""

    @contextmanager
    def pipeline(self) -> Iterator[Pipeline]:
        """Run the block's statements as one exchange; their results are there when it ends."""
        with self.lock:
            self._check_connection_ok()
            pipeline = self._pipeline
            if pipeline is None:
                pipeline = self._pipeline = _Gathering(self)
        try:
            with pipeline:
                yield pipeline
        finally:
            if pipeline.level == 0:
                with self.lock:
                    self._pipeline = None
