"""What a person is told when a command cannot do its work."""

from __future__ import annotations

import sys

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from cli import main


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(sys, "argv", ["lianban", "outbox"])
    return monkeypatch


def raising(error: Exception) -> object:
    def command(**_: object) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection failed: Connection refused\n\tIs the server running?"),
        PoolTimeout("couldn't get a connection after 5.00 sec"),
        ConnectionRefusedError(111, "Connection refused"),
    ],
)
def test_what_does_not_run_is_told_without_a_trace(
    failing: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    failing.setattr(main, "command", raising(error))
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("\n✗ 数据库或消息队列不可达 the database or the broker is out of reach: ")
    assert told.endswith("lianban up starts it.\n")
    assert len(told.splitlines()) == 3


def test_a_bug_is_loud(failing: pytest.MonkeyPatch) -> None:
    failing.setattr(main, "command", raising(KeyError("x")))
    with pytest.raises(KeyError):
        main.main()


def test_a_service_tells_everything(failing: pytest.MonkeyPatch) -> None:
    failing.setattr(sys, "argv", ["lianban", "serve", "intake"])
    failing.setattr(main, "command", raising(ConnectionRefusedError()))
    with pytest.raises(ConnectionRefusedError):
        main.main()
