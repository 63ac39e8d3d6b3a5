"""The text model's process: it learns from routing's database and classifies over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from lianban.chassis.errors import Retry
from services.routing.app import textmodel
from services.routing.app.registering import register_matter_type
from services.routing.domain.register import MatterType, Part
from tests.integration.routing.conftest import NOW, City
from tests.keys import forget_settings

ROOT = Path(__file__).parents[3]


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(two.getsockname()[1])


def wait_for(url: str, status: int) -> requests.Response:
    session = requests.Session()
    session.trust_env = False
    deadline = time.monotonic() + 120
    while True:
        try:
            answer = session.get(url, timeout=5)
            if answer.status_code == status:
                return answer
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, f"{url} did not answer {status}"
        time.sleep(0.2)


@pytest.fixture
def no_catalogue(city: City) -> None:
    """The site has no responsibility catalogue yet."""
    city.connection.execute("delete from matter_type")


@pytest.fixture
def ports() -> tuple[int, int]:
    return free_ports()


@pytest.fixture
def started(city: City, ports: tuple[int, int]) -> Iterator[subprocess.Popen[bytes]]:
    """A running process of the text model."""
    environment = {**os.environ, "LIANBAN_HTTP_PORT": str(ports[0]), "LIANBAN_OPS_PORT": str(ports[1])}
    running = subprocess.Popen([sys.executable, "-m", "services.routing.suggest"], cwd=ROOT, env=environment)
    yield running
    running.terminate()
    running.wait(timeout=30)


@pytest.fixture
def process(
    started: subprocess.Popen[bytes], ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """The addresses of the running process: classification, operations."""
    monkeypatch.setenv("LIANBAN_SUGGEST_URL", f"http://127.0.0.1:{ports[0]}")
    forget_settings()
    return f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[1]}"


@pytest.mark.slow
def test_it_learns_the_catalogue_classifies_and_notices_changes(city: City, process: tuple[str, str]) -> None:
    _http, ops = process
    wait_for(f"{ops}/healthz", 200)
    wait_for(f"{ops}/readyz", 200)
    river, rubbish = uuid4(), uuid4()
    found = textmodel.classify([(river, "河水发黑", "印染厂偷排废水"), (rubbish, "没人清运", "小区门口垃圾成堆")])
    assert max(found[river], key=lambda code: found[river][code]) == "water-pollution"
    assert max(found[rubbish], key=lambda code: found[rubbish][code]) == "rubbish"
    assert "lianban_suggest_matter_types 2.0" in wait_for(f"{ops}/metrics", 200).text

    from lianban.chassis.runtime import database

    noise = MatterType(code="noise", item="QH-3", field="environment", name="广场舞噪声扰民", lead=Part("police"))
    with database().transaction() as tx:
        register_matter_type(tx, noise, at=NOW)
    deadline = time.monotonic() + 30
    while "lianban_suggest_matter_types 3.0" not in wait_for(f"{ops}/metrics", 200).text:
        assert time.monotonic() < deadline, "the new matter type was not learned"
        time.sleep(0.5)


@pytest.mark.slow
def test_bad_requests_are_told(process: tuple[str, str]) -> None:
    http, ops = process
    wait_for(f"{ops}/readyz", 200)
    assert requests.post(f"{http}/v1/classify", data=b"{", timeout=5).status_code == 422
    assert requests.post(f"{http}/v1/classify", json={"items": [{"id": 1}]}, timeout=5).status_code == 422
    assert requests.post(f"{http}/else", json={}, timeout=5).status_code == 404
    assert requests.post(f"{http}/v1/classify", json={"items": []}, timeout=5).json() == {"items": []}


@pytest.mark.slow
def test_without_a_catalogue_it_waits_and_says_so(no_catalogue: None, process: tuple[str, str]) -> None:
    _http, ops = process
    wait_for(f"{ops}/healthz", 200)
    assert wait_for(f"{ops}/readyz", 503).json()["parts"]["model"] in {
        "starting",
        "the responsibility catalogue is empty",
    }
    with pytest.raises(Retry):
        textmodel.classify([(uuid4(), "河水", "发黑")])


@pytest.mark.slow
def test_asked_to_stop_it_ends_in_order(process: tuple[str, str], started: subprocess.Popen[bytes]) -> None:
    wait_for(f"{process[1]}/readyz", 200)
    started.terminate()
    assert started.wait(timeout=20) == 0


def test_a_process_that_is_away_is_asked_again_later(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANBAN_SUGGEST_URL", f"http://127.0.0.1:{free_ports()[0]}")
    forget_settings()
    with pytest.raises(Retry):
        textmodel.classify([(uuid4(), "a", "b")])
