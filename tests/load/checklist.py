"""When a life-cycle is complete in every service: the same list for benchmark and faults.

A matter's life-cycle counts only when every event that it must have was said and published, every service that hears
the producer has handled each of its events, and every service's own rows stand at their end: deliveries delivered,
statements judged, documents issued, notices sent, clocks stopped, the case closed. It counts as what it was submitted
as: with more agencies than its kind has, it is not complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from deploy.local.layout import SERVICES
from deploy.local.stack import Stack
from lianban.chassis.topology import HEARS
from tests.load.petitions import Kind

AT_ONCE = 2000
"""Matters that one query looks at."""

Connections = Mapping[str, psycopg.Connection[DictRow]]
Missing = dict[UUID, list[str]]


def said(kind: Kind) -> dict[str, int]:
    """Every event of a life-cycle without objection, supplement or second round: its type, and how often it is said."""
    n = kind.agencies
    return {
        "intake.matter-registered": 1,
        "intake.matter-rated": 1,
        "routing.case-suggested": 1,
        "routing.case-routed": 1,
        "routing.assignment-sent": n,
        "routing.assignment-accepted": n,
        "routing.case-accepted": 1,
        "routing.assignment-progressed": n,
        "routing.assignment-opinion-given": n - 1,
        "routing.assignment-replied": 1,
        "routing.case-decided": 1,
        "routing.assignment-done": n,
        "routing.case-closed": 1,
        # The assignment and the closing to everybody, each co-handler's opinion to the lead.
        "agency_gateway.message-delivered": 2 * n + (n - 1),
        "agency_gateway.agency-accepted": n,
        "agency_gateway.agency-progressed": n,
        "agency_gateway.agency-gave-opinion": n - 1,
        "agency_gateway.agency-replied": 1,
        # Notice of transfer, notice of acceptance, decision.
        "notification.document-issued": 3,
        # Registered, routed, accepted, decided, closed: on the portal and by e-mail, which proves service.
        "notification.notice-sent": 10,
        "notification.notice-served": 5,
        # route, handle, ask_review, rating; notice and objection of each agency.
        "oversight.clock-started": 4 + 2 * n,
        # All but ask_review, which outlives the closing.
        "oversight.clock-stopped": 3 + 2 * n,
    }


def handled_by(event_type: str) -> tuple[str, ...]:
    """The services that must have handled an event of this type."""
    producer = event_type.partition(".")[0]
    return tuple(service for service in SERVICES if producer in HEARS[service])


@contextmanager
def looking(stack: Stack) -> Iterator[Connections]:
    """A connection to each service's database, for looking only."""
    opened: dict[str, psycopg.Connection[DictRow]] = {}
    try:
        for service in SERVICES:
            opened[service] = psycopg.connect(stack.database_url(service), autocommit=True, row_factory=dict_row)
        yield opened
    finally:
        for connection in opened.values():
            connection.close()


def incomplete(stack: Stack, matters: Mapping[UUID, Kind]) -> Missing:
    """What is missing, by matter; empty when every life-cycle is complete in every service."""
    with looking(stack) as connections:
        return missing(connections, matters)


def missing(connections: Connections, matters: Mapping[UUID, Kind]) -> Missing:
    """As :func:`incomplete`, over connections at hand."""
    found: Missing = {}
    ids = list(matters)
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        for first in range(0, len(ids), AT_ONCE):
            part = ids[first : first + AT_ONCE]
            asked = [pool.submit(_rows, connections[service], service, part) for service in SERVICES]
            answers = {service: answer.result() for service, answer in zip(SERVICES, asked, strict=True)}
            for matter, what in _compare({i: matters[i] for i in part}, answers):
                found.setdefault(matter, []).append(what)
    return found


class _Rows:
    """What one service's database says about some matters."""

    def __init__(self) -> None:
        self.said: dict[UUID, Counter[str]] = {}
        self.unpublished: Counter[UUID] = Counter()
        self.done: dict[tuple[UUID, str], int] = {}
        self.waiting: dict[tuple[UUID, str], Counter[str]] = {}
        self.ends: dict[str, dict[UUID, DictRow]] = {}


def _rows(connection: psycopg.Connection[DictRow], service: str, ids: list[UUID]) -> _Rows:
    rows = _Rows()
    for row in connection.execute(
        "select subject, type, count(*) as events, count(unpublished.position) as unpublished"
        " from outbox left join unpublished using (position) where subject = any(%s) group by subject, type",
        (ids,),
    ):
        name = str(row["type"]).removeprefix("lianban.").rpartition(".")[0]
        rows.said.setdefault(row["subject"], Counter())[name] += row["events"]
        rows.unpublished[row["subject"]] += row["unpublished"]
    for row in connection.execute(
        "select subject, producer, last::int8 as events from stream, jsonb_each_text(marks) as mark (producer, last)"
        " where subject = any(%s)",
        (ids,),
    ):
        rows.done[row["subject"], row["producer"]] = row["events"]
    for row in connection.execute(
        "select subject, producer, state, count(*) as events from inbox where subject = any(%s)"
        " group by subject, producer, state",
        (ids,),
    ):
        rows.waiting.setdefault((row["subject"], row["producer"]), Counter())[row["state"]] += row["events"]
    for name, sql in ENDS[service].items():
        rows.ends[name] = {row["matter"]: row for row in connection.execute(sql, (ids,))}
    return rows


