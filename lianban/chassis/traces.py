"""OpenTelemetry traces from the browser's request to the department's answer; off without an endpoint, then free.

A trace travels with every event (the CloudEvents extensions ``traceparent`` and ``tracestate``) and stays with the
subject's row in each service, so that what a worker loop does later, and what a department answers, belongs to the
trace in which the work began. The matter's number travels in ``tracestate`` and stands on the spans of work on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.trace import StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lianban.chassis.settings import settings

NUMBER = "lianban.matter.number"
"""The attribute with the matter's number."""
_STATE = "lianban="

_propagator = TraceContextTextMapPropagator()
_on = False
_number: ContextVar[str | None] = ContextVar("lianban_matter_number", default=None)


class Carried(NamedTuple):
    """A trace context on its way (W3C Trace Context): the parent span, and the number of the matter it is about."""

    traceparent: str
    tracestate: str | None = None

    @property
    def text(self) -> str:
        """Both in one text, as a row keeps them."""
        return f"{self.traceparent} {self.tracestate or ''}".rstrip()

    @classmethod
    def read(cls, text: str | None) -> Carried | None:
        """From the text of a row."""
        if not text:
            return None
        parent, _, state = text.partition(" ")
        return cls(parent, state or None)

    @property
    def number(self) -> str | None:
        """The matter's number, where it is known."""
        state = self.tracestate or ""
        return state.removeprefix(_STATE)[:40] if state.startswith(_STATE) else None


def on() -> bool:
    """Whether traces are collected."""
    return _on


def configure(service: str) -> None:
    """Export spans to the endpoint of the settings, if there is one."""
    global _on  # noqa: PLW0603 - one tracer provider per process, set once at start
    endpoint = settings().traces_endpoint
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": f"lianban-{service}", "deployment.environment": settings().environment}
        )
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    _on = True


def current() -> Carried | None:
    """The trace context of what is running now, to travel with an event, a row or a request."""
    if not _on:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    parent = carrier.get("traceparent")
    if parent is None:
        return None
    number = _number.get()
    return Carried(parent, f"{_STATE}{number}" if number else None)


def text() -> str | None:
    """The present trace context as a row keeps it, for work that a loop will do."""
    carried = current()
    return carried.text if carried else None


def about(number: str) -> None:
    """The present span, and all that follows from it, is about the matter with this number.

    Where no span is open nothing is noted: the number would stay with whatever comes next.
    """
    if not _on:
        return
    present = trace.get_current_span()
    if present.get_span_context().is_valid:
        _number.set(number)
        present.set_attribute(NUMBER, number)


def span(name: str, *, parent: Carried | None = None, **attributes: Any) -> AbstractContextManager[None]:
    """A span round the block; ``parent`` came with a request, an event or a row. Without it: what runs now.

    Of an exception that leaves the block the span tells the type and nothing else.
    """
    return _span(name, parent, attributes) if _on else _NONE


_NONE = nullcontext()
"""What is round a block while no traces are collected."""


@contextmanager
def _span(name: str, parent: Carried | None, attributes: dict[str, Any]) -> Iterator[None]:
    context = _propagator.extract({"traceparent": parent.traceparent}) if parent else None
    number = parent.number if parent else _number.get()
    if number:
        attributes[NUMBER] = number
    token = _number.set(number)
    try:
        with trace.get_tracer("lianban").start_as_current_span(
            name, context=context, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as begun:
            try:
                yield
            except Exception as error:
                begun.set_status(StatusCode.ERROR, type(error).__name__)  # its text may quote a row or what was typed
                raise
    finally:
        _number.reset(token)
