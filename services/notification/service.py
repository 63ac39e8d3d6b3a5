"""Notification as a nameko service: names and entry points only."""

from __future__ import annotations

from lianban.chassis import calendar
from lianban.chassis.inbox import Handlers
from lianban.chassis.service import Batch, Http, Loop, Ops, Relay, consume
from lianban.chassis.topology import HEARS
from lianban.contracts.intake import MatterOpened, MatterRegistered, MatterWithdrawn
from lianban.contracts.oversight import CalendarChanged
from lianban.contracts.routing import CaseAccepted, CaseClosed, CaseDecided, CaseReopened, CaseRouted
from services.notification.app import composing, sending, serving, telling
from services.notification.web import create_app

HANDLERS: Handlers = {
    MatterRegistered: telling.registered,
    MatterWithdrawn: telling.withdrawn,
    MatterOpened: serving.opened,
    CaseRouted: telling.routed,
    CaseAccepted: telling.accepted,
    CaseDecided: telling.decided,
    CaseClosed: telling.closed,
    CaseReopened: telling.reopened,
    CalendarChanged: calendar.keep,
}
"""What notification does with what it hears."""


class NotificationService:
    """Documents, messages to people, proofs of service."""

    name = "notification"
    http = Http(create_app)
    relay = Relay()
    ops = Ops()
    documents = Loop("documents", composing.run_due, every=1.0)
    notices = Loop("notices", sending.run_due, every=1.0)

    @consume(hears=HEARS["notification"], handlers=HANDLERS)
    def on_events(self, batch: Batch) -> None:
        """Give a batch of events its effect."""
        batch.handle()
