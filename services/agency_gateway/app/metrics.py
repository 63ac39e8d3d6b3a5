"""What operations see of the exchange."""

from __future__ import annotations

from typing import get_args

from prometheus_client import Counter, Gauge, Histogram

from lianban.chassis.metrics import from_zero
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from services.agency_gateway.domain.delivery import Outcome
from services.agency_gateway.domain.lane import Circuit
from services.agency_gateway.domain.profile import AdapterName
from services.agency_gateway.domain.statement import KINDS, Via
from services.agency_gateway.store import lanes

deliveries = Counter(
    "lianban_gateway_deliveries_total",
    "Attempts to deliver, by lane, by adapter and by what they ended in",
    ["agency", "adapter", "outcome"],
)
delivery_seconds = Histogram(
    "lianban_gateway_delivery_duration_seconds",
    "Duration of one attempt to deliver, without waiting in the lane",
    ["adapter"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
lag_seconds = Histogram(
    "lianban_gateway_delivery_lag_seconds",
    "From routing's decision to the department having the message, by lane",
    ["agency"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600, 3600, 86_400),
)
lane_messages = Gauge(
    "lianban_gateway_lane_messages",
    "Messages that the department does not have yet: waiting for their turn, sending, offered in the feed, of unknown"
    " outcome, or waiting for a person",
    ["agency", "state"],
)
lane_oldest = Gauge(
    "lianban_gateway_lane_oldest_age_seconds", "Age of the oldest message that the department does not have", ["agency"]
)
lane_circuit_open = Gauge(
    "lianban_gateway_lane_circuit_open",
    "1 where nothing but a probe is sent to the department, 0 where messages flow",
    ["agency"],
)
statements = Counter("lianban_gateway_statements_total", "Statements of departments taken in", ["via", "kind"])
statements_repeated = Counter(
    "lianban_gateway_statements_repeated_total", "Statements that came again and changed nothing"
)
OUTCOMES = tuple(outcome.__name__.lower() for outcome in get_args(Outcome))
from_zero(delivery_seconds, AdapterName)
from_zero(statements, Via, KINDS)


def measure() -> int:
    """Bring the gauges of all lanes up to date, and have what is counted by lane begin at zero; a worker loop."""
    with database().transaction() as tx:
        found = lanes.overview(tx)
    moment = now()
    for lane in found:
        agency = lane.agency_code
        from_zero(lag_seconds, [agency])
        from_zero(deliveries, [agency], {lane.adapter, AdapterName.DESK.value}, OUTCOMES)
        for state in ("waiting", "sending", "offered", "unknown", "person"):
            lane_messages.labels(agency, state).set(getattr(lane, state))
        age = (moment - lane.oldest_at).total_seconds() if lane.oldest_at else 0.0
        lane_oldest.labels(agency).set(max(0.0, age))
        lane_circuit_open.labels(agency).set(int(lane.circuit is not Circuit.CLOSED))
    return 0
