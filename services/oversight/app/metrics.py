"""What oversight counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from lianban.chassis.metrics import from_zero
from lianban.law.rulebook import Lapse, standard

clocks = Gauge(
    "lianban_oversight_clocks",
    "Running clocks by rule and standing: due_later, due_today, overdue",
    ["rule", "standing"],
)
clocks_provisional = Gauge(
    "lianban_oversight_clocks_provisional", "Running clocks whose end rests on a calendar that is not announced"
)
overdue = Gauge("lianban_oversight_agency_clocks_overdue", "Running clocks of an agency that are overdue", ["agency"])
breaches = Counter("lianban_oversight_breaches_total", "Clocks whose legal end passed while they ran", ["rule"])
lapses = Counter("lianban_oversight_lapses_total", "Rights that ran out unused, windows of objection for one", ["rule"])
watched = Gauge(
    "lianban_oversight_clocks_watched_timestamp_seconds",
    "When the watch last had no clock left to look at, as Unix time",
)
matters = Gauge("lianban_oversight_matters", "Matters by state", ["state"])
assignments = Gauge("lianban_oversight_assignments_open", "Assignments that an agency has in work", ["agency"])
calendar_official = Gauge(
    "lianban_oversight_calendar_official",
    "1 where the calendar of this_year or next_year is announced, 0 where it is provisional",
    ["year"],
)
from_zero(breaches, [rule.id for rule in standard().rules if rule.lapse is Lapse.BREACH])
from_zero(lapses, [rule.id for rule in standard().rules if rule.lapse is Lapse.ENDS])
