"""Routing as a nameko service: names and entry points only."""

from __future__ import annotations

from lianban.chassis import retention
from lianban.chassis.service import Batch, Http, Loop, Ops, Relay, consume
from lianban.chassis.topology import HEARS
from services.routing.app import reopening, statements, suggestion
from services.routing.app.hearing import HANDLERS
from services.routing.store import cases
from services.routing.web import create_app


class RoutingService:
    """The registers, the case and who leads it."""

    name = "routing"
    http = Http(create_app)
    relay = Relay()
    ops = Ops()
    retention = Loop("retention", retention.prune, every=600.0)
    suggest = Loop("suggest", suggestion.run_due, every=0.5, gather=0.1)
    statements = Loop("statements", statements.fetch_due, every=1.0, gather=0.5)
    closing = Loop("closing", reopening.close_due, every=5.0)

    @consume(hears=HEARS["routing"], handlers=HANDLERS, prepare=cases.prepare)
    def on_events(self, batch: Batch) -> None:
        """Give a batch of events its effect."""
        batch.handle()
