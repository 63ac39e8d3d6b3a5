"""Fixture: logs as services write them; the library's own default draws every frame with its variables, for seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from lianban.chassis.logs import without_values


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    structlog.configure(processors=[without_values, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()