ENDS: dict[str, dict[str, str]] = {
    "intake": {
        "progress": "select matter_id as matter, state, decided_round from progress where matter_id = any(%s)",
        "rating": "select matter_id as matter, count(*) as votes from rating where matter_id = any(%s) group by 1",
        "clock": "select matter_id as matter, count(*) filter (where outcome is null and rule <> 'ask_review')"
        " as running from clock where matter_id = any(%s) group by 1",
        "document": "select matter_id as matter, count(*) as documents from document where matter_id = any(%s)"
        " group by 1",
    },
    "routing": {
        "case": "select id as matter, state, attention from petition_case where id = any(%s)",
        "assignment": "select case_id as matter, count(*) as all, count(*) filter (where state = 'done') as done"
        " from assignment where case_id = any(%s) group by 1",
        "statement": "select case_id as matter, count(*) filter (where fetch_due is not null) as unfetched"
        " from statement where case_id = any(%s) group by 1",
    },
    "agency_gateway": {
        "delivery": "select assignment.matter_id as matter, count(*) as all, count(*) filter"
        " (where delivery.state = 'delivered') as delivered from delivery join assignment"
        " on assignment.id = delivery.assignment_id where assignment.matter_id = any(%s) group by 1",
        "statement": "select assignment.matter_id as matter, count(*) as all, count(*) filter"
        " (where status = 'applied') as applied from statement join assignment"
        " on assignment.id = statement.assignment_id where assignment.matter_id = any(%s) group by 1",
        "assignment": "select matter_id as matter, count(*) as all, count(*) filter (where state = 'done') as done"
        " from assignment where matter_id = any(%s) group by 1",
    },
    "oversight": {
        "matter": "select id as matter, state from matter where id = any(%s)",
        "clock": "select matter_id as matter, count(*) as all, count(*) filter"
        " (where outcome is null and rule <> 'ask_review') as running from clock where matter_id = any(%s) group by 1",
        "ledger": "select subject as matter, count(*) as entries from ledger where subject = any(%s) group by 1",
    },
    "notification": {
        "notice": "select matter_id as matter, count(*) as all, count(*) filter (where state in ('sent', 'served'))"
        " as handed_over from notice where matter_id = any(%s) group by 1",
        "document": "select matter_id as matter, count(*) as all, count(*) filter (where state = 'issued') as issued"
        " from document where matter_id = any(%s) group by 1",
    },
}
"""Per service, what its own rows say about the end of a matter; each query answers with one row a matter."""


def _compare(matters: Mapping[UUID, Kind], found: Mapping[str, _Rows]) -> Iterator[tuple[UUID, str]]:
    for matter, kind in matters.items():
        for service in SERVICES:
            yield from ((matter, what) for what in _bus(matter, service, kind, found))
        for what in _ends(matter, kind, {service: rows.ends for service, rows in found.items()}):
            yield matter, what


def _bus(matter: UUID, service: str, kind: Kind, found: Mapping[str, _Rows]) -> Iterable[str]:
    """What this service has not said, or the others have not handled."""
    rows = found[service]
    told = rows.said.get(matter, Counter())
    for event_type, times in said(kind).items():
        if event_type.startswith(f"{service}.") and told[event_type] < times:
            yield f"{event_type} was said {told[event_type]} times, not {times}"
    if rows.unpublished[matter]:
        yield f"{rows.unpublished[matter]} events of {service} are not published"
    for hearer in handled_by(f"{service}."):
        done = found[hearer].done.get((matter, service), 0)
        if done != told.total():
            yield f"{hearer} has handled {done} of {told.total()} events of {service}"
        for state, events in found[hearer].waiting.get((matter, service), Counter()).items():
            yield f"{events} events of {service} are {state} in {hearer}"


def _ends(matter: UUID, kind: Kind, ends: Mapping[str, Mapping[str, Mapping[UUID, DictRow]]]) -> Iterable[str]:
    """What in the services' own rows is not at its end."""
    n = kind.agencies

    def check(service: str, table: str, right: Callable[[DictRow], bool], what: str) -> Iterator[str]:
        row: dict[str, Any] | None = ends[service][table].get(matter)
        if row is None or not right(row):
            told = {key: value for key, value in (row or {}).items() if key != "matter"}
            yield f"{service}: {what} ({told or 'no row'})"

    yield from check(
        "intake", "progress", lambda r: r["state"] == "closed" and r["decided_round"] >= 1, "the status is closed"
    )
    yield from check("intake", "rating", lambda r: r["votes"] >= n + 1, "everybody was rated")
    yield from check("intake", "clock", lambda r: r["running"] == 0, "no clock is shown as running")
    yield from check("intake", "document", lambda r: r["documents"] >= 3, "three documents are shown")
    yield from check(
        "routing", "case", lambda r: r["state"] == "closed" and r["attention"] is None, "the case is closed"
    )
    yield from check("routing", "assignment", lambda r: r["all"] == r["done"] == n, f"{n} parts, all done")
    yield from check("routing", "statement", lambda r: r["unfetched"] == 0, "the words of all statements are there")
    yield from check(
        "agency_gateway",
        "delivery",
        lambda r: r["all"] == r["delivered"] >= 3 * n - 1,
        "every message reached its department",
    )
    yield from check(
        "agency_gateway", "statement", lambda r: r["all"] == r["applied"] >= 3 * n, "every statement was judged"
    )
    yield from check("agency_gateway", "assignment", lambda r: r["all"] == r["done"] == n, f"{n} assignments, all done")
    yield from check("oversight", "matter", lambda r: r["state"] == "closed", "the matter is closed")
    yield from check(
        "oversight", "clock", lambda r: r["running"] == 0 and r["all"] >= 4 + 2 * n, "every clock has stopped"
    )
    yield from check("oversight", "ledger", lambda r: r["entries"] > 0, "the ledger has the matter")
    yield from check(
        "notification", "notice", lambda r: r["all"] == r["handed_over"] >= 10, "every notice was handed over"
    )
    yield from check("notification", "document", lambda r: r["all"] == r["issued"] >= 3, "every document was issued")
