"""What oversight says: the statutory clocks and the work calendar that they run on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from lianban.contracts.codes import ClockOutcome, YearStatus
from lianban.contracts.events import event
from lianban.contracts.refs import AgencyRef


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day that differs from the plain week: a rest day on a weekday, or a work day at a weekend."""

    day: date
    works: bool
    name: str


@event("oversight.calendar-changed.v1")
class CalendarChanged:
    """A year's calendar; the subject is :func:`~lianban.contracts.refs.calendar_id`."""

    year: int
    status: YearStatus
    days: tuple[CalendarDay, ...]


@event("oversight.clock-started.v1")
class ClockStarted:
    """A clock of the rulebook runs; dates are days in Asia/Shanghai, ``bound`` is who must act."""

    clock_id: UUID
    rule: str
    bound: AgencyRef | None
    assignment_id: UUID | None
    started_on: date
    raw_due: date
    legal_due: date
    provisional: bool


@event("oversight.clock-moved.v1")
class ClockMoved:
    """A clock's dates changed: the calendar changed, or the period was extended."""

    clock_id: UUID
    rule: str
    raw_due: date
    legal_due: date
    provisional: bool


@event("oversight.clock-stopped.v1")
class ClockStopped:
    """A clock ended."""

    clock_id: UUID
    rule: str
    outcome: ClockOutcome
    stopped_at: datetime


@event("oversight.clock-warned.v1")
class ClockWarned:
    """A clock is close to its end; ``step`` names the rung of the ladder."""

    clock_id: UUID
    rule: str
    bound: AgencyRef | None
    step: str
    legal_due: date


@event("oversight.clock-breached.v1")
class ClockBreached:
    """A clock's legal end has passed while it ran."""

    clock_id: UUID
    rule: str
    bound: AgencyRef | None
    legal_due: date
