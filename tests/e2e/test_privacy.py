"""A petitioner whose every word is unique goes through all five services; then the words are looked for everywhere."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
import requests
from kombu import Connection, Exchange, Queue
from PIL import Image
from psycopg import sql

from deploy.local.layout import HOST, SERVICES
from deploy.local.processes import DEPARTMENTS
from deploy.local.stack import Stack
from deploy.waiting import until
from lianban.chassis.topology import EVENTS
from lianban.contracts.codes import StaffRole
from tests.collector import Collector
from tests.e2e.doors import a_session, a_token, by_hand
from tests.e2e.people import Caller, Submitted

LEAD, PUSHED, PULLING, COPIED = "shaping-town", "city-ecology", "city-urban", "city-justice"
MARK = uuid4().int % 10**6

CANARY = {
    "name": f"令狐栖梧{MARK}",
    "phone": f"16177{MARK:06d}",
    "address": f"望湖区沙坪镇鹭鸶巷{MARK}号之七",
    "email": f"canary{MARK}@mail.qinghe.example",
    "id_number": f"E{MARK:06d}77",
    "representative": f"慕容听雪{MARK}",
    "representative's phone": f"16188{MARK:06d}",
    "title": f"琥珀色泡沫{MARK}",
    "content": f"三角梅暗渠{MARK}",
    "claim": f"蓝鲸状铁塔{MARK}",
    "supplement": f"萤火菌丝堆{MARK}",
    "accused": f"穆桂荣{MARK}",
    "file name": f"鹭鸶照片{MARK}",
    "file content": f"exif-owner-{MARK}",
    "officer's reason": f"经办理由{MARK}",
    "progress": f"办理进展{MARK}",
    "reply": f"承办答复{MARK}",
}


def photo() -> bytes:
    """A small JPEG that carries its owner in a comment."""
    made = io.BytesIO()
    Image.new("RGB", (64, 48), (40, 42, 45)).save(made, "JPEG", comment=CANARY["file content"].encode())
    return made.getvalue()


@dataclass
class Wire:
    """Everything that goes over the bus while the test runs."""

    bodies: list[bytes] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def listen(self, url: str, ready: threading.Event) -> None:
        with Connection(url) as connection:
            queue = Queue(
                f"test.wire.{uuid4()}", Exchange(EVENTS.name, "topic", passive=True), "#", exclusive=True, durable=False
            )

            def take(body: Any, message: Any) -> None:
                self.bodies.append(bytes(message.body) if isinstance(message.body, bytes) else str(body).encode())
                self.bodies.append(json.dumps([message.headers, message.properties], default=str).encode())
                message.ack()

            with connection.Consumer(queue, callbacks=[take], accept=None):
                ready.set()
                while not self.stop.is_set():
                    try:
                        connection.drain_events(timeout=0.3)
                    except TimeoutError:
                        continue


@dataclass
class Went:
    """What happened, and where it can be looked at."""

    matter: Submitted
    parts: dict[str, str]
    wire: Wire
    tokens: list[str]


def statement(system: requests.Session, url: str, kind: str, **words: Any) -> None:
    body = {"id": str(uuid4()), "kind": kind, "reference": f"R-{MARK}", **words}

    def taken() -> bool:
        answer = system.post(f"{url}/statements", json=body, timeout=20)
        assert answer.status_code in (202, 409), answer.text
        return answer.status_code == 202

    until(taken, f"{kind} is taken")


@pytest.fixture(scope="module")
def went(stack: Stack) -> Iterator[Went]:
    """The canary's matter, decided, with its documents served and its rating given."""
    by_hand(stack, LEAD)
    wire, ready = Wire(), threading.Event()
    listener = threading.Thread(target=wire.listen, args=(stack.amqp_url(), ready))
    listener.start()
    try:
        assert ready.wait(20)
        yield _go(stack, wire)
    finally:
        wire.stop.set()
        listener.join()


