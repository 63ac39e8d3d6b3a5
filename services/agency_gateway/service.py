"""The agency gateway as a nameko service: names and entry points only."""

from __future__ import annotations

from lianban.chassis.service import Batch, Http, Loop, Ops, Relay, consume
from lianban.chassis.topology import HEARS
from services.agency_gateway.app import delivering, metrics, retention
from services.agency_gateway.app.hearing import HANDLERS, prepare
from services.agency_gateway.web import create_app


class Deliver(Loop):
    """The loop that delivers; stopping waits for the calls that are under way."""

    def stop(self) -> None:
        """Claim nothing more, let the calls under way finish; what does not is asked for after the next start."""
        super().stop()
        delivering.wait_until_idle(12)


class AgencyGatewayService:
    """The exchange with each department: lanes, deliveries, statements, journal, desk."""

    name = "agency_gateway"
    http = Http(create_app)
    relay = Relay()
    ops = Ops()
    retention = Loop("retention", retention.prune, every=600.0)
    # Claiming, composing and writing down cost much the same for one message as for several.
    deliver = Deliver("deliver", delivering.dispatch, every=0.25, gather=0.1)
    recover = Loop("recover", delivering.recover, every=5.0)
    measure = Loop("measure lanes", metrics.measure, every=5.0)

    @consume(hears=HEARS["agency_gateway"], handlers=HANDLERS, prepare=prepare)
    def on_events(self, batch: Batch) -> None:
        """Give a batch of events its effect."""
        batch.handle()
