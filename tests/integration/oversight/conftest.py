"""Oversight on a real database, with a history of one matter to hear."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.inbox import Received
from lianban.chassis.runtime import database
from lianban.contracts import intake, notification, routing
from lianban.contracts.catalogue import load_envelope
from lianban.contracts.codes import (
    AgencyRole,
    Channel,
    DecidedBy,
    DocumentKind,
    NoticeChannel,
    NoticeKind,
    Purpose,
    TransferKind,
)
from lianban.contracts.envelope import Envelope
from lianban.contracts.refs import AgencyRef, AssignmentRef, ClaimRef
from services.oversight.app import working_calendar
from services.oversight.app.hearing import HANDLERS
from tests.databases import FreshDatabase

ECOLOGY = AgencyRef("city-ecology", "清河市生态环境局")
URBAN = AgencyRef("city-urban", "清河市城市管理局")


@dataclass
class Oversight:
    """What oversight hears and says; days are counted from the day of receipt."""

    look: psycopg.Connection[DictRow]
    received: datetime = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
    sequences: dict[tuple[str, UUID], int] = field(default_factory=dict)

    def on_day(self, day: int) -> datetime:
        """An instant in the morning of a day, the day of receipt being 0."""
        return self.received + timedelta(days=day)

    def hear(self, event: Any, subject: UUID, *, day: int = 0) -> None:
        """Let oversight handle an event as its inbox would."""
        source = event.TYPE.split(".")[1]
        self.sequences[source, subject] = self.sequences.get((source, subject), 0) + 1
        number = self.sequences[source, subject]
        with database().transaction() as tx:
            tx.lock(subject)
            HANDLERS[type(event)](tx, Received(uuid4(), subject, source, number, self.on_day(day), event))

    def register(self, number: str = "XF1", region: str = "990101000000") -> UUID:
        """A matter is registered on day 0."""
        subject = uuid4()
        event = intake.MatterRegistered(
            number=number,
            channel=Channel.WEB,
            purpose=Purpose.APPEAL,
            region_code=region,
            region_name="锦川区",
            received_at=self.received,
            claims=(ClaimRef(uuid4(), 1),),
            group_size=1,
            reachable=(NoticeChannel.PORTAL,),
        )
        self.hear(event, subject)
        return subject

    def route(self, subject: UUID, *, day: int) -> UUID:
        """Routing decides; the lead is sent its part."""
        lead = uuid4()
        parts = (AssignmentRef(lead, ECOLOGY, AgencyRole.LEAD, ()),)
        at = self.on_day(day)
        routed = routing.CaseRouted(
            round=1, decided_by=DecidedBy.OFFICER, kind=TransferKind.TRANSFER, assignments=parts, routed_at=at
        )
        self.hear(routed, subject, day=day)
        sent = routing.AssignmentSent(
            assignment_id=lead,
            number="XF1",
            agency=ECOLOGY,
            role=AgencyRole.LEAD,
            kind=TransferKind.TRANSFER,
            claims=(),
            round=1,
            region_code="990101000000",
            region_name="锦川区",
            matter_type=None,
            binding=False,
            sent_at=at,
        )
        self.hear(sent, subject, day=day)
        return lead

    def accept(self, subject: UUID, lead: UUID, *, day: int) -> None:
        """The lead accepts."""
        at = self.on_day(day)
        self.hear(
            routing.AssignmentAccepted(
                assignment_id=lead, agency=ECOLOGY, role=AgencyRole.LEAD, binding=False, accepted_at=at
            ),
            subject,
            day=day,
        )
        accepted = routing.CaseAccepted(assignment_id=lead, lead=ECOLOGY, co_handlers=(), round=1, accepted_at=at)
        self.hear(accepted, subject, day=day)

    def serve(self, subject: UUID, kind: DocumentKind, *, day: int) -> None:
        """A document is served."""
        served = notification.NoticeServed(
            notice_id=uuid4(),
            kind=NoticeKind.DECIDED if kind is DocumentKind.DECISION else NoticeKind.ACCEPTED,
            means=NoticeChannel.PORTAL,
            document_id=uuid4(),
            document_kind=kind,
            names=(ECOLOGY,),
            round=1,
            served_at=self.on_day(day),
        )
        self.hear(served, subject, day=day)

    def clocks(self, subject: UUID) -> dict[str, dict[str, Any]]:
        """The matter's clocks by rule."""
        rows = self.look.execute("select * from clock where matter_id = %s", (subject,)).fetchall()
        return {row["rule"]: row for row in rows}

    def said(self, kind: type[Any]) -> list[Any]:
        """Events of a kind that oversight said."""
        rows = self.look.execute("select body from outbox order by position").fetchall()
        events = [load_envelope(Envelope.decode(bytes(row["body"]))) for row in rows]
        return [event for event in events if isinstance(event, kind)]


@pytest.fixture
def oversight(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> Oversight:
    """Oversight with the announced calendar."""
    working_calendar._seen.clear()
    return Oversight(fresh_database("oversight"))
