"""Every route with every role against the running stack: refused exactly where docs/reference/access.md says so."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import requests

from cli.access import Route, routes
from deploy.local.stack import Stack
from deploy.waiting import until
from lianban.contracts.codes import StaffRole
from tests.e2e.doors import a_browser, a_session, a_token
from tests.e2e.people import BLACK_RIVER, Submitted, submit

SOMEWHERE = {
    "number": "9901-20261101-000000-0",
    "agency": "city-ecology",
    "agency_code": "city-ecology",
    "kind": "object",
    "deed": "retry",
}
"""What stands in a path where the route asks for something else than an id that does not exist."""

REFUSALS = {"not-signed-in", "forbidden"}


def filled(path: str) -> str:
    """The path of a route with something in the place of every parameter."""
    while "{" in path:
        before, _, rest = path.partition("{")
        name, _, after = rest.partition("}")
        path = before + SOMEWHERE.get(name, str(uuid4())) + after
    return path


def verdict(stack: Stack, route: Route, token: str | None) -> str:
    """What became of a call: let in, sent to sign in, or forbidden."""
    url = stack.url + filled(route.path)
    if not route.page:
        body: dict[str, Any] = {"json": {}} if route.method != "GET" else {}
        if route.path == "/api/v1/uploads":
            body = {"files": {"other": b"x"}}
        answer = a_session(token).request(route.method, url, timeout=20, allow_redirects=False, **body)
    else:
        browser, form_token = a_browser(stack, token)
        data = {"csrf_token": form_token, "_once": uuid4().hex} if route.method != "GET" else None
        answer = browser.request(route.method, url, data=data, timeout=20, allow_redirects=False)
    assert answer.status_code < 500, f"{route.method} {route.path}: {answer.status_code} {answer.text[:300]}"
    return judged(route, answer)


def judged(route: Route, answer: requests.Response) -> str:
    if not route.page:
        slug = ""
        if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
            slug = answer.json()["type"].rpartition("/")[2]
        expected_status = {"not-signed-in": 401, "forbidden": 403}.get(slug)
        if expected_status is not None:
            assert answer.status_code == expected_status
        return slug if slug in REFUSALS else "let in"
    if answer.is_redirect and answer.headers["Location"].startswith("/sign-in?next="):
        return "not-signed-in"
    if answer.status_code == 403 and "没有使用此功能的权限" in answer.text:
        return "forbidden"
    return "let in"


def doors() -> list[Route]:
    return [route for route in routes() if not route.internal]


@pytest.mark.parametrize("role", [None, *StaffRole], ids=lambda role: role.value if role else "anonymous")
def test_every_route_lets_in_whom_the_page_says_and_nobody_else(stack: Stack, role: StaffRole | None) -> None:
    wrong = []
    for route in doors():
        # A signing-in page that is met signed in leads on, and would lead back: nothing is to be learnt from it.
        if role is None:
            expected = "let in" if route.access.open else "not-signed-in"
        else:
            expected = "let in" if route.admits(role) else "forbidden"
        token = a_token(stack, role, agency="city-commerce", territory="990100000000") if role else None
        found = verdict(stack, route, token)
        if found != expected and not (route.path == "/sign-in/refresh" and found == "not-signed-in"):
            wrong.append(f"{route.method} {route.path}: {found} instead of {expected}")
    assert wrong == []


def test_a_departments_own_system_has_no_pages(stack: Stack) -> None:
    token = a_token(stack, StaffRole.AGENCY, agency="city-ecology", kind="agency")
    for route in doors():
        if not route.page and not route.access.open:
            kinds = not route.access.kinds or "agency" in route.access.kinds
            roles = not route.access.roles or StaffRole.AGENCY in route.access.roles
            assert (verdict(stack, route, token) == "let in") == (kinds and roles), route


def test_a_form_without_its_token_is_not_taken_from_anybody(stack: Stack) -> None:
    for role in (StaffRole.CLERK, StaffRole.OFFICER, StaffRole.AGENCY, StaffRole.SUPERVISOR, StaffRole.OPERATOR):
        browser, _ = a_browser(stack, a_token(stack, role, agency="city-commerce"))
        for route in doors():
            if route.page and route.method == "POST" and route.admits(role):
                answer = browser.post(
                    stack.url + filled(route.path), data={"x": "y"}, allow_redirects=False, timeout=20
                )
                assert answer.status_code == 400, route


def test_the_edge_passes_no_internal_endpoint_on(stack: Stack) -> None:
    for route in routes():
        if route.internal:
            answer = a_session(a_token(stack, *StaffRole, agency="city-ecology")).post(
                stack.url + route.path, json={"ids": [str(uuid4())], "purpose": "x"}, timeout=20
            )
            assert answer.status_code == 404


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b.c", "eyJhbGciOiJub25lIiwidHlwIjoiYWNjZXNzK2p3dCJ9.eyJzdWIiOiJ4In0."],
    ids=["empty", "no token", "three parts", "algorithm none"],
)
def test_a_token_that_is_none_opens_nothing(stack: Stack, token: str) -> None:
    for path in ("/api/v1/triage", "/exchange/v1/messages", "/api/v1/oversight/summary", "/api/v1/agencies"):
        answer = a_session(token).get(stack.url + path, timeout=20)
        assert answer.status_code == 401, path


@pytest.fixture(scope="module")
def routed(stack: Stack) -> tuple[Submitted, dict[str, str]]:
    """A matter of 东平镇 with the officer's decision; and the assignment of each agency."""
    officer = a_session(a_token(stack, StaffRole.OFFICER, territory="990100000000"))
    matter = submit(stack, BLACK_RIVER | {"title": "沿河垃圾一直没人清"})
    url = f"{stack.url}/api/v1/cases/{matter.id}"
    until(lambda: officer.get(url, timeout=20).status_code == 200, "the case is open")
    wanted = [{"agency_code": "dongping-town", "role": "lead"}, {"agency_code": "city-ecology", "role": "co_handler"}]
    answer = officer.post(
        f"{url}/assignments",
        json={"assignments": wanted, "kind": "transfer"},
        headers={"Idempotency-Key": str(uuid4())},
        timeout=20,
    )
    assert answer.status_code == 201, answer.text
    parts = {part["agency"]["code"]: part["id"] for part in answer.json()["assignments"]}

    def arrived() -> bool:
        lead = a_session(a_token(stack, StaffRole.AGENCY, agency="dongping-town"))
        part = lead.get(f"{stack.url}/exchange/v1/assignments/{parts['dongping-town']}", timeout=20)
        return part.status_code == 200 and bool(matter.status()["documents"])

    until(arrived, "the agency has its part and the petitioner the notice")
    return matter, parts


