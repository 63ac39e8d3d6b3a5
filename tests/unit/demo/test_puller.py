"""The reference pull client against an exchange that keeps everything it is told, and fails when asked to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request

from deploy.demo.puller import settings
from deploy.demo.puller.client import Exchange, Failed
from deploy.demo.puller.store import Store
from deploy.demo.puller.worker import Worker
from deploy.demo.serving import Server

A = "aaaaaaaa-0000-4000-8000-000000000001"


@dataclass
class FakeExchange:
    """The published API, in memory."""

    feed: list[dict[str, Any]] = field(default_factory=list)
    open: list[dict[str, Any]] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)
    statements: list[dict[str, Any]] = field(default_factory=list)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Callable[[], Response]] = field(default_factory=list)
    """Answers given instead, one per request, before anything is done."""
    lose_answers: int = 0
    """How many statements are kept without the client hearing of it."""
    tokens: set[str] = field(default_factory=set)

    def app(self) -> Flask:
        app = Flask("exchange")

        @app.before_request
        def fail() -> Response | None:
            self.tokens.add(request.headers.get("Authorization", ""))
            return self.failures.pop(0)() if self.failures else None

        @app.get("/exchange/v1/messages")
        def messages() -> Response:
            after, limit = int(request.args.get("after", "0")), int(request.args["limit"])
            items = [{"cursor": str(n), "message": m} for n, m in enumerate(self.feed, 1) if n > after][:limit]
            return jsonify(items=items, next=items[-1]["cursor"] if len(items) == limit else None)

        @app.post("/exchange/v1/messages/<message_id>/receipt")
        def receipt(message_id: str) -> Response:
            self.receipts[message_id] = request.get_json()["reference"]
            return jsonify()

        @app.get("/exchange/v1/assignments")
        def assignments() -> Response:
            return jsonify(items=self.open if request.args["state"] == "open" else [], next=None)

        @app.post("/exchange/v1/assignments/<assignment_id>/statements")
        def state(assignment_id: str) -> tuple[Response, int]:
            body = request.get_json()
            self.attempts.append(body)
            if body["id"] not in {known["id"] for known in self.statements}:
                self.statements.append(body | {"assignment_id": assignment_id})
            if self.lose_answers:
                self.lose_answers -= 1
                return jsonify(), 503
            return jsonify(statement_id=body["id"]), 202

        return app

    def kinds(self) -> list[str]:
        return [statement["kind"] for statement in self.statements]


@pytest.fixture
def exchange() -> FakeExchange:
    return FakeExchange()


@pytest.fixture
def address(exchange: FakeExchange) -> Iterator[str]:
    server = Server(exchange.app(), "127.0.0.1", 0)
    server.start()
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


AUTOPILOT = {"mode": "on", "min_seconds": 1, "max_seconds": 1}


@pytest.fixture
def a_worker(address: str, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Makes workers on the same file, as restarts would."""
    stores: list[Store] = []

    def make(**changes: Any) -> Worker:
        entry = {"agency": "city-urban", "token": "t0k3n", "url": address, "trade": "urban", "autopilot": AUTOPILOT}
        (agency,) = settings.read([entry | changes])
        store = Store(tmp_path / "puller.sqlite3", agency.code)
        stores.append(store)
        return Worker(agency, store, Exchange(agency))

    yield make
    for store in stores:
        store.close()


