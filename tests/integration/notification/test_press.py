"""The press: documents that are printed together, those that are not, and a press beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import greenlet
import psycopg
import pytest
import typst
from prometheus_client import REGISTRY

from lianban.chassis.metrics import loop_done, loop_failures
from lianban.chassis.runtime import database
from lianban.chassis.secrets import unseal_bytes
from lianban.chassis.time import china_day, now
from lianban.contracts.codes import DocumentKind
from lianban.contracts.notification import DocumentIssued
from services.notification import worker
from services.notification.app import composing
from services.notification.store import documents
from tests.integration.notification.conftest import ECOLOGY, Notification
from tests.integration.notification.test_notices import pdf_text


@dataclass
class Paper(worker.Press):
    """A press that prints words only, and does ``before`` each page something else."""

    before: Callable[[dict[str, Any]], None] = lambda _: None
    printed: list[str] = field(default_factory=list)

    def print(self, content: dict[str, Any]) -> bytes:
        """The number instead of a PDF."""
        self.before(content)
        self.printed.append(content["number"])
        return str(content["number"]).encode()


def three_transfer_notices(notification: Notification) -> None:
    """Three documents of one kind wait for the press."""
    notification.register()
    for round_ in (1, 2, 3):
        notification.route(ECOLOGY, minute=round_, round_=round_)
    composing.run_due()


def numbers(notification: Notification) -> dict[int, str]:
    """The number of each round's document."""
    return {event.round: event.number for event in notification.said(DocumentIssued)}


def number(running: int) -> str:
    return f"联办转告〔{china_day(now()).year}〕{running}号"


def test_a_document_that_does_not_print_takes_no_number_and_holds_up_no_other(notification: Notification) -> None:
    three_transfer_notices(notification)
    broken = [True]

    def jam(content: dict[str, Any]) -> None:
        if content["number"] == number(2) and broken.pop():
            broken.append(False)
            raise ValueError("no page")

    paper = Paper(before=jam)
    assert worker.run_due(paper) == 2
    assert numbers(notification) == {1: number(1), 3: number(2)}
    notification.make_due()
    assert worker.run_due(paper) == 1
    assert numbers(notification) == {1: number(1), 3: number(2), 2: number(3)}


@pytest.mark.parametrize("error", [TypeError("no page"), AttributeError("no page"), RuntimeError("no page")])
def test_whatever_goes_wrong_with_one_document_the_others_are_issued(
    notification: Notification, error: Exception
) -> None:
    three_transfer_notices(notification)

    def jam(content: dict[str, Any]) -> None:
        if content["number"] == number(1) and not paper.printed:
            paper.before = lambda _: None
            raise error

    paper = Paper(before=jam)
    assert worker.run_due(paper) == 2
    assert numbers(notification) == {2: number(1), 3: number(2)}
    row = notification.look.execute("select tries, error from document where state = 'composed'").fetchone()
    assert row is not None
    assert (row["tries"], row["error"].split()[0]) == (1, type(error).__name__)


class PanicException(BaseException):
    """As a panic of the compiler looks."""


@dataclass
class Compiler:
    """A compiler that raises what it is given, and after that prints anything."""

    errors: list[BaseException]

    def compile(self, *_: Any, **__: Any) -> bytes:
        if self.errors:
            raise self.errors.pop()
        return b"%PDF"


