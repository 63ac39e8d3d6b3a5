"""The process's two listeners: ``POST /v1/classify`` for routing, and health, readiness and metrics for operations.

It reads the catalogue from routing's database at start and whenever it changes; before there is one it answers 503.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

import lianban
from lianban.chassis import logs
from lianban.chassis.errors import Retry
from lianban.chassis.readiness import readiness
from lianban.chassis.settings import settings
from services.routing.store.registers import read_catalogue
from services.routing.suggest.model import TextModel

log = structlog.get_logger()

LARGEST_BODY = 16 * 1024 * 1024
MOST_ITEMS = 200
LOOK_SECONDS = 5.0
FEWEST_TYPES = 2

classified = Counter("lianban_suggest_classified_total", "Texts that the text model classified")
seconds = Histogram(
    "lianban_suggest_request_duration_seconds",
    "Duration of one request to the text model",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
matter_types = Gauge("lianban_suggest_matter_types", "Matter types that the text model knows")
learned_total = Counter("lianban_suggest_learned_total", "Times that the text model learned the catalogue")


class Learner:
    """Keeps the model that fits the catalogue as it is now."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._revision: int | None = None
        self.model: TextModel | None = None
        self.why_not = "starting"
        self.stopping = threading.Event()
        readiness.expect("model")

    def run(self) -> None:
        """Look at the catalogue again and again until stopped."""
        while not self.stopping.is_set():
            self.look()
            self.stopping.wait(LOOK_SECONDS if self.model else 1.0)

    def look(self) -> None:
        """Learn anew if the catalogue changed."""
        try:
            found = read_catalogue(self._url, known=self._revision)
        except Retry as error:
            self.why_not = "the database is out of reach; the last model is kept"
            log.warning("suggest.database_away", reason=str(error))
            return
        if found is None:
            return
        revision, types = found
        if len(types) < FEWEST_TYPES:
            self.why_not = "the responsibility catalogue is empty"
            return
        started = time.perf_counter()
        model = TextModel(types)
        self._revision, self.model, self.why_not = revision, model, ""
        readiness.up("model")
        matter_types.set(len(types))
        learned_total.inc()
        log.info(
            "suggest.learned",
            types=len(types),
            texts=model.examples,
            revision=revision,
            seconds=round(time.perf_counter() - started, 2),
        )


class _Handler(BaseHTTPRequestHandler):
    learner: Learner
    protocol_version = "HTTP/1.1"
    timeout = 75

    def answer(self, status: int, body: Any, kind: str = "application/json; charset=utf-8") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Requests are counted, not logged."""


class _Classify(_Handler):
    def do_POST(self) -> None:
        """Classify the texts of a request."""
        try:
            size = int(self.headers.get("Content-Length", ""))
        except ValueError:
            size = -1
        if not 0 <= size <= LARGEST_BODY:
            self.close_connection = True
            self.answer(413, {"title": "the body has no length, or is too large"})
            return
        body = self.rfile.read(size)
        if self.path != "/v1/classify":
            self.answer(404, {"title": "known: POST /v1/classify"})
            return
        model = self.learner.model
        if model is None:
            self.answer(503, {"title": self.learner.why_not})
            return
        try:
            items = json.loads(body)["items"]
            asked = [(str(item["id"]), f"{item['title']}\n{item['content']}") for item in items]
        except (ValueError, KeyError, TypeError, RecursionError):
            self.answer(422, {"title": 'expected {"items": [{"id", "title", "content"}]}'})
            return
        if len(asked) > MOST_ITEMS:
            self.answer(422, {"title": f"at most {MOST_ITEMS} items"})
            return
        with seconds.time():
            scored = model.classify([text for _, text in asked])
        classified.inc(len(asked))
        self.answer(
            200,
            {
                "items": [
                    {"id": item_id, "matter_types": [{"code": s.code, "score": s.score} for s in scores]}
                    for (item_id, _), scores in zip(asked, scored, strict=True)
                ]
            },
        )


class _Operations(_Handler):
    def do_GET(self) -> None:
        """Health, readiness, metrics."""
        if self.path == "/healthz":
            self.answer(200, {"status": "alive", "service": "routing-suggest", "version": lianban.__version__})
        elif self.path == "/readyz":
            ready = self.learner.model is not None
            self.answer(200 if ready else 503, {"ready": ready, "parts": {"model": self.learner.why_not or "ok"}})
        elif self.path == "/metrics":
            self.answer(200, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            self.answer(404, {"title": "known: /healthz /readyz /metrics"})


def serve() -> None:
    """Run until SIGTERM or SIGINT."""
    given = settings()
    logs.configure("routing-suggest", given.log_level)
    learner = Learner(given.need("database_url"))
    servers = [
        _listener(_Classify, learner, given.http_host, given.http_port),
        _listener(_Operations, learner, given.http_host, given.ops_port),
    ]
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_, lambda *_: learner.stopping.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, name=f"port {server.server_port}", daemon=True).start()
    log.info("suggest.started", http_port=given.http_port, ops_port=given.ops_port)
    learner.run()
    for server in servers:
        server.shutdown()
        server.server_close()


def _listener(handler: type[_Handler], learner: Learner, host: str, port: int) -> ThreadingHTTPServer:
    bound = type(handler.__name__, (handler,), {"learner": learner})
    server = ThreadingHTTPServer((host, port), bound)
    server.daemon_threads = True
    return server
