"""The press: a process of its own that prints composed documents with one warm Typst compiler and issues them.

Printing keeps the processor busy for milliseconds a page, so it never happens in a service's event loop. The
process takes rows with ``skip locked``: more presses may run beside one another.
"""

from __future__ import annotations

import json
import signal
import threading
import time as clock
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
import typst
from prometheus_client import make_wsgi_app

import lianban
from lianban.chassis import garbage, logs, traces
from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.logs import say
from lianban.chassis.metrics import from_zero, loop_done, loop_failures
from lianban.chassis.readiness import readiness
from lianban.chassis.runtime import database, look_at_the_clock
from lianban.chassis.secrets import seal_bytes, unseal
from lianban.chassis.settings import settings
from lianban.chassis.time import china_day, now
from lianban.chassis.together import together
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import DocumentKind
from lianban.contracts.notification import DocumentIssued
from services.notification import font
from services.notification.app import metrics
from services.notification.app.serving import say_sent
from services.notification.domain.documents import chinese_date
from services.notification.domain.numbering import document_number
from services.notification.store import documents, notices

log = structlog.get_logger()

TEMPLATE = Path(__file__).parent / "typst" / "document.typ"
_PANIC = "PanicException"
"""What a panic of the compiler arrives as. It is derived from ``BaseException``, and its class cannot be imported."""
BATCH = 40
"""Documents that are printed and issued together: as much as a press prints in about a tenth of a second."""
LOOK_SECONDS = 0.2
GATHER_SECONDS = 0.5
"""The moment between two rounds while there is work, unless a whole batch was there."""
LOOP = "press"
"""Its name among the loops, for operations."""
CLOCK_SECONDS = 2.0
"""How often the press looks at its database's clock, by which it goes."""


class NoFont(RuntimeError):
    """No Chinese font is installed: a document would be printed with empty boxes."""


class Panicked(RuntimeError):
    """The compiler broke down over a document; ``from`` it is what the compiler raised, which is no ``Exception``."""


class Press:
    """A warm compiler: fonts and template are read once, each page after that takes a few milliseconds."""

    def __init__(self) -> None:
        self._compiler = self._warm()

    @staticmethod
    def _warm() -> typst.Compiler:
        folders = [folder for folder in font.INSTALLED if Path(folder).is_dir()]
        if not folders:
            raise NoFont("install a Chinese font (Debian: fonts-noto-cjk)")
        own = font.made()
        if own:
            folders.insert(0, str(own))
        else:
            advice = "documents take longer to print; where Noto Serif CJK is installed, make setup makes the font"
            log.warning("press.own_font_missing", advice=advice)
        return typst.Compiler(root=str(TEMPLATE.parent), font_paths=folders, ignore_system_fonts=True)

    def print(self, content: dict[str, Any]) -> bytes:
        """The document as PDF."""
        words = json.dumps(content, ensure_ascii=False).replace("\\", "\\\\").replace('"', '\\"')
        call = f'#import "{TEMPLATE.name}": printed\n#printed(json(bytes("{words}")))'
        try:
            pdf = self._compiler.compile(call.encode(), format="pdf")
        except BaseException as error:
            if type(error).__name__ != _PANIC:
                raise
            self._compiler = self._warm()  # in what state the panic left this one, nobody knows
            raise Panicked(str(error)) from error
        if not isinstance(pdf, bytes):
            raise ValueError("the template did not give one PDF")
        return pdf


@dataclass(frozen=True, slots=True)
class _Printed:
    document: documents.Document
    running: int
    number: str
    sealed: bytes


@dataclass(slots=True)
class _Edition:
    """Documents that are issued together: printed under the numbers that will be theirs if nobody else counts on."""

    press: Press
    at: datetime
    contents: dict[UUID, bytes]
    """Sealed."""
    numbers: dict[DocumentKind, int]
    printed: list[_Printed] = field(default_factory=list)
    failed: dict[UUID, str] = field(default_factory=dict)

    def print(self, document: documents.Document) -> None:
        """Print a document under the next number of its kind; one that does not print takes no number."""
        running = self.numbers.get(document.kind, 0) + 1
        number = document_number(document.kind, china_day(self.at).year, running)
        started = clock.perf_counter()
        try:
            with traces.span(f"print {document.kind.value}", parent=traces.Carried.read(document.trace)):
                content = unseal(self.contents[document.id], context=f"document.content:{document.id}")
                pdf = self.press.print(
                    {
                        **json.loads(content),
                        "number": number,
                        "issuer": document.issuer.name,
                        "names": [agency.name for agency in document.names],
                        "issued_on": chinese_date(china_day(self.at)),
                    }
                )
            sealed = seal_bytes(pdf, context=f"document.pdf:{document.id}")
        except Exception as error:  # noqa: BLE001 - whatever it is, its neighbours are printed
            self.fail(document, error)
            return
        metrics.press_seconds.observe(clock.perf_counter() - started)
        self.numbers[document.kind] = running
        self.printed.append(_Printed(document, running, number, sealed))

    def fail(self, document: documents.Document, error: Exception) -> None:
        """Note that a document could not be printed or issued."""
        log.error("document.not_printed", document=str(document.id), exc_info=error)
        self.failed[document.id] = say(error)

    def number(self, last: dict[DocumentKind, int], there: set[UUID]) -> None:
        """Hold the printed documents to the counters, which are locked now, and to those that are still to be issued.

        What has another number, because another press counted on or one before it is gone, is printed anew.
        """
        before, self.printed, self.numbers = self.printed, [], dict(last)
        for item in before:
            kind = item.document.kind
            if item.document.id not in there:
                continue
            if item.running == self.numbers.get(kind, 0) + 1:
                self.numbers[kind] = item.running
                self.printed.append(item)
            else:
                self.print(item.document)


