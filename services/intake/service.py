"""The nameko service of intake: names and entry points only."""

from __future__ import annotations

from lianban.chassis.inbox import Handlers
from lianban.chassis.service import Batch, Http, Loop, Ops, Relay, consume
from lianban.contracts import agency_gateway, notification, oversight, routing
from services.intake.app import attach, follow
from services.intake.web import create_app

HANDLERS: Handlers = {
    routing.RegionRegistered: follow.on_region_registered,
    routing.AgencyRegistered: follow.on_agency_registered,
    routing.CaseRouted: follow.on_case_routed,
    routing.AssignmentSent: follow.on_assignment_sent,
    routing.AssignmentAccepted: follow.on_assignment_accepted,
    routing.AssignmentObjected: follow.on_assignment_objected,
    routing.AssignmentReleased: follow.on_assignment_released,
    routing.AssignmentUpheld: follow.on_assignment_upheld,
    routing.AssignmentDesignated: follow.on_assignment_designated,
    routing.AssignmentWithdrawn: follow.on_assignment_withdrawn,
    routing.AssignmentProgressed: follow.on_assignment_progressed,
    routing.AssignmentOpinionGiven: follow.on_assignment_opinion_given,
    routing.AssignmentReplied: follow.on_assignment_replied,
    routing.AssignmentDone: follow.on_assignment_done,
    routing.CaseDisputed: follow.on_case_disputed,
    routing.CaseAccepted: follow.on_case_accepted,
    routing.CaseDecided: follow.on_case_decided,
    routing.CaseClosed: follow.on_case_closed,
    routing.CaseReopened: follow.on_case_reopened,
    agency_gateway.MessageDelivered: follow.on_message_delivered,
    oversight.ClockStarted: follow.on_clock_started,
    oversight.ClockMoved: follow.on_clock_moved,
    oversight.ClockStopped: follow.on_clock_stopped,
    oversight.ClockBreached: follow.on_clock_breached,
    notification.DocumentIssued: follow.on_document_issued,
    notification.NoticeSent: follow.on_notice_sent,
    notification.NoticeServed: follow.on_notice_served,
    notification.NoticeFailed: follow.on_notice_failed,
}


class IntakeService:
    """The matter as the petitioner tells it, and what the petitioner does later."""

    name = "intake"
    http = Http(create_app)
    relay = Relay()
    ops = Ops()
    waiting_uploads = Loop("waiting uploads", attach.remove_waiting, every=600)

    @consume(hears=("routing", "agency_gateway", "oversight", "notification"), handlers=HANDLERS)
    def on_events(self, batch: Batch) -> None:
        """Give events their effect."""
        batch.handle()
