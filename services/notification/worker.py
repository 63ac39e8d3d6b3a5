"""The press: a process of its own that prints composed documents with one warm Typst compiler and issues them.

Printing keeps the processor busy for milliseconds a page, so it never happens in a service's event loop. The
process takes rows with ``skip locked``: more presses may run beside one another.
"""

from __future__ import annotations

import json
import signal
import threading
import time as clock
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
import typst
from prometheus_client import make_wsgi_app

import lianban
from lianban.chassis import logs, traces
from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.readiness import readiness
from lianban.chassis.runtime import database, look_at_the_clock
from lianban.chassis.secrets import seal_bytes, unseal
from lianban.chassis.settings import settings
from lianban.chassis.time import china_day, now
from lianban.contracts.notification import DocumentIssued
from services.notification.app import metrics
from services.notification.app.serving import say_sent
from services.notification.domain.documents import chinese_date
from services.notification.domain.numbering import document_number
from services.notification.store import documents, notices

log = structlog.get_logger()

TEMPLATE = Path(__file__).parent / "typst" / "document.typ"
FONT_FOLDERS = ("/usr/share/fonts/opentype/noto", "/usr/share/fonts/truetype/wqy", "/usr/share/fonts/noto-cjk")
BATCH = 10
LOOK_SECONDS = 0.2
CLOCK_SECONDS = 2.0
"""How often the press looks at its database's clock, by which it goes."""


class NoFont(RuntimeError):
    """No Chinese font is installed: a document would be printed with empty boxes."""


class Press:
    """A warm compiler: fonts are read once, each page after that takes a few milliseconds."""

    def __init__(self) -> None:
        folders = [folder for folder in FONT_FOLDERS if Path(folder).is_dir()]
        if not folders:
            raise NoFont("install a Chinese font (Debian: fonts-noto-cjk)")
        self._compiler = typst.Compiler(str(TEMPLATE), font_paths=folders, ignore_system_fonts=True)

    def print(self, content: dict[str, Any]) -> bytes:
        """The document as PDF."""
        inputs = {"content": json.dumps(content, ensure_ascii=False)}
        pdf = self._compiler.compile(format="pdf", sys_inputs=inputs)
        if not isinstance(pdf, bytes):
            raise ValueError("the template did not give one PDF")
        return pdf


def run_due(press: Press) -> int:
    """Print and issue composed documents; returns how many were issued."""
    moment = now()
    with database().transaction() as tx:
        due = documents.due(tx, "composed", at=moment, limit=BATCH)
        documents.hold(tx, [d.id for d in due], moment + documents.HOLD)
    done = 0
    for document in due:
        try:
            with traces.span(f"print {document.kind.value}", parent=traces.Carried.read(document.trace)):
                done += issue(press, document)
        except (typst.TypstError, LookupError, ValueError) as error:
            log.error("document.not_printed", document=str(document.id), reason=type(error).__name__)
            with database().transaction() as tx:
                documents.fail(tx, document.id, f"{type(error).__name__}: {error}", at=now())
    return done


def issue(press: Press, document: documents.Document) -> int:
    """Give a document its number, print it and say that it is issued: all in one transaction."""
    moment = now()
    with database().transaction() as tx:
        tx.lock(document.matter_id)
        if not documents.lock_composed(tx, document.id):
            return 0
        year = china_day(moment).year
        number = document_number(document.kind, year, documents.next_number(tx, document.kind, year))
        content = json.loads(unseal(documents.content(tx, document.id), context=f"document.content:{document.id}"))
        started = clock.perf_counter()
        pdf = press.print(
            {
                **content,
                "number": number,
                "issuer": document.issuer.name,
                "names": [agency.name for agency in document.names],
                "issued_on": chinese_date(china_day(moment)),
            }
        )
        metrics.press_seconds.observe(clock.perf_counter() - started)
        sealed = seal_bytes(pdf, context=f"document.pdf:{document.id}")
        documents.issue(tx, document.id, number=number, pdf=sealed, at=moment)
        shown = notices.release(tx, document.id, at=moment)
        tx.emit(
            DocumentIssued(
                document_id=document.id,
                kind=document.kind,
                number=number,
                issuer=document.issuer,
                names=document.names,
                round=document.round,
                issued_at=moment,
            ),
            subject=document.matter_id,
            at=moment,
        )
        for notice in shown:
            say_sent(tx, notice, at=moment)
    metrics.documents.labels(document.kind.value).inc()
    return 1


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
    log.info("press.started")
    wait, clock_is_right_until = LOOK_SECONDS, 0.0
    while not stop.is_set():
        try:
            if clock.monotonic() >= clock_is_right_until:
                look_at_the_clock()
                clock_is_right_until = clock.monotonic() + CLOCK_SECONDS
            printed = run_due(press)
            wait = 0.0 if printed else LOOK_SECONDS
        except UNAVAILABLE:
            wait = min(max(wait * 2, 0.5), 5.0)
        stop.wait(wait)
    server.shutdown()
    database().close()
    log.info("press.stopped")


if __name__ == "__main__":
    main()
