"""The people of an end-to-end test, who use the same doors as everybody: petitioner, officer, oversight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import requests

from deploy.local.stack import Stack
from deploy.waiting import until
from tests.e2e.doors import a_session

SECONDS = 20
POLITE = 0.7
"""Seconds between two looks of somebody without a token, whose rate is 120 a minute."""
CITY = "990100000000"

BLACK_RIVER: dict[str, Any] = {
    "channel": "web",
    "purpose": "appeal",
    "region_code": "990102101002",
    "title": "下河村后面的河水发黑发臭，厂子夜里偷排",
    "content": "工厂后面的河水一直发黑，夜里有污水从管子里流到河里，路边的雨水管也在往外冒黑水，村边的沟被填了。",
    "claims": ["请查清河水发黑的原因，处理违法排污的厂子。", "请把往外冒水的雨水管修好。"],
    "petitioner": {
        "name": "周广田",
        "phone": "16100009001",
        "email": "river@mail.qinghe.example",
        "address": "清河市望湖区东平镇下河村四组",
    },
}


class Caller:
    """Somebody with or without an access token."""

    def __init__(self, stack: Stack, *roles: str, agency: str | None = None) -> None:
        self.stack = stack
        self.session = a_session()
        if roles:
            arguments = [part for role in roles for part in ("--role", role)] + ["--territory", CITY]
            if agency:
                arguments += ["--agency", agency]
            made = stack.command("token", *arguments, "--minutes", "60")
            assert made.returncode == 0, made.stderr
            self.session.headers["Authorization"] = f"Bearer {made.stdout.strip()}"

    def get(self, path: str, **query: str) -> Any:
        """The JSON at an address that must be there."""
        answer = self.session.get(self.stack.url + path, params=query, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fetch(self, path: str) -> requests.Response:
        """Whatever is at an address."""
        return self.session.get(self.stack.url + path, timeout=SECONDS)

    def post(self, path: str, body: Any, *, status: int = 201, key: str | None = None) -> Any:
        """The JSON that answers a POST with the status that is expected."""
        headers = {"Idempotency-Key": key or str(uuid4())}
        answer = self.session.post(self.stack.url + path, json=body, headers=headers, timeout=SECONDS)
        assert answer.status_code == status, answer.text
        return answer.json()


@dataclass
class Submitted:
    """A matter as its petitioner knows it."""

    caller: Caller
    id: str
    number: str
    query_code: str

    def status(self) -> Any:
        """The status page as JSON."""
        return self.caller.get(f"/api/v1/matters/{self.number}", query_code=self.query_code)

    def until(self, state: str, seconds: float = 90) -> Any:
        """The status when the matter has come to a state; what is decided may be served at the same moment."""
        last: dict[str, Any] = {}

        def reached() -> bool:
            last.clear()
            last.update(self.status())
            return last["status"] in ({"decided", "served"} if state == "decided" else {state})

        until(reached, f"{self.number} is {state}", seconds=seconds, every=POLITE)
        return last

    def parts(self) -> dict[str, str]:
        """How far each agency is, by its code."""
        return {part["agency"]["code"]: part["state"] for part in self.status()["agencies"]}

    def until_parts(self, states: dict[str, str], seconds: float = 90) -> None:
        """Wait until the agencies are so far; the page learns of them and of the matter one after the other."""
        until(lambda: self.parts() == states, f"{self.number} has the parts {states}", seconds=seconds, every=POLITE)

    def rate(self, *, solved: bool, value: str = "satisfied") -> Any:
        """Rate everybody who can be rated."""
        targets = self.status()["rating"]["targets"]
        votes = [
            {"target": item["target"], "value": value}
            | ({"agency": item["agency"]["code"]} if item["target"] == "agency" else {})
            for item in targets
        ]
        body = {"query_code": self.query_code, "votes": votes, "solved": solved}
        return self.caller.post(f"/api/v1/matters/{self.number}/ratings", body)


def submit(stack: Stack, told: dict[str, Any]) -> Submitted:
    """Submit a matter as a petitioner does."""
    caller = Caller(stack)
    made = caller.post("/api/v1/matters", told)
    return Submitted(caller, made["id"], made["number"], made["query_code"])


def suggested(officer: Caller, matter: str) -> Any:
    """The case on the officer's list, once there is a suggestion for it."""

    def found() -> Any:
        items = officer.get("/api/v1/triage", limit="100")["items"]
        return next((item for item in items if item["id"] == matter and item["suggested_lead"]), None)

    return until(found, f"a suggestion for {matter}", seconds=60)
