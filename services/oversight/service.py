"""Oversight as a nameko service: names and entry points only."""

from __future__ import annotations

from lianban.chassis.inbox import Handlers
from lianban.chassis.service import Batch, Http, Loop, Ops, Relay, consume
from lianban.chassis.topology import HEARS
from lianban.contracts.events import known_events
from services.oversight.app import hearing, watching, working_calendar
from services.oversight.web import create_app

HANDLERS: Handlers = {cls: hearing.hear for name, cls in known_events().items() if ".oversight." not in name}
"""Oversight hears everything that the others say."""


class OversightService:
    """Clocks, calendar, ledger, board."""

    name = "oversight"
    http = Http(create_app)
    relay = Relay()
    ops = Ops()
    calendar = Loop("calendar", working_calendar.seed, every=60.0)
    watch = Loop("watch", watching.run_due, every=5.0)
    recompute = Loop("recompute", watching.recompute_due, every=10.0)
    figures = Loop("figures", watching.measure, every=15.0)

    @consume(hears=HEARS["oversight"], handlers=HANDLERS)
    def on_events(self, batch: Batch) -> None:
        """Give a batch of events its effect."""
        batch.handle()
