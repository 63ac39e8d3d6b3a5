"""What notification does with what it hears: the table of its event handlers."""

from __future__ import annotations

from lianban.chassis import calendar
from lianban.chassis.inbox import Handlers
from lianban.contracts.intake import MatterOpened, MatterRegistered, MatterWithdrawn
from lianban.contracts.oversight import CalendarChanged
from lianban.contracts.routing import CaseAccepted, CaseClosed, CaseDecided, CaseReopened, CaseRouted
from services.notification.app import serving, telling

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
