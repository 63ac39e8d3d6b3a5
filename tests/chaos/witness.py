"""An independent witness in every service's database: in which order, and how often, events had their effect.

A trigger writes one row for each event of the trail of what was handled, in the transaction that gives it its effect.
No constraint keeps anything out of this table: what had its effect twice, or too early, stands there so. Another one,
at the departments, writes down every message that comes to them, also one that they have already and pass over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from deploy.local.layout import SERVICES
from lianban.chassis.topology import HEARS
from lianban.contracts.envelope import Envelope
from tests.chaos.shaken import ShakenStack

TABLE = """
create table if not exists witness (
    position bigint generated always as identity primary key,
    subject uuid not null,
    producer text not null,
    sequence bigint not null
);
create index if not exists witness_subject on witness (subject, position);
create or replace function witness() returns trigger language plpgsql as $$
begin
    insert into witness (subject, producer, sequence)
        select * from unnest(new.subjects, new.producers, new.sequences);
    return null;
end $$;
create or replace trigger witness after insert or update on handled for each row execute function witness();
"""

ARRIVALS = """
create table if not exists arrival (request_ref text not null);
create index if not exists arrival_request on arrival (request_ref);
create or replace function arrival() returns trigger language plpgsql as $$
begin
    insert into arrival values (new.request_ref);
    return new;
end $$;
create or replace trigger arrival before insert on ticket for each row execute function arrival();
create or replace trigger arrival before insert on message for each row execute function arrival();
"""
"""A trigger before an insert sees also what ``on conflict do nothing`` passes over."""

Said = Mapping[tuple[UUID, str], Sequence[Envelope]]
"""For each subject and producer the events that were said, by their sequence."""


def install(stack: ShakenStack) -> None:
    """Put the witness into every service's database, and one into the departments'."""
    for service in SERVICES:
        with stack.look(service) as looking:
            looking.execute(TABLE)
    with stack.look("demo_departments") as looking:
        looking.execute(ARRIVALS)


def arrivals(departments: psycopg.Connection[DictRow], refs: list[str]) -> Counter[str]:
    """How often each message came to its department, by our key."""
    rows = departments.execute(
        "select request_ref, count(*) as times from arrival where request_ref = any(%s) group by request_ref", (refs,)
    )
    return Counter({row["request_ref"]: row["times"] for row in rows})


def said(stack: ShakenStack, subjects: list[UUID]) -> dict[tuple[UUID, str], list[Envelope]]:
    """Everything that the services said about the subjects, from their outboxes."""
    found: dict[tuple[UUID, str], list[Envelope]] = defaultdict(list)
    for service in SERVICES:
        with stack.look(service) as looking:
            rows = looking.execute(
                "select subject, body from outbox where subject = any(%s) order by subject, sequence", (subjects,)
            )
            for row in rows:
                found[row["subject"], service].append(Envelope.decode(bytes(row["body"])))
    return found


class Testimony:
    """What the witness of one service saw of some subjects."""

    def __init__(self, stack: ShakenStack, service: str, subjects: list[UUID]) -> None:
        self.service = service
        self.seen: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
        with stack.look(service) as looking:
            rows = looking.execute(
                "select subject, producer, sequence from witness where subject = any(%s) order by position", (subjects,)
            )
            for row in rows:
                self.seen[row["subject"]].append((row["producer"], row["sequence"]))

    def twice(self) -> Iterator[str]:
        """Events that had their effect more than once."""
        for subject, events in self.seen.items():
            for event in sorted({event for event in events if events.count(event) > 1}):
                yield f"{self.service}: {event[0]} {event[1]} of {subject} had its effect {events.count(event)} times"

    def missing(self, told: Said) -> Iterator[str]:
        """Events that never had their effect, and gaps in what was said."""
        for (subject, producer), events in told.items():
            if [event.sequence for event in events] != list(range(1, len(events) + 1)):
                yield f"{producer}: the events of {subject} are not numbered without gap"
            if producer in HEARS[self.service]:
                lacking = {(producer, event.sequence) for event in events} - set(self.seen[subject])
                for _, sequence in sorted(lacking):
                    yield f"{self.service}: {producer} {sequence} of {subject} never had its effect"

    def out_of_order(self, told: Said) -> Iterator[str]:
        """Events that had their effect before an earlier one of their producer, or before a cause of theirs."""
        for subject, events in self.seen.items():
            marks: dict[str, int] = defaultdict(int)
            for producer, sequence in events:
                said_by = told.get((subject, producer), ())
                if sequence > len(said_by):
                    yield f"{self.service}: {producer} {sequence} of {subject} was never said"
                    continue
                causes = {p: n for p, n in said_by[sequence - 1].after.items() if p in HEARS[self.service]}
                early = sequence != marks[producer] + 1 and sequence > marks[producer]
                if early or any(marks[p] < last for p, last in causes.items()):
                    yield f"{self.service}: {producer} {sequence} of {subject} came before its turn"
                marks[producer] = max(marks[producer], sequence)
