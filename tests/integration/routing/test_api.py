"""The officers' API through its real application and database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from lianban.chassis.web import build_openapi
from lianban.contracts.codes import StaffRole
from services.routing.app import suggestion
from tests.integration.routing.conftest import City


@pytest.fixture
def officer(token: Callable[..., str]) -> dict[str, str]:
    """The headers of an officer's script."""
    return {"Authorization": f"Bearer {token(StaffRole.OFFICER)}"}


@pytest.fixture
def api(app: Flask) -> FlaskClient:
    return app.test_client()


def test_triage_lists_what_waits_longest_first_page_by_page(city: City, api: FlaskClient, officer: Any) -> None:
    matters = [city.register(title=f"事项{n}，河水发黑") for n in range(3)]
    suggestion.run_due()
    first = api.get("/api/v1/triage?limit=2", headers=officer).get_json()
    second = api.get(f"/api/v1/triage?limit=2&after={first['next']}", headers=officer).get_json()
    assert [len(first["items"]), len(second["items"]), second["next"]] == [2, 1, None]
    assert {row["id"] for row in first["items"] + second["items"]} == {str(m) for m in matters}
    row = first["items"][0]
    assert row["suggested_lead"] == {"code": "city-ecology", "name": "清河市生态环境局"}
    assert (row["state"], row["attention"]) == ("registered", "route")


def test_search_finds_words_of_the_text_and_numbers(city: City, api: FlaskClient, officer: Any) -> None:
    river, rubbish = city.register(), city.register(title="垃圾成堆")
    suggestion.run_due()

    def found(query: str) -> list[str]:
        return [row["id"] for row in api.get(f"/api/v1/triage?q={query}", headers=officer).get_json()["items"]]

    assert found("垃圾成堆") == [str(rubbish)]
    assert found(city.matters[river]["number"]) == [str(river)]
    assert found("地铁噪声") == []
    assert api.get("/api/v1/triage?q=。。", headers=officer).get_json()["type"] == "/problems/search-too-short"


def test_filters_by_state_attention_and_region(city: City, api: FlaskClient, officer: Any) -> None:
    near = city.register()
    far = city.register(region_code="990101000000", region_name="锦川区")
    body = {"assignments": [{"agency_code": "city-ecology", "role": "lead"}]}
    api.post(f"/api/v1/cases/{far}/assignments", json=body, headers=officer)

    def found(query: str) -> set[str]:
        return {row["id"] for row in api.get(f"/api/v1/triage?{query}", headers=officer).get_json()["items"]}

    assert found("") == {str(near)}
    assert found("state=routed") == {str(far)}
    assert found("scope=all") == {str(near), str(far)}
    assert found("scope=all&region=990101000000") == {str(far)}
    assert found("attention=dispute") == set()


def test_an_officer_of_another_territory_sees_nothing(city: City, api: FlaskClient, app: Flask) -> None:
    from lianban.chassis.auth import Principal, issue_access
    from lianban.chassis.time import now

    matter = city.register()
    stranger = Principal(
        kind="staff", subject=str(uuid4()), roles=frozenset({StaffRole.OFFICER}), territory="990101000000"
    )
    headers = {"Authorization": f"Bearer {issue_access(stranger, at=now())}"}
    assert api.get("/api/v1/triage", headers=headers).get_json()["items"] == []
    assert api.get(f"/api/v1/cases/{matter}", headers=headers).status_code == 404
    body = {"assignments": [{"agency_code": "city-ecology", "role": "lead"}]}
    assert api.post(f"/api/v1/cases/{matter}/assignments", json=body, headers=headers).status_code == 404


def test_opening_a_case_shows_its_words_and_is_on_record(city: City, api: FlaskClient, officer: Any) -> None:
    matter = city.register()
    suggestion.run_due()
    seen = api.get(f"/api/v1/cases/{matter}", headers=officer).get_json()
    assert seen["title"] == "厂后的河水发黑"
    assert [claim["text"] for claim in seen["claims"]] == ["诉求1", "诉求2"]
    assert seen["suggestion"]["lead"]["reasons"][0]["article"] == "《水污染防治法》第十条"
    row = city.one("select actor, action, purpose from access_log where subject = %s", matter)
    assert row == {"actor": "staff:s-1", "action": "case-opened", "purpose": "routing"}


