"""What must hold whatever happened: every promise in one place, asserted after every scenario.

* Every matter that was answered with 2xx exists, once.
* Every assignment reached its department exactly once, as the department itself says, asked by our key; it was sent
  again only after it was unknown whether the department has it.
* The events of a matter had their effect in order, without gap, once, in every service.
* No notice was issued twice: documents are numbered without gap, a notice has one message id, and its e-mail arrived;
  again only where a process was killed.
* No clock was lost: the clocks are those that the law makes of the matter's history.
* The ledger has every event once, and its chains and the journals verify.
* Nothing is left stuck, anywhere.
* Every service is ready again, by itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from kombu import Connection

from deploy.local.layout import SERVICES
from deploy.waiting import NotSo, until
from lianban.chassis import calendar, topology
from lianban.chassis.database import Database
from lianban.chassis.rules import rulebook
from lianban.chassis.settings import read, use
from lianban.contracts.catalogue import load
from lianban.contracts.envelope import PARTITIONS, Envelope
from lianban.law.projector import project
from services.agency_gateway.app import journaling
from services.oversight.app import verifying
from tests.chaos.broker import QUEUES
from tests.chaos.report import Report
from tests.chaos.shaken import ShakenStack
from tests.chaos.watch import Watch
from tests.chaos.witness import Testimony, arrivals, said
from tests.load.drive import Drive

SETTLE_SECONDS = 60
"""How long the last acknowledgements and reports may take after every life-cycle is complete."""
LETTERS_OF_A_GROUP = 8
"""So many letters go out again at most where the process is killed that has handed them over."""
LETTERS_AT_ONCE = 4
"""So many letters the mail server has in hand at most: one over each connection (``LIANBAN_SMTP_CONNECTIONS``)."""

ONCE_BY = (
    "clock_id", "notice_id", "statement_id", "delivery_id", "document_id", "assignment_id", "round", "number",
)  # fmt: skip
"""What tells events of one type and matter apart; an event without any of it happens once in a simple life-cycle."""
STUCK = {
    "outbox is not published": (SERVICES, "select count(*) as n from unpublished"),
    "inbox waits or is in quarantine": (SERVICES, "select count(*) as n from inbox"),
    "deliveries are not delivered": (
        ("agency_gateway",), "select count(*) as n from delivery where state <> 'delivered'",
    ),
    "lanes are not closed circuits": (("agency_gateway",), "select count(*) as n from lane where circuit <> 'closed'"),
    "statements are not judged": (
        ("agency_gateway",), "select count(*) as n from statement where status = 'awaiting_confirmation'",
    ),
    "documents are not issued": (("notification",), "select count(*) as n from document where state <> 'issued'"),
    "notices are not sent": (
        ("notification",), "select count(*) as n from notice where state not in ('sent', 'served')",
    ),
    "cases wait for a suggestion": (
        ("routing",), "select count(*) as n from petition_case where suggest_due is not null",
    ),
    "cases wait for a person": (("routing",), "select count(*) as n from petition_case where attention is not null"),
    "words of statements are not fetched": (
        ("routing",), "select count(*) as n from statement where fetch_due is not null",
    ),
    "calls of departments were not taken": (
        ("demo_departments",), "select count(*) as n from webhook",
    ),
}  # fmt: skip
"""What may not be there when all is done: whose database, and how many rows."""


@dataclass(slots=True)
class Findings:
    """What does not hold, by the column of the report in which it counts."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    ledger_holes: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def told(self) -> str:
        """The first findings of each sort, for a person."""
        sorts = {
            "lost": self.lost, "duplicated": self.duplicated, "out of order": self.out_of_order,
            "ledger": self.ledger_holes, "stuck": self.stuck,
        }  # fmt: skip
        return "\n".join(f"{name}: {len(found)}\n  " + "\n  ".join(found[:8]) for name, found in sorts.items() if found)


