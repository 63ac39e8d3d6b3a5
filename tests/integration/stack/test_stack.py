"""The embedded stack starts, recovers, stops and explains itself."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.local import leftovers
from deploy.local.checks import Trouble, taken
from deploy.local.layout import HOST
from deploy.local.stack import Stack

INFRASTRUCTURE = {"epmd", "rabbitmq", "postgres", "nginx"}


def running(stack: Stack) -> set[str]:
    return {name for name, item in stack.supervisor.states().items() if item["statename"] == "RUNNING"}


def test_everything_listens_on_loopback_only(infrastructure: Stack) -> None:
    pids = set(leftovers.find(infrastructure.layout))
    listening = [
        connection.laddr.ip
        for pid in pids
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 6
    assert set(listening) <= {"127.0.0.1", "::1"}


def test_secrets_are_readable_by_their_owner_only(infrastructure: Stack) -> None:
    layout = infrastructure.layout
    readable = [
        path
        for folder in (layout.keys, layout.run, layout.rabbitmq)
        for path in folder.rglob("*")
        if path.is_file() and folder.stat().st_mode & 0o077 and path.stat().st_mode & 0o077
    ]
    assert readable == []
    assert stat.S_IMODE((layout.keys / "passwords.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((layout.keys / "intake" / "signing.pem").stat().st_mode) == 0o600


def test_no_process_is_interrupted_whenever_another_one_wakes(infrastructure: Stack) -> None:
    pids = [item["pid"] for item in infrastructure.supervisor.states().values() if item["statename"] == "RUNNING"]
    assert len(pids) >= len(INFRASTRUCTURE)
    assert {os.sched_getscheduler(pid) for pid in pids} == {os.SCHED_BATCH}


def test_a_second_start_changes_nothing(infrastructure: Stack) -> None:
    before = {name: item["pid"] for name, item in infrastructure.supervisor.states().items()}
    infrastructure.start(services=False)
    assert {name: item["pid"] for name, item in infrastructure.supervisor.states().items()} == before


def test_a_taken_port_is_named_with_what_to_set(another_stack: Stack) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that has just ended may linger on it
        other.bind((HOST, another_stack.layout.ports.edge))
        other.listen()
        with pytest.raises(Trouble) as told:
            another_stack.start(services=False)
    assert f"Port {another_stack.layout.ports.edge} for edge (nginx) is taken" in told.value.what
    assert f"pid {os.getpid()}" in told.value.what
    assert "LIANBAN_PORT" in told.value.advice
    assert "LIANBAN_PORT_BASE" not in told.value.advice
    assert not another_stack.running()


def test_a_taken_port_of_a_part_names_the_base(another_stack: Stack) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, another_stack.layout.ports.amqp))
        other.listen()
        with pytest.raises(Trouble, match="for RabbitMQ is taken") as told:
            another_stack.start(services=False)
    assert "LIANBAN_PORT_BASE" in told.value.advice


def test_a_full_disk_is_told_before_anything_starts(another_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.checks.NEEDED_BYTES", 10**18)
    with pytest.raises(Trouble, match="are free on the disk of") as told:
        another_stack.start(services=False)
    assert "LIANBAN_HOME" in told.value.advice


@pytest.mark.slow
def test_a_killed_run_is_recovered_by_the_next_start_and_keeps_the_data(another_stack: Stack) -> None:
    stack = another_stack
    stack.start(services=False)
    with psycopg.connect(stack.database_url("intake")) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept values (42)")
    # The supervisor first, as its death would make it restart nothing; then all its programs, all at once.
    victims = [stack.supervisor.pid(), *leftovers.find(stack.layout)]
    for pid in victims:
        if pid is not None and psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)

    stack.start(services=False)

    assert running(stack) >= INFRASTRUCTURE
    with psycopg.connect(stack.database_url("intake")) as connection:
        assert connection.execute("select n from kept").fetchall() == [(42,)]


@pytest.mark.slow
def test_a_killed_supervisor_leaves_programs_that_the_next_start_takes_away(another_stack: Stack) -> None:
    stack = another_stack
    stack.start(services=False)
    orphans = {name: item["pid"] for name, item in stack.supervisor.states().items() if item["pid"]}
    pid = stack.supervisor.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    stack.start(services=False)

    assert running(stack) >= INFRASTRUCTURE
    now = {name: item["pid"] for name, item in stack.supervisor.states().items() if item["pid"]}
    assert all(now[name] != orphans[name] for name in INFRASTRUCTURE)


@pytest.mark.slow
def test_stop_ends_every_process_and_frees_every_port(another_stack: Stack) -> None:
    stack = another_stack
    stack.start(services=False)
    stack.stop()
    assert leftovers.find(stack.layout) == []
    assert [port for port in stack.layout.ports.infrastructure() if taken(port)] == []
    stack.stop()  # once more is harmless


def test_reset_removes_the_state(another_stack: Stack) -> None:
    another_stack.layout.home.mkdir(parents=True)
    (another_stack.layout.home / "postgres").mkdir()
    another_stack.reset()
    assert [path.name for path in another_stack.layout.home.iterdir()] == ["lock"]


def test_status_of_what_never_ran(tmp_path: Path, another_stack: Stack) -> None:
    outcome = another_stack.command("status")
    assert outcome.returncode == 1
    assert "not running" in outcome.stdout
