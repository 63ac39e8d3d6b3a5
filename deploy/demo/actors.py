"""The people of a told case at the doors they use: petitioner, officer, and departments in their own systems.

Nothing here knows how the platform works inside: pages are read and forms are sent as a browser does it, and the APIs
are called as a department's program calls them.
"""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from deploy.demo.puller.settings import taken_up, version
from deploy.local.keys import write_private
from deploy.waiting import NotSo, until

SECONDS = 20
"""How long one request may take."""
PATIENCE = 45.0
"""How many seconds somebody who asks too often goes on asking."""
TOO_MANY = 429
TAKEN_UP_SECONDS = 60
"""How long the pull client may take to go by a new list: it looks once a second, and ends what it has in hand."""


class Door:
    """A session at one address."""

    def __init__(self, url: str, **headers: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False  # a stack on this machine, never behind a proxy
        self.session.headers.update(headers)

    def ask(self, method: str, path: str, *expected: int, **more: Any) -> requests.Response:
        """The answer with one of the expected statuses; raises :class:`NotSo`.

        Told to come back later (RFC 6585, 429 with ``Retry-After``) it does so.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.session.request(method, self.url + path, timeout=SECONDS, **more)
            wait = float(answer.headers.get("Retry-After") or 1)
            if answer.status_code != TOO_MANY or time.monotonic() + wait > deadline:
                break
            time.sleep(wait)
        if answer.status_code not in (expected or (200,)):
            raise NotSo(f"{method} {path}: HTTP {answer.status_code} {_words(answer.text)}")
        return answer

    def get(self, path: str, **query: str | int) -> Any:
        """The JSON at a path."""
        return self.ask("GET", path, params=query).json()

    def post(self, path: str, body: Any, *expected: int) -> Any:
        """The JSON that answers a POST of JSON, sent as a new request."""
        headers = {"Idempotency-Key": str(uuid4())}
        return self.ask("POST", path, *(expected or (200, 201, 202)), json=body, headers=headers).json()

    def page(self, path: str, **query: str) -> str:
        """A page's HTML."""
        return self.ask("GET", path, params=query).text

    def sign_in(self, username: str, password: str) -> None:
        """Sign in on the page for staff."""
        self.fill("/sign-in", "/sign-in", {"username": username, "password": password})

    def fill(self, page: str, action: str, filled: Mapping[str, str]) -> str:
        """Fill in the form of a page that goes to ``action`` and send it; returns the page that answers."""
        forms = _forms(self.page(page))
        found = next((hidden for target, hidden in forms if target.split("?")[0] == action), None)
        if found is None:
            raise NotSo(f"the page {page} has no form for {action}")
        return self.ask("POST", action, data=found | dict(filled)).text


class _Forms(HTMLParser):
    """The POST forms of a page with their hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = given.get("method", "").lower() == "post"
            if self._open:
                self.found.append((given.get("action", ""), {}))
        elif tag == "input" and self._open and given.get("type") == "hidden":
            self.found[-1][1][given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


def _forms(html: str) -> list[tuple[str, dict[str, str]]]:
    reader = _Forms()
    reader.feed(html)
    return reader.found


def _words(html: str) -> str:
    return " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL).split())[:300]


@dataclass
class Petitioner:
    """Who submitted a matter, with number and query code; ``clerk`` is the token of who wrote it down for them."""

    door: Door
    number: str = ""
    query_code: str = ""
    id: str = ""

    def submit(
        self, told: Mapping[str, Any], files: Iterable[tuple[str, bytes]], *, clerk: str | None = None
    ) -> dict[str, Any]:
        """Upload the files and submit; with a ``clerk``'s token at the counter instead of from home."""
        door = self.door if clerk is None else Door(self.door.url, Authorization=f"Bearer {clerk}")
        uploads = [door.ask("POST", "/api/v1/uploads", 201, files={"file": file}).json()["id"] for file in files]
        made: dict[str, Any] = door.post("/api/v1/matters", {**told, "attachments": uploads}, 201)
        self.id, self.number, self.query_code = made["id"], made["number"], made["query_code"]
        return made

    def status(self) -> dict[str, Any]:
        """The status page as JSON; opening it proves that what it shows was served."""
        found: dict[str, Any] = self.door.get(f"/api/v1/matters/{self.number}", query_code=self.query_code)
        return found

    def rate(self, votes: Sequence[Mapping[str, str]], *, solved: bool | None) -> Any:
        """Rate the petition office and each agency, and say whether it is solved."""
        return self._say("ratings", votes=list(votes), **({} if solved is None else {"solved": solved}))

    def supplement(self, text: str) -> Any:
        """Add facts."""
        return self._say("supplements", text=text)

    def withdraw(self) -> Any:
        """Take the matter back."""
        return self._say("withdrawal")

    def _say(self, what: str, **members: Any) -> Any:
        return self.door.post(f"/api/v1/matters/{self.number}/{what}", {"query_code": self.query_code, **members})


@dataclass
class Officer:
    """Who routes at the petition office."""

    door: Door

    def case(self, case_id: str) -> dict[str, Any]:
        """The case as the routing desk shows it."""
        found: dict[str, Any] = self.door.get(f"/api/v1/cases/{case_id}")
        return found

    def route(self, case_id: str, parts: Mapping[str, str], *, reason: str = "") -> dict[str, Any]:
        """Give parts to agencies (code to role) as the case stands now."""
        wanted = [{"agency_code": code, "role": role} for code, role in parts.items()]
        body = {"assignments": wanted, "expected_version": self.case(case_id)["version"]}
        made: dict[str, Any] = self.door.post(
            f"/api/v1/cases/{case_id}/assignments", body | ({"reason": reason} if reason else {}), 201
        )
        return made

    def designate(self, case_id: str, agency: str, decided_by: str, reason: str) -> dict[str, Any]:
        """Write down who must accept, as those above or the coordination decided."""
        body = {"agency_code": agency, "decided_by": decided_by, "reason": reason}
        made: dict[str, Any] = self.door.post(
            f"/api/v1/cases/{case_id}/designations", body | {"expected_version": self.case(case_id)["version"]}, 201
        )
        return made


@dataclass(frozen=True)
class Answer:
    """What a department says on each claim of a matter, in their order, and as a whole."""

    text: str
    results: tuple[tuple[str, str], ...] = ()
    """Result (a code of the platform) and words for each claim."""
    facts: str = ""
    legal_basis: str = ""
    remedy: str = ""


class Department(ABC):
    """A department at work on one matter; how it does its work depends on its system."""

    code: str

    @abstractmethod
    def accept(self, number: str, text: str) -> None:
        """受理."""

    @abstractmethod
    def object(
        self, number: str, text: str, *, reason: str, legal_basis: str, proposed: tuple[str, str] | None
    ) -> None:
        """异议; ``proposed`` is the code and the name of the agency that should do it."""

    @abstractmethod
    def progress(self, number: str, text: str) -> None:
        """进展."""

    @abstractmethod
    def conclude(self, number: str, answer: Answer, *, lead: bool) -> None:
        """协办意见, or as the lead 答复."""


@dataclass
class TicketDepartment(Department):
    """A department with a ticket system of its own, on whose pages its people work."""

    code: str
    door: Door
    return_codes: Mapping[str, str] = field(
        default_factory=lambda: {
            "outside_powers": "R01",
            "outside_territory": "R02",
            "other_lead": "R03",
            "statutory_procedure": "R04",
            "already_handled": "R05",
        }
    )
    results: Mapping[str, str] = field(
        default_factory=lambda: {"supported": "AGREE", "explained": "EXPLAIN", "not_supported": "DECLINE"}
    )

    @property
    def desk(self) -> str:
        """The path of the department's pages."""
        return f"/demo/departments/{self.code}/"

    def ticket(self, number: str, *statuses: str) -> str:
        """The path of the newest ticket of a matter in one of the statuses, as soon as there is one."""

        def found() -> str | None:
            for status in statuses:
                listed = re.search(rf'"({self.desk}tickets/GD\d+)"', self.door.page(self.desk, q=number, status=status))
                if listed:
                    return listed[1]
            return None

        return until(found, f"a ticket of {number} at {self.code}")

    def accept(self, number: str, text: str) -> None:
        """签收."""
        self._press(self.ticket(number, "NEW"), "take", remark=text)

    def object(
        self, number: str, text: str, *, reason: str, legal_basis: str, proposed: tuple[str, str] | None
    ) -> None:
        """退单; this system has no field for the legal basis, so it is written into the reason."""
        remark = f"{text}依据：{legal_basis}。" if legal_basis else text
        suggest = proposed[1] if proposed else ""
        self._press(
            self.ticket(number, "NEW", "TAKEN"),
            "return",
            remark=remark,
            return_code=self.return_codes[reason],
            suggest=suggest,
        )

    def progress(self, number: str, text: str) -> None:
        """登记进展."""
        self._press(self.ticket(number, "TAKEN", "WORKING"), "note", remark=text)

    def conclude(self, number: str, answer: Answer, *, lead: bool) -> None:
        """办结 or 出具协办意见; one field takes facts, words and remedy."""
        del lead  # the ticket knows
        remark = "\n".join(part for part in (answer.facts, answer.text, answer.remedy) if part)
        filled = {"remark": remark, "basis": answer.legal_basis}
        for place, (result, words) in enumerate(answer.results, 1):
            filled |= {f"result-{place}": self.results[result], f"note-{place}": words}
        self._press(self.ticket(number, "TAKEN", "WORKING"), "end", **filled)

    def _press(self, ticket: str, button: str, **filled: str) -> None:
        self.door.fill(ticket, f"{ticket}/{button}", filled)


@dataclass
class PullDepartment(Department):
    """A department whose program fetches from the exchange and states through it, with the department's token."""

    code: str
    door: Door

    def assignment(self, number: str) -> dict[str, Any]:
        """The newest open assignment of a matter whose message the program has taken, as soon as there is one."""

        def found() -> dict[str, Any] | None:
            for item in self.door.get("/exchange/v1/assignments", state="open", limit=50)["items"]:
                if item["number"] == number:
                    part: dict[str, Any] = self.door.get(f"/exchange/v1/assignments/{item['assignment_id']}")
                    taken = [m for m in part["messages"] if m["kind"] == "assignment" and m["delivered_at"]]
                    return part if taken else None
            return None

        return until(found, f"an assignment of {number} at {self.code}")

    def accept(self, number: str, text: str) -> None:
        """受理."""
        self.state(number, "accept", text=text)

    def object(
        self, number: str, text: str, *, reason: str, legal_basis: str, proposed: tuple[str, str] | None
    ) -> None:
        """异议."""
        given = {"proposed_agency": proposed[0]} if proposed else {}
        self.state(number, "object", text=text, reason=reason, legal_basis=legal_basis, **given)

    def progress(self, number: str, text: str) -> None:
        """进展."""
        self.state(number, "progress", text=text)

    def conclude(self, number: str, answer: Answer, *, lead: bool) -> None:
        """协办意见 or 答复."""
        claims = self.assignment(number)["claims"]
        results = [
            {"claim_id": claim, "result": result, "text": words}
            for claim, (result, words) in zip(claims, answer.results, strict=False)
        ]
        more = {"facts": answer.facts, "legal_basis": answer.legal_basis, "remedy": answer.remedy}
        given = {name: value for name, value in more.items() if value}
        self.state(number, "reply" if lead else "opinion", text=answer.text, results=results, **given)

    def state(self, number: str, kind: str, **members: Any) -> dict[str, Any]:
        """Make a statement on the matter's open assignment; returns the receipt."""
        part = self.assignment(number)["assignment_id"]
        receipt: dict[str, Any] = self.door.post(
            f"/exchange/v1/assignments/{part}/statements", {"id": str(uuid4()), "kind": kind, **members}, 202
        )
        return receipt


@dataclass
class DeskDepartment(Department):
    """A department without a system: its person signs in and works on the agency desk's pages."""

    code: str
    door: Door
    username: str
    password: str
    signed_in: bool = False

    def sign_in(self) -> None:
        """Sign in, once."""
        if not self.signed_in:
            self.door.sign_in(self.username, self.password)
            self.signed_in = True

    def assignment(self, number: str) -> str:
        """The path of the newest open assignment of a matter, as soon as there is one."""
        self.sign_in()

        def found() -> str | None:
            listed = re.search(r'"(/desk/assignments/[0-9a-f-]{36})"', self.door.page("/desk/", number=number))
            return listed[1] if listed else None

        return until(found, f"an assignment of {number} on the desk of {self.code}")

    def accept(self, number: str, text: str) -> None:
        """受理."""
        page = self._settled(number)
        self.door.fill(page, f"{page}/accept", {"text": text})

    def object(
        self, number: str, text: str, *, reason: str, legal_basis: str, proposed: tuple[str, str] | None
    ) -> None:
        """提出异议."""
        filled = {"text": text, "reason": reason, "legal_basis": legal_basis}
        self._state(number, "object", filled | ({"proposed_agency": proposed[0]} if proposed else {}))

    def progress(self, number: str, text: str) -> None:
        """报告进展."""
        self._state(number, "progress", {"text": text})

    def conclude(self, number: str, answer: Answer, *, lead: bool) -> None:
        """提交协办意见 or 提交答复."""
        kind = "reply" if lead else "opinion"
        form = self.door.page(f"{self._settled(number)}/{kind}")
        claims = list(dict.fromkeys(re.findall(r'name="result-([0-9a-f-]{36})"', form)))
        filled = {
            "text": answer.text,
            "facts": answer.facts,
            "legal_basis": answer.legal_basis,
            "remedy": answer.remedy,
        }
        for claim, (result, words) in zip(claims, answer.results, strict=False):
            filled |= {f"result-{claim}": result, f"claim-text-{claim}": words}
        self._state(number, kind, filled)

    def _settled(self, number: str) -> str:
        """The assignment's page, when nothing that was said on it waits for confirmation any more."""
        page = self.assignment(number)
        until(lambda: 'http-equiv="refresh"' not in self.door.page(page), f"{page} is confirmed")
        return page

    def _state(self, number: str, kind: str, filled: Mapping[str, str]) -> None:
        page = self._settled(number)
        self.door.fill(f"{page}/{kind}", f"{page}/{kind}", filled)


@dataclass
class PullList:
    """The pull client's list of agencies."""

    path: Path

    def change(self, agencies: Iterable[str], changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change how these agencies answer, and wait until the client goes by it."""
        wanted = frozenset(agencies)
        listed = json.loads(self.path.read_text(encoding="utf-8"))
        for item in listed:
            if item["agency"] in wanted:
                item["autopilot"] = changed(item["autopilot"])
        write_private(self.path, json.dumps(listed, ensure_ascii=False, indent=1).encode())
        until(self._taken_up, "the pull client takes up its new list", seconds=TAKEN_UP_SECONDS, every=0.1)

    def _taken_up(self) -> bool:
        said = taken_up(self.path)
        return said.exists() and said.read_text(encoding="utf-8") == version(self.path)


@dataclass
class Switchboard:
    """Who answers by itself: the demo programs leave matters with a given title to people."""

    departments: Door
    """The ticket program's own address, with the key of its administration."""
    puller: PullList

    def leave_to_people(self, title: str, agencies: Iterable[str]) -> None:
        """From now on these agencies' programs do not answer matters with this title."""
        self._change(title, agencies, [{"match": _exactly(title), "action": "ignore"}])

    def answer_again(self, title: str, agencies: Iterable[str]) -> None:
        """From now on they answer such matters as all others."""
        self._change(title, agencies, [])

    def _change(self, title: str, agencies: Iterable[str], first: list[dict[str, str]]) -> None:
        wanted = frozenset(agencies)

        def changed(autopilot: dict[str, Any]) -> dict[str, Any]:
            others = [rule for rule in autopilot.get("rules", []) if rule["match"] != _exactly(title)]
            return autopilot | {"rules": first + others}

        for tenant in self.departments.get("/admin/tenants")["tenants"]:
            if tenant["code"] in wanted:
                self.departments.ask(
                    "PUT", f"/admin/tenants/{tenant['code']}/autopilot", json=changed(tenant["autopilot"])
                )
        self.puller.change(wanted, changed)


def _exactly(title: str) -> str:
    return rf"\A{re.escape(title)}"
