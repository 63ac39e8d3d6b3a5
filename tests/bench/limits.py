"""The physical limits of this machine: what PostgreSQL and RabbitMQ do when nothing else is asked of them.

They are measured in the stack's own PostgreSQL and broker, with the stack's configuration (fsync on, commits waited
for, persistent messages in a quorum queue, confirmed), in a database and a queue of their own.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from amqp import Message
from kombu import Connection, Queue

from deploy.local.configuration import postgres_programs
from deploy.local.stack import Stack

DATABASE = "bench_limits"
QUEUE = "bench.limits"
BYTES = 2048
BODY = 1960
"""Bytes of a body that make a row of two kilobytes with what belongs to it; random, so that nothing is compressed."""
CONNECTIONS = 16
CONFIRMS_PER = 100

TABLES = """
create table row_alone (id uuid primary key, body bytea not null);
create table matter (id uuid primary key, body bytea not null, received_at timestamptz not null default now());
create table outbox (position bigint generated always as identity primary key, event_id uuid not null unique,
    subject uuid not null, body bytea not null, created_at timestamptz not null default now());
create table history (subject uuid not null, position int not null, at timestamptz not null, data text not null,
    primary key (subject, position));
"""
_LITERAL = f"'\\x{random.Random(1).randbytes(BODY).hex()}'"
ONE_ROW = f"insert into row_alone (id, body) values (gen_random_uuid(), {_LITERAL});\n"
THREE_ROWS = f"""\
begin;
select gen_random_uuid() as subject \\gset
insert into matter (id, body) values (:subject, {_LITERAL});
insert into outbox (event_id, subject, body) values (gen_random_uuid(), :subject, {_LITERAL});
insert into history (subject, position, at, data) values (:subject, 1, now(), 'registered');
commit;
"""


@contextmanager
def scratch(stack: Stack) -> Iterator[str]:
    """The URL of a database for the limits, removed afterwards."""
    url = stack.admin_url().rpartition("/")[0] + f"/{DATABASE}"
    with psycopg.connect(stack.admin_url(), autocommit=True) as admin:
        admin.execute(f"drop database if exists {DATABASE} with (force)")
        admin.execute(f"create database {DATABASE}")
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLES)
        yield url
    finally:
        with psycopg.connect(stack.admin_url(), autocommit=True) as admin:
            admin.execute(f"drop database if exists {DATABASE} with (force)")


def pg_per_s(url: str, script: str, seconds: int) -> float:
    """Transactions per second by pgbench with 16 connections and prepared statements."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.sql"
        path.write_text(script)
        done = subprocess.run(
            [
                str(postgres_programs() / "pgbench"), "--no-vacuum", "--protocol", "prepared",
                "--client", str(CONNECTIONS), "--jobs", "2", "--time", str(seconds), "--file", str(path), url,
            ],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )  # fmt: skip
    found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench failed: {done.stderr[-500:]}")
    return float(found[1])


def broker_per_s(stack: Stack, seconds: float) -> float:
    """Persistent 2 KB messages per second that a quorum queue takes, confirms awaited after every hundred."""
    queue = Queue(QUEUE, durable=True, queue_arguments={"x-queue-type": "quorum"})
    waiting: set[int] = set()
    with Connection(stack.amqp_url(), connect_timeout=10) as connection:
        channel = connection.channel()
        queue(channel).declare()
        channel.confirm_select()

        def on_ack(tag: int, multiple: bool) -> None:
            waiting.difference_update([t for t in waiting if t <= tag] if multiple else [tag])

        channel.events["basic_ack"].add(on_ack)
        body, sent, began = os.urandom(BYTES), 0, time.monotonic()
        try:
            while time.monotonic() < began + seconds:
                for tag in range(sent + 1, sent + CONFIRMS_PER + 1):
                    waiting.add(tag)
                    message = Message(body, delivery_mode=2)
                    channel.basic_publish(message, exchange="", routing_key=QUEUE, mandatory=True)
                sent += CONFIRMS_PER
                while waiting:
                    connection.drain_events(timeout=10)
            return sent / (time.monotonic() - began)
        finally:
            queue(connection.channel()).delete()
