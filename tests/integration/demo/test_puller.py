"""The pull client as a process: started before its list of agencies is there, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request

from deploy.demo.puller.settings import taken_up, version
from deploy.demo.serving import Server
from tests.integration.demo.programs import ROOT, eventually

A = "aaaaaaaa-0000-4000-8000-000000000001"


class Exchange:
    """One assignment in the feed of every agency; keeps statements by their id."""

    def __init__(self) -> None:
        self.statements: dict[str, dict[str, Any]] = {}
        self.up = True

    def app(self) -> Flask:
        app = Flask("exchange")

        @app.before_request
        def down() -> Response | None:
            return None if self.up else Response("down", 503)

        @app.get("/exchange/v1/messages")
        def messages() -> Response:
            message = {"id": "m-1", "kind": "assignment", "assignment_id": A, "version": 1, "role": "co_handler",
                       "matter": {"title": "秘密的标题", "content": "", "claims": []}}  # fmt: skip
            items = [] if request.args.get("after") else [{"cursor": 1, "message": message}]
            return jsonify(items=items, next=1)

        @app.post("/exchange/v1/messages/<message_id>/receipt")
        def receipt(message_id: str) -> Response:
            return jsonify(message_id=message_id)

        @app.post("/exchange/v1/assignments/<assignment_id>/statements")
        def state(assignment_id: str) -> tuple[Response, int]:
            body = request.get_json()
            self.statements.setdefault(body["id"], body)
            return jsonify(), 202

        return app

    def kinds(self) -> list[str]:
        return [statement["kind"] for statement in self.statements.values()]


@pytest.fixture
def exchange() -> Iterator[tuple[Exchange, str]]:
    fake = Exchange()
    server = Server(fake.app(), "127.0.0.1", 0)
    server.start()
    yield fake, f"http://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture
def start(exchange: tuple[Exchange, str], tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def go() -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "PULLER_CONFIG": str(tmp_path / "agencies.json"),
            "PULLER_URL": exchange[1],
            "PULLER_POLL_SECONDS": "0.2",
        }
        with (tmp_path / "log").open("ab") as log:
            command = [sys.executable, "-m", "deploy.demo.puller"]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield go
    for process in started:
        if process.poll() is None:
            process.terminate()
            assert process.wait(20) == 0


def write_list(folder: Path, seconds: float) -> None:
    autopilot = {"mode": "on", "min_seconds": seconds, "max_seconds": seconds}
    listed = [{"agency": "city-urban", "token": "t0k3n", "trade": "urban", "autopilot": autopilot}]
    (folder / "agencies.json").write_text(json.dumps(listed))


def log(folder: Path) -> str:
    return (folder / "log").read_text()


def test_it_waits_for_its_list_and_takes_up_a_new_one(
    exchange: tuple[Exchange, str], start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    start()
    eventually(lambda: "no list of agencies yet" in log(tmp_path))
    (tmp_path / "agencies.json").write_text('[{"agency"')
    eventually(lambda: "cannot be used" in log(tmp_path))
    write_list(tmp_path, 0.1)
    eventually(lambda: exchange[0].kinds() == ["accept", "progress", "opinion"])
    assert not [word for word in ("秘密", "t0k3n") if word in log(tmp_path)]


def test_it_says_which_list_it_works_by(start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path) -> None:
    path = tmp_path / "agencies.json"
    write_list(tmp_path, 60)
    first = version(path)
    start()
    eventually(lambda: taken_up(path).exists() and taken_up(path).read_text() == first)
    path.write_text('[{"agency"')
    eventually(lambda: "cannot be used" in log(tmp_path))
    assert taken_up(path).read_text() == first
    path.write_text("[]")
    eventually(lambda: taken_up(path).read_text() == version(path))


def test_a_kill_between_two_statements_loses_and_repeats_nothing(
    exchange: tuple[Exchange, str], start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    fake, _ = exchange
    write_list(tmp_path, 1)
    process = start()
    eventually(lambda: fake.kinds() == ["accept"])
    fake.up = False
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    start()
    eventually(lambda: "the exchange failed" in log(tmp_path))
    fake.up = True
    eventually(lambda: fake.kinds() == ["accept", "progress", "opinion"])