def examine(
    stack: ShakenStack,
    drive: Drive,
    watch: Watch,
    *,
    scenario: str,
    before: set[UUID],
    killed: Counter[str],
    drained: float,
) -> tuple[Report, Findings]:
    """Look everywhere; the report, and what does not hold (nothing, if all is well).

    ``before``: the matters that were there when the scenario began; ``killed``: how often it killed each program.
    """
    ids = sorted(drive.matters)
    findings = Findings()
    _matters(stack, before, drive, ids, findings)
    reached, asked_again = _departments(stack, ids, findings)
    told = said(stack, ids)
    for service in SERVICES:
        seen = Testimony(stack, service, ids)
        findings.lost += seen.missing(told)
        findings.duplicated += seen.twice()
        findings.out_of_order += seen.out_of_order(told)
    events = [event for events in told.values() for event in events]
    findings.duplicated += _said_twice(events)
    again = _notices(stack, ids, findings)
    if again > most_mails_again(killed):
        findings.duplicated.append(f"{again} letters went out again, for {most_mails_again(killed)} there was a reason")
    _ledger(stack, events, findings)
    _clocks(stack, ids, findings)
    findings.stuck += _stuck(stack)
    report = Report(
        scenario=scenario,
        accepted=len(ids),
        reached=reached,
        lost=len(findings.lost),
        duplicated=len(findings.duplicated),
        out_of_order=len(findings.out_of_order),
        ledger_holes=len(findings.ledger_holes),
        seconds_to_recover=round(watch.seconds_to_recover, 1),
        seconds_to_drain=round(drained, 1),
        requests_repeated=len(drive.requests.failures),
        mails_again=again,
        events=len(events),
        stuck=len(findings.stuck),
        asked_again=asked_again,
    )
    return report, findings


# --- matters and departments


def matters_of(stack: ShakenStack) -> set[UUID]:
    """Every matter that intake has."""
    with stack.look("intake") as looking:
        return {row["id"] for row in looking.execute("select id from matter")}


def _matters(stack: ShakenStack, before: set[UUID], drive: Drive, ids: list[UUID], findings: Findings) -> None:
    """A 2xx answer means that the matter is there; one request under one key, however often sent, makes one matter."""
    there = matters_of(stack) - before
    findings.lost += [
        f"matter {drive.matters[i].number} was answered with 2xx and is not there" for i in ids if i not in there
    ]
    findings.duplicated += [f"matter {i} exists and nobody was told" for i in sorted(there - set(ids))]


def _departments(stack: ShakenStack, ids: list[UUID], findings: Findings) -> tuple[int, int]:
    """Every message of ours is at its department once.

    Returns how many matters reached all their departments, and how many messages came again under their key.
    """
    with stack.look("agency_gateway") as looking:
        sent = looking.execute(
            "select d.id, d.kind, d.agency_code, d.unknown_told from delivery d"
            " join assignment a on a.id = d.assignment_id where a.matter_id = any(%s)", (ids,),
        ).fetchall()  # fmt: skip
    with stack.look("routing") as looking:
        assigned = looking.execute(
            "select id, case_id, agency_code from assignment where case_id = any(%s)", (ids,)
        ).fetchall()
    parts = [str(row["id"]) for row in assigned]
    with stack.look("demo_departments") as looking:
        tickets = looking.execute(
            "select tenant, external_ref, request_ref from ticket where external_ref = any(%s)", (parts,)
        ).fetchall()
        messages = looking.execute(
            "select t.tenant, t.external_ref, m.request_ref, m.type from message m join ticket t on t.id = m.ticket_id"
            " where t.external_ref = any(%s)", (parts,),
        ).fetchall()  # fmt: skip
        came = arrivals(looking, [str(row["id"]) for row in sent])
    filed = Counter((row["tenant"], row["external_ref"]) for row in tickets)
    missed = set()
    for row in assigned:
        count = filed[row["agency_code"], str(row["id"])]
        if count != 1:
            missed.add(row["case_id"])
        if count == 0:
            findings.lost.append(f"assignment {row['id']} of {row['case_id']} never reached {row['agency_code']}")
        if count > 1:
            findings.duplicated.append(f"assignment {row['id']} is {count} tickets at {row['agency_code']}")
    arrived = Counter(row["request_ref"] for row in (*tickets, *messages))
    for row in sent:
        count = arrived.pop(str(row["id"]), 0)
        if count != 1:
            where = findings.lost if count == 0 else findings.duplicated
            where.append(f"{row['kind']} {row['id']} arrived {count} times at {row['agency_code']}")
        if came[str(row["id"])] > 1 and not row["unknown_told"]:
            findings.duplicated.append(f"{row['kind']} {row['id']} was sent again though its outcome was known")
    findings.duplicated += [f"a department has {ref}, which nobody sent" for ref in arrived]
    routed = Counter(row["case_id"] for row in assigned)
    findings.lost += [f"matter {i} was never assigned" for i in ids if not routed[i]]
    reached = sum(1 for i in ids if routed[i] and i not in missed)
    return reached, came.total() - len(came)


