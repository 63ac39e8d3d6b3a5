"""The clients of a load, in a process of their own: ``python -m tests.load.client`` reads orders, writes answers.

One JSON object a line. Orders: ``{"do": "submit", …}`` (see :class:`Submission`), ``{"do": "permit", "number": n}``
lets a submission that is bounded by ``in_flight`` go on, ``{"do": "send", …}`` sends one given request,
``{"do": "stop"}`` ends the submission that runs. Answers: one line per request. A request that was not answered with
2xx is repeated with the same Idempotency-Key, ``tries`` times in all; every failure is told.
"""

from __future__ import annotations

import http.client
import json
import queue
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.load.petitions import Template, petition

SECONDS = 30.0
"""How long a client waits for an answer."""
AGAIN = 0.5
"""The pause before a request is repeated."""


class Client:
    """One keep-alive connection that sends requests one after another."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes, key: str) -> tuple[int, bytes]:
        """Status and body of the answer; status 0 with the reason where there was none."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*self._address, timeout=SECONDS)
            self._connection.request("POST", path, body, self._headers | {"Idempotency-Key": key})
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return 0, type(error).__name__.encode()


@dataclass
class Submission:
    """What a load submits: templates in turn, ``number`` of them or for ``seconds``, at ``rate`` a second or at once.

    ``in_flight`` bounds how many matters may be on their way: the others wait for permits.
    """

    templates: list[Template]
    prefix: str
    first: int
    number: int | None = None
    seconds: float | None = None
    rate: float | None = None
    in_flight: int | None = None
    tries: int = 1
    began: float = field(default_factory=time.monotonic)
    given: int = 0
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.permits = threading.Semaphore(self.in_flight) if self.in_flight else None

    def next(self) -> int | None:
        """The number of the next petition, when its time has come; None when there is none any more."""
        if self.permits is not None:
            self.permits.acquire()
        with self.lock:
            index = self.given
            due = self.began + index / self.rate if self.rate else 0.0
            over = self.stopped or (self.number is not None and index >= self.number)
            if self.seconds is not None:
                over = over or max(due, time.monotonic()) >= self.began + self.seconds
            if over:
                if self.permits is not None:
                    self.permits.release()
                return None
            self.given += 1
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        return index


class Output:
    """Lines to whoever ordered the load."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def say(self, line: dict[str, Any]) -> None:
        """Write one line."""
        text = json.dumps(line) + "\n"
        with self._lock:
            sys.stdout.write(text)
            sys.stdout.flush()


class Load:
    """The clients and what they are told."""

    def __init__(self, url: str, token: str, clients: int) -> None:
        self._url = url
        self._token = token
        self._clients = clients
        self._output = Output()
        self._errands: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._submission: Submission | None = None
        for _ in range(4):
            threading.Thread(target=self._run_errands, daemon=True).start()

    def obey(self, order: dict[str, Any]) -> None:
        """Do what a line says."""
        match order.pop("do"):
            case "submit":
                made = [Template(**{**item, "claims": tuple(item["claims"])}) for item in order.pop("templates")]
                self._submission = Submission(made, **order)
                threading.Thread(target=self._submit, args=(self._submission,), daemon=True).start()
            case "permit":
                if self._submission is not None and self._submission.permits is not None:
                    self._submission.permits.release(order["number"])
            case "stop":
                if self._submission is not None:
                    self._submission.stopped = True
            case "send":
                self._errands.put(order)
            case other:
                raise ValueError(other)

    def _submit(self, submission: Submission) -> None:
        threads = [threading.Thread(target=self._clerk, args=(submission,)) for _ in range(self._clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._output.say({"done": submission.prefix, "submitted": submission.given})

    def _clerk(self, submission: Submission) -> None:
        client = Client(self._url, self._token)
        while (index := submission.next()) is not None:
            template = submission.templates[index % len(submission.templates)]
            serial = submission.first + index
            body = json.dumps(petition(template, str(serial)), ensure_ascii=False).encode()
            told = {"kind": template.kind, "serial": serial, "prefix": submission.prefix}
            key = f"{submission.prefix}-{serial}"
            self._send(client, "/api/v1/matters", body, key, told, submission.tries)

    def _run_errands(self) -> None:
        client = Client(self._url, "")
        while True:
            order = self._errands.get()
            body = json.dumps(order["body"], ensure_ascii=False).encode()
            self._send(client, order["path"], body, order["key"], order["told"], order["tries"])

    def _send(self, client: Client, path: str, body: bytes, key: str, told: dict[str, Any], tries: int) -> None:
        for attempt in range(1, tries + 1):
            at, began = time.time(), time.perf_counter()
            status, answer = client.post(path, body, key)
            line = told | {"at": at, "seconds": time.perf_counter() - began, "status": status, "attempt": attempt}
            if 200 <= status < 300:
                self._output.say(line | {"answer": json.loads(answer)})
                return
            self._output.say(line | {"error": answer[:300].decode(errors="replace"), "last": attempt == tries})
            if attempt < tries:
                time.sleep(AGAIN)


def main() -> None:
    """Serve until the orders end."""
    sys.setswitchinterval(0.001)
    first = json.loads(sys.stdin.readline())
    load = Load(first["url"], first["token"], first["clients"])
    for line in sys.stdin:
        load.obey(json.loads(line))


if __name__ == "__main__":
    main()
