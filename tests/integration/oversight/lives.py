"""Whole lives of matters as the other four services tell them, for tests that hand oversight many events at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from lianban.contracts import agency_gateway, intake, notification, routing
from lianban.contracts.codes import (
    AgencyRole,
    Channel,
    ClosingReason,
    DecidedBy,
    DocumentKind,
    ExchangeKind,
    NoticeChannel,
    NoticeKind,
    ObjectionReason,
    Purpose,
    TransferKind,
)
from lianban.contracts.envelope import Envelope
from lianban.contracts.events import dump
from lianban.contracts.refs import AgencyRef, AssignmentRef, ClaimRef

ECOLOGY = AgencyRef("city-ecology", "清河市生态环境局")
URBAN = AgencyRef("city-urban", "清河市城市管理局")
RECEIVED = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


@dataclass
class Life:
    """One matter's events in the order in which they were said; each names what was said before it."""

    number: str
    region: str = "990101000000"
    subject: UUID = field(default_factory=uuid4)
    said: list[Envelope] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)
    round: int = 1

    def on_day(self, day: int) -> datetime:
        """An instant in the morning of a day, the day of receipt being 0."""
        return RECEIVED + timedelta(days=day)

    def say(self, event: Any, *, day: int) -> None:
        """One more event, after all that were said before."""
        source = event.TYPE.split(".")[1]
        after = {producer: last for producer, last in self.last.items() if producer != source}
        self.last[source] = self.last.get(source, 0) + 1
        self.said.append(
            Envelope(
                id=uuid4(),
                source=source,
                type=event.TYPE,
                subject=self.subject,
                time=self.on_day(day),
                sequence=self.last[source],
                after=after,
                data=dump(event),
            )
        )

    def register(self) -> None:
        """Intake takes the matter."""
        event = intake.MatterRegistered(
            number=self.number,
            channel=Channel.WEB,
            purpose=Purpose.APPEAL,
            region_code=self.region,
            region_name="锦川区",
            received_at=RECEIVED,
            claims=(ClaimRef(uuid4(), 1),),
            group_size=1,
            reachable=(NoticeChannel.PORTAL,),
        )
        self.say(event, day=0)

    def route(self, agency: AgencyRef, *, day: int, role: AgencyRole = AgencyRole.LEAD) -> UUID:
        """Routing gives an agency its part, and the gateway delivers it."""
        part, at = uuid4(), self.on_day(day)
        parts = (AssignmentRef(part, agency, role, ()),)
        routed = routing.CaseRouted(
            round=self.round, decided_by=DecidedBy.OFFICER, kind=TransferKind.TRANSFER, assignments=parts, routed_at=at
        )
        sent = routing.AssignmentSent(
            assignment_id=part,
            number=self.number,
            agency=agency,
            role=role,
            kind=TransferKind.TRANSFER,
            claims=(),
            round=self.round,
            region_code=self.region,
            region_name="锦川区",
            matter_type=None,
            binding=False,
            sent_at=at,
        )
        delivered = agency_gateway.MessageDelivered(
            delivery_id=uuid4(),
            kind=ExchangeKind.ASSIGNMENT,
            assignment_id=part,
            agency=agency,
            adapter="push",
            reference=None,
            delivered_at=at,
        )
        for event in (routed, sent, delivered):
            self.say(event, day=day)
        return part

    def object(self, part: UUID, agency: AgencyRef, *, day: int) -> None:
        """An agency objects."""
        event = routing.AssignmentObjected(
            assignment_id=part,
            agency=agency,
            role=AgencyRole.LEAD,
            reason=ObjectionReason.OUTSIDE_POWERS,
            proposed=None,
            statement_id=uuid4(),
            objected_at=self.on_day(day),
        )
        self.say(event, day=day)

    def release(self, part: UUID, agency: AgencyRef, *, day: int) -> None:
        """The sender agrees with the objection."""
        event = routing.AssignmentReleased(
            assignment_id=part, agency=agency, role=AgencyRole.LEAD, released_at=self.on_day(day)
        )
        self.say(event, day=day)

    def accept(self, part: UUID, agency: AgencyRef, *, day: int) -> None:
        """The lead accepts, which the petitioner is told."""
        at = self.on_day(day)
        stated = agency_gateway.AgencyAccepted(statement_id=uuid4(), assignment_id=part, agency=agency, stated_at=at)
        accepted = routing.AssignmentAccepted(
            assignment_id=part, agency=agency, role=AgencyRole.LEAD, binding=False, accepted_at=at
        )
        case = routing.CaseAccepted(assignment_id=part, lead=agency, co_handlers=(), round=self.round, accepted_at=at)
        for event in (stated, accepted, case):
            self.say(event, day=day)
        self.serve(agency, DocumentKind.ACCEPTANCE_NOTICE, day=day)

    def decide(self, part: UUID, agency: AgencyRef, *, day: int) -> None:
        """The lead tells progress and replies; the decision is made and served."""
        at = self.on_day(day)
        for event in (
            routing.AssignmentProgressed(
                assignment_id=part, agency=agency, role=AgencyRole.LEAD, statement_id=uuid4(), progressed_at=at
            ),
            routing.AssignmentReplied(
                assignment_id=part, agency=agency, statement_id=uuid4(), waiting_for=(), replied_at=at
            ),
            routing.AssignmentDone(assignment_id=part, agency=agency, role=AgencyRole.LEAD, done_at=at),
            routing.CaseDecided(
                decision_id=uuid4(), round=self.round, lead=agency, results=(), parts=(), decided_at=at
            ),
        ):
            self.say(event, day=day)
        self.serve(agency, DocumentKind.DECISION, day=day)

    def serve(self, agency: AgencyRef, kind: DocumentKind, *, day: int) -> None:
        """A document is issued, sent and served."""
        document, notice, at = uuid4(), uuid4(), self.on_day(day)
        about = NoticeKind.DECIDED if kind is DocumentKind.DECISION else NoticeKind.ACCEPTED
        for event in (
            notification.DocumentIssued(
                document_id=document,
                kind=kind,
                number="1",
                issuer=agency,
                names=(agency,),
                round=self.round,
                issued_at=at,
            ),
            notification.NoticeSent(
                notice_id=notice,
                kind=about,
                channel=NoticeChannel.PORTAL,
                message_id=str(notice),
                document_id=document,
                sent_at=at,
            ),
            notification.NoticeServed(
                notice_id=notice,
                kind=about,
                means=NoticeChannel.PORTAL,
                document_id=document,
                document_kind=kind,
                names=(agency,),
                round=self.round,
                served_at=at,
            ),
        ):
            self.say(event, day=day)

    def reopen(self, *, day: int) -> None:
        """The petition office orders another round."""
        self.round += 1
        event = routing.CaseReopened(round=self.round, ordered_by=DecidedBy.OFFICER, reopened_at=self.on_day(day))
        self.say(event, day=day)

    def close(self, *, day: int) -> None:
        """The petitioner rates, and the case is closed."""
        at = self.on_day(day)
        self.say(intake.MatterRated(round=self.round, votes=(), solved=True, rated_at=at), day=day)
        self.say(routing.CaseClosed(reason=ClosingReason.RATED, closed_at=at), day=day)