# --- events


def _said_twice(events: list[Envelope]) -> Iterator[str]:
    """What can happen once only, and was said more than once: an effect that came about twice."""
    facts: Counter[tuple[Any, ...]] = Counter()
    for event in events:
        by = next((name for name in ONCE_BY if event.data.get(name) is not None), "")
        facts[event.subject, event.type, by, str(event.data.get(by))] += 1
    for (subject, kind, by, value), times in facts.items():
        moves = kind.rpartition(".")[0].endswith(("clock-moved", "clock-warned"))
        if times > 1 and not moves:
            yield f"{kind} of {subject} ({by} {value}) was said {times} times"


def _ledger(stack: ShakenStack, events: list[Envelope], findings: Findings) -> None:
    with stack.look("oversight") as looking:
        kept = Counter(
            row["event_id"]
            for row in looking.execute(
                "select event_id from ledger where subject = any(%s)", ([*{event.subject for event in events}],)
            )
        )
    for event in events:
        if event.source in topology.HEARS["oversight"] and kept[event.id] != 1:
            findings.ledger_holes.append(f"{event.type} {event.id} stands {kept[event.id]} times in the ledger")
    findings.ledger_holes += _chains(stack)


def _chains(stack: ShakenStack) -> Iterator[str]:
    """What ``lianban verify`` would name: breaks in the ledger's chains and in the journals."""
    ledger = Database(stack.database_url("oversight"), service="oversight", size=1)
    with ledger.session() as tx:
        for partition in range(PARTITIONS):
            fault = verifying.verify(tx, partition).fault
            if fault:
                yield f"ledger, partition {partition}: {fault}"
    journal = Database(stack.database_url("agency_gateway"), service="agency_gateway", size=1)
    with journal.session() as tx, use(read(stack.env("agency_gateway"))):
        for agency in journaling.agencies(tx):
            fault = journaling.verify(tx, agency)
            if fault:
                yield f"journal: {fault}"


# --- notices


def _notices(stack: ShakenStack, ids: list[UUID], findings: Findings) -> int:
    """Numbers, message ids and the letters that arrived; returns how many arrived again under the same message id."""
    with stack.look("notification") as looking:
        notices = looking.execute(
            "select matter_id, kind, channel, message_id from notice where matter_id = any(%s)", (ids,)
        ).fetchall()
        known = {row["message_id"] for row in looking.execute("select message_id from notice where channel = 'email'")}
        counted = looking.execute(
            "select kind, year, last, (select count(*) from document d where d.kind = c.kind and d.number is not null"
            " and extract(year from d.issued_at at time zone 'Asia/Shanghai') = c.year) as issued"
            " from document_counter c"
        ).fetchall()
    for row in counted:
        if row["last"] != row["issued"]:
            findings.lost.append(f"{row['kind']} {row['year']} counts to {row['last']}, {row['issued']} were issued")
    given = Counter((row["matter_id"], row["kind"], row["channel"]) for row in notices)
    findings.duplicated += [
        f"notice {kind} of {i} by {by} exists {n} times" for (i, kind, by), n in given.items() if n > 1
    ]
    with closing(sqlite3.connect(f"file:{stack.layout.demo / 'mail.sqlite3'}?mode=ro", uri=True)) as box:
        arrived = Counter(row[0] for row in box.execute("select message_id from message"))
    findings.duplicated += [f"e-mail {name} is of no notice" for name in arrived.keys() - known]
    again = 0
    for row in notices:
        if row["channel"] == "email":
            count = arrived[row["message_id"]]
            again += max(0, count - 1)
            if count == 0:
                findings.lost.append(f"the e-mail {row['kind']} of {row['matter_id']} never arrived")
    return again


