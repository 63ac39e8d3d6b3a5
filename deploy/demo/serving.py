"""A small threaded HTTP server for the demo programs that finishes what is under way before it stops."""

from __future__ import annotations

import logging
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("demo.serving")

RESET = "demo.reset"
"""Key in the WSGI environment: when an application sets it, the connection is reset instead of answered."""


class _Handler(WSGIRequestHandler):
    # Headers and body are two writes; with Nagle's algorithm the second waits 40 ms for the peer's delayed ACK.
    disable_nagle_algorithm = True
    timeout = 60

    def run_wsgi(self) -> None:
        """Answer one request; the connection ends with it, also where answering goes wrong halfway."""
        self.close_connection = True
        super().run_wsgi()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are not logged: their addresses may hold references of people's matters."""

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:
        """A caller that goes away is no news."""


class _Tracked:
    """The application with a count of requests under way, and the switch that resets a connection."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._under_way = 0
        self._changed = threading.Condition()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._changed:
            self._under_way += 1
        try:
            held: list[tuple[Any, ...]] = []

            def hold(*args: Any) -> Callable[[bytes], object]:
                held.append(args)
                return lambda data: None

            body = self._app(environ, hold)
            if environ.get(RESET):
                connection: socket.socket = environ["werkzeug.socket"]
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
                raise ConnectionResetError("reset on purpose")
            start_response(*held[-1])
            return body
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def drain(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._under_way == 0, seconds)


class Server:
    """A WSGI application on a loopback port, one thread per connection."""

    def __init__(self, app: WSGIApplication, host: str, port: int) -> None:
        self._tracked = _Tracked(app)
        self._server: BaseWSGIServer = make_server(host, port, self._tracked, threaded=True, request_handler=_Handler)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Take no new connection, and wait up to ``seconds`` for requests under way."""
        self._server.shutdown()
        self._server.server_close()
        if not self._tracked.drain(seconds):
            log.warning("requests still under way after %.0f s, leaving them", seconds)
        # An answer is written after the application has returned it.
        time.sleep(0.05)


def stop_requests() -> threading.Event:
    """An event that is set when the process is asked to stop (SIGTERM or SIGINT)."""
    asked = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return asked


def set_up_logs() -> None:
    """One line per record to standard error; noisy libraries only from warnings on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("werkzeug", "urllib3", "psycopg.pool", "mail.log", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
