"""The exchange as the client sees it: five requests, and what each failure means."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

from deploy.demo.puller.settings import Agency

SECONDS = 15.0


class Failed(Exception):
    """It may work later; ``wait`` is how many seconds the exchange asked for, if it did."""

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Refused(Exception):
    """It will never work."""


class Exchange:
    """One agency's way to the exchange."""

    def __init__(self, agency: Agency) -> None:
        self._base = f"{agency.url}/exchange/v1"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {agency.token}"

    def messages(self, after: str, limit: int = 50) -> tuple[list[dict[str, Any]], str | None]:
        """Messages behind a place in the feed, each with its cursor, and the place to go on from."""
        return self._page("/messages", {"limit": str(limit), **({"after": after} if after else {})})

    def open_assignments(self, after: str = "", limit: int = 50) -> tuple[list[dict[str, Any]], str | None]:
        """A page of the assignments that are not done."""
        return self._page("/assignments", {"state": "open", "limit": str(limit), **({"after": after} if after else {})})

    def receipt(self, message_id: str, reference: str) -> None:
        """Say that we have a message, under which number of ours."""
        self._ask("POST", f"/messages/{quote(message_id, safe='')}/receipt", json={"reference": reference})

    def state(self, assignment_id: str, statement: dict[str, Any]) -> None:
        """Make a statement; the same one again is harmless."""
        self._ask("POST", f"/assignments/{quote(assignment_id, safe='')}/statements", json=statement)

    def close(self) -> None:
        """Let connections go."""
        self._session.close()

    def _page(self, path: str, query: dict[str, str]) -> tuple[list[dict[str, Any]], str | None]:
        try:
            page = self._ask("GET", path, params=query)
        except Refused as refused:
            # Nothing is lost by asking again, and an exchange of another version may be put right.
            raise Failed(str(refused)) from refused
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise Failed("an answer that is not a page")
        return page["items"], page.get("next")

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self._session.request(method, self._base + path, timeout=SECONDS, allow_redirects=False, **more)
        except requests.RequestException as error:
            raise Failed(type(error).__name__) from error
        status = answer.status_code
        # 401 and 403 are a matter of the token, which can be put right; the work must not be lost for it.
        if status in {401, 403, 408, 425, 429} or status >= 500:
            raise Failed(f"HTTP {status}", _seconds(answer.headers.get("Retry-After")))
        if status >= 400:
            raise Refused(f"HTTP {status} {_slug(answer)}".rstrip())
        if status >= 300:
            raise Failed(f"HTTP {status}")
        if status == 204 or not answer.content:
            return None
        try:
            return answer.json()
        except requests.JSONDecodeError as error:
            raise Failed("an answer that is not JSON") from error


def _seconds(header: str | None) -> float | None:
    return min(float(header), 600.0) if header is not None and header.isdigit() else None


def _slug(answer: requests.Response) -> str:
    """The problem's type, which names no person."""
    try:
        problem = answer.json()
    except requests.JSONDecodeError:
        return ""
    kind = problem.get("type") if isinstance(problem, dict) else None
    return kind[-80:] if isinstance(kind, str) else ""