def test_assigning_answers_with_the_case_and_is_harmless_to_repeat(city: City, api: FlaskClient, officer: Any) -> None:
    matter = city.register()
    body = {
        "kind": "assign",
        "assignments": [
            {"agency_code": "city-ecology", "role": "lead", "claims": "all"},
            {"agency_code": "city-urban", "role": "co_handler"},
        ],
        "expected_version": 1,
        "reason": "按权责清单",
    }
    headers = {**officer, "Idempotency-Key": "k-1"}
    first = api.post(f"/api/v1/cases/{matter}/assignments", json=body, headers=headers)
    again = api.post(f"/api/v1/cases/{matter}/assignments", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert [(a["agency"]["code"], a["kind"], a["state"]) for a in first.get_json()["assignments"]] == [
        ("city-ecology", "assign", "sent"),
        ("city-urban", "assign", "sent"),
    ]
    other = api.post(f"/api/v1/cases/{matter}/assignments", json={**body, "kind": "transfer"}, headers=headers)
    assert other.get_json()["type"] == "/problems/idempotency-key-reused"
    late = api.post(f"/api/v1/cases/{matter}/assignments", json=body, headers=officer)
    assert (late.status_code, late.get_json()["type"]) == (409, "/problems/version-conflict")


LEAD = {"agency_code": "city-ecology", "role": "lead"}


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 422, "/assignments"),
        ({"assignments": []}, 422, "/assignments"),
        ({"assignments": [{"agency_code": "no-such", "role": "lead"}]}, 422, "/assignments/0/agency_code"),
        ({"assignments": [{"agency_code": "city-old", "role": "lead"}]}, 422, "/assignments/0/agency_code"),
        ({"assignments": [{"agency_code": "city-ecology", "role": "boss"}]}, 422, "/assignments/0/role"),
        ({"assignments": [{**LEAD, "claims": ["x"]}]}, 422, "/assignments/0/claims"),
        ({"assignments": [{**LEAD, "claims": "some"}]}, 422, "/assignments/0/claims"),
        ({"assignments": [LEAD], "kind": "mail"}, 422, "/kind"),
        ({"assignments": [LEAD], "expected_version": "1"}, 422, "/expected_version"),
        ({"assignments": [LEAD], "reason": "长" * 2001}, 422, "/reason"),
        ({"assignments": [LEAD], "extra": 1}, 422, "/extra"),
    ],
)
def test_bad_input_is_told_where_and_changes_nothing(
    city: City, api: FlaskClient, officer: Any, body: Any, status: int, pointer: str
) -> None:
    matter = city.register()
    answer = api.post(f"/api/v1/cases/{matter}/assignments", json=body, headers=officer)
    assert answer.status_code == status
    assert answer.get_json()["errors"][0]["pointer"] == pointer
    assert city.one("select count(*) as n from assignment")["n"] == 0


def test_unknown_cases_claims_and_assignments_are_told(city: City, api: FlaskClient, officer: Any) -> None:
    matter = city.register()
    nothing = api.post(f"/api/v1/cases/{uuid4()}/assignments", json={"assignments": [LEAD]}, headers=officer)
    assert (nothing.status_code, nothing.get_json()["type"]) == (404, "/problems/unknown-case")
    foreign = {"assignments": [{**LEAD, "claims": [str(uuid4())]}]}
    answer = api.post(f"/api/v1/cases/{matter}/assignments", json=foreign, headers=officer)
    assert answer.get_json()["type"] == "/problems/unknown-claim"
    body = {"decision": "release"}
    answer = api.post(f"/api/v1/cases/{matter}/assignments/{uuid4()}/objection", json=body, headers=officer)
    assert answer.get_json()["type"] == "/problems/unknown-assignment"
    answer = api.post(f"/api/v1/cases/{matter}/designations", json={"agency_code": "city-urban"}, headers=officer)
    assert (answer.status_code, answer.get_json()["type"]) == (409, "/problems/no-dispute")
    answer = api.post(f"/api/v1/cases/{matter}/reopenings", json={"decision": "leave"}, headers=officer)
    assert answer.get_json()["type"] == "/problems/no-request"


@pytest.mark.parametrize("role", [StaffRole.CLERK, StaffRole.AGENCY, StaffRole.SUPERVISOR, StaffRole.CHANNEL])
def test_only_officers_route(city: City, api: FlaskClient, token: Callable[..., str], role: StaffRole) -> None:
    headers = {"Authorization": f"Bearer {token(role)}"}
    matter = city.register()
    assert api.get("/api/v1/triage", headers=headers).status_code == 403
    assert api.get(f"/api/v1/cases/{matter}", headers=headers).status_code == 403
    answer = api.post(f"/api/v1/cases/{matter}/assignments", json={"assignments": [LEAD]}, headers=headers)
    assert answer.status_code == 403


def test_the_register_of_agencies_is_listed_for_everybody_who_signed_in(
    city: City, api: FlaskClient, officer: Any
) -> None:
    assert api.get("/api/v1/agencies").status_code == 401
    page = api.get("/api/v1/agencies?limit=2", headers=officer).get_json()
    assert [item["code"] for item in page["items"]] == ["city-ecology", "city-government"]
    page = api.get(f"/api/v1/agencies?after={page['next']}", headers=officer).get_json()
    assert [item["code"] for item in page["items"]] == ["city-petition", "city-urban", "city-water", "dongping-town"]
    found = api.get("/api/v1/agencies?q=水利", headers=officer).get_json()
    assert [item["name"] for item in found["items"]] == ["清河市水利局"]


def test_the_public_keys_are_public(city: City, api: FlaskClient) -> None:
    found = api.get("/.well-known/jwks.json").get_json()
    assert "routing-1" in {key["kid"] for key in found["keys"]}
    assert all("d" not in key for key in found["keys"])


def test_every_route_of_the_api_is_documented(app: Flask) -> None:
    paths = build_openapi([app], version="1")["paths"]
    assert "/api/v1/cases/{case_id}/assignments" in paths
