"""The other services' part of a matter's story, as events that intake hears."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from lianban.contracts import notification, oversight, routing
from lianban.contracts.codes import (
    AgencyRole,
    ClaimResult,
    ClosingReason,
    DecidedBy,
    DocumentKind,
    NoticeChannel,
    NoticeKind,
    TransferKind,
)
from lianban.contracts.refs import AgencyRef, AssignmentRef, ClaimOutcome, OpinionPart
from tests.integration.intake.conftest import ECOLOGY, NOW, URBAN, Intake

LEAD, CO = AgencyRole.LEAD, AgencyRole.CO_HANDLER


class Case:
    """One matter's case: lead 生态环境局, co-handler 城管局; each step is an event."""

    def __init__(self, intake: Intake, matter: str) -> None:
        self.intake = intake
        self.matter = UUID(matter)
        self.round = 1
        self.at = NOW
        self.lead, self.co = uuid4(), uuid4()

    def hear(self, event: object, *, source: str = "routing") -> None:
        self.intake.hear(event, self.matter, source=source, at=self.at)

    def later(self, **time: int) -> datetime:
        self.at += timedelta(**time) if time else timedelta(minutes=1)
        return self.at

    def route(self) -> Case:
        parts = (AssignmentRef(self.lead, ECOLOGY, LEAD, ()), AssignmentRef(self.co, URBAN, CO, ()))
        self.hear(
            routing.CaseRouted(
                round=self.round,
                decided_by=DecidedBy.OFFICER,
                kind=TransferKind.TRANSFER,
                assignments=parts,
                routed_at=self.later(),
            )
        )
        return self

    def accept(self) -> Case:
        for assignment, agency, role in ((self.lead, ECOLOGY, LEAD), (self.co, URBAN, CO)):
            self.hear(
                routing.AssignmentAccepted(
                    assignment_id=assignment, agency=agency, role=role, binding=False, accepted_at=self.later()
                )
            )
        self.hear(
            routing.CaseAccepted(
                assignment_id=self.lead, lead=ECOLOGY, co_handlers=(URBAN,), round=self.round, accepted_at=self.at
            )
        )
        return self

    def progress(self) -> Case:
        self.hear(
            routing.AssignmentProgressed(
                assignment_id=self.lead, agency=ECOLOGY, role=LEAD, statement_id=uuid4(), progressed_at=self.later()
            )
        )
        return self

    def decide(self) -> Case:
        self.hear(
            routing.AssignmentOpinionGiven(
                assignment_id=self.co, agency=URBAN, statement_id=uuid4(), given_at=self.later()
            )
        )
        self.hear(
            routing.AssignmentReplied(
                assignment_id=self.lead, agency=ECOLOGY, statement_id=uuid4(), waiting_for=(), replied_at=self.later()
            )
        )
        self.hear(
            routing.CaseDecided(
                decision_id=uuid4(),
                round=self.round,
                lead=ECOLOGY,
                results=(ClaimOutcome(uuid4(), ClaimResult.SUPPORTED), ClaimOutcome(uuid4(), ClaimResult.EXPLAINED)),
                parts=(
                    OpinionPart(self.lead, ECOLOGY, LEAD, uuid4()),
                    OpinionPart(self.co, URBAN, CO, uuid4()),
                ),
                decided_at=self.later(),
            )
        )
        for assignment, agency, role in ((self.lead, ECOLOGY, LEAD), (self.co, URBAN, CO)):
            self.hear(routing.AssignmentDone(assignment_id=assignment, agency=agency, role=role, done_at=self.later()))
        return self

    def serve(self, means: NoticeChannel = NoticeChannel.EMAIL) -> Case:
        document, notice = uuid4(), uuid4()
        self.hear(
            notification.DocumentIssued(
                document_id=document,
                kind=DocumentKind.DECISION,
                number="清信处〔2026〕1号",
                issuer=ECOLOGY,
                names=(ECOLOGY, URBAN),
                round=self.round,
                issued_at=self.later(),
            ),
            source="notification",
        )
        self.hear(
            notification.NoticeSent(
                notice_id=notice,
                kind=NoticeKind.DECIDED,
                channel=means,
                message_id="<1@lianban>",
                document_id=document,
                sent_at=self.later(),
            ),
            source="notification",
        )
        self.hear(
            notification.NoticeServed(
                notice_id=notice,
                kind=NoticeKind.DECIDED,
                means=means,
                document_id=document,
                document_kind=DocumentKind.DECISION,
                names=(ECOLOGY, URBAN),
                round=self.round,
                served_at=self.later(),
            ),
            source="notification",
        )
        return self

    def close(self, reason: ClosingReason = ClosingReason.RATED) -> Case:
        self.hear(routing.CaseClosed(reason=reason, closed_at=self.later()))
        return self

    def reopen(self) -> Case:
        self.round += 1
        self.lead, self.co = uuid4(), uuid4()
        self.hear(routing.CaseReopened(round=self.round, ordered_by=DecidedBy.OFFICER, reopened_at=self.later()))
        return self.route()

    def notify(self, channel: NoticeChannel = NoticeChannel.PORTAL) -> UUID:
        """A notice that the petitioner has not seen yet."""
        notice = uuid4()
        self.hear(
            notification.NoticeSent(
                notice_id=notice,
                kind=NoticeKind.ROUTED,
                channel=channel,
                message_id="<2@lianban>",
                document_id=None,
                sent_at=self.later(),
            ),
            source="notification",
        )
        return notice

    def clock(self, rule: str, due: date, *, bound: AgencyRef | None = None) -> UUID:
        """A statutory clock that runs."""
        made = uuid4()
        self.hear(
            oversight.ClockStarted(
                clock_id=made,
                rule=rule,
                bound=bound,
                assignment_id=None,
                started_on=date(2026, 11, 23),
                raw_due=due,
                legal_due=due,
                provisional=False,
            ),
            source="oversight",
        )
        return made
