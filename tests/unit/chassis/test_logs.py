"""Logs are JSON lines that say what happened and where, and never what rows or people's input hold."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from lianban.chassis import logs
from lianban.chassis.errors import Retry
from lianban.contracts.catalogue import InvalidEvent

CANARY = "王小明13800138000"


@pytest.fixture
def lines(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Configure logging as a service does; the answer reads what was written so far. Parameter: gather lines."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("nameko", "nameko.containers")}
    logs.configure("intake", gather=getattr(request, "param", False))
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def fail_with(error: Exception) -> None:
    raise error


def test_a_line_tells_event_level_service_and_values(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger().info("matter.registered", matter="1", 渠道="web")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "matter.registered", "level": "info", "service": "intake", "matter": "1", "渠道": "web"}


@pytest.mark.parametrize("library", [False, True], ids=["ours", "a library's"])
def test_a_foreign_error_is_told_by_type_and_place_only(
    lines: Callable[[], list[dict[str, Any]]], library: bool
) -> None:
    try:
        fail_with(ValueError(f"cannot read {CANARY}"))
    except ValueError:
        if library:
            logging.getLogger("some.library").exception("request failed")
        else:
            structlog.get_logger().exception("request.failed")
    (line,) = lines()
    assert CANARY not in json.dumps(line, ensure_ascii=False)
    assert line["error"] == "ValueError"
    assert line["where"][-1].endswith("fail_with")
    assert "exc_info" not in line
    assert "exception" not in line


def test_an_error_of_ours_is_told_in_full(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        fail_with(Retry("intake is out of reach"))
    except Retry:
        structlog.get_logger().warning("loop.retry", exc_info=True)
    assert lines()[0]["detail"] == "intake is out of reach"


def test_what_a_worker_raised_is_not_quoted_by_the_framework(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("nameko.containers").error("error handling worker %s: %s", "<w>", CANARY)
    assert lines() == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Retry("intake is out of reach"), "Retry: intake is out of reach"),
        (InvalidEvent("lianban.intake.x.v1: {'claims': ['Missing']}"), "InvalidEvent: lianban.intake.x.v1: {'claims'"),
        (Retry("a\x00b"), "Retry: ab"),
        (Retry("x" * 3000), "Retry: xxx"),
        (ValueError(CANARY), "ValueError at "),
        (KeyError(CANARY), "KeyError at "),
    ],
)
def test_one_line_for_an_operator(error: Exception, said: str) -> None:
    with pytest.raises(type(error)) as raised:
        fail_with(error)
    line = logs.say(raised.value)
    assert line.startswith(said)
    assert CANARY not in line
    assert len(line) <= 2000


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert logs.say(ValueError(CANARY)) == "ValueError"


gathered = pytest.mark.parametrize("lines", [pytest.param(True, id="gathered")], indirect=True)


@gathered
def test_gathered_lines_are_written_together_and_a_warning_with_all_before_it(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    log = structlog.get_logger()
    log.info("first")
    assert lines() == []
    logs.flush()
    assert [line["event"] for line in lines()] == ["first"]
    log.info("second")
    log.warning("third")
    assert [line["event"] for line in lines()] == ["first", "second", "third"]


@gathered
def test_no_more_is_kept_back_than_a_bound(lines: Callable[[], list[dict[str, Any]]]) -> None:
    for number in range(500):
        structlog.get_logger().info("request", route="/" + "x" * 200, number=number)
    assert 300 < len(lines()) < 500
    logs.flush()
    assert [line["number"] for line in lines()] == list(range(500))


@gathered
def test_a_line_that_cannot_be_written_fails_nobody(
    lines: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    (handler,) = (h for h in logging.getLogger().handlers if isinstance(h, logs._Gathering))
    written, handler.stream = handler.stream, Full()
    structlog.get_logger().warning("lost")
    handler.stream = written
    structlog.get_logger().warning("written again")
    assert [line["event"] for line in lines()] == ["written again"]


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")