def most_mails_again(killed: Counter[str]) -> int:
    """How many letters may have gone out again: a group where notification was killed before it wrote the group down,
    one of each connection where the mail server was killed before it said that it has the letter."""
    return LETTERS_OF_A_GROUP * killed["notification"] + LETTERS_AT_ONCE * killed["mail"]


# --- clocks


def _clocks(stack: ShakenStack, ids: list[UUID], findings: Findings) -> None:
    """The clocks that the pure rules make of what the ledger holds are the clocks that are kept."""
    histories: dict[UUID, list[Any]] = defaultdict(list)
    kept: dict[UUID, set[tuple[Any, ...]]] = defaultdict(set)
    with stack.look("oversight") as looking:
        rows = looking.execute(
            "select subject, type, data from ledger where subject = any(%s) order by subject, position", (ids,)
        )
        for row in rows:
            histories[row["subject"]].append(load(row["type"], json.loads(row["data"])))
        rows = looking.execute(
            "select id, matter_id, rule, started_on, raw_due, legal_due, outcome from clock where matter_id = any(%s)",
            (ids,),
        )
        for row in rows:
            kept[row["matter_id"]].add(
                (row["id"], row["rule"], row["started_on"], row["raw_due"], row["legal_due"], row["outcome"])
            )
    database = Database(stack.database_url("oversight"), service="oversight", size=1)
    with database.session() as session, use(read(stack.env("oversight"))):
        days, rules = calendar.read(session), rulebook()
    for i in ids:
        right = {
            (c.id, c.rule, c.started_on, c.raw_due, c.legal_due, c.outcome.value if c.outcome else None)
            for c in project(i, histories[i], days, rules).by_id.values()
        }
        findings.lost += [f"{clock[1]} clock of {i} should be {clock[2:]}" for clock in right - kept[i]]
        findings.duplicated += [f"{clock[1]} clock of {i} is {clock[2:]}" for clock in kept[i] - right]


# --- nothing stuck


def _stuck(stack: ShakenStack) -> list[str]:
    """What still waits somewhere when everything had time to settle."""
    left: list[str] = []

    def nothing() -> bool:
        left[:] = [*_rows_left(stack), *_messages_left(stack)]
        left.extend(f"{name} is not ready: {why}" for name, why in stack.unready_services().items())
        if not left:  # the broker's tool is slow
            left.extend(_messages_in_hand(stack))
        return not left

    try:
        until(nothing, "nothing is left", seconds=SETTLE_SECONDS, every=0.5)
    except NotSo:
        return left
    return []


def _rows_left(stack: ShakenStack) -> Iterator[str]:
    for what, (owners, question) in STUCK.items():
        for owner in owners:
            with stack.look(owner) as looking:
                row = looking.execute(question).fetchone()
            if row and row["n"]:
                yield f"{owner}: {what} ({row['n']})"


def _messages_left(stack: ShakenStack) -> Iterator[str]:
    with Connection(stack.amqp_url(), connect_timeout=5) as connection:
        channel = connection.channel()
        for name in _queues():
            waiting = channel.queue_declare(name, passive=True).message_count
            if waiting:
                yield f"{waiting} messages wait in {name}"


def _messages_in_hand(stack: ShakenStack) -> Iterator[str]:
    """Messages that a consumer was given and has not confirmed: asking a queue by AMQP does not count them."""
    listed = stack.control_broker("list_queues", "name", "messages", "--no-table-headers")
    # A queue that is just looking for its leader has a line without a number.
    found = {name: number for name, _, number in (line.partition("\t") for line in listed.splitlines())}
    for name in _queues():
        if found.get(name) != "0":
            yield f"{found.get(name) or 'unknown'} messages of {name} are in a consumer's hand"


def _queues() -> list[str]:
    """Every queue of the bus."""
    names = [topology.queue_name(service, index) for service in topology.HEARS for index in range(QUEUES)]
    return names + [topology.poison_name(service) for service in topology.HEARS]
