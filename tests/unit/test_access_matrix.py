"""Who may use which route: doors that are fixed here by hand, beside the page made of what the views say."""

from __future__ import annotations

import pytest

from cli import access
from lianban.chassis.web.presentation import NAVIGATION
from lianban.contracts.codes import StaffRole


@pytest.fixture(scope="module")
def routes() -> dict[str, access.Route]:
    return {f"{route.method} {route.path}": route for route in access.routes()}


def test_nobody_but_services_may_use_an_internal_endpoint(routes: dict[str, access.Route]) -> None:
    inner = [route for route in routes.values() if route.internal]
    assert len(inner) >= 3
    for route in inner:
        assert not route.access.open
        assert route.access.kinds == {"service"}
        assert not any(route.admits(role) for role in StaffRole)


OPEN = {
    "GET /",
    "GET /.well-known/jwks.json",
    "GET /api/v1/files/{file_id}",
    "GET /api/v1/matters/{number}",
    "GET /documents/{document_id}.pdf",
    "GET /matters",
    "GET /matters/{number}",
    "GET /matters/{number}/withdraw",
    "GET /sign-in",
    "GET /sign-in/oidc/{provider}",
    "GET /sign-in/oidc/{provider}/callback",
    "GET /sign-in/refresh",
    "GET /sign-out",
    "GET /submit",
    "POST /api/v1/matters",
    "POST /api/v1/matters/{number}/ratings",
    "POST /api/v1/matters/{number}/supplements",
    "POST /api/v1/matters/{number}/withdrawal",
    "POST /api/v1/uploads",
    "POST /matters",
    "POST /matters/{number}/leave",
    "POST /matters/{number}/rate",
    "POST /matters/{number}/supplement",
    "POST /matters/{number}/withdraw",
    "POST /sign-in",
    "POST /sign-in/end",
    "POST /submit",
    "POST /submit/confirm",
}
"""Every door that stands open to everybody. A new one is added here on purpose, or not at all."""


def test_only_these_doors_are_open_to_everybody(routes: dict[str, access.Route]) -> None:
    assert {name for name, route in routes.items() if route.access.open} == OPEN


@pytest.mark.parametrize(
    ("door", "roles"),
    [
        ("POST /api/v1/cases/{case_id}/assignments", {"officer"}),
        ("GET /api/v1/cases/{case_id}", {"officer"}),
        ("GET /intake/matters/{matter_id}", {"clerk", "importer"}),
        ("GET /exchange/v1/messages", {"agency"}),
        ("POST /exchange/v1/assignments/{assignment_id}/statements", {"agency"}),
        ("GET /desk/lanes", {"operator"}),
        ("GET /api/v1/oversight/matters/{number}", {"supervisor", "auditor", "officer"}),
        ("POST /api/v1/oversight/calendar", {"supervisor", "operator"}),
    ],
)
def test_a_door_admits_the_roles_of_its_office_and_no_others(
    routes: dict[str, access.Route], door: str, roles: set[str]
) -> None:
    assert {role.value for role in StaffRole if routes[door].admits(role)} == roles


def test_an_evaluator_sees_nothing_before_there_is_an_evaluation(routes: dict[str, access.Route]) -> None:
    closed = [route for route in routes.values() if not route.access.open]
    admitted = {f"{route.method} {route.path}" for route in closed if route.admits(StaffRole.EVALUATOR)}
    assert admitted == {"GET /account", "POST /account", "POST /account/sessions/end", "GET /api/v1/agencies"}


def test_the_navigation_leads_only_where_one_may_go(routes: dict[str, access.Route]) -> None:
    for link in NAVIGATION:
        route = routes[f"GET {link.path}"]
        for role in link.roles:
            assert route.admits(role), f"{role.value} is led to {link.path}"
