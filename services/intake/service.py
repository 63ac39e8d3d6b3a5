"""Intake as a nameko service: names and entry points only."""

from __future__ import annotations

from lianban.chassis import retention
from lianban.chassis.service import Batch, Http, Loop, Ops, Relay, consume
from lianban.chassis.topology import HEARS
from services.intake.app import attach
from services.intake.app.hearing import HANDLERS
from services.intake.store import progress
from services.intake.web import create_app


class IntakeService:
    """The matter as the petitioner tells it, and what the petitioner does later."""

    name = "intake"
    http = Http(create_app)
    relay = Relay(look=0.05)  # intake runs in two processes
    ops = Ops()
    retention = Loop("retention", retention.prune, every=600.0)
    waiting_uploads = Loop("waiting uploads", attach.remove_waiting, every=600.0)

    @consume(hears=HEARS["intake"], handlers=HANDLERS, prepare=progress.prepare)
    def on_events(self, batch: Batch) -> None:
        """Give a batch of events its effect."""
        batch.handle()
