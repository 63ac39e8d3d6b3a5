"""Notification as a nameko service: names and entry points only."""

from __future__ import annotations

from lianban.chassis import retention
from lianban.chassis.service import Batch, Http, Loop, Ops, Relay, consume
from lianban.chassis.topology import HEARS
from services.notification.app import composing, sending
from services.notification.app.hearing import HANDLERS
from services.notification.store import matters
from services.notification.web import create_app


class NotificationService:
    """Documents, messages to people, proofs of service."""

    name = "notification"
    http = Http(create_app)
    relay = Relay(look=0.05)  # the press says that documents are issued
    ops = Ops()
    retention = Loop("retention", retention.prune, every=600.0)
    # Each round asks intake for words or addresses, which costs the same for one matter and for twenty.
    documents = Loop("documents", composing.run_due, every=1.0, gather=0.1)
    notices = Loop("notices", sending.run_due, every=1.0, gather=0.1)

    @consume(hears=HEARS["notification"], handlers=HANDLERS, prepare=matters.load)
    def on_events(self, batch: Batch) -> None:
        """Give a batch of events its effect."""
        batch.handle()
