"""Fixture: this process collects traces as a service does, and what it would send is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lianban.chassis import traces


class Exported:
    """The spans that have ended, in their order."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._kept))

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._kept.get_finished_spans()

    @property
    def content(self) -> bytes:
        """What a collector would get."""
        return bytes(encode_spans(self.spans).SerializeToString())

    def numbers(self) -> dict[str, str | None]:
        """The matter's number on each span, by the span's name."""
        found = {}
        for span in self.spans:
            number = (span.attributes or {}).get(traces.NUMBER)
            found[span.name] = None if number is None else str(number)
        return found


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exported]:
    made = Exported()
    monkeypatch.setattr(traces, "_on", True)
    monkeypatch.setattr(trace, "get_tracer", made.provider.get_tracer)
    yield made
    made.provider.shutdown()
