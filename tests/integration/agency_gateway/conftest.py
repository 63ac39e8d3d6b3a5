"""The gateway on a real database, a department's system that behaves as told, and intake's internal endpoints."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.inbox import Received
from lianban.chassis.runtime import database
from lianban.contracts.catalogue import load_envelope
from lianban.contracts.codes import AgencyRole, TransferKind
from lianban.contracts.envelope import Envelope
from lianban.contracts.refs import AgencyRef
from lianban.contracts.routing import AssignmentSent
from services.agency_gateway.app import delivering, profiles
from services.agency_gateway.app.hearing import HANDLERS
from tests.databases import FreshDatabase

ECOLOGY = AgencyRef(code="city-ecology", name="清河市生态环境局")
URBAN = AgencyRef(code="city-urban", name="清河市城市管理局")
TOWN = AgencyRef(code="dongping-town", name="东平镇人民政府")
DAY = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
CANARY = "金丝雀一号"


@pytest.fixture
def look(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, intake: Intake
) -> Iterator[psycopg.Connection[DictRow]]:
    """The gateway's database; the connection is for looking in."""
    monkeypatch.setenv("LIANBAN_INTAKE_URL", intake.url)
    delivering._calls.recovered = False
    profiles._read.clear()
    yield fresh_database("agency_gateway")
    delivering.wait_until_idle(15)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are part of the play."""


@dataclass
class Intake:
    """Intake's internal endpoints: tells the words of any matter; can be away."""

    url: str = ""
    away: bool = False
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    claims: dict[str, list[UUID]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    garbled: set[str] = field(default_factory=set)

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.asked.append((path, body["ids"]))
        if self.away:
            return 503, {}
        if self.failing.intersection(body["ids"]):
            return 500, {}
        known = [item for item in body["ids"] if item not in self.missing]
        if path.endswith("/persons"):
            return 200, {
                "items": [
                    {
                        "id": i,
                        "number": "X1",
                        "name": CANARY,
                        "phone": "13900000000",
                        "email": None,
                        "address": "东平镇",
                    }
                    for i in known
                ]
            }
        return 200, {
            "items": [
                {
                    "id": i,
                    "number": "X1",
                    "title": "河水发黑",
                    "content": "厂后面的河水发黑发臭。",
                    "claims": [
                        {"id": str(c), "ordinal": n, "text": f"诉求{n}"}
                        for n, c in enumerate(self.claims.get(i, []), 1)
                    ],
                    "supplements": [],
                    "attachments": [
                        {
                            "id": str(uuid4()),
                            "name": "河.jpg",
                            "media_type": "image/jpeg",
                            "bytes": 5,
                            "sha256": "0" * 64,
                        }
                    ],
                }
                for i in known
                if i not in self.garbled
            ]
            + [{"id": i} for i in known if i in self.garbled]
        }


@pytest.fixture
def intake() -> Iterator[Intake]:
    played = Intake()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = played.answer(self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None: ...

    server = _Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    played.url = f"http://127.0.0.1:{server.server_port}"
    yield played
    server.shutdown()
    server.server_close()


@dataclass
class Department:
    """A ticket system: stores what it takes; ``play`` says how the next requests are (mis)treated."""

    url: str = ""
    tickets: dict[str, dict[str, Any]] = field(default_factory=dict)
    posts: int = 0
    questions: int = 0
    plays: list[str] = field(default_factory=list)
    always: str | None = None
    question_play: str | None = None
    hang_seconds: float = 20.0
    stop: threading.Event = field(default_factory=threading.Event)
    seen: list[dict[str, Any]] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next_play(self) -> str:
        if self.always:
            return self.always
        with self.lock:
            return self.plays.pop(0) if self.plays else "take"

    def store(self, ref: str, body: dict[str, Any]) -> str:
        with self.lock:
            if ref not in self.tickets:
                self.tickets[ref] = {"no": f"GD{len(self.tickets) + 1:04d}", "times": 0, **body}
            self.tickets[ref]["times"] += 1
            return str(self.tickets[ref]["no"])


@pytest.fixture
def department() -> Iterator[Department]:
    played = Department()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def say(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            for part in (self.rfile, self.wfile, self.connection):
                part.close()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with played.lock:
                played.posts += 1
                played.at_once += 1
                played.most_at_once = max(played.most_at_once, played.at_once)
                played.seen.append({"path": self.path, "headers": dict(self.headers), "body": body})
            try:
                self.answer(played.next_play(), body)
            finally:
                with played.lock:
                    played.at_once -= 1

        def answer(self, play: str, body: dict[str, Any]) -> None:
            ref = self.headers["X-Request-Ref"]
            if self.headers.get("X-Api-Key") != "the-key-of-ecology":
                return self.say(401, b'{"error":"BAD_KEY"}')
            match play:
                case "take":
                    no = played.store(ref, body)
                    self.say(201, json.dumps({"ticket": {"no": no}}).encode())
                case "html":
                    self.say(200, b"<!doctype html><h1>maintenance</h1>", "text/html")
                case "html-after-storing":
                    played.store(ref, body)
                    self.say(200, b"<!doctype html><h1>maintenance</h1>", "text/html")
                case "500":
                    self.say(500, b"oops", "text/plain")
                case "500-after-storing":
                    played.store(ref, body)
                    self.say(500, b"oops", "text/plain")
                case "hang":
                    self.close_connection = True
                    played.stop.wait(played.hang_seconds)
                case "hang-after-storing":
                    played.store(ref, body)
                    played.stop.wait(played.hang_seconds)
                case "reset":
                    self.reset()
                case "reset-after-storing":
                    played.store(ref, body)
                    self.reset()
                case "reset-mid-response":
                    played.store(ref, body)
                    self.send_response(201)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", "5000")
                    self.end_headers()
                    self.wfile.write(b'{"ticket":')
                    self.wfile.flush()
                    self.reset()
                case "drip":
                    played.store(ref, body)
                    self.send_response(201)
                    self.send_header("Content-Length", "5000")
                    self.end_headers()
                    with suppress(OSError):
                        while not played.stop.wait(0.1):
                            self.wfile.write(b" ")
                            self.wfile.flush()
                case "huge":
                    played.store(ref, body)
                    self.send_response(201)
                    self.send_header("Content-Type", "application/json")
                    self.end_headers()
                    with suppress(OSError):
                        for _ in range(2000):
                            self.wfile.write(b'{"x":"' + b"y" * 65_536)
                    self.close_connection = True
                case "redirect":
                    self.say(302, b"", Location="http://127.0.0.1:9/elsewhere")
                case "422":
                    self.say(422, b'{"error":"reporter.tel"}')
                case "429":
                    self.say(429, b"{}", Retry_After="1")
                case "401":
                    self.say(401, b"{}")
                case "404":
                    self.say(404, b"<h1>nothing</h1>", "text/html")
                case "no-reference":
                    self.say(201, b'{"ok":true}')
                case _:
                    raise AssertionError(play)
            return None

        def do_GET(self) -> None:
            with played.lock:
                played.questions += 1
            if played.question_play == "hang":
                played.stop.wait(played.hang_seconds)
                return None
            if played.question_play == "500":
                return self.say(500, b"oops", "text/plain")
            ref = parse_qs(urlsplit(self.path).query).get("request_ref", [""])[0]
            found = [played.tickets[ref]] if ref in played.tickets else []
            self.say(200, json.dumps({"tickets": [{"no": t["no"]} for t in found]}).encode())
            return None

        def log_message(self, *_: Any) -> None: ...

    server = _Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    played.url = f"http://127.0.0.1:{server.server_port}"
    yield played
    played.stop.set()
    server.shutdown()
    server.server_close()


def a_profile(url: str, agency: str = ECOLOGY.code, **changes: Any) -> dict[str, Any]:
    """A profile of an ordinary REST ticket system, quick in its pauses."""
    return {
        "agency": agency,
        "adapter": "rest_push",
        "level": 2,
        "limits": {"concurrency": 4, "connect_seconds": 1, "total_seconds": 1, "answer_bytes": 65536},
        "back_off": {"first_seconds": 0.05, "longest_seconds": 0.2},
        "breaker": {"failures": 50, "first_seconds": 0.1, "longest_seconds": 0.3},
        "codes": {
            "kinds": {"lead": "MAIN", "co_handler": "ASSIST", "copy": "ASSIST"},
            "statuses": {
                "NEW": None, "TAKEN": "accept", "RETURNED": "object", "WORKING": "progress", "ADVISED": "opinion",
                "FINISHED": "reply",
            },
            "results": {"AGREE": "supported", "EXPLAIN": "explained", "DECLINE": "not_supported"},
            "returns": {"R01": "outside_powers", "R03": "other_lead"},
        },
        "rest_push": {
            "base_url": url,
            "auth": {"kind": "header", "name": "X-Api-Key", "secret": "api-key"},
            "repeat_is_safe": True,
            "calls": {
                "assignment": {
                    "path": "/api/tickets",
                    "headers": {"X-Request-Ref": "id"},
                    "body": {
                        "ref_no": "assignment_id",
                        "source_no": "number",
                        "subject": "matter.title",
                        "body": "matter.content",
                        "kind": "code(role, 'kinds')",
                        "items": "matter.claims[].{key: id, text: text}",
                        "reporter": "petitioner.{name: name, tel: phone, addr: address}",
                        "deadline": "due[0].date",
                        "files": "matter.attachments[].href",
                    },
                    "reference": "ticket.no",
                },
                "assignment-withdrawn": {
                    "path": "/api/tickets/{no}/messages",
                    "values": {"no": "reference"},
                    "headers": {"X-Request-Ref": "id"},
                    "body": {"type": "'WITHDRAW'", "text": "'来单撤回'"},
                    "reference": "ticket.no",
                },
            },
            "question": {
                "path": "/api/tickets",
                "query": {"request_ref": "id"},
                "found": "tickets[0]",
                "reference": "tickets[0].no",
                "wait_seconds": 0,
            },
            "inbound": {
                "token_header": "X-Api-Key",
                "target": "external_ref",
                "target_by": "assignment",
                "id": "event_id",
                "kind": "code(status, 'statuses')",
                "reference": "ticket_no",
                "text": "remark",
                "legal_basis": "basis",
                "reason": "return_code && code(return_code, 'returns')",
                "proposed_agency": "suggest_dept",
                "results": "items[].{claim_id: key, result: code(result, 'results'), text: note}",
                "stated_at": "happened_at",
            },
        },
        **changes,
    }  # fmt: skip


def register(document: dict[str, Any], **tokens: str) -> None:
    with database().transaction() as tx:
        profiles.register_profile(
            tx, document, secrets={"api-key": "the-key-of-ecology"}, tokens=tokens, at=datetime.now(UTC)
        )


def hear(event: Any, matter_id: UUID, *, at: datetime | None = None) -> UUID:
    """Let the gateway hear an event; returns the event's id."""
    event_id = uuid4()
    moment = at or datetime.now(UTC)
    with database().transaction() as tx:
        tx.lock(matter_id)
        handler: Any = HANDLERS[type(event)]
        handler(tx, Received(event_id, matter_id, "routing", 1, moment, event))
    return event_id


@dataclass
class Sent:
    """An assignment that routing has sent."""

    id: UUID
    matter_id: UUID
    claims: tuple[UUID, ...]


def send(
    intake: Intake,
    agency: AgencyRef = ECOLOGY,
    *,
    role: AgencyRole = AgencyRole.LEAD,
    matter_id: UUID | None = None,
    claims: int = 2,
    binding: bool = False,
    round_: int = 1,
) -> Sent:
    """Routing sends an assignment of a matter to an agency."""
    matter = matter_id or uuid4()
    known = intake.claims.setdefault(str(matter), [uuid4() for _ in range(claims)])
    sent = Sent(uuid4(), matter, tuple(known))
    hear(
        AssignmentSent(
            assignment_id=sent.id,
            number=f"XF2026{uuid4().int % 10**8:08d}",
            agency=agency,
            role=role,
            kind=TransferKind.TRANSFER,
            claims=sent.claims,
            round=round_,
            region_code="990101000000",
            region_name="东平县",
            matter_type=None,
            binding=binding,
            sent_at=datetime.now(UTC),
        ),
        matter,
    )
    return sent


def run_until(condition: Callable[[], Any], *, seconds: float = 10.0) -> Any:
    """Run the gateway's loops until something is so; what it is."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        delivering.dispatch()
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not become so")


def state_of(look: psycopg.Connection[DictRow], assignment: UUID, version: int = 1) -> dict[str, Any]:
    row = look.execute(
        "select * from delivery where assignment_id = %s and version = %s", (assignment, version)
    ).fetchone()
    assert row is not None
    return row


def emitted(look: psycopg.Connection[DictRow], kind: type | None = None) -> list[Any]:
    """What the gateway has said, in order."""
    rows = look.execute("select body from outbox order by position").fetchall()
    events = [load_envelope(Envelope.decode(bytes(row["body"]))) for row in rows]
    return [event for event in events if kind is None or isinstance(event, kind)]
