"""Oversight as a nameko service: names and entry points only."""

from __future__ import annotations

from lianban.chassis import retention
from lianban.chassis.service import Batch, Http, Loop, Ops, Relay, consume
from lianban.chassis.topology import HEARS
from services.oversight.app import watching, working_calendar
from services.oversight.app.hearing import HANDLERS, prepare
from services.oversight.web import create_app


class OversightService:
    """Clocks, calendar, ledger, board."""

    name = "oversight"
    http = Http(create_app)
    relay = Relay()
    ops = Ops()
    retention = Loop("retention", retention.prune, every=600.0)
    calendar = Loop("calendar", working_calendar.seed, every=60.0)
    watch = Loop("watch", watching.run_due, every=5.0)
    recompute = Loop("recompute", watching.recompute_due, every=10.0)
    tallies = Loop("tallies", watching.add_up, every=2.0)
    figures = Loop("figures", watching.measure, every=30.0)

    @consume(hears=HEARS["oversight"], handlers=HANDLERS, prepare=prepare)
    def on_events(self, batch: Batch) -> None:
        """Give a batch of events its effect."""
        batch.handle()