def a_message(number: int = 1, kind: str = "assignment", **changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = {
        "id": f"bbbbbbbb-0000-4000-8000-{number:012}",
        "kind": kind,
        "assignment_id": A,
        "version": number,
        "number": "QH-2026-000001",
        "role": "lead",
        "binding": False,
        "matter": {
            "title": "河水发黑",
            "content": "工厂后面的河水发黑，岸边垃圾成堆。",
            "claims": [{"id": "c1", "ordinal": 1, "text": "停止排污"}, {"id": "c2", "ordinal": 2, "text": "清理垃圾"}],
        },
    }
    return message | changes


def rounds(worker: Worker, *, start: float = 0, until: float = 10) -> None:
    """Work through a span of time in steps of a second."""
    now = start
    while now <= until:
        worker.round(now)
        now += 1


def test_a_lead_accepts_reports_and_replies_claim_by_claim(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    exchange.feed.append(a_message())
    rounds(a_worker())
    assert exchange.kinds() == ["accept", "progress", "reply"]
    reply = exchange.statements[-1]
    assert [part["claim_id"] for part in reply["results"]] == ["c1", "c2"]
    assert {"facts", "legal_basis", "remedy", "text", "stated_at", "reference"} <= reply.keys()
    assert [statement["version"] for statement in exchange.statements] == [1, 2, 3]
    assert exchange.receipts == {a_message()["id"]: reply["reference"]}
    assert exchange.tokens == {"Bearer t0k3n"}


def test_a_co_handler_gives_an_opinion_and_a_copy_says_nothing(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    copy = a_message(2, role="copy", assignment_id="aaaaaaaa-0000-4000-8000-000000000002")
    exchange.feed += [a_message(role="co_handler"), copy]
    rounds(a_worker())
    assert exchange.kinds() == ["accept", "progress", "opinion"]
    assert len(exchange.receipts) == 2


def test_statements_wait_their_time_and_keep_their_order(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    exchange.feed.append(a_message())
    worker = a_worker(autopilot=AUTOPILOT | {"min_seconds": 3, "max_seconds": 3})
    rounds(worker, until=2)
    assert exchange.kinds() == []
    rounds(worker, start=3, until=5)
    assert exchange.kinds() == ["accept"]
    rounds(worker, start=6, until=9)
    assert exchange.kinds() == ["accept", "progress", "reply"]


def test_what_the_exchange_did_not_confirm_is_sent_again_unchanged(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    exchange.feed.append(a_message())
    exchange.lose_answers = 2
    worker = a_worker()
    for second in range(30):
        try:
            worker.round(second)
        except Failed:
            continue
    assert exchange.kinds() == ["accept", "progress", "reply"]
    assert exchange.attempts[0] == exchange.attempts[1] == exchange.attempts[2]


@pytest.mark.parametrize(
    "failure",
    [
        lambda: Response("Internal Server Error", 500),
        lambda: Response("<html>Wartung</html>", 200, content_type="text/html"),
        lambda: Response("[]", 200, content_type="application/json"),
        lambda: Response("", 401),
        lambda: Response("", 429, headers={"Retry-After": "2"}),
        lambda: Response("", 302, headers={"Location": "http://127.0.0.1:1/"}),
    ],
    ids=["500", "html", "not a page", "401", "429", "redirect"],
)
def test_an_exchange_that_fails_loses_nothing(
    exchange: FakeExchange, a_worker: Callable[..., Worker], failure: Callable[[], Response]
) -> None:
    exchange.feed.append(a_message())
    exchange.failures += [failure] * 3
    worker = a_worker()
    for second in range(3):
        with pytest.raises(Failed):
            worker.round(second)
    rounds(worker, start=3, until=12)
    assert exchange.kinds() == ["accept", "progress", "reply"]


def test_a_restart_goes_on_where_it_was(exchange: FakeExchange, a_worker: Callable[..., Worker]) -> None:
    exchange.feed.append(a_message())
    rounds(a_worker(), until=1)
    assert exchange.kinds() == ["accept"]
    rounds(a_worker(), start=2)
    assert exchange.kinds() == ["accept", "progress", "reply"]


def test_a_message_that_comes_twice_is_answered_once(exchange: FakeExchange, a_worker: Callable[..., Worker]) -> None:
    exchange.feed += [a_message(), a_message()]
    rounds(a_worker())
    assert exchange.kinds() == ["accept", "progress", "reply"]


def test_many_messages_are_fetched_page_by_page(exchange: FakeExchange, a_worker: Callable[..., Worker]) -> None:
    for number in range(1, 121):
        exchange.feed.append(a_message(number, assignment_id=f"aaaaaaaa-0000-4000-8000-{number:012}"))
    rounds(a_worker(), until=40)
    assert len(exchange.receipts) == 120
    assert len(exchange.statements) == 360


def test_a_message_that_cannot_be_read_is_passed_over(exchange: FakeExchange, a_worker: Callable[..., Worker]) -> None:
    exchange.feed += [{"kind": "assignment"}, a_message()]
    rounds(a_worker())
    assert exchange.kinds() == ["accept", "progress", "reply"]


OBJECT = {"match": "垃圾", "action": "object", "reason": "other_lead", "proposed_agency": "city-ecology"}


def test_a_rule_objects_and_accepts_when_the_exchange_insists(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    exchange.feed.append(a_message())
    worker = a_worker(autopilot=AUTOPILOT | {"rules": [OBJECT]})
    rounds(worker, until=4)
    assert exchange.kinds() == ["object"]
    objection = exchange.statements[0]
    assert (objection["reason"], objection["proposed_agency"]) == ("other_lead", "city-ecology")
    assert objection["text"]
    exchange.feed.append(a_message(2, kind="assignment-changed", binding=True))
    rounds(worker, start=5, until=15)
    assert exchange.kinds() == ["object", "accept", "progress", "reply"]


def test_a_withdrawn_assignment_is_not_answered_any_more(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    exchange.feed.append(a_message())
    worker = a_worker()
    rounds(worker, until=1)
    exchange.feed.append(a_message(2, kind="assignment-withdrawn"))
    rounds(worker, start=1.5, until=10)
    assert exchange.kinds() == ["accept"]


def test_a_statement_that_is_refused_ends_the_course(exchange: FakeExchange, a_worker: Callable[..., Worker]) -> None:
    exchange.feed.append(a_message())
    worker = a_worker()
    worker.round(0)
    refusal = json.dumps({"type": "https://lianban.example/problems/unknown-assignment"})
    ok = Response(json.dumps({"items": [], "next": None}), 200, content_type="application/json")
    exchange.failures += [lambda: ok, lambda: Response(refusal, 404, content_type="application/problem+json")]
    rounds(worker, start=1)
    assert exchange.kinds() == []


def test_an_assignment_sent_again_is_answered_again(exchange: FakeExchange, a_worker: Callable[..., Worker]) -> None:
    exchange.feed.append(a_message())
    worker = a_worker()
    rounds(worker)
    exchange.feed.append(a_message(2))
    rounds(worker, start=11, until=20)
    assert exchange.kinds() == ["accept", "progress", "reply"] * 2
    assert len({statement["id"] for statement in exchange.statements}) == 6


def test_an_agency_whose_autopilot_is_off_acknowledges_only(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    exchange.feed.append(a_message())
    rounds(a_worker(autopilot={"mode": "off"}))
    assert exchange.kinds() == []
    assert len(exchange.receipts) == 1


def an_open_assignment(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in a_message().items() if key not in {"id", "kind"}} | {
        "state": "sent",
        "round": 1,
        **changes,
    }


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("sent", ["accept", "progress", "reply"]),
        ("accepted", ["progress", "reply"]),
        ("handling", ["reply"]),
        ("replied", []),
        ("objected", []),
    ],
)
def test_a_desk_agency_says_what_is_still_to_be_said(
    exchange: FakeExchange, a_worker: Callable[..., Worker], state: str, expected: list[str]
) -> None:
    exchange.open.append(an_open_assignment(state=state))
    rounds(a_worker(desk=True))
    assert exchange.kinds() == expected


def test_a_desk_agency_accepts_when_its_objection_is_refused(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    exchange.open.append(an_open_assignment())
    worker = a_worker(desk=True, autopilot=AUTOPILOT | {"rules": [OBJECT]})
    rounds(worker, until=3)
    exchange.open[0] = an_open_assignment(state="upheld", version=2, binding=True)
    rounds(worker, start=4, until=12)
    assert exchange.kinds() == ["object", "accept", "progress", "reply"]


def test_a_desk_agency_waits_until_the_matter_lies_on_its_desk(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    on_desk = an_open_assignment()
    exchange.open.append({key: value for key, value in on_desk.items() if key != "matter"})
    worker = a_worker(desk=True)
    rounds(worker, until=3)
    assert exchange.kinds() == []
    exchange.open[0] = on_desk
    rounds(worker, start=4, until=14)
    assert exchange.kinds() == ["accept", "progress", "reply"]


def test_a_desk_agency_stops_when_the_assignment_is_gone(
    exchange: FakeExchange, a_worker: Callable[..., Worker]
) -> None:
    exchange.open.append(an_open_assignment())
    worker = a_worker(desk=True)
    rounds(worker, until=1)
    exchange.open.clear()
    rounds(worker, start=2)
    assert exchange.kinds() == ["accept"]


@pytest.mark.parametrize(
    "entries",
    [
        {},
        ["x"],
        [{"agency": "a"}],
        [{"agency": "a", "token": "t"}],
        [{"agency": "a", "token": "t", "url": "ftp://x"}],
        [{"agency": "a", "token": "t", "url": "http://x", "trade": "magic"}],
        [{"agency": "a", "token": "t", "url": "http://x"}] * 2,
        [{"agency": "a", "token": "t", "url": "http://x", "autopilot": {"mode": "maybe"}}],
        [{"agency": "a", "token": "t", "url": "http://x", "autopilot": {"rules": [{"match": "("}]}}],
        [{"agency": "a", "token": "t", "url": "http://x", "autopilot": {"rules": [{"match": "x", "action": "run"}]}}],
    ],
)
def test_a_wrong_configuration_is_refused(entries: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        settings.read(entries)


def test_a_token_is_not_shown() -> None:
    (agency,) = settings.read([{"agency": "a", "token": "t0k3n", "url": "http://x"}])
    assert "t0k3n" not in repr(agency)
