"""HTTP as bytes: one request, one answer, within one deadline, nothing followed and nothing guessed.

The errors say what is known about the request:

    WireError
    ├── NotSent   it certainly never reached the department
    └── NoWord    it may have: the department must be asked
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import structlog

from services.agency_gateway.domain.trouble import Trouble

log = structlog.get_logger()


class WireError(Exception):
    """No answer that can be read; ``detail`` is technical and holds nothing of the message."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(f"{trouble.value}: {detail}")
        self.trouble = trouble
        self.detail = detail


class NotSent(WireError):
    """The request certainly never reached the department."""


class NoWord(WireError):
    """The request may have reached the department."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; ``url`` is absolute."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content_type: str
    body: bytes
    retry_after: float | None
    location: str | None


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Deadline:
    """Lets each step of an exchange wait only as long as is left of the whole, also where bytes drip in one by one."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._until

    def left(self) -> float:
        """The seconds that are left; raises :class:`TimeoutError` where none are."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the deadline is over")
        return seconds


class _Incoming(io.RawIOBase):
    """What comes in by a socket within a deadline."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readinto(self, buffer: Any) -> int:
        """Read what is there, at least one byte; 0 at the end."""
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)

    def readable(self) -> bool:
        """It is."""
        return True


class _Timed:
    """A connected socket as http.client uses it, within a deadline; whoever made the socket closes it."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self.sent = False

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        self.sent = True
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._deadline.left())
            view = view[self._sock.send(view) :]

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the answer is read from."""
        return io.BufferedReader(_Incoming(self._sock, self._deadline))

    def close(self) -> None:
        """http.client is done with it, though perhaps not with the answer."""


def send(request: Request, *, connect_seconds: float, total_seconds: float, answer_bytes: int) -> Answer:
    """Send a request and read its whole answer.

    Raises :class:`NotSent` or :class:`NoWord`; an answer with any status is an answer. Redirects are not followed,
    so that personal data goes to no address that the profile does not name.
    """
    parts = urlsplit(request.url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if secure:
        connection = http.client.HTTPSConnection(host, port, timeout=connect_seconds, context=_tls())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=connect_seconds)
    started = time.monotonic()
    try:
        try:
            connection.connect()
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            raise NotSent(Trouble.UNREACHABLE, f"{type(error).__name__} {host}:{port}") from error
        deadline = _Deadline(max(0.1, total_seconds - (time.monotonic() - started)))
        sock = connection.sock
        connection.sock = timed = _Timed(sock, deadline)
        try:
            with sock:
                return _exchange(connection, request, parts.path or "/", parts.query, answer_bytes)
        except (OSError, http.client.HTTPException) as error:
            if deadline.over or isinstance(error, TimeoutError):
                raise NoWord(Trouble.TIMED_OUT, f"{total_seconds:g} s") from error
            raise NoWord(Trouble.BROKEN_OFF, type(error).__name__) from error
        except WireError:
            raise
        except Exception as error:
            if not timed.sent:
                raise
            log.exception("answer.not_read")
            raise NoWord(Trouble.BUG, type(error).__name__) from error
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection, request: Request, path: str, query: str, answer_bytes: int
) -> Answer:
    target = f"{path}?{query}" if query else path
    connection.request(request.method, target, body=request.body, headers=dict(request.headers))
    response = connection.getresponse()
    body = response.read(answer_bytes + 1)
    if len(body) > answer_bytes:
        raise NoWord(Trouble.ANSWER_TOO_LARGE, f"HTTP {response.status}, more than {answer_bytes} bytes")
    if response.length:  # announced but not sent
        raise NoWord(Trouble.BROKEN_OFF, f"HTTP {response.status}, {response.length} bytes missing")
    return Answer(
        status=response.status,
        content_type=(response.getheader("Content-Type") or "").partition(";")[0].strip().lower()[:100],
        body=body,
        retry_after=_seconds(response.getheader("Retry-After")),
        location=response.getheader("Location"),
    )


def _seconds(header: str | None) -> float | None:
    if header is None or not (header.isascii() and header.strip().isdigit()):
        return None
    return float(header.strip()[:9])
