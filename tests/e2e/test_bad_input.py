"""Bad input at every door: each gets a clear answer or a message that an operator can read, and nothing is lost.

What a department's system may answer (a web page with 200, an error, nothing at all) is the table of
``test_fault_corners.py``, and in every variant that of ``tests/integration/agency_gateway/test_delivering.py``. Tables
in another encoding and rows that do not fit are those of ``tests/unit/cli/test_mapping.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from kombu import Connection

from deploy.local.stack import Stack
from deploy.waiting import until
from lianban.chassis.time import now
from lianban.chassis.topology import EVENTS
from lianban.contracts.envelope import Envelope, partition_of
from tests.e2e.doors import a_session

GOOD: dict[str, Any] = {
    "channel": "web",
    "title": "厂后河水发黑",
    "content": "东平镇印染厂后面的河水发黑发臭，已经持续两个月。",
    "claims": ["查处排污", "恢复河道"],
    "purpose": "appeal",
    "region_code": "990100000000",
    "petitioner": {"name": "试验员", "phone": "16100000001", "address": "清河市"},
}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def with_(**more: Any) -> dict[str, Any]:
    return {**GOOD, **more}


TABLE: list[tuple[str, Any, int, str]] = [
    ("no title", without("title"), 422, "/title"),
    ("no content", without("content"), 422, "/content"),
    ("no claims", without("claims"), 422, "/claims"),
    ("claims empty", with_(claims=[]), 422, "/claims"),
    ("a claim is blank", with_(claims=["  "]), 422, "/claims/0"),
    ("no purpose", without("purpose"), 422, "/purpose"),
    ("an unknown field", with_(tilte="河水发黑"), 422, "/tilte"),
    ("unknown purpose", with_(purpose="revenge"), 422, "/purpose"),
    ("unknown channel", with_(channel="telepathy"), 422, "/channel"),
    ("channel of others without a token", with_(channel="hotline"), 403, ""),
    ("unknown region", with_(region_code="999999999999"), 422, "/region_code"),
    ("region of wrong form", with_(region_code="99"), 422, "/region_code"),
    ("unknown agency accused", with_(accused=["no-such-agency"]), 422, "/accused/0"),
    ("title too long", with_(title="长" * 1000), 422, "/title"),
    ("content too long", with_(content="长" * 100_000), 422, "/content"),
    ("too many representatives", with_(representatives=[{"name": "甲"}] * 5), 422, "/representatives"),
    ("group of zero", with_(group_size=0), 422, "/group_size"),
    ("petitioner of wrong type", with_(petitioner="张三"), 422, "/petitioner"),
    ("phone is nonsense", with_(petitioner={"name": "甲", "phone": "abc"}), 422, "/petitioner/phone"),
    ("e-mail is nonsense", with_(petitioner={"name": "甲", "email": "a@"}), 422, "/petitioner/email"),
    ("attachment of nobody", with_(attachments=[str(uuid4())]), 422, "/attachments/0"),
    ("attachment is no id", with_(attachments=["x"]), 422, "/attachments/0"),
    ("NUL in a text", with_(title="a\x00b"), 422, "/title"),
    ("an array", [GOOD], 422, ""),
    ("a number", 7, 422, ""),
]


@pytest.mark.parametrize(("body", "status", "pointer"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_matter_that_cannot_be_registered_is_refused_with_the_place_and_the_reason(
    stack: Stack, body: Any, status: int, pointer: str
) -> None:
    answer = a_session().post(f"{stack.url}/api/v1/matters", json=body, timeout=20)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["title"]
    if pointer:
        assert pointer in {error["pointer"].removeprefix("#") for error in problem["errors"]}


RAW: list[tuple[str, bytes, dict[str, str], int]] = [
    ("not JSON", b"{", {"Content-Type": "application/json"}, 400),
    ("wrong encoding", '{"title": "河"}'.encode("gbk"), {"Content-Type": "application/json"}, 400),
    ("a form", b"title=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    ("deep nesting", b"[" * 50_000, {"Content-Type": "application/json"}, 400),
    ("two megabytes of JSON", b'{"content": "' + b"a" * 2_000_000 + b'"}', {"Content-Type": "application/json"}, 413),
]


@pytest.mark.parametrize(("body", "headers", "status"), [row[1:] for row in RAW], ids=[row[0] for row in RAW])
def test_bytes_that_are_no_matter_are_refused(stack: Stack, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = a_session().post(f"{stack.url}/api/v1/matters", data=body, headers=headers, timeout=20)
    assert answer.status_code == status, answer.text
    assert "Traceback" not in answer.text
    assert answer.json()["status"] == status


def test_the_same_key_with_the_same_body_answers_the_same_and_with_another_body_is_refused(stack: Stack) -> None:
    anybody = a_session()
    headers = {"Idempotency-Key": str(uuid4())}
    first = anybody.post(f"{stack.url}/api/v1/matters", json=GOOD, headers=headers, timeout=20)
    again = anybody.post(f"{stack.url}/api/v1/matters", json=GOOD, headers=headers, timeout=20)
    other = anybody.post(f"{stack.url}/api/v1/matters", json=with_(title="另一件"), headers=headers, timeout=20)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert "idempotency" in other.json()["type"]


UPLOADS: list[tuple[str, str, bytes, int]] = [
    ("an executable named .jpg", "photo.jpg", b"MZ\x90\x00" + b"\x00" * 500, 422),
    ("an ELF file named .png", "photo.png", b"\x7fELF\x02\x01\x01" + b"\x00" * 500, 422),
    ("a script named .pdf", "paper.pdf", b"#!/bin/sh\nrm -rf /\n", 422),
    ("a broken PDF", "paper.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog", 422),
    ("a broken JPEG", "photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\x00" * 200, 422),
    ("an empty file", "empty.jpg", b"", 422),
    ("an HTML page", "page.html", b"<html><script>alert(1)</script></html>", 422),
]


@pytest.mark.parametrize(("name", "content", "status"), [row[1:] for row in UPLOADS], ids=[row[0] for row in UPLOADS])
def test_a_file_that_is_not_what_it_says_is_refused(stack: Stack, name: str, content: bytes, status: int) -> None:
    answer = a_session().post(f"{stack.url}/api/v1/uploads", files={"file": (name, content)}, timeout=30)
    assert answer.status_code == status, answer.text
    assert answer.json()["title"]


class Zeros:
    """A file of zeros that is never held in memory; ``requests`` takes its length from ``len``."""

    def __init__(self, size: int) -> None:
        self.left = size

    def __len__(self) -> int:
        return self.left

    def read(self, wanted: int = -1) -> bytes:
        given = min(self.left, wanted if wanted >= 0 else self.left)
        self.left -= given
        return bytes(given)

    def __iter__(self) -> Iterator[bytes]:
        while self.left:
            yield self.read(1_000_000)


def test_a_200_megabyte_upload_is_refused_without_being_taken_in(stack: Stack) -> None:
    file = Zeros(200_000_000)
    try:
        answer = a_session().post(
            f"{stack.url}/api/v1/uploads",
            data=file,
            headers={"Content-Type": "multipart/form-data; boundary=x"},
            timeout=60,
        )
    except requests.ConnectionError:
        # The edge closed the door while the rest was still coming.
        assert len(file) > 100_000_000
        return
    assert answer.status_code == 413
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["title"]


@pytest.fixture
def publish(stack: Stack) -> Callable[[str, bytes], None]:
    """Put bytes on the bus as a service gone mad would."""

    def put(routing_key: str, body: bytes) -> None:
        with Connection(stack.amqp_url()) as connection, connection.Producer() as producer:
            producer.publish(
                body, exchange=EVENTS.name, routing_key=routing_key, content_type="application/octet-stream"
            )

    return put


def test_garbage_bytes_on_the_bus_wait_in_the_poison_queue_where_an_operator_reads_them(
    stack: Stack, publish: Callable[[str, bytes], None]
) -> None:
    mark = f"garbage {uuid4()}"
    publish("intake.matter-registered.v1.p07", mark.encode())

    def shown() -> bool:
        outcome = stack.command("poison", "--service", "routing")
        return mark in outcome.stdout

    until(shown, "the garbage is listed")


@pytest.mark.parametrize(
    ("event_type", "data", "reason"),
    [
        ("lianban.intake.matter-teleported.v1", {}, "UnknownEvent"),
        ("lianban.intake.matter-registered.v99", {}, "UnknownEvent"),
        ("lianban.intake.matter-registered.v1", {"number": 7}, "InvalidEvent"),
    ],
)
def test_an_event_that_no_contract_knows_waits_in_quarantine_with_the_reason(
    stack: Stack, publish: Callable[[str, bytes], None], event_type: str, data: dict[str, Any], reason: str
) -> None:
    subject, event_id = uuid4(), uuid4()
    envelope = Envelope(
        id=event_id, source="intake", type=event_type, subject=subject, time=now(), sequence=1, data=data
    )
    publish(f"intake.x.v1.p{partition_of(subject):02d}", envelope.encode())

    def listed() -> bool:
        outcome = stack.command("quarantine", "list", "--service", "routing", "--json")
        return any(row["event"] == str(event_id) and reason in row["error"] for row in json.loads(outcome.stdout))

    until(listed, "the event is in quarantine")
    shown = stack.command("quarantine", "show", str(event_id))
    assert event_type in shown.stdout


def test_unknown_pages_and_methods_answer_in_kind(stack: Stack) -> None:
    assert a_session().get(f"{stack.url}/no/such/page", timeout=10).status_code == 404
    assert a_session().get(f"{stack.url}/api/v1/nothing", timeout=10).status_code == 404
    assert a_session().delete(f"{stack.url}/api/v1/matters", timeout=10).status_code == 405
