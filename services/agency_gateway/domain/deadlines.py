"""By when an agency must act, for messages and pages: the same rulebook and arithmetic that oversight's clocks use."""

from __future__ import annotations

from datetime import datetime

from lianban.contracts.codes import AgencyRole, AssignmentState
from lianban.law.calendar import WorkCalendar
from lianban.law.clocks import china_day
from lianban.law.rulebook import Rule, Rulebook
from services.agency_gateway.domain.message import Due

_UNDECIDED = frozenset({AssignmentState.SENT, AssignmentState.OBJECTED, AssignmentState.UPHELD})
_OVER = frozenset(
    {AssignmentState.RELEASED, AssignmentState.WITHDRAWN, AssignmentState.DONE, AssignmentState.OPINION_GIVEN}
)


def deadlines(
    *,
    role: AgencyRole,
    state: AssignmentState,
    binding: bool,
    sent_at: datetime,
    accepted_at: datetime | None,
    rulebook: Rulebook,
    calendar: WorkCalendar,
) -> tuple[Due, ...]:
    """The dates that bind an agency now, earliest first; none for a copy and none when its part is over.

    Objection (条例 §23③) while nothing is decided, notice (§23③) from receipt, handling (§34) from acceptance.
    """
    if role is AgencyRole.COPY or state in _OVER:
        return ()
    found = []
    if state in _UNDECIDED and not binding:
        found.append(_due(rulebook.rule("objection"), sent_at, rulebook, calendar))
    found.append(_due(rulebook.rule("notice"), sent_at, rulebook, calendar))
    if role is AgencyRole.LEAD and accepted_at is not None:
        found.append(_due(rulebook.rule("handle"), accepted_at, rulebook, calendar))
    return tuple(sorted(found, key=lambda due: due.day))


def _due(rule: Rule, start: datetime, rulebook: Rulebook, calendar: WorkCalendar) -> Due:
    return Due(rule.id, rulebook.due(rule.id, china_day(start), calendar).legal_due, rule.article_zh)
