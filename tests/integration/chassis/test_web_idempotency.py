"""However often, however at once, however interrupted: a request with a key has one effect and one answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask import Flask, Response, g
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from marshmallow import Schema, fields
from psycopg.rows import DictRow

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.web import Api, Pages, create_app, idempotent, log_access, principal, public, require
from lianban.contracts.codes import StaffRole

Looking = psycopg.Connection[DictRow]


class Matter(Schema):
    title = fields.String(required=True)


class Entered:
    """Lets a test stop the use case in the middle of its transaction."""

    def __init__(self) -> None:
        self.reached = Event()
        self.go_on = Event()
        self.go_on.set()


@pytest.fixture
def gate() -> Entered:
    return Entered()


@pytest.fixture
def app(service_database: Looking, gate: Entered) -> Flask:
    service_database.execute("create table matter (id int generated always as identity, title text, maker text)")
    api = Api("matters", __name__, url_prefix="/api/v1/matters")
    pages = Pages("portal", __name__)

    def register(title: str) -> int:
        with database().transaction() as tx:
            row = tx.execute(
                "insert into matter (title, maker) values (%s, %s) returning id", (title, principal().subject)
            ).fetchone()
            log_access(tx, "register")
            gate.reached.set()
            gate.go_on.wait(10)
            if title == "rejected":
                raise Rejected("no", "不行。", "No.")
            if title == "bug":
                raise KeyError(title)
        assert row is not None
        return int(row["id"])

    @api.post("")
    @public
    @idempotent
    @api.arguments(Matter)
    @api.response(201)
    def make(given: dict[str, Any]) -> dict[str, Any]:
        return {"id": register(given["title"]), "query_code": "geheim-7788"}

    @api.post("/closed")
    @require(StaffRole.CHANNEL)
    @idempotent
    def closed() -> Response:
        return Response(status=409) if register("closed") else Response()

    @api.post("/of/<int:number>")
    @public
    @idempotent
    def of(number: int) -> Response:
        return Response(str(register(str(number))))

    @api.post("/judged")
    @public
    @idempotent
    def judged() -> Response:
        if g.refusing:
            raise Rejected("no", "不行。", "No.")
        return Response("yes")

    @pages.get("/submit")
    @public
    def form() -> str:
        return str(generate_csrf())

    @pages.post("/submit")
    @public
    @idempotent
    def submit() -> str:
        try:
            return f"number {register('page')}"
        except Rejected:
            return "corrected"

    return create_app("intake", api=[api], pages=[pages])


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def count(looking: Looking, table: str = "matter") -> int:
    row = looking.execute(f"select count(*) as n from {table}").fetchone()
    return int(row["n"]) if row else 0


def submit(client: FlaskClient, key: str, title: str = "黑水", **headers: str) -> Any:
    return client.post("/api/v1/matters", json={"title": title}, headers={"Idempotency-Key": key, **headers})


def test_a_repeat_gets_the_first_answer_and_has_no_effect(client: FlaskClient, service_database: Looking) -> None:
    first = submit(client, "k-1")
    again = submit(client, "k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert (count(service_database), count(service_database, "access_log")) == (1, 1)


def test_another_body_under_the_same_key_is_refused(client: FlaskClient, service_database: Looking) -> None:
    submit(client, "k-1")
    other = submit(client, "k-1", "白水")
    assert (other.status_code, other.json["type"]) == (422, "/problems/idempotency-key-reused")
    assert count(service_database) == 1


def test_the_stored_answer_is_sealed(client: FlaskClient, service_database: Looking) -> None:
    submit(client, "k-1")
    row = service_database.execute(
        "select response::text as stored, headers::text as headers from idempotency"
    ).fetchone()
    assert row is not None
    assert b"geheim" not in bytes.fromhex(row["stored"].removeprefix("\\x"))
    assert "geheim" not in row["headers"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/api/v1/matters/of/2", {}), ("/api/v1/matters/of/1", {"X-Query-Code": "2222-2222"})],
    ids=["another matter", "another query code"],
)
def test_a_key_that_was_used_for_something_else_is_refused(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    given = {"Idempotency-Key": "k-1", "X-Query-Code": "1111-1111"}
    assert client.post("/api/v1/matters/of/1", headers=given).status_code == 200
    other: Any = client.post(path, headers=given | headers)
    assert (other.status_code, other.json["type"]) == (422, "/problems/idempotency-key-reused")


def test_a_used_key_gives_its_answer_though_the_request_would_be_refused_today(
    client: FlaskClient, service_database: Looking
) -> None:
    refusing = False

    @client.application.before_request
    def now_and_then() -> None:
        g.refusing = refusing

    first = client.post("/api/v1/matters/judged", headers={"Idempotency-Key": "k-1"})
    refusing = True
    again = client.post("/api/v1/matters/judged", headers={"Idempotency-Key": "k-1"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert client.post("/api/v1/matters/judged", headers={"Idempotency-Key": "k-2"}).status_code == 422


@pytest.mark.parametrize("title", ["rejected", "bug"])
def test_what_failed_leaves_nothing_and_may_be_sent_again(
    client: FlaskClient, service_database: Looking, title: str
) -> None:
    assert submit(client, "k-1", title).status_code in (422, 500)
    assert (count(service_database), count(service_database, "idempotency")) == (0, 0)
    assert submit(client, "k-1").status_code == 201


def test_an_answer_that_says_no_rolls_back_too(
    client: FlaskClient, service_database: Looking, become: Callable[[str], None], token: Callable[..., str]
) -> None:
    header = {"Authorization": f"Bearer {token(StaffRole.CHANNEL, kind='channel')}", "Idempotency-Key": "k-1"}
    assert client.post("/api/v1/matters/closed", headers=header).status_code == 409
    assert (count(service_database), count(service_database, "idempotency")) == (0, 0)


def test_keys_of_different_callers_do_not_meet(
    client: FlaskClient, service_database: Looking, token: Callable[..., str]
) -> None:
    submit(client, "k-1")
    submit(client, "k-1", Authorization=f"Bearer {token(StaffRole.CHANNEL, kind='channel')}")
    makers = service_database.execute("select maker from matter order by id").fetchall()
    assert [row["maker"] for row in makers] == ["anonymous", "s-1"]


@pytest.mark.parametrize("key", ["", "a b", "schlüssel", "x" * 256])
def test_a_key_is_1_to_255_visible_ascii_characters(client: FlaskClient, service_database: Looking, key: str) -> None:
    answer = submit(client, key)
    assert (answer.status_code, answer.json["type"]) == (400, "/problems/invalid-idempotency-key")
    assert count(service_database) == 0


def test_two_at_once_have_one_effect(app: Flask, service_database: Looking, gate: Entered) -> None:
    gate.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: submit(app.test_client(), "k-1"))
        assert gate.reached.wait(10)
        second = pool.submit(lambda: submit(app.test_client(), "k-1"))
        wait_until_blocked(service_database)
        gate.go_on.set()
        answers = [first.result(10), second.result(10)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].data == answers[1].data
    assert count(service_database) == 1


def wait_until_blocked(looking: Looking) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if looking.execute("select 1 from pg_stat_activity where wait_event_type = 'Lock'").fetchone():
            return
    raise AssertionError("nobody waits for a lock")


def test_a_form_sent_twice_has_one_effect(client: FlaskClient, service_database: Looking) -> None:
    key = str(uuid4())
    first, again = (
        client.post("/submit", data={"_once": key, "title": "黑水", "csrf_token": client.get("/submit").text})
        for _ in range(2)
    )
    assert first.data == again.data == b"number 1"
    assert count(service_database) == 1


def test_without_a_key_every_request_counts(client: FlaskClient, service_database: Looking) -> None:
    for _ in range(2):
        assert client.post("/api/v1/matters", json={"title": "黑水"}).status_code == 201
    assert count(service_database) == 2