def test_another_agency_finds_nothing_of_a_matter(stack: Stack, routed: tuple[Submitted, dict[str, str]]) -> None:
    matter, parts = routed
    foreign = a_token(stack, StaffRole.AGENCY, agency="city-commerce")
    for part in parts.values():
        system = a_session(foreign)
        assert system.get(f"{stack.url}/exchange/v1/assignments/{part}", timeout=20).status_code == 404
        statement = {"id": str(uuid4()), "kind": "accept", "reference": "x", "version": 1}
        statement |= {"stated_at": "2026-11-01T08:00:00+08:00"}
        answer = system.post(f"{stack.url}/exchange/v1/assignments/{part}/statements", json=statement, timeout=20)
        assert answer.status_code == 404, answer.text
        browser, form_token = a_browser(stack, foreign)
        assert browser.get(f"{stack.url}/desk/assignments/{part}", timeout=20).status_code == 404
        assert browser.get(f"{stack.url}/desk/assignments/{part}/object", timeout=20).status_code == 404
        taken = browser.post(
            f"{stack.url}/desk/assignments/{part}/accept",
            data={"csrf_token": form_token, "_once": uuid4().hex},
            timeout=20,
        )
        assert taken.status_code == 404
    everything = a_session(foreign).get(f"{stack.url}/exchange/v1/assignments?state=all", timeout=20).text
    messages = a_session(foreign).get(f"{stack.url}/exchange/v1/messages", timeout=20).text
    assert matter.number not in everything + messages


