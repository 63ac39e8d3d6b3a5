"""The three values that tell stacks apart are checked before anything is done with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.configuration import render
from deploy.local.layout import SERVICES, BadSetting, Layout, Ports, layout_from_environment
from deploy.local.processes import needed_ports, processes


def test_no_two_listeners_share_a_port() -> None:
    layout = Layout(Path("/nowhere"), Ports(8080, 18000))
    ports = needed_ports(layout, demo=True)
    listeners = len(layout.ports.infrastructure()) + 1  # the demo mail server's SMTP
    listeners += sum(len(process.ports(layout.ports)) for process in processes(demo=True))
    assert len(ports) == listeners
    assert all(port == 8080 or 18000 < port <= 18120 for port in ports)


def test_every_service_has_room_for_a_second_process() -> None:
    ports = Ports(8080, 18000)
    second = {port(service, 2) for service in SERVICES for port in (ports.http, ports.ops)}
    alone = [process for process in processes(demo=True) if process.name != "intake-2"]
    assert len(second) == 2 * len(SERVICES)
    assert not second & (set(ports.infrastructure()) | {port for process in alone for port in process.ports(ports)})


@pytest.mark.parametrize("value", ["0", "65536", "http", "-1", "８０８０", "1e3"])
def test_a_port_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LIANBAN_PORT", value)
    with pytest.raises(BadSetting, match="LIANBAN_PORT"):
        layout_from_environment()


def test_the_edge_may_not_lie_among_the_other_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANBAN_PORT", "18032")
    with pytest.raises(BadSetting, match="LIANBAN_PORT_BASE"):
        layout_from_environment()


def test_a_folder_that_programs_cannot_work_in_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANBAN_HOME", '/tmp/with "quotes"')
    with pytest.raises(BadSetting, match="LIANBAN_HOME"):
        layout_from_environment()


def test_only_our_own_variables_are_filled_in() -> None:
    assert (
        render("listen ${LIANBAN_LISTEN}; set $host ${uri};", {"LIANBAN_LISTEN": "1"}) == "listen 1; set $host ${uri};"
    )
    with pytest.raises(KeyError):
        render("${LIANBAN_UNKNOWN}", {})