def _go(stack: Stack, wire: Wire) -> Went:
    petitioner = Caller(stack)
    upload = petitioner.session.post(
        f"{stack.url}/api/v1/uploads", files={"file": (CANARY["file name"] + ".jpg", photo())}, timeout=20
    )
    assert upload.status_code == 201, upload.text
    made = petitioner.post(
        "/api/v1/matters",
        {
            "channel": "web",
            "purpose": "appeal",
            "region_code": "990102102000",
            "title": f"河面有{CANARY['title']}",
            "content": f"工厂后面的河水发黑，污水从{CANARY['content']}流出。当事人{CANARY['name']}。",
            "claims": [f"拆除{CANARY['claim']}", "查清污水来源"],
            "accused": [{"name": CANARY["accused"]}],
            "attachments": [upload.json()["id"]],
            "group_size": 2,
            "petitioner": {
                "name": CANARY["name"],
                "phone": CANARY["phone"],
                "address": CANARY["address"],
                "email": CANARY["email"],
                "id_type": "passport",
                "id_number": CANARY["id_number"],
            },
            "representatives": [{"name": CANARY["representative"], "phone": CANARY["representative's phone"]}],
        },
    )
    matter = Submitted(petitioner, made["id"], made["number"], made["query_code"])
    officer_token = a_token(stack, StaffRole.OFFICER, territory="990100000000")
    officer = a_session(officer_token)
    case = f"{stack.url}/api/v1/cases/{matter.id}"
    until(lambda: (officer.get(case, timeout=20).json().get("suggestion") or {}).get("lead"), "a suggestion")
    # Searching must leave no trace either.
    assert officer.get(f"{stack.url}/api/v1/triage", params={"q": CANARY["content"]}, timeout=20).json()["items"]
    wanted = [{"agency_code": LEAD, "role": "lead"}, {"agency_code": COPIED, "role": "copy"}]
    wanted += [{"agency_code": code, "role": "co_handler"} for code in (PUSHED, PULLING)]
    routed = officer.post(
        f"{case}/assignments",
        json={"assignments": wanted, "kind": "transfer", "reason": CANARY["officer's reason"]},
        headers={"Idempotency-Key": str(uuid4())},
        timeout=20,
    )
    assert routed.status_code == 201, routed.text
    parts = {part["agency"]["code"]: part["id"] for part in routed.json()["assignments"]}
    petitioner.post(
        f"/api/v1/matters/{matter.number}/supplements",
        {"query_code": matter.query_code, "text": f"又见{CANARY['supplement']}"},
    )

    lead_token = a_token(stack, StaffRole.AGENCY, agency=LEAD)
    lead = a_session(lead_token)
    part = f"{stack.url}/exchange/v1/assignments/{parts[LEAD]}"

    def lead_is(state: str) -> bool:
        answer = lead.get(part, timeout=20)
        return answer.status_code == 200 and answer.json()["state"] == state

    until(lambda: lead_is("sent"), "the lead has its part")
    statement(lead, part, "accept")
    until(lambda: lead_is("accepted"), "the lead has accepted")
    statement(lead, part, "progress", text=f"已联系{CANARY['name']}：{CANARY['progress']}")
    claims = [claim["id"] for claim in routed.json()["claims"]]
    results = [{"claim_id": claim, "result": "supported", "text": CANARY["reply"]} for claim in claims]
    statement(
        lead,
        part,
        "reply",
        text=f"{CANARY['name']}：{CANARY['reply']}",
        facts=CANARY["reply"],
        legal_basis="《信访工作条例》第三十二条",
        results=results,
    )
    matter.until("decided")
    until(lambda: any(d["kind"] == "decision" and d["served_at"] for d in matter.status()["documents"]), "served")
    for document in matter.status()["documents"]:
        assert petitioner.fetch(document["href"]).content.startswith(b"%PDF")
    matter.rate(solved=True)
    matter.until("closed", seconds=30)
    return Went(matter, parts, wire, [officer_token, lead_token])


