"""The dates that bind an agency, from this service's copy of the work calendar and the site's rulebook."""

from __future__ import annotations

from lianban.law.calendar import WorkCalendar
from lianban.law.rulebook import Rulebook
from services.agency_gateway.domain.deadlines import deadlines
from services.agency_gateway.domain.message import Due
from services.agency_gateway.store.assignments import Assignment


def due_of(assignment: Assignment, calendar: WorkCalendar, rulebook: Rulebook) -> tuple[Due, ...]:
    """By when the assignment's agency must act, earliest first."""
    return deadlines(
        role=assignment.role,
        state=assignment.state,
        binding=assignment.binding,
        sent_at=assignment.sent_at,
        accepted_at=assignment.accepted_at,
        rulebook=rulebook,
        calendar=calendar,
    )
