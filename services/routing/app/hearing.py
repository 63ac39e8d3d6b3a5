"""Which events routing hears, and what each makes it do."""

from __future__ import annotations

from lianban.chassis import calendar
from lianban.chassis.inbox import Handlers
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
from services.routing.app import intake_events, reopening, statements

HANDLERS: Handlers = {
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
