"""Events that come together have the effect that they have one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis import transaction
from lianban.chassis.inbox import Inbox
from lianban.chassis.runtime import database
from lianban.chassis.topology import HEARS
from lianban.contracts.codes import AgencyRole, ClosingReason, TransferKind
from lianban.contracts.envelope import Envelope
from lianban.contracts.events import dump
from lianban.contracts.refs import AgencyRef
from lianban.contracts.routing import (
    AssignmentAccepted,
    AssignmentDone,
    AssignmentProgressed,
    AssignmentSent,
    CaseClosed,
)
from services.agency_gateway.app import hearing
from services.agency_gateway.app.hearing import HANDLERS, prepare
from services.agency_gateway.domain.profile import Profile
from tests.integration.agency_gateway.conftest import DAY, ECOLOGY, URBAN

Look = psycopg.Connection[DictRow]


def an_inbox() -> Inbox:
    return Inbox(database(), "agency_gateway", HEARS["agency_gateway"], HANDLERS, prepare)


def from_routing(matter: UUID, *events: Any, first: int = 1) -> list[Envelope]:
    """What routing says about a matter, a minute between two events."""
    return [
        Envelope(
            id=uuid4(),
            source="routing",
            type=event.TYPE,
            subject=matter,
            time=DAY + timedelta(minutes=number),
            sequence=number,
            data=dump(event),
        )
        for number, event in enumerate(events, first)
    ]


def sent(agency: AgencyRef, assignment: UUID, role: AgencyRole, at: datetime = DAY) -> AssignmentSent:
    return AssignmentSent(
        assignment_id=assignment,
        number="XF202600000001",
        agency=agency,
        role=role,
        kind=TransferKind.TRANSFER,
        claims=(),
        round=1,
        region_code="990101000000",
        region_name="东平县",
        matter_type=None,
        binding=False,
        sent_at=at,
    )


def a_course(lead: UUID, helper: UUID) -> tuple[Any, ...]:
    """A matter of two agencies from its sending to its closing."""
    return (
        sent(URBAN, helper, AgencyRole.CO_HANDLER),
        sent(ECOLOGY, lead, AgencyRole.LEAD, DAY + timedelta(minutes=1)),
        AssignmentAccepted(assignment_id=lead, agency=ECOLOGY, role=AgencyRole.LEAD, binding=True, accepted_at=DAY),
        AssignmentDone(assignment_id=lead, agency=ECOLOGY, role=AgencyRole.LEAD, done_at=DAY),
        CaseClosed(reason=ClosingReason.RATED, closed_at=DAY),
    )


def kept(look: Look, matter: UUID) -> list[dict[str, Any]]:
    """What the gateway keeps of a matter, without what differs from matter to matter."""
    return look.execute(
        """
        select d.agency_code, d.kind, d.version, d.adapter, a.state, a.version as last, a.binding, a.accepted_at
        from delivery d join assignment a on a.id = d.assignment_id
        where d.matter_id = %s order by d.agency_code, d.version
        """,
        (matter,),
    ).fetchall()


def test_a_batch_of_several_matters_queues_the_same_messages_as_their_events_one_by_one(look: Look) -> None:
    inbox, together, alone = an_inbox(), [uuid4(), uuid4()], uuid4()
    inbox.handle([e for matter in together for e in from_routing(matter, *a_course(uuid4(), uuid4()))])
    for envelope in from_routing(alone, *a_course(uuid4(), uuid4())):
        inbox.handle([envelope])
    expected = kept(look, alone)
    assert [(row["agency_code"], row["kind"], row["version"]) for row in expected] == [
        (ECOLOGY.code, "assignment", 1),
        (ECOLOGY.code, "case-closed", 2),
        (URBAN.code, "assignment", 1),
        (URBAN.code, "case-closed", 2),
    ]
    assert [kept(look, matter) for matter in together] == [expected, expected]
    assert {(row["state"], row["binding"], row["last"]) for row in expected} == {
        ("done", True, 2),
        ("sent", False, 2),
    }


def test_an_assignment_that_is_sent_again_goes_on_with_its_numbers_in_a_batch(look: Look) -> None:
    inbox, matters, ids = an_inbox(), [uuid4(), uuid4()], [uuid4(), uuid4()]
    for again in (1, 2):
        inbox.handle(
            [
                envelope
                for matter, assignment in zip(matters, ids, strict=True)
                for envelope in from_routing(matter, sent(ECOLOGY, assignment, AgencyRole.LEAD), first=again)
            ]
        )
    assert [[row["version"] for row in kept(look, matter)] for matter in matters] == [[1, 2], [1, 2]]


def test_an_assignment_that_changes_and_is_sent_again_in_one_batch_ends_as_it_does_event_by_event(look: Look) -> None:
    inbox, together, alone = an_inbox(), uuid4(), uuid4()
    claims = (uuid4(), uuid4())

    def course() -> tuple[Any, ...]:
        lead = uuid4()
        return (
            sent(ECOLOGY, lead, AgencyRole.LEAD),
            AssignmentAccepted(assignment_id=lead, agency=ECOLOGY, role=AgencyRole.LEAD, binding=True, accepted_at=DAY),
            replace(sent(ECOLOGY, lead, AgencyRole.LEAD, DAY + timedelta(hours=1)), claims=claims, round=2),
            AssignmentProgressed(
                assignment_id=lead,
                agency=ECOLOGY,
                role=AgencyRole.LEAD,
                statement_id=uuid4(),
                progressed_at=DAY + timedelta(hours=2),
            ),
            sent(URBAN, uuid4(), AgencyRole.CO_HANDLER, DAY + timedelta(hours=3)),
        )

    inbox.handle(from_routing(together, *course()))
    for envelope in from_routing(alone, *course()):
        inbox.handle([envelope])

    def rows(matter: UUID) -> list[tuple[Any, ...]]:
        found = look.execute(
            """
            select agency_code, claims, round, state, binding, sent_at, accepted_at, changed_at, version
            from assignment where matter_id = %s order by agency_code
            """,
            (matter,),
        )
        return [tuple(row.values()) for row in found]

    assert rows(together) == rows(alone)
    assert [(row[0], row[1], row[3], row[6], row[8]) for row in rows(together)] == [
        (ECOLOGY.code, list(claims), "handling", DAY, 2),
        (URBAN.code, [], "sent", None, 1),
    ]
    assert kept(look, together) == kept(look, alone)


def test_a_batch_writes_its_assignments_and_messages_with_one_statement_each(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, matters = an_inbox(), [uuid4() for _ in range(3)]
    monkeypatch.setattr(hearing, "profile_of", lambda _, agency: Profile(agency))
    monkeypatch.setattr(transaction, "statistics", transaction.QueryStatistics())
    courses = []
    for matter in matters:
        _, to_lead, *rest = a_course(uuid4(), uuid4())
        courses.append(from_routing(matter, to_lead, *rest))
    inbox.handle([envelope for course in courses for envelope in course])
    assert [[row["version"] for row in kept(look, matter)] for matter in matters] == [[1, 2]] * 3
    runs = {" ".join(sql.split()): row[0] for sql, row in transaction.statistics.runs.items()}
    for start in ("insert into assignment", "update assignment", "insert into delivery"):
        assert [n for sql, n in runs.items() if sql.startswith(start)] == [1], start
