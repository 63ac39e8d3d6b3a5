"""The edge: what it answers by itself, what it never passes on, and what it writes down."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.local.layout import HOST
from deploy.local.stack import Stack
from deploy.waiting import until

TOKEN = {"Authorization": "Bearer x"}


class Edge:
    """Plain HTTP to the edge, with the path exactly as it is written."""

    def __init__(self, stack: Stack) -> None:
        self._port = stack.layout.ports.edge

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, at: str = HOST
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """``at``: the caller's address."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=20, source_address=(at, 0))
        try:
            connection.request(method, path, body=body or None, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def reaches(self, method: str, path: str, headers: dict[str, str] | None = None, *, at: str = HOST) -> int:
        """The port that a request reached."""
        status, _, body = self.ask(method, path, b"{}" if method == "POST" else b"", headers, at=at)
        assert status == 200, body
        return int(json.loads(body)["port"])


class _Echo(BaseHTTPRequestHandler):
    """Stands in for a service: answers with what reached it."""

    def do_GET(self) -> None:
        left = int(self.headers.get("Content-Length", 0))
        # Else the connection is reset while the edge still sends, and the answer may be lost.
        while left and (part := self.rfile.read(min(left, 1 << 20))):
            left -= len(part)
        body = json.dumps(
            {"port": self.connection.getsockname()[1], "path": self.path, "headers": dict(self.headers)}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  (the name is the base class's)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the same)
        pass


class _Server:
    """An echo at a port."""

    def __init__(self, port: int) -> None:
        self._server = ThreadingHTTPServer((HOST, port), _Echo)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def servers(another_stack: Stack) -> Iterator[dict[str, _Server]]:
    """An echo behind every port that the edge passes requests on to, by process."""
    stack = another_stack
    stack.start(services=False)
    made = {
        process.name: _Server(process.http(stack.layout.ports))
        for process in stack.table
        if process.http and (process.serves or process.demo)
    }
    try:
        yield made
    finally:
        for server in made.values():
            server.end()


@pytest.fixture
def edge(another_stack: Stack, servers: dict[str, _Server]) -> Edge:
    """An edge of its own, with an echo behind it."""
    del servers
    return Edge(another_stack)


ROUTES = {
    "/": "intake",
    "/submit": "intake",
    "/matters/x": "intake",
    "/intake/desk": "intake",
    "/api/v1/uploads": "intake",
    "/api/v1/matters/1/ratings": "intake",
    "/sign-in": "routing",
    "/sign-out": "routing",
    "/account": "routing",
    "/routing/": "routing",
    "/api/v1/triage?limit=1": "routing",
    "/api/v1/cases/1/assignments": "routing",
    "/api/v1/agencies": "routing",
    "/.well-known/jwks.json": "routing",
    "/desk/": "agency_gateway",
    "/exchange/v1/messages": "agency_gateway",
    "/oversight/": "oversight",
    "/api/v1/oversight/clocks": "oversight",
    "/documents/1.pdf": "notification",
}

NEVER_PASSED_ON = [
    "/internal/v1/matters/texts",
    "/internal",
    "/%69nternal/v1/x",
    "//internal/x",
    "/submit/../internal/x",
    "/a/..%2finternal/x",
    "/INTERNAL/x",
    "/static/../internal/x",
    "/metrics",
    "/readyz",
    "/healthz",
]


def logged(stack: Stack, words: str) -> str:
    """The edge's log once ``words`` stand in it: a line is written after its answer has left."""
    path = stack.layout.logs / "nginx.log"
    until(lambda: words in path.read_text(), f"{words} in the log of the edge", seconds=20)
    return path.read_text()


@pytest.mark.slow
def test_the_edge(edge: Edge, another_stack: Stack) -> None:
    """One start of a stack for all questions to the edge, as a start takes seconds."""
    ports = another_stack.layout.ports

    reached = {path: edge.reaches("GET", path) for path in ROUTES}
    intakes = (ports.http("intake"), ports.http("intake", 2))
    mine = reached["/"]
    assert mine in intakes
    assert reached == {path: mine if service == "intake" else ports.http(service) for path, service in ROUTES.items()}
    assert json.loads(edge.ask("GET", "/demo/mail/")[2])["port"] == ports.mailbox
    assert json.loads(edge.ask("GET", "/demo/departments/x")[2])["port"] == ports.departments

    assert {path: edge.ask("GET", path)[0] for path in NEVER_PASSED_ON} == dict.fromkeys(NEVER_PASSED_ON, 404)

    claimed = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    seen = json.loads(edge.ask("GET", "/submit", headers=claimed)[2])["headers"]
    assert seen["X-Forwarded-For"] == "127.0.0.1"
    assert "Forwarded" not in seen
    assert seen["Host"] == f"127.0.0.1:{ports.edge}"

    status, headers, body = edge.ask("POST", "/api/v1/uploads", headers={"Content-Length": str(200 * 1024**2)})
    assert (status, headers["Content-Type"]) == (413, "application/problem+json")
    assert json.loads(body)["slug"] == "body-too-large"
    status, headers, body = edge.ask("POST", "/submit", headers={"Content-Length": str(200 * 1024**2)})
    assert (status, headers["Content-Type"]) == (413, "text/html; charset=utf-8")
    assert "25 MB" in body
    assert edge.ask("POST", "/submit", body=b"x" * (24 * 1024**2))[0] == 200

    assert edge.ask("GET", "/static/../../settings.py")[0] in (400, 404)

    edge.ask("GET", "/matters/990100?query_code=SECRET-CODE")
    log = logged(another_stack, '"path":"/matters/990100"')
    assert "SECRET-CODE" not in log


@pytest.mark.slow
def test_two_processes_of_intake(edge: Edge, another_stack: Stack, servers: dict[str, _Server]) -> None:
    ports = another_stack.layout.ports
    first, second = ports.http("intake"), ports.http("intake", 2)
    everywhere = ("127.0.0.1", *(f"127.0.0.{number}" for number in range(20, 60)))

    # What programs send with a token goes to both.
    assert {edge.reaches("POST", "/api/v1/matters", TOKEN) for _ in range(20)} == {first, second}
    assert {edge.reaches("GET", "/api/v1/matters/1", TOKEN) for _ in range(20)} == {first, second}

    # Everybody else keeps to one by address; so does who adds a token where none is looked at.
    asked = [("GET", "/", None), ("POST", "/matters/1", None), ("GET", "/api/v1/matters/1", None),
             ("POST", "/matters/1", TOKEN), ("GET", "/matters /api/v1/matters", TOKEN)]  # fmt: skip
    reached = {at: {edge.reaches(how, path.replace(" ", "%20"), more, at=at) for how, path, more in asked * 2}
               for at in everywhere}  # fmt: skip
    assert {len(found) for found in reached.values()} == {1}
    assert set().union(*reached.values()) == {first, second}

    # While one is away the other answers everything, and afterwards all is as before.
    for gone, left in (("intake", second), ("intake-2", first)):
        servers.pop(gone).end()
        for at in everywhere:
            assert {edge.reaches("GET", "/", at=at), edge.reaches("POST", "/submit", at=at)} == {left}
            assert {edge.reaches(how, "/api/v1/matters", TOKEN, at=at) for how in ("GET", "POST")} == {left}
        servers[gone] = _Server(second if left == first else first)
    assert {at: {edge.reaches("GET", "/", at=at)} for at in everywhere} == reached


@pytest.mark.slow
def test_a_service_that_is_away_is_explained_and_tried_again(another_stack: Stack) -> None:
    another_stack.start(services=False)
    edge = Edge(another_stack)
    status, headers, body = edge.ask("GET", "/submit?query_code=SECRET-CODE")
    assert (status, headers["Retry-After"]) == (503, "5")
    assert "服务正在恢复" in body
    status, headers, body = edge.ask("POST", "/api/v1/matters", body=b"{}")
    assert (status, headers["Content-Type"]) == (503, "application/problem+json")
    assert json.loads(body)["slug"] == "unavailable"
    log = logged(another_stack, '"method":"POST","path":"/api/v1/matters","status":503')
    assert "SECRET-CODE" not in log
