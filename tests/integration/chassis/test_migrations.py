"""Migrations of the bus' tables on a database that is in use."""

from __future__ import annotations

from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from lianban.chassis.migrations import CHASSIS
from tests.databases import url_of


def test_trails_and_what_waits_come_over(postgres: str) -> None:
    """Handled rows become the trail, waiting ones stay as they are, what is unpublished stays to be published."""
    name = f"t_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"create database {name}")
    done, waits, poisoned = uuid4(), uuid4(), uuid4()
    with psycopg.connect(url_of(postgres, name), row_factory=dict_row) as connection:
        for file in ("0001_bus.sql", "0002_traces.sql"):
            connection.execute((CHASSIS / file).read_bytes())
        for subject, sequence, state, handled, body in (
            (done, 1, "done", "2026-01-01", None),
            (done, 2, "done", "2026-01-01", None),
            (done, 3, "done", "2026-01-02", None),
            (waits, 2, "parked", None, b"{}"),
            (poisoned, 1, "quarantined", None, b"{}"),
        ):
            connection.execute(
                "insert into inbox (event_id, subject, producer, sequence, type, body, state, handled_at, tries, error)"
                " values (%s, %s, 'intake', %s, 't', %s, %s, %s, 4, 'why')",
                (UUID(int=sequence), subject, sequence, body, state, handled),
            )
        for sequence, published in ((1, "2026-01-01"), (2, None), (3, None)):
            connection.execute(
                "insert into outbox (event_id, subject, sequence, type, routing_key, body, published_at)"
                " values (%s, %s, %s, 't', 'k', '', %s)",
                (uuid4(), done, sequence, published),
            )
        connection.commit()

        connection.execute((CHASSIS / "0003_trails.sql").read_bytes())
        connection.commit()

        trail = connection.execute("select subjects, producers, sequences from handled order by at").fetchall()
        assert trail == [
            {"subjects": [done, done], "producers": ["intake", "intake"], "sequences": [1, 2]},
            {"subjects": [done], "producers": ["intake"], "sequences": [3]},
        ]
        kept = connection.execute("select subject, sequence, state, tries, error, body from inbox order by state")
        assert kept.fetchall() == [
            {"subject": waits, "sequence": 2, "state": "parked", "tries": 4, "error": "why", "body": b"{}"},
            {"subject": poisoned, "sequence": 1, "state": "quarantined", "tries": 4, "error": "why", "body": b"{}"},
        ]
        left = connection.execute("select sequence from unpublished join outbox using (position) order by position")
        assert [row["sequence"] for row in left] == [2, 3]
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"drop database {name}")