def forms(words: str) -> list[bytes]:
    """How a text may stand somewhere: plain, as JSON escapes it, as an address does, as PostgreSQL shows bytes."""
    return [
        words.encode(),
        json.dumps(words)[1:-1].encode(),
        quote(words).encode(),
        quote(words).lower().encode(),
        words.encode().hex().encode(),
        base64.b64encode(words.encode())[:-4],
    ]


SECRETS = {name: forms(words) for name, words in CANARY.items()}


def found_in(data: bytes, secrets: dict[str, list[bytes]] = SECRETS) -> list[str]:
    """The names of what stands in the data."""
    return [name for name, shapes in secrets.items() if any(shape in data for shape in shapes)]


def code_of(went: Went) -> dict[str, list[bytes]]:
    code = went.matter.query_code
    return {"query code": [*forms(code), *forms(code.replace("-", ""))]}


def test_the_departments_and_the_petitioner_did_get_the_words(stack: Stack, went: Went) -> None:
    """Without this the tests below could pass because nothing was sent at all."""
    seen = a_session(went.tokens[1]).get(f"{stack.url}/exchange/v1/assignments/{went.parts[LEAD]}", timeout=20).content
    assert {"title", "content", "claim"} <= set(found_in(seen)) or went.matter.number.encode() in seen
    with psycopg.connect(stack.database_url(DEPARTMENTS)) as connection:
        theirs = dump(connection)
    assert {"name", "phone", "title", "content", "claim"} <= set(found_in(theirs))
    # Mail travels in the open: it greets by name and says where to look, and no more.
    mailbox = b"".join(path.read_bytes() for path in stack.layout.demo.glob("mail.sqlite3*"))
    assert found_in(mailbox) == ["name", "email"]


def test_no_log_holds_a_word_of_the_petitioner_or_the_query_code(stack: Stack, went: Went) -> None:
    logs = [path for path in stack.layout.logs.rglob("*") if path.is_file()]
    assert {f"{service}.log" for service in SERVICES} <= {path.name for path in logs}
    tokens = {"a token": [token.encode() for token in went.tokens]}
    found = {path.name: found_in(path.read_bytes(), SECRETS | code_of(went) | tokens) for path in logs}
    assert {name: what for name, what in found.items() if what} == {}


def test_the_edge_logs_paths_without_their_query(stack: Stack, went: Went) -> None:
    def lines_of_the_matter() -> list[dict[str, Any]]:
        text = (stack.layout.logs / "nginx.log").read_text()
        lines = [json.loads(line) for line in text.splitlines() if line[:1] == "{"]
        return lines if any(line["path"] == f"/api/v1/matters/{went.matter.number}" for line in lines) else []

    lines = until(lines_of_the_matter, "the matter's path in the log of the edge")
    assert not [line for line in lines if "?" in line["path"] or "ticket=" in line["path"]]


def test_no_metric_holds_a_word_of_the_petitioner(stack: Stack, went: Went) -> None:
    ports = [process.ops(stack.layout.ports) for process in stack.table if process.ops]
    assert len(ports) >= len(SERVICES)
    for port in [*ports, stack.layout.ports.broker_metrics]:
        page = requests.get(f"http://{HOST}:{port}/metrics", timeout=20).content
        assert page
        assert found_in(page, SECRETS | code_of(went) | {"the number": forms(went.matter.number)}) == [], port


def dump(connection: psycopg.Connection[Any]) -> bytes:
    """Every row of every table as text; bytes as hexadecimal digits."""
    tables = connection.execute(
        "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
    ).fetchall()
    rows = []
    for schema, table in tables:
        query = sql.SQL("select t::text from {} t").format(sql.Identifier(schema, table))
        rows += [str(row[0]) for row in connection.execute(query)]
    return "\n".join(rows).encode()


@pytest.mark.parametrize("service", SERVICES)
def test_no_plain_column_holds_a_word_of_the_petitioner(stack: Stack, went: Went, service: str) -> None:
    with psycopg.connect(stack.database_url(service)) as connection:
        everything = dump(connection)
    assert went.matter.id.encode() in everything
    assert found_in(everything, SECRETS | code_of(went)) == []


