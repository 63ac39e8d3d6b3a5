"""Metrics whose labels are known beforehand are there from the start, so that the first increase counts as one."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client import REGISTRY, Counter

from lianban.chassis.loops import Loop
from lianban.chassis.metrics import from_zero


class _Container:
    """Where a loop starts its greenlets; here it starts none."""

    def spawn_managed_thread(self, *_: object, **__: object) -> None:
        """Nothing runs."""


def test_every_combination_of_labels_is_there() -> None:
    from_zero(Counter("test_of_labels_total", "x", ["one", "two"]), ("a", "b"), ["c"])
    found = [REGISTRY.get_sample_value("test_of_labels_total", {"one": one, "two": "c"}) for one in ("a", "b")]
    assert found == [0, 0]


def test_a_loop_that_has_started_has_done_nothing_and_failed_never() -> None:
    loop = Loop("test of metrics", lambda: 0)
    loop.container = _Container()
    loop.start()
    for name in ("done", "failures"):
        assert REGISTRY.get_sample_value(f"lianban_loop_{name}_total", {"loop": "test of metrics"}) == 0


@pytest.mark.parametrize(
    ("module", "series"),
    [
        ("lianban.chassis.metrics", 'lianban_inbox_failures_total{kind="poison"}'),
        ("lianban.chassis.metrics", 'lianban_inbox_handled_total{producer="agency_gateway"}'),
        ("lianban.chassis.web.observation", 'lianban_http_requests_total{door="outside",outcome="failed"}'),
        ("services.intake.app.metrics", 'lianban_intake_matters_registered_total{channel="web",purpose="appeal"}'),
        ("services.routing.app.metrics", 'lianban_routing_case_events_total{event="case-routed"}'),
        ("services.routing.app.metrics", 'lianban_routing_statements_total{kind="object",outcome="refused"}'),
        ("services.agency_gateway.app.metrics", 'lianban_gateway_statements_total{kind="reply",via="desk"}'),
        ("services.agency_gateway.app.metrics", 'lianban_gateway_delivery_duration_seconds_count{adapter="rest_push"}'),
        ("services.oversight.app.metrics", 'lianban_oversight_breaches_total{rule="notice"}'),
        ("services.oversight.app.metrics", 'lianban_oversight_lapses_total{rule="objection"}'),
        ("services.notification.app.metrics", 'lianban_notification_documents_total{kind="decision"}'),
        ("services.notification.app.metrics", 'lianban_notification_notices_total{channel="email",outcome="failed"}'),
    ],
)
def test_a_process_that_has_done_nothing_yet_says_so(module: str, series: str) -> None:
    code = f"import {module}, prometheus_client; print(prometheus_client.generate_latest().decode())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"{series} 0.0" in said.splitlines()