def test_a_document_over_which_the_compiler_panics_fails_alone(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    compilers = iter([Compiler([PanicException("index out of bounds")]), Compiler([])])
    monkeypatch.setattr(typst, "Compiler", lambda **_: next(compilers))
    three_transfer_notices(notification)
    press = worker.Press()
    assert worker.run_due(press) == 2
    assert numbers(notification) == {2: number(1), 3: number(2)}
    row = notification.look.execute("select tries, error from document where state = 'composed'").fetchone()
    assert row is not None
    assert (row["tries"], row["error"].split()[0]) == (1, "Panicked")
    notification.make_due()
    assert worker.run_due(press) == 1


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, greenlet.GreenletExit])
def test_a_press_that_is_to_end_ends_in_the_middle_of_a_document(
    monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    monkeypatch.setattr(typst, "Compiler", lambda **_: Compiler([end()]))
    with pytest.raises(end):
        worker.Press().print({})


def test_a_document_that_cannot_be_issued_does_not_hold_up_those_that_were_printed_with_it(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_transfer_notices(notification)
    issue = documents.issue

    def unwritable(tx: Any, printed: Any, *, at: Any) -> None:
        if second in printed:
            raise ValueError("a row that is not taken")
        issue(tx, printed, at=at)

    row = notification.look.execute("select id from document where round = 2").fetchone()
    assert row is not None
    second = row["id"]
    monkeypatch.setattr(documents, "issue", unwritable)
    assert worker.run_due(Paper()) == 2
    assert numbers(notification) == {1: number(1), 3: number(2)}
    monkeypatch.setattr(documents, "issue", issue)
    notification.make_due()
    assert worker.run_due(Paper()) == 1
    assert numbers(notification) == {1: number(1), 3: number(2), 2: number(3)}


def counted() -> tuple[float, float]:
    """Documents that the press has issued and rounds of it that failed, as operations see them."""
    done, failures = (
        REGISTRY.get_sample_value(f"lianban_loop_{name}_total", {"loop": "press"}) for name in ("done", "failures")
    )
    return done or 0.0, failures or 0.0


@pytest.mark.parametrize("error", [KeyError("nobody thought of this"), psycopg.OperationalError("gone")])
def test_a_press_goes_on_after_a_round_that_failed_and_operations_see_it_as_a_loop(
    notification: Notification, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    three_transfer_notices(notification)
    stop, run_due, rounds = threading.Event(), worker.run_due, []
    before = counted()

    def faulty(press: worker.Press) -> int:
        rounds.append(1)
        if len(rounds) == 1:
            raise error
        stop.set()
        return run_due(press)

    monkeypatch.setattr(worker, "run_due", faulty)
    worker.work(Paper(), stop)
    assert numbers(notification) == {1: number(1), 2: number(2), 3: number(3)}
    assert counted() == (before[0] + 3, before[1] + 1)


def test_a_press_that_has_started_is_there_from_zero() -> None:
    for metric in (loop_done, loop_failures):
        with suppress(KeyError):
            metric.remove("press")
    stop = threading.Event()
    stop.set()
    worker.work(Paper(), stop)
    names = ("lianban_loop_done_total", "lianban_loop_failures_total")
    assert [REGISTRY.get_sample_value(name, {"loop": "press"}) for name in names] == [0, 0]


def test_a_round_in_which_a_document_does_not_print_counts_as_failed(notification: Notification) -> None:
    three_transfer_notices(notification)
    before = counted()

    def jam(_: dict[str, Any]) -> None:
        raise ValueError("no page")

    assert worker.run_due(Paper(before=jam)) == 0
    assert counted() == (before[0], before[1] + 1)


def test_a_press_that_finds_its_numbers_taken_prints_them_anew(notification: Notification) -> None:
    three_transfer_notices(notification)
    year = china_day(now()).year

    def another(_: dict[str, Any]) -> None:
        paper.before = lambda _: None
        with database().transaction() as tx:
            documents.lock_numbers(tx, [DocumentKind.TRANSFER_NOTICE], year)
            documents.count_to(tx, {DocumentKind.TRANSFER_NOTICE: 5}, year)

    paper = Paper(before=another)
    assert worker.run_due(paper) == 3
    assert numbers(notification) == {1: number(6), 2: number(7), 3: number(8)}
    assert paper.printed == [number(n) for n in (1, 2, 3, 6, 7, 8)]
    rows = notification.look.execute("select id, number, pdf from document").fetchall()
    assert len(rows) == 3
    for row in rows:
        assert unseal_bytes(row["pdf"], context=f"document.pdf:{row['id']}").decode() == row["number"]


def test_what_another_press_has_issued_meanwhile_is_left_out_and_its_number_is_used(notification: Notification) -> None:
    three_transfer_notices(notification)

    def another(content: dict[str, Any]) -> None:
        if content["number"] == number(2):
            notification.look.execute(
                "update document set state = 'issued', number = 'elsewhere', pdf = 'x' where round = 1"
            )

    assert worker.run_due(Paper(before=another)) == 2
    assert numbers(notification) == {2: number(1), 3: number(2)}


def test_words_are_printed_as_they_are_whatever_they_would_mean_to_the_compiler() -> None:
    subject = '"); #panic("x") \\ #{1} $x$ *星* \u2028 路灯\\u{41}'
    content = {
        "kind": "transfer_notice", "title": "告知书", "number": "1号", "issuer": "信访部门", "names": [],
        "addressee": "秦晓月", "subject": subject, "matter_number": "XF1", "region": "锦川区", "received_on": "今日",
        "happened_on": "今日", "issued_on": "今日", "claims": [],
    }  # fmt: skip
    text = pdf_text(worker.Press().print(content))
    for words in ('");#panic("x")', "#{1}", "$x$*星*", "路灯\\u{41}"):
        assert words in text


def test_a_document_that_was_issued_meanwhile_keeps_no_error_of_a_press_that_failed(notification: Notification) -> None:
    three_transfer_notices(notification)

    def another(content: dict[str, Any]) -> None:
        notification.look.execute(
            "update document set state = 'issued', number = 'elsewhere', pdf = 'x'"
            " where round = 1 and state <> 'issued'"
        )
        if content["number"] == number(1) and not paper.printed:
            paper.before = lambda _: None
            raise ValueError("no page")

    paper = Paper(before=another)
    assert worker.run_due(paper) == 2
    row = notification.look.execute("select tries, error from document where round = 1").fetchone()
    assert row == {"tries": 0, "error": None}
