"""What a span tells: of an error its type, of a matter its number; and nothing at all where no traces are collected."""

from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode

from lianban.chassis import traces
from tests.exported import Exported

CANARY = "李四 13800001111"


class RowRefused(Exception):
    """An error that quotes a row, as PostgreSQL's do."""


def test_of_an_error_that_leaves_spans_only_its_type_is_exported(exported: Exported) -> None:
    with pytest.raises(RowRefused), traces.span("outer"), traces.span("inner"):
        raise RowRefused(f"DETAIL: Failing row contains ({CANARY})")
    assert [(span.name, span.status.status_code, span.status.description) for span in exported.spans] == [
        ("inner", StatusCode.ERROR, "RowRefused"),
        ("outer", StatusCode.ERROR, "RowRefused"),
    ]
    assert [span.events for span in exported.spans] == [(), ()]
    assert CANARY.encode() not in exported.content
    assert b"RowRefused" in exported.content


def test_an_error_that_is_caught_within_the_span_is_none_of_the_span(exported: Exported) -> None:
    with traces.span("careful"):
        try:
            raise RowRefused(CANARY)
        except RowRefused:
            pass
    (span,) = exported.spans
    assert span.status.status_code is StatusCode.UNSET


def test_a_number_is_on_its_span_and_on_what_follows_from_it_and_on_nothing_after(exported: Exported) -> None:
    traces.about("2026112300000007")
    with traces.span("before"):
        pass
    with traces.span("work"):
        traces.about("2026112300000008")
        with traces.span("part"):
            pass
    with traces.span("after"):
        pass
    assert exported.numbers() == {
        "before": None,
        "work": "2026112300000008",
        "part": "2026112300000008",
        "after": None,
    }
