"""What operations see of the exchange."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from lianban.chassis.runtime import database
from services.agency_gateway.domain.lane import Circuit
from services.agency_gateway.store import deliveries as store

deliveries = Counter(
    "lianban_gateway_deliveries_total",
    "Attempts to deliver, by adapter and by what they ended in",
    ["adapter", "outcome"],
)
delivery_seconds = Histogram(
    "lianban_gateway_delivery_seconds",
    "Duration of one attempt to deliver, without waiting in the lane",
    ["adapter"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
lag_seconds = Histogram(
    "lianban_gateway_lag_seconds",
    "From routing's decision to the department having the message",
    ["adapter"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 600, 3600, 86_400),
)
lane_backlog = Gauge("lianban_gateway_lane_backlog", "Messages that the department does not have yet", ["agency"])
lane_circuit = Gauge(
    "lianban_gateway_lane_circuit",
    "State of a lane: 0 closed (flows), 1 half open (probing), 2 open (stopped)",
    ["agency"],
)
statements = Counter("lianban_gateway_statements_total", "Statements of departments taken in", ["via", "kind"])
statements_repeated = Counter(
    "lianban_gateway_statements_repeated_total", "Statements that came again and changed nothing"
)

_CIRCUIT = {Circuit.CLOSED: 0, Circuit.HALF_OPEN: 1, Circuit.OPEN: 2}


def measure() -> int:
    """Bring the gauges of all lanes up to date; a worker loop."""
    with database().transaction() as tx:
        rows = store.backlog(tx)
    for agency, circuit, waiting in rows:
        lane_backlog.labels(agency).set(waiting)
        lane_circuit.labels(agency).set(_CIRCUIT[Circuit(circuit)])
    return 0
