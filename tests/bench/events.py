"""How fast one service handles events, and how fast its relay publishes them."""

from __future__ import annotations

from datetime import datetime
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from deploy.local.processes import all_of
from deploy.local.stack import Stack
from deploy.waiting import until
from tests.bench.processes import wait_until_ready

CONSUMER = "oversight"
"""It hears everything, keeps a ledger and starts clocks: no service has more to do for an event."""
PUBLISHED = 5000
"""Events that wait when the relay starts."""
LONGEST = 300


def consumed_per_s(stack: Stack) -> float:
    """Events per second that one process handles while it empties its full queues; it is stopped again afterwards.

    What lies there are petitions that intake took in while all others were stopped: each starts a clock and is
    entered in the ledger.
    """
    with psycopg.connect(stack.database_url(CONSUMER), autocommit=True) as connection:
        (began,) = _row(connection, "select now()")
        waiting = _waiting(stack)
        if not waiting:
            raise AssertionError("the queues are empty: there is nothing to measure")
        stack.supervisor.begin(CONSUMER)
        try:
            until(
                lambda: _handled(connection, began)[0] >= waiting,
                f"{waiting} events handled",
                seconds=LONGEST,
                every=0.05,
            )
            number, first, moment = _handled(connection, began)
        finally:
            stack.supervisor.end(CONSUMER)
    seconds: float = (moment - first).total_seconds()
    return float(number) / seconds


NOTE_TAKEN = """
create table taken (at timestamptz not null, events bigint not null);
create function note_taken() returns trigger language plpgsql as $$
begin
    insert into taken select clock_timestamp(), count(*) from gone having count(*) > 0;
    return null;
end $$;
create trigger note_taken after delete on unpublished referencing old table as gone
    for each statement execute function note_taken();
"""
NOTE_NO_MORE = "drop trigger note_taken on unpublished; drop function note_taken(); drop table taken"


def published_per_s(stack: Stack, number: int) -> float:
    """Events per second that intake's relay publishes, of ``number`` that wait when it starts.

    One process of intake runs meanwhile: another would only start beside it and be no relay.
    """
    relay, *others = all_of("intake")
    stack.supervisor.end_together([relay, *others])
    with psycopg.connect(stack.database_url("intake"), autocommit=True) as connection:
        connection.execute(
            "insert into unpublished (position) select position from outbox order by position desc limit %s", (number,)
        )
        connection.execute("analyze outbox")
        connection.execute(NOTE_TAKEN)
        stack.supervisor.begin(relay)
        until(
            lambda: _row(connection, "select not exists (select from unpublished)")[0],
            f"{number} events published",
            seconds=LONGEST,
            every=0.1,
        )
        last, first, again, of_first = _row(
            connection,
            "select max(at), min(at), sum(events), (select events from taken order by at limit 1) from taken",
        )
        connection.execute(NOTE_NO_MORE)
    for name in others:
        stack.supervisor.begin(name)
    wait_until_ready(stack, ["intake"])
    seconds: float = (last - first).total_seconds()
    return float(again - of_first) / seconds


def _handled(connection: psycopg.Connection[TupleRow], since: datetime) -> TupleRow:
    """How many events were handled, when the first batch began (``at`` is that), and what time it is."""
    return _row(
        connection,
        "select coalesce(sum(cardinality(sequences)), 0), min(at), clock_timestamp() from handled where at > %s",
        since,
    )


def _waiting(stack: Stack) -> int:
    """Events of intake that the consumer has not heard yet."""
    with psycopg.connect(stack.database_url("intake"), autocommit=True) as connection:
        (said,) = _row(connection, "select (select count(*) from outbox) - (select count(*) from unpublished)")
    with psycopg.connect(stack.database_url(CONSUMER), autocommit=True) as connection:
        (heard,) = _row(
            connection, "select count(*) from handled, unnest(producers) as producer where producer = 'intake'"
        )
    return int(said - heard)


def _row(connection: psycopg.Connection[TupleRow], sql: LiteralString, *parameters: object) -> TupleRow:
    row = connection.execute(sql, parameters).fetchone()
    if row is None:
        raise LookupError("the query answers with one row")
    return row
