"""What routing counts. Events are counted when they are written, so a rolled-back try may count once more."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from lianban.chassis.metrics import from_zero
from lianban.contracts.catalogue import known_events
from lianban.contracts.codes import DecidedBy, ExchangeKind

cases_opened = Counter("lianban_routing_cases_opened_total", "Matters that routing opened a case for")
case_events = Counter("lianban_routing_case_events_total", "What routing said about cases, by event", ["event"])
decisions = Counter("lianban_routing_decisions_total", "Routing decisions, by who decided", ["decided_by"])
statements = Counter(
    "lianban_routing_statements_total", "Departments' statements judged, by kind and outcome", ["kind", "outcome"]
)
suggestions = Counter("lianban_routing_suggestions_total", "Suggestions made, by whether a lead was found", ["lead"])
sign_ins = Counter("lianban_routing_sign_ins_total", "Attempts to sign in, by outcome", ["outcome"])
waiting = Gauge("lianban_routing_waiting", "Cases that wait for an officer, by what for", ["attention"])
suggestions_due = Gauge("lianban_routing_suggestions_due", "Matters that wait for a suggestion")

_ABOUT_CASES = {kind.split(".")[2] for kind in known_events() if kind.startswith("lianban.routing.")} - {
    "region-registered",
    "agency-registered",
}
_STATEMENTS = (
    ExchangeKind.ACCEPT, ExchangeKind.OBJECT, ExchangeKind.PROGRESS, ExchangeKind.OPINION, ExchangeKind.REPLY,
)  # fmt: skip
from_zero(case_events, _ABOUT_CASES)
from_zero(decisions, DecidedBy)
from_zero(statements, _STATEMENTS, ("applied", "refused"))
from_zero(suggestions, ("found", "none"))
from_zero(sign_ins, ("accepted", "refused"))
