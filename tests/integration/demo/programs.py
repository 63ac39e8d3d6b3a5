"""Running the demo programs as their users do, and a receiver for what they send."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from flask import Flask, Response, request

from deploy.demo.serving import Server

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(found: Callable[[], Any], seconds: float = 15) -> Any:
    """What ``found`` returns once it is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < deadline, f"did not happen within {seconds} s"
        time.sleep(0.05)


@dataclass
class Program:
    """One demo program as a process of its own."""

    module: str
    url: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **self.environment},
                stdout=log,
                stderr=log,
            )
        eventually(self.ready, 30)

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(self.url + "/readyz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(30)


@contextmanager
def running(program: Program) -> Iterator[Program]:
    program.start()
    try:
        yield program
    finally:
        if program.process is not None and program.process.poll() is None:
            assert program.end() == 0, program.log.read_text()


@dataclass
class Receiver:
    """Takes webhooks; ``failures`` is how many it refuses first."""

    events: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    refused: list[dict[str, Any]] = field(default_factory=list)
    failures: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def app(self) -> Flask:
        app = Flask("receiver")

        @app.post("/hook")
        def hook() -> Response:
            with self._lock:
                body = request.get_json()
                self.keys.add(request.headers.get("X-Api-Key"))
                if self.failures:
                    self.failures -= 1
                    self.refused.append(body)
                    return Response("later", 503)
                self.events.append(body)
            return Response(status=204)

        return app

    def statuses(self, ref: str) -> list[str]:
        with self._lock:
            return [event["status"] for event in self.events if event["external_ref"] == ref]


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    receiver = Receiver()
    server = Server(receiver.app(), "127.0.0.1", 0)
    server.start()
    yield receiver, f"http://127.0.0.1:{server.port}/hook"
    server.stop()