def test_no_event_on_the_bus_holds_a_word_of_the_petitioner(stack: Stack, went: Went) -> None:
    mine = [body for body in went.wire.bodies if went.matter.id.encode() in body]
    assert len(mine) >= 20
    everything = b"\n".join(went.wire.bodies)
    for event in (b"intake.matter-registered", b"routing.case-decided", b"notification.notice-served", b"clock-"):
        assert event in everything
    assert found_in(everything, SECRETS | code_of(went)) == []


def test_no_trace_holds_a_word_of_the_petitioner(went: Went, collector: Collector) -> None:
    def exported() -> bytes:
        everything = b"\n".join(collector.bodies)
        return everything if b"mail closed" in everything and went.matter.number.encode() in everything else b""

    everything = until(exported, "the spans of the matter are exported")
    assert found_in(everything, SECRETS | code_of(went)) == []


def test_no_file_at_rest_holds_a_word_of_the_petitioner(stack: Stack, went: Went) -> None:
    folders = (stack.layout.files, stack.layout.rabbitmq, stack.layout.nginx, stack.layout.run, stack.layout.documents)
    kept = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.is_relative_to(stack.layout.files) for path in kept), "the photo is kept somewhere"
    found = {str(path): found_in(path.read_bytes(), SECRETS | code_of(went)) for path in kept}
    assert {path: what for path, what in found.items() if what} == {}


def test_a_foreign_agency_gets_none_of_it(stack: Stack, went: Went) -> None:
    foreign = a_session(a_token(stack, StaffRole.AGENCY, agency="city-commerce"))
    answers = [foreign.get(f"{stack.url}/exchange/v1/assignments/{part}", timeout=20) for part in went.parts.values()]
    answers += [
        foreign.get(f"{stack.url}{path}", timeout=20)
        for path in (
            "/exchange/v1/messages?limit=100",
            "/exchange/v1/assignments?state=all",
            f"/api/v1/cases/{went.matter.id}",
            f"/api/v1/triage?q={quote(CANARY['content'])}",
            f"/api/v1/oversight/matters/{went.matter.number}",
            f"/api/v1/matters/{went.matter.number}",
        )
    ]
    for answer in answers:
        assert found_in(answer.content) == []
        assert went.matter.number.encode() not in answer.content
    assert [answer.status_code for answer in answers][:4] == [404] * 4


def test_an_agency_that_gets_a_copy_is_not_told_who_the_petitioner_is(stack: Stack, went: Went) -> None:
    copied = a_session(a_token(stack, StaffRole.AGENCY, agency=COPIED))
    answer = copied.get(f"{stack.url}/exchange/v1/assignments/{went.parts[COPIED]}", timeout=20)
    assert answer.status_code == 200
    persons = {"phone", "address", "email", "id_number", "representative", "representative's phone"}
    assert not persons & set(found_in(answer.content))


def test_oversight_shows_the_matter_without_its_words(stack: Stack, went: Went) -> None:
    supervisor = a_session(a_token(stack, StaffRole.SUPERVISOR, territory="990100000000"))
    for path in (f"/api/v1/oversight/matters/{went.matter.number}", "/api/v1/oversight/clocks?limit=200"):
        answer = supervisor.get(stack.url + path, timeout=20)
        assert answer.status_code == 200
        assert found_in(answer.content) == []


def test_every_disclosure_of_the_person_is_on_record(stack: Stack, went: Went) -> None:
    with psycopg.connect(stack.database_url("intake")) as connection:
        rows = connection.execute(
            "select actor, action, purpose from access_log where subject = %s and outcome = 'disclosed'",
            (went.matter.id,),
        ).fetchall()
    to = {(actor, action) for actor, action, _ in rows}
    assert {("service:agency_gateway", "matter-persons"), ("service:notification", "matter-persons")} <= to
    assert ("service:routing", "matter-texts") in to
    assert ("service:routing", "matter-persons") not in to
    assert all(purpose for _, _, purpose in rows)
