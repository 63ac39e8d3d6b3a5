"""What processes of a stack get of the environment of whoever starts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from deploy.local.configuration import Program, write_supervisor
from deploy.local.environment import passed_on
from deploy.local.layout import Layout, Ports


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


def test_credentials_of_the_collector_reach_a_process_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    headers = "Authorization=Basic%20YWJj==,x-tenant=city; a"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)
    layout = Layout(tmp_path, Ports(8080, 18000))
    for folder in (layout.run, layout.logs):
        folder.mkdir()
    options = ServerOptions()
    options.realize(["-c", str(write_supervisor(layout, [Program("intake", ["/bin/true"], passed_on())]))])
    (group,) = options.process_group_configs
    assert group.process_configs[0].environment["OTEL_EXPORTER_OTLP_HEADERS"] == headers