def test_a_co_handler_does_not_speak_for_the_lead(stack: Stack, routed: tuple[Submitted, dict[str, str]]) -> None:
    _, parts = routed
    co_handler = a_session(a_token(stack, StaffRole.AGENCY, agency="city-ecology"))
    assert (
        co_handler.get(f"{stack.url}/exchange/v1/assignments/{parts['dongping-town']}", timeout=20).status_code == 404
    )
    callback = co_handler.post(f"{stack.url}/exchange/v1/callbacks/dongping-town", json={}, timeout=20)
    assert callback.status_code == 404


def test_officials_of_another_county_find_nothing_of_a_matter(
    stack: Stack, routed: tuple[Submitted, dict[str, str]]
) -> None:
    matter, _ = routed
    elsewhere = "990121000000"
    officer = a_token(stack, StaffRole.OFFICER, territory=elsewhere)
    api = a_session(officer)
    assert api.get(f"{stack.url}/api/v1/cases/{matter.id}", timeout=20).status_code == 404
    decision = {"assignments": [{"agency_code": "city-commerce", "role": "lead"}], "kind": "transfer"}
    answer = api.post(f"{stack.url}/api/v1/cases/{matter.id}/assignments", json=decision, timeout=20)
    assert answer.status_code == 404
    assert matter.number not in api.get(f"{stack.url}/api/v1/triage?scope=all&limit=200", timeout=20).text
    oversight = a_session(a_token(stack, StaffRole.SUPERVISOR, territory=elsewhere))
    assert oversight.get(f"{stack.url}/api/v1/oversight/matters/{matter.number}", timeout=20).status_code == 404
    assert matter.number not in oversight.get(f"{stack.url}/api/v1/oversight/matters?limit=200", timeout=20).text
    for role, path in (
        (StaffRole.OFFICER, f"/routing/cases/{matter.id}"),
        (StaffRole.SUPERVISOR, f"/oversight/matters/{matter.number}"),
        (StaffRole.CLERK, f"/intake/matters/{matter.id}"),
    ):
        browser, _ = a_browser(stack, a_token(stack, role, territory=elsewhere))
        assert browser.get(stack.url + path, timeout=20).status_code == 404, path
    notice = matter.status()["documents"][0]["id"]
    for role in (StaffRole.OFFICER, StaffRole.SUPERVISOR, StaffRole.CLERK):
        browser, _ = a_browser(stack, a_token(stack, role, territory=elsewhere))
        assert browser.get(f"{stack.url}/documents/{notice}.pdf", timeout=20).status_code == 404, role


def test_a_document_opens_for_its_petitioner_and_the_territorys_officials_only(
    stack: Stack, routed: tuple[Submitted, dict[str, str]]
) -> None:
    matter, _ = routed
    document = matter.status()["documents"][0]
    assert a_session().get(stack.url + document["href"], timeout=20).content.startswith(b"%PDF")
    bare = f"{stack.url}/documents/{document['id']}.pdf"
    assert a_session().get(bare, timeout=20).status_code == 404
    assert a_session().get(f"{bare}?ticket=x", timeout=20).status_code == 404
    other = document["href"].partition("?")[2]
    assert a_session().get(f"{stack.url}/documents/{uuid4()}.pdf?{other}", timeout=20).status_code == 404
    agency, _ = a_browser(stack, a_token(stack, StaffRole.AGENCY, agency="city-commerce"))
    assert agency.get(bare, timeout=20).status_code == 404
    officer, _ = a_browser(stack, a_token(stack, StaffRole.OFFICER, territory="990100000000"))
    assert officer.get(bare, timeout=20).content.startswith(b"%PDF")


def test_a_wrong_query_code_looks_like_no_matter(stack: Stack, routed: tuple[Submitted, dict[str, str]]) -> None:
    matter, _ = routed
    guessed = a_session().get(f"{stack.url}/api/v1/matters/{matter.number}?query_code=AAAA-AAAA", timeout=20)
    unknown = a_session().get(f"{stack.url}/api/v1/matters/9901-20200101-000001-0?query_code=AAAA-AAAA", timeout=20)
    assert guessed.status_code == unknown.status_code == 404
    assert guessed.json()["type"] == unknown.json()["type"]
    assert guessed.json()["detail"] == unknown.json()["detail"]