def straight(number: str, region: str = "990101000000") -> Life:
    """Registered, routed, accepted, decided, served, rated and closed."""
    life = Life(number, region)
    life.register()
    part = life.route(ECOLOGY, day=2)
    life.accept(part, ECOLOGY, day=3)
    life.decide(part, ECOLOGY, day=40)
    life.close(day=41)
    return life


def objected(number: str, region: str = "990101000000") -> Life:
    """The first agency objects and is released; the second accepts, and both the matter and its clock go on."""
    life = Life(number, region)
    life.register()
    first = life.route(ECOLOGY, day=2)
    life.object(first, ECOLOGY, day=3)
    life.release(first, ECOLOGY, day=4)
    second = life.route(URBAN, day=4)
    life.accept(second, URBAN, day=5)
    life.route(ECOLOGY, day=6, role=AgencyRole.CO_HANDLER)
    return life


def reopened(number: str, region: str = "990101000000") -> Life:
    """Closed too late, reopened, and in the second round only routed."""
    life = Life(number, region)
    life.register()
    part = life.route(ECOLOGY, day=30)
    life.accept(part, ECOLOGY, day=31)
    life.decide(part, ECOLOGY, day=200)
    life.close(day=201)
    life.reopen(day=202)
    life.route(ECOLOGY, day=203)
    return life


def withdrawn(number: str, region: str = "990101000000") -> Life:
    """Withdrawn by the petitioner while an agency has it."""
    life = Life(number, region)
    life.register()
    life.route(ECOLOGY, day=2)
    life.say(intake.MatterWithdrawn(withdrawn_at=life.on_day(3)), day=3)
    return life
