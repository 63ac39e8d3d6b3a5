"""What processes of a stack get of the environment of whoever starts it."""

from __future__ import annotations

import pytest

from deploy.local.environment import passed_on


def test_settings_of_the_operator_and_of_the_collector_are_handed_on_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed_on = {"LIANBAN_LOG_LEVEL": "DEBUG", "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20abc"}
    kept = {"LIANBAN_PORT": "9090", "OTEL_SERVICE_NAME": "other", "EDITOR": "vi"}
    for name, value in (handed_on | kept).items():
        monkeypatch.setenv(name, value)
    given = passed_on()
    assert given.items() >= handed_on.items()
    assert not given.keys() & kept.keys()
