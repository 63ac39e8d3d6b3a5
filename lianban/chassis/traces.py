"""OpenTelemetry traces from the browser's request to the delivery; off without an endpoint, then without cost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from lianban.chassis.settings import settings

_propagator = TraceContextTextMapPropagator()
_on = False


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


def current_traceparent() -> str | None:
    """The W3C trace context of what is running now, to travel with an event or a request."""
    if not _on:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def span(name: str, *, parent: str | None = None, **attributes: Any) -> Iterator[None]:
    """A span round the block; ``parent`` is a traceparent that came with a request or an event."""
    if not _on:
        yield
        return
    context = _propagator.extract({"traceparent": parent}) if parent else None
    with trace.get_tracer("lianban").start_as_current_span(name, context=context, attributes=attributes):
        yield
