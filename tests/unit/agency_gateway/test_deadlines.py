"""The dates that an agency is told are those of the rulebook (golden vectors of the law notes)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from lianban.contracts.codes import AgencyRole, AssignmentState, YearStatus
from lianban.contracts.oversight import CalendarDay
from lianban.law.calendar import CalendarYear, WorkCalendar
from lianban.law.rulebook import standard
from services.agency_gateway.domain.deadlines import deadlines

NATIONAL_DAY = tuple(
    [CalendarDay(date(2026, 10, day), works=False, name="国庆节") for day in range(1, 8)]
    + [CalendarDay(date(2026, 10, 10), works=True, name="国庆节")]
)
CALENDAR = WorkCalendar((CalendarYear(2026, YearStatus.OFFICIAL, NATIONAL_DAY),))


def told(
    state: AssignmentState, *, role: AgencyRole = AgencyRole.LEAD, binding: bool = False, accepted: bool = False
) -> list[tuple[str, date]]:
    found = deadlines(
        role=role,
        state=state,
        binding=binding,
        sent_at=datetime(2026, 9, 28, 2, 0, tzinfo=UTC),
        accepted_at=datetime(2026, 8, 3, 2, 0, tzinfo=UTC) if accepted else None,
        rulebook=standard(),
        calendar=CALENDAR,
    )
    return [(due.rule, due.day) for due in found]


def test_a_new_assignment_may_be_objected_to_for_five_work_days() -> None:
    assert told(AssignmentState.SENT) == [("objection", date(2026, 10, 10)), ("notice", date(2026, 10, 13))]


def test_a_binding_one_may_not() -> None:
    assert told(AssignmentState.SENT, binding=True) == [("notice", date(2026, 10, 13))]
    assert told(AssignmentState.DESIGNATED) == [("notice", date(2026, 10, 13))]


def test_the_lead_handles_within_sixty_days_of_acceptance() -> None:
    assert told(AssignmentState.ACCEPTED, accepted=True) == [
        ("handle", date(2026, 10, 8)),
        ("notice", date(2026, 10, 13)),
    ]


@pytest.mark.parametrize("state", [AssignmentState.RELEASED, AssignmentState.WITHDRAWN, AssignmentState.DONE])
def test_what_is_over_has_no_dates(state: AssignmentState) -> None:
    assert told(state) == []


def test_a_copy_owes_nothing() -> None:
    assert told(AssignmentState.SENT, role=AgencyRole.COPY) == []
