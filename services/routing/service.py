"""The routing service: names and entry points only.

python -m services.routing.service
"""

# ruff: noqa: I001 - the patch in the chassis' service module must come first
from lianban.chassis.service import Http, Loop, Ops, Relay, consume, run

from typing import Any

from lianban.chassis import calendar
from lianban.contracts.agency_gateway import (
    AgencyAccepted,
    AgencyGaveOpinion,
    AgencyObjected,
    AgencyProgressed,
    AgencyReplied,
    MessageRejected,
)
from lianban.contracts.intake import MatterRated, MatterRegistered, MatterSupplemented, MatterWithdrawn
from lianban.contracts.notification import NoticeServed
from lianban.contracts.oversight import CalendarChanged
from services.routing.app import intake_events, reopening, statements, suggestion
from services.routing.web import create_app

HANDLERS: dict[type, Any] = {
    MatterRegistered: intake_events.on_matter_registered,
    MatterSupplemented: intake_events.on_matter_supplemented,
    MatterWithdrawn: intake_events.on_matter_withdrawn,
    MatterRated: intake_events.on_matter_rated,
    AgencyAccepted: statements.on_agency_accepted,
    AgencyObjected: statements.on_agency_objected,
    AgencyProgressed: statements.on_agency_progressed,
    AgencyGaveOpinion: statements.on_agency_gave_opinion,
    AgencyReplied: statements.on_agency_replied,
    MessageRejected: statements.on_message_rejected,
    NoticeServed: reopening.on_notice_served,
    CalendarChanged: calendar.keep,
}


class RoutingService:
    """The registers, the case and who leads it."""

    name = "routing"

    http = Http(create_app)
    relay = Relay()
    ops = Ops()
    suggest = Loop("suggest", suggestion.run_due, every=0.5)
    statements = Loop("statements", statements.fetch_due, every=1.0)
    closing = Loop("closing", reopening.close_due, every=5.0)

    @consume(hears=("intake", "agency_gateway", "oversight", "notification"), handlers=HANDLERS)
    def on_events(self, batch: Any) -> None:
        """Give a batch of events its effect."""
        batch.handle()


if __name__ == "__main__":
    run(RoutingService)
