"""One trace from the browser's request to the department's answer and on to the petitioner, over the bus."""

from __future__ import annotations

import secrets
from contextlib import suppress

from deploy.local.stack import Stack
from deploy.waiting import NotSo, until
from lianban.chassis.traces import NUMBER
from tests.collector import Collector
from tests.e2e.people import BLACK_RIVER, Caller, submit, suggested

LEAD = "city-ecology"
EXPECTED = {
    ("lianban-routing", "POST /api/v1/cases/<uuid:case_id>/assignments"),
    ("lianban-agency_gateway", "lianban.routing.assignment-sent.v1"),
    ("lianban-agency_gateway", "deliver assignment"),
    ("lianban-agency_gateway", "statement accept"),
    ("lianban-routing", "lianban.agency_gateway.agency-accepted.v1"),
    ("lianban-agency_gateway", "statement reply"),
    ("lianban-routing", "lianban.agency_gateway.agency-replied.v1"),
    ("lianban-intake", "lianban.routing.case-decided.v1"),
    ("lianban-oversight", "lianban.routing.case-decided.v1"),
    ("lianban-notification", "lianban.routing.case-decided.v1"),
    ("lianban-notification-press", "print decision"),
    ("lianban-notification", "mail decided"),
}


def test_one_trace_from_the_officers_click_to_the_departments_answer_and_the_petitioners_mail(
    stack: Stack, collector: Collector
) -> None:
    officer = Caller(stack, "officer")
    matter = submit(stack, BLACK_RIVER)
    suggested(officer, matter.id)

    trace_id, browser = secrets.token_hex(16), secrets.token_hex(8)
    officer.session.headers["traceparent"] = f"00-{trace_id}-{browser}-01"
    wanted = {"assignments": [{"agency_code": LEAD, "role": "lead"}], "kind": "transfer"}
    officer.post(f"/api/v1/cases/{matter.id}/assignments", wanted)
    matter.until("decided")

    missing = set(EXPECTED)

    def exported() -> bool:
        missing.difference_update((span.service, span.name) for span in collector.spans(trace_id))
        return not missing

    with suppress(NotSo):
        until(exported, "every station of the trace is exported", seconds=60)
    assert missing == set()
    spans = collector.spans(trace_id)
    known = {span.span_id for span in spans} | {browser}
    until(
        lambda: {span.parent_id for span in collector.spans(trace_id)} <= known | _ids(collector, trace_id),
        "every span hangs on one of the trace",
        seconds=60,
    )
    assert [span.name for span in spans if span.parent_id == browser] == [
        "POST /api/v1/cases/<uuid:case_id>/assignments"
    ]
    assert {span.attributes.get(NUMBER) for span in spans} == {matter.number}


def _ids(collector: Collector, trace_id: str) -> set[str]:
    return {span.span_id for span in collector.spans(trace_id)}


def test_a_trace_from_submission_goes_on_through_the_suggestion(stack: Stack, collector: Collector) -> None:
    officer, caller = Caller(stack, "officer"), Caller(stack)
    trace_id = secrets.token_hex(16)
    caller.session.headers["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    made = caller.post("/api/v1/matters", BLACK_RIVER)
    suggested(officer, made["id"])

    def names() -> set[tuple[str, str]]:
        return {(span.service, span.name) for span in collector.spans(trace_id)}

    wanted = {
        ("lianban-intake", "POST /api/v1/matters"),
        ("lianban-routing", "lianban.intake.matter-registered.v1"),
        ("lianban-routing", "suggest"),
        ("lianban-oversight", "lianban.routing.case-suggested.v1"),
    }
    until(lambda: names() >= wanted, "the suggestion belongs to the trace", seconds=60)


def test_a_tracestate_from_outside_is_not_taken(stack: Stack, collector: Collector) -> None:
    """Only our own services say which matter a trace is about."""
    caller = Caller(stack)
    trace_id = secrets.token_hex(16)
    caller.session.headers.update(
        {
            "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
            "tracestate": "lianban=2026010100000001",
        }
    )
    made = caller.post("/api/v1/matters", BLACK_RIVER)
    spans = until(lambda: collector.spans(trace_id), "the request is exported", seconds=60)
    assert spans[0].attributes[NUMBER] == made["number"]