def run_due(press: Press) -> int:
    """Print and issue composed documents; returns how many were issued."""
    moment = now()
    with database().transaction() as tx:
        due = documents.due(tx, "composed", at=moment, limit=BATCH)
        if not due:
            return 0
        documents.hold(tx, [d.id for d in due], moment + documents.HOLD)
        sealed = documents.contents(tx, [d.id for d in due])
        numbers = documents.last_numbers(tx, china_day(moment).year)
    edition = _Edition(press, moment, sealed, numbers)
    for document in due:
        edition.print(document)
    return issue(edition)


def issue(edition: _Edition) -> int:
    """Give documents their numbers and say that they are issued, together; one that cannot be issued fails alone."""
    issued = 0
    for some, count in together(edition.printed, partial(_issue, edition)):
        if isinstance(count, Exception):
            edition.fail(some[0].document, count)
        else:
            issued += count
    if edition.failed:
        loop_failures.labels(LOOP).inc()
        with database().transaction() as tx:
            documents.fail(tx, edition.failed, at=now())
    return issued


def _issue(edition: _Edition, printed: Sequence[_Printed]) -> int:
    """All in one transaction. The counters are locked for as long as it takes to write, not to print, unless another
    press counted on meanwhile."""
    edition.printed = list(printed)
    year = china_day(edition.at).year
    with database().transaction() as tx:
        tx.lock_all(item.document.matter_id for item in edition.printed)
        there = documents.lock_composed(tx, [item.document.id for item in edition.printed])
        kinds = {item.document.kind for item in edition.printed}
        edition.number(documents.lock_numbers(tx, kinds, year), there)
        documents.count_to(tx, {kind: edition.numbers[kind] for kind in kinds}, year)
        documents.issue(tx, {p.document.id: (p.number, p.sealed) for p in edition.printed}, at=edition.at)
        _say_issued(tx, edition)
    for item in edition.printed:
        metrics.documents.labels(item.document.kind.value).inc()
    return len(edition.printed)


def _say_issued(tx: Transaction, edition: _Edition) -> None:
    shown: dict[UUID | None, list[notices.Notice]] = defaultdict(list)
    for notice in notices.release(tx, [item.document.id for item in edition.printed], at=edition.at):
        shown[notice.document_id].append(notice)
    for item in edition.printed:
        document = item.document
        with traces.span(f"issue {document.kind.value}", parent=traces.Carried.read(document.trace)):
            tx.emit(
                DocumentIssued(
                    document_id=document.id,
                    kind=document.kind,
                    number=item.number,
                    issuer=document.issuer,
                    names=document.names,
                    round=document.round,
                    issued_at=edition.at,
                ),
                subject=document.matter_id,
                at=edition.at,
            )
            for notice in shown[document.id]:
                say_sent(tx, notice, at=edition.at)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Scrapes are not logged."""


def _operations(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    path = environ.get("PATH_INFO", "")
    if path == "/metrics":
        return list(make_wsgi_app()(environ, start_response))
    status, body = "404 Not Found", b"{}"
    if path == "/healthz":
        status, body = "200 OK", json.dumps({"status": "alive", "version": lianban.__version__}).encode()
    elif path == "/readyz":
        status = "200 OK" if readiness.ready else "503 Service Unavailable"
        parts = {part: why or "ok" for part, why in readiness.parts.items()}
        body = json.dumps({"ready": readiness.ready, "parts": parts}).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def work(press: Press, stop: threading.Event) -> None:
    """Print until asked to stop; a round that fails is tried again after a pause."""
    from_zero(loop_done, [LOOP])
    from_zero(loop_failures, [LOOP])
    wait, clock_is_right_until = LOOK_SECONDS, 0.0
    while not stop.is_set():
        try:
            if clock.monotonic() >= clock_is_right_until:
                look_at_the_clock()
                clock_is_right_until = clock.monotonic() + CLOCK_SECONDS
            printed = run_due(press)
            loop_done.labels(LOOP).inc(printed)
            wait = LOOK_SECONDS if not printed else GATHER_SECONDS if printed < BATCH else 0.0
        except Exception as error:
            loop_failures.labels(LOOP).inc()
            if not isinstance(error, UNAVAILABLE):  # readiness tells of that
                log.exception("press.failed")
            wait = min(max(wait * 2, 0.5), 5.0)
        stop.wait(wait)


def main() -> None:
    """Print until SIGTERM; the document in work is finished."""
    given = settings()
    logs.configure("notification-press", given.log_level)
    traces.configure("notification-press")
    stop = threading.Event()

    def asked(_: int, __: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, asked)
    readiness.expect("database")
    readiness.expect("press")
    server = make_server(given.http_host, given.ops_port, _operations, handler_class=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    press = Press()
    readiness.up("press")
    garbage.settle()
    log.info("press.started")
    work(press, stop)
    server.shutdown()
    database().close()
    log.info("press.stopped")


if __name__ == "__main__":
    main()
