"""How fast petitions are taken in: by our intake through the edge, and by the plain way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from amqp import NotFound
from kombu import Connection

from deploy.local.checks import Trouble, taken
from deploy.local.environment import passed_on
from deploy.local.layout import HOST, ROOT
from deploy.local.stack import Stack, listens
from deploy.local.supervision import uninterrupted
from tests.bench.figures import PERCENT, percentile
from tests.load.city import LoadCity
from tests.load.drive import Drive, Matter
from tests.load.petitions import Kind

BARE_DATABASE = "bench_bare"
BARE_QUEUE = "evt-bare-matter-registered--bare_listener.heard"
"""As nameko names the queue of the plain service's consumer."""
START_SECONDS = 30


def submissions(city: LoadCity, seconds: float, *, through: str | None) -> dict[str, float]:
    """Petitions answered per second with 16 clients, and percentiles of the times; ``through``: not the edge."""
    with Drive(city, rate_decisions=False, url=through) as drive:
        drive.submit(list(Kind), seconds=seconds)
        taken_in = drive.submitted()
        if drive.requests.failures:
            raise AssertionError(f"requests failed: {drive.requests.failures[:3]}")
    return {"per_s": per_second(taken_in)} | milliseconds([matter.seconds for matter in taken_in])


def per_second(matters: Sequence[Matter]) -> float:
    """Answers per second between the first request and the last answer."""
    began = min(matter.sent_at for matter in matters)
    ended = max(matter.sent_at + matter.seconds for matter in matters)
    return len(matters) / (ended - began)


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles, by the names that figures have."""
    return {f"{name}_ms": 1000 * percentile(seconds, share) for name, share in PERCENT.items()}


@contextmanager
def bare(stack: Stack) -> Iterator[str]:
    """The plain service on the stack's database server and broker, its consumer stopped; its address."""
    admin, port = stack.admin_url(), stack.layout.ports.base + 119
    if taken(port):
        raise Trouble(f"Port {port} is taken.", "Stop the program that listens there.")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"drop database if exists {BARE_DATABASE} with (force)")
        connection.execute(f"create database {BARE_DATABASE}")
    given = {
        "BARE_DATABASE_URL": admin.rpartition("/")[0] + f"/{BARE_DATABASE}",
        "BARE_AMQP_URL": stack.amqp_url(),
        "BARE_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.bench.bare"], cwd=ROOT, env=passed_on() | given
    )
    uninterrupted(process.pid)  # as the stack's processes are
    try:
        deadline = time.monotonic() + START_SECONDS
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Trouble("The plain service did not start.", f"It ended with {process.poll()}.")
            time.sleep(0.1)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"drop database if exists {BARE_DATABASE} with (force)")
        with Connection(stack.amqp_url(), connect_timeout=10) as broker:
            broker.channel().queue_delete(BARE_QUEUE)


def waiting_events(stack: Stack) -> int | None:
    """Events of the plain service that wait for its consumer; None where there is no queue for them."""
    with Connection(stack.amqp_url(), connect_timeout=10) as broker:
        try:
            return int(broker.channel().queue_declare(BARE_QUEUE, passive=True).message_count)
        except NotFound:
            return None
