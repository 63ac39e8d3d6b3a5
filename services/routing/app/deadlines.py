"""By when something is due, for the desk and for closing: the rulebook and arithmetic of oversight's clocks."""

from __future__ import annotations

from datetime import datetime

from lianban.chassis import calendar
from lianban.chassis.rules import rulebook
from lianban.chassis.transaction import Transaction
from lianban.law.calendar import WorkCalendar
from lianban.law.clocks import Due, china_day, end_of, is_overdue

ROUTE, OBJECTION, RATING = "route", "objection", "rating"


class Deadlines:
    """The dates of one page or case, with the calendar read once."""

    def __init__(self, tx: Transaction) -> None:
        self._calendar: WorkCalendar = calendar.recent(tx)
        self._rulebook = rulebook()

    def routing(self, received_at: datetime) -> Due:
        """By when the petition office must have routed a matter (条例 §22)."""
        return self._rulebook.due(ROUTE, china_day(received_at), self._calendar)

    def objecting(self, sent_at: datetime) -> Due:
        """By when an agency may object (条例 §23③)."""
        return self._rulebook.due(OBJECTION, china_day(sent_at), self._calendar)

    def rating_over(self, served_at: datetime) -> datetime:
        """When the time to rate is over: the end of the last day of oversight's clock (its length is the site's)."""
        return end_of(self._rulebook.due(RATING, china_day(served_at), self._calendar).legal_due)

    def late_objection(self, sent_at: datetime, objected_at: datetime) -> bool:
        """Whether an objection came after its five work days: the officer sees it and decides."""
        return is_overdue(self.objecting(sent_at).legal_due, objected_at)
