"""What every service's API and pages promise, tried on a small service of the test's own."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask, render_template, request
from flask.testing import FlaskClient
from marshmallow import Schema, fields, validate
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from lianban.chassis.errors import Rejected, Retry
from lianban.chassis.time import now
from lianban.chassis.web import (
    Api,
    PageRequest,
    Pages,
    body,
    build_openapi,
    create_app,
    limited,
    principal,
    public,
    read_form,
    require,
    safe_next,
)
from lianban.contracts.codes import Purpose, StaffRole
from tests.exported import Exported

Token = Callable[..., str]

TEMPLATE = """{% extends "layout.html" %}{% block title %}表单{% endblock %}{% block content %}
{{ ui.error_summary(errors, {"title": "标题"}) }}
{% call ui.form() %}{{ ui.field("title", "标题", required=true) }}
{{ ui.choices("purpose", "目的", options("Purpose"), required=true) }}{{ ui.button("提交") }}{% endcall %}
{{ ui.timeline([{"title": "登记", "at": "2026-11-22T16:30:00+00:00", "now": true}]) }}
{{ ui.clock("受理", "2026-12-08", left=-4, used=9, allowed=5) }}
{% call ui.table("表", ["甲"]) %}<tr>{% call ui.cell("甲") %}{{ ui.badge("closed", "MatterState") }}{% endcall %}</tr>
{% endcall %}{{ ui.pagination("abc") }}<p>{{ "lead" | label("AgencyRole") }}</p>{% endblock %}"""


class Claim(Schema):
    text = fields.String(required=True)


class Matter(Schema):
    title = fields.String(required=True, validate=validate.Length(2, 60))
    purpose = fields.Enum(Purpose, by_value=True, required=True)
    claims = fields.List(fields.Nested(Claim))


class FormSchema(Schema):
    title = fields.String(required=True, validate=validate.Length(2, 60))
    purpose = fields.Enum(Purpose, by_value=True, required=True)


class Wanted(Schema):
    limit = fields.Integer(validate=validate.Range(1, 200))
    after = fields.String()


def views() -> tuple[Api, Api, Pages]:
    api = Api("things", __name__, url_prefix="/api/v1/things", description="things")
    internal = Api("inside", __name__, url_prefix="/internal/v1", description="for other services")
    pages = Pages("desk", __name__)

    @api.post("")
    @public
    @api.arguments(Matter)
    @api.response(201, Matter)
    def make(given: dict[str, Any]) -> dict[str, Any]:
        return given

    @api.get("")
    @require(StaffRole.OFFICER)
    @api.arguments(Wanted, location="query")
    @api.response(200)
    def find(query: dict[str, Any]) -> dict[str, Any]:
        PageRequest.read(request.args, int)
        return {"who": principal().name, **query}

    @api.get("/failures/<kind>")
    @public
    def fail(kind: str) -> str:
        match kind:
            case "bug":
                raise KeyError("李四 13800001111")
            case "database":
                raise psycopg.OperationalError("connection to 10.0.0.1 failed")
            case "retry":
                raise Retry("later")
            case _:
                raise Rejected(
                    "unknown-agency", "没有这个单位：{code}。", "No such agency: {code}.", field="a.b", code="x"
                )

    @api.post("/files")
    @public
    @body(megabytes=2, types=("multipart/form-data",))
    def upload() -> dict[str, int]:
        return {"bytes": len(request.files["file"].read())}

    @internal.get("/words")
    @public
    def words() -> str:
        raise KeyError("x")

    @api.get("/rare")
    @limited("2 per minute")
    @public
    def rare() -> dict[str, str]:
        return {}

    @api.get("/systems")
    @require(StaffRole.AGENCY, kinds={"agency"})
    def systems() -> dict[str, str | None]:
        return {"agency": principal().agency}

    @pages.route("/routing/form", methods=["GET", "POST"])
    @require(StaffRole.OFFICER)
    def form() -> Any:
        values, errors = read_form(FormSchema()) if request.method == "POST" else ({}, {})
        return render_template("form.html", values=values, errors=errors), 422 if errors else 200

    @pages.route("/submit", methods=["GET", "POST"])
    @public
    def submit() -> Any:
        if request.method == "POST":
            return "done"
        return render_template("form.html", values={}, errors={})

    @pages.get("/broken")
    @public
    def broken() -> str:
        raise KeyError("李四")

    return api, internal, pages


@pytest.fixture
def app(become: Callable[[str], None], tmp_path: Path) -> Flask:
    api, internal, pages = views()
    made = create_app("routing", api=[api, internal], pages=[pages])
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "form.html").write_text(TEMPLATE, encoding="utf-8")
    pages.template_folder = str(templates)
    pages.__dict__.pop("jinja_loader", None)
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def sign_in(client: FlaskClient, token: str) -> None:
    client.set_cookie("lianban_access", token)


# Problems


def test_a_wrong_body_is_answered_with_each_place_in_chinese(client: FlaskClient) -> None:
    answer = client.post("/api/v1/things", json={"title": "a", "purpose": "x", "claims": [{}], "more": 1})
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert answer.json["type"] == "/problems/invalid-input"
    assert answer.json["title"] == "内容有误"
    assert UUID(answer.json["reference"]) == UUID(answer.headers["X-Request-Id"])
    assert sorted((error["pointer"], error["message"]) for error in answer.json["errors"]) == [
        ("/claims/0/text", "此项必填。"),
        ("/more", "没有这一项。"),
        ("/purpose", "只能是下列之一：suggestion, accusation, appeal。"),
        ("/title", "长度应在 2 到 60 之间。"),
    ]


def test_the_same_in_english_where_the_caller_asks_for_it(client: FlaskClient) -> None:
    answer = client.post("/api/v1/things", json={}, headers={"Accept-Language": "en-GB,en;q=0.9"})
    assert answer.json is not None
    assert answer.json["title"] == "Invalid input"
    assert {error["message"] for error in answer.json["errors"]} == {"Missing data for required field."}


@pytest.mark.parametrize(
    ("content", "type_", "status", "slug"),
    [
        (b"{", "application/json", 400, "malformed-request"),
        ('{"title": "河"}'.encode("gb18030"), "application/json", 400, "malformed-request"),
        (b"[" * 100_000, "application/json", 400, "malformed-request"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b'{"title": "a\\u0000b", "purpose": "appeal"}', "application/json", 422, "unusable-characters"),
        (b'{"title": "a\\ud800b", "purpose": "appeal"}', "application/json", 422, "unusable-characters"),
        (b'"' + b"x" * 1_100_000 + b'"', "application/json", 413, "body-too-large"),
        (b"[]", "application/json", 422, "invalid-input"),
        (b"null", "application/json", 422, "invalid-input"),
    ],
)
def test_a_body_that_cannot_be_used_gets_a_clear_answer(
    client: FlaskClient, content: bytes, type_: str, status: int, slug: str
) -> None:
    answer = client.post("/api/v1/things", data=content, content_type=type_)
    assert answer.status_code == status
    assert answer.json is not None
    assert answer.json["type"] == f"/problems/{slug}"


def test_an_emoji_written_as_two_escapes_is_one_good_character(client: FlaskClient) -> None:
    answer = client.post(
        "/api/v1/things", data=b'{"title": "ok \\ud83d\\ude00", "purpose": "appeal"}', content_type="application/json"
    )
    assert answer.status_code == 201


def test_unknown_addresses_and_methods_are_problems(client: FlaskClient) -> None:
    missing = client.get("/api/v1/nothing", headers={"Accept": "text/html"})
    assert (missing.status_code, missing.mimetype) == (404, "application/problem+json")
    wrong = client.delete("/api/v1/things")
    assert wrong.status_code == 405
    assert "POST" in wrong.headers["Allow"]
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert client.get("/api/v1/things/%00").status_code in (400, 404)


def test_a_wrong_query_parameter_is_named(client: FlaskClient, token: Token) -> None:
    answer = client.get("/api/v1/things?limit=x", headers={"Authorization": f"Bearer {token(StaffRole.OFFICER)}"})
    assert answer.json is not None
    assert answer.json["errors"] == [{"in": "query", "parameter": "limit", "message": "应为整数。"}]


def test_a_cursor_that_leads_nowhere_is_named_as_the_parameter_that_it_is(client: FlaskClient, token: Token) -> None:
    answer = client.get("/api/v1/things?after=x", headers={"Authorization": f"Bearer {token(StaffRole.OFFICER)}"})
    assert answer.json is not None
    assert answer.json["type"] == "/problems/invalid-cursor"
    assert answer.json["errors"] == [
        {"in": "query", "parameter": "after", "message": "分页标记无效，请从第一页重新开始。"}
    ]


def test_a_rejection_names_its_field(client: FlaskClient) -> None:
    answer = client.get("/api/v1/things/failures/rejected")
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["type"] == "/problems/unknown-agency"
    assert answer.json["errors"] == [{"pointer": "/a/b", "message": "没有这个单位：x。"}]


@pytest.mark.parametrize("kind", ["database", "retry"])
def test_what_is_away_for_a_moment_is_503_with_when_to_come_back(client: FlaskClient, kind: str) -> None:
    answer = client.get(f"/api/v1/things/failures/{kind}")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "3"
    assert b"10.0.0.1" not in answer.data


def test_a_bug_tells_its_reference_and_nothing_else(client: FlaskClient) -> None:
    with capture_logs() as logs:
        answer = client.get("/api/v1/things/failures/bug", headers={"X-Request-Id": "0" * 31 + "7"})
    assert answer.status_code == 500
    assert answer.json is not None
    assert answer.json["reference"] == "00000000-0000-0000-0000-000000000007"
    assert "李四" not in answer.text
    assert "李四" not in str(logs)
    assert "13800001111" not in str(logs)
    assert next(entry for entry in logs if entry["event"] == "bug")["error"] == "KeyError"


def test_a_bug_leaves_nothing_of_what_it_quotes_in_the_trace(client: FlaskClient, exported: Exported) -> None:
    client.get("/api/v1/things/failures/bug?phone=13800001111")
    assert list(exported.numbers()) == ["GET /api/v1/things/failures/<kind>"]
    assert "李四".encode() not in exported.content
    assert b"13800001111" not in exported.content


def test_a_bug_on_a_page_is_a_page(client: FlaskClient) -> None:
    answer = client.get("/broken")
    assert (answer.status_code, answer.mimetype) == (500, "text/html")
    assert "系统出错了" in answer.text


def test_logs_name_the_route_and_never_the_address(client: FlaskClient) -> None:
    with capture_logs() as logs:
        client.get("/api/v1/things/failures/rejected?phone=13800001111")
    assert "13800001111" not in str(logs)
    assert [entry["route"] for entry in logs if entry["event"] == "request"] == ["/api/v1/things/failures/<kind>"]


@pytest.mark.parametrize(
    ("address", "door", "outcome"),
    [
        ("/api/v1/things/failures/bug", "outside", "failed"),
        ("/api/v1/things/failures/retry", "outside", "failed"),
        ("/broken", "outside", "failed"),
        ("/api/v1/things/failures/rejected", "outside", "answered"),
        ("/submit", "outside", "answered"),
        ("/internal/v1/words", "inside", "failed"),
        ("/static/lianban.css", "other", "answered"),
        ("/api/v1/nothing", "other", "answered"),
    ],
)
def test_a_request_is_counted_by_its_door_and_as_failed_only_where_it_is_our_fault(
    client: FlaskClient, address: str, door: str, outcome: str
) -> None:
    before = counted_requests()
    client.get(address)
    after = counted_requests()
    assert {key: after[key] - before[key] for key in after if after[key] != before[key]} == {(door, outcome): 1}


def counted_requests() -> dict[tuple[str, str], float]:
    return {
        (door, outcome): REGISTRY.get_sample_value(
            "lianban_http_requests_total", {"door": door, "outcome": outcome}
        ) or 0.0
        for door in ("outside", "inside", "other")
        for outcome in ("answered", "failed")
    }  # fmt: skip


def test_uploads_may_be_larger_where_the_view_says_so(client: FlaskClient) -> None:
    fits = client.post("/api/v1/things/files", data={"file": (io.BytesIO(b"x" * 1_500_000), "a.jpg")})
    assert fits.json == {"bytes": 1_500_000}
    over = client.post("/api/v1/things/files", data={"file": (io.BytesIO(b"x" * 2_200_000), "a.jpg")})
    assert over.status_code == 413
    assert client.post("/api/v1/things/files", json={}).status_code == 415


# Who may


def test_a_view_that_says_nothing_of_access_stops_the_start(become: Callable[[str], None]) -> None:
    silent = Api("silent", __name__, url_prefix="/api/v1/silent")

    @silent.get("")
    def leak() -> str:
        return "everything"

    with pytest.raises(TypeError, match="/api/v1/silent"):
        create_app("routing", api=[silent])


def test_an_api_lets_in_who_has_the_role(client: FlaskClient, token: Token) -> None:
    def ask(**headers: str) -> Any:
        return client.get("/api/v1/things", headers=headers)

    nobody = ask()
    assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert ask(Authorization="Bearer rubbish").json["type"] == "/problems/invalid-token"
    assert ask(Authorization="Basic dTpw").status_code == 401
    old = token(StaffRole.OFFICER, at=now() - timedelta(hours=1))
    assert ask(Authorization=f"Bearer {old}").json["type"] == "/problems/expired-token"
    assert ask(Authorization=f"Bearer {token(StaffRole.SUPERVISOR)}").status_code == 403
    assert ask(Authorization=f"Bearer {token(StaffRole.OFFICER)}").json == {"who": "王敏"}


def test_an_api_ignores_the_cookie_and_a_page_ignores_the_header(client: FlaskClient, token: Token) -> None:
    officer = token(StaffRole.OFFICER)
    assert client.get("/routing/form", headers={"Authorization": f"Bearer {officer}"}).status_code == 302
    sign_in(client, officer)
    assert client.get("/api/v1/things").status_code == 401
    assert client.get("/routing/form").status_code == 200


def test_a_view_for_departments_systems_refuses_people(client: FlaskClient, token: Token) -> None:
    person = token(StaffRole.AGENCY, agency="city-urban")
    system = token(StaffRole.AGENCY, kind="agency", agency="city-urban")
    assert client.get("/api/v1/things/systems", headers={"Authorization": f"Bearer {person}"}).status_code == 403
    answer = client.get("/api/v1/things/systems", headers={"Authorization": f"Bearer {system}"})
    assert answer.json == {"agency": "city-urban"}


def test_pages_send_to_sign_in_and_back(client: FlaskClient, token: Token) -> None:
    away = client.get("/routing/form?state=sent&q=%E6%B2%B3")
    assert (away.status_code, away.headers["Location"]) == (
        302,
        "/sign-in?next=/routing/form%3Fstate%3Dsent%26q%3D%25E6%25B2%25B3",
    )
    sign_in(client, token(StaffRole.CLERK))
    assert client.get("/routing/form").status_code == 403


def test_a_page_renews_a_token_in_its_last_five_minutes(client: FlaskClient, token: Token) -> None:
    sign_in(client, token(StaffRole.OFFICER, at=now() - timedelta(minutes=11)))
    assert client.get("/routing/form").headers["Location"] == "/sign-in/refresh?next=/routing/form"
    sign_in(client, token(StaffRole.OFFICER, at=now() - timedelta(minutes=9)))
    assert client.get("/routing/form").status_code == 200
    sign_in(client, token(StaffRole.OFFICER, seconds=200))
    assert client.get("/routing/form").status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        None, "", "https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil", "javascript:alert(1)",
        "/a\r\nSet-Cookie: x", "/\tevil", "evil", "/sign-in?next=/", "/sign-out", "/" + "a" * 3000, "///evil.example",
    ],
)  # fmt: skip
def test_signing_in_never_leads_to_another_site(target: str | None) -> None:
    assert safe_next(target) == "/"


def test_signing_in_leads_on_within_the_site() -> None:
    assert safe_next("/routing/cases/7?tab=log") == "/routing/cases/7?tab=log"


# Forms


def csrf_of(page: str) -> str:
    return page.split('name="csrf_token" value="')[1].partition('"')[0]


def test_a_form_without_its_token_is_not_accepted_and_keeps_what_was_typed(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = client.post("/submit", data={"title": "黑水<b>", "password": "geheim"}, headers=headers)
    assert answer.status_code == 400
    assert 'name="title" value="黑水&lt;b&gt;"' in answer.text
    assert "geheim" not in answer.text
    again = client.post("/submit", data={"title": "黑水", "csrf_token": csrf_of(answer.text)}, headers=headers)
    assert again.text == "done"


def test_another_site_cannot_have_its_form_confirmed(client: FlaskClient) -> None:
    answer = client.post("/submit", data={"title": "黑水"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400
    assert "黑水" not in answer.text


def test_a_form_with_mistakes_comes_back_filled_in(client: FlaskClient, token: Token) -> None:
    sign_in(client, token(StaffRole.OFFICER))
    page = client.get("/routing/form").text
    answer = client.post("/routing/form", data={"csrf_token": csrf_of(page), "title": "a", "purpose": "appeal"})
    assert answer.status_code == 422
    assert '<a href="#f-title">标题：长度应在 2 到 60 之间。</a>' in answer.text
    assert 'value="a"' in answer.text
    assert 'value="appeal" id="f-purpose-3" checked' in answer.text
    assert 'aria-invalid="true"' in answer.text
    empty = client.post("/routing/form", data={"csrf_token": csrf_of(page), "title": "  "})
    assert empty.text.count("此项必填。") == 4


def test_pages_speak_chinese_until_switched(client: FlaskClient) -> None:
    page = client.get("/submit", headers={"Accept-Language": "en"})
    assert '<html lang="zh-CN">' in page.text
    assert "2026年11月23日 00:30" in page.text
    assert "已超期 4 天" in page.text
    assert "<p>主办</p>" in page.text
    english = client.get("/submit?lang=en")
    assert '<html lang="en">' in english.text
    assert "23 Nov 2026 00:30" in english.text
    assert '<span class="badge good">Closed</span>' in english.text
    assert "<p>Lead</p>" in english.text
    assert '<html lang="en">' in client.get("/submit").text


def test_pages_and_answers_carry_their_protection(client: FlaskClient) -> None:
    page = client.get("/submit")
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert " style=" not in page.text
    assert "onclick" not in page.text
    cookie = page.headers["Set-Cookie"]
    assert "lianban_routing=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert client.get("/api/v1/things/rare").headers["Cache-Control"] == "no-store"


def test_the_navigation_shows_each_role_its_desks(client: FlaskClient, token: Token) -> None:
    assert 'href="/submit"' in client.get("/submit").text
    sign_in(client, token(StaffRole.OFFICER))
    page = client.get("/submit").text
    assert '<a href="/routing/">' in page
    assert "/desk/" not in page
    assert 'href="/sign-out"' in page


# Rates


def test_too_many_requests_are_told_when_to_come_back(client: FlaskClient) -> None:
    assert [client.get("/api/v1/things/rare").status_code for _ in range(3)] == [200, 200, 429]
    answer = client.get("/api/v1/things/rare")
    assert 30 <= int(answer.headers["Retry-After"]) <= 61
    assert answer.json is not None
    assert answer.json["type"] == "/problems/too-many-requests"


def test_rates_are_counted_per_address_as_the_edge_saw_it(client: FlaskClient) -> None:
    def ask(address: str) -> int:
        return client.get("/api/v1/things/rare", headers={"X-Forwarded-For": f"6.6.6.6, {address}"}).status_code

    assert [ask("10.0.0.1"), ask("10.0.0.1"), ask("10.0.0.1"), ask("10.0.0.2")] == [200, 200, 429, 200]


def test_a_site_sets_the_rates_of_addresses_and_of_tokens(
    client: FlaskClient, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIANBAN_RATE_ANONYMOUS", "2 per minute")
    officer = {"Authorization": f"Bearer {token(StaffRole.OFFICER)}"}
    assert [client.get("/api/v1/things/failures/x").status_code for _ in range(3)] == [422, 422, 429]
    assert [client.get("/api/v1/things", headers=officer).status_code for _ in range(4)] == [200] * 4
    assert client.get("/static/lianban.css").status_code == 200


# Documentation


def test_the_documents_of_services_become_one(app: Flask) -> None:
    other = Api("others", __name__, url_prefix="/api/v1/others", description="others")

    class Matter(Schema):
        number = fields.String()

    @other.get("")
    @public
    @other.response(200, Matter)
    def find() -> dict[str, str]:
        return {}

    document = build_openapi([app, create_app("intake", api=[other])], version="0.1.0")
    assert document["openapi"] == "3.1.0"
    assert {"/api/v1/things", "/api/v1/others"} <= set(document["paths"])
    assert {"Matter", "IntakeMatter", "Problem"} <= set(document["components"]["schemas"])
    shown = document["paths"]["/api/v1/others"]["get"]["responses"]["200"]["content"]["application/json"]
    assert shown["schema"] == {"$ref": "#/components/schemas/IntakeMatter"}
    assert document["paths"]["/api/v1/things"]["get"]["security"] == [{"token": []}]
    assert "application/problem+json" in document["components"]["responses"][HTTPStatus(422).name]["content"]
    with pytest.raises(ValueError, match="/api/v1/things"):
        build_openapi([app, app], version="0.1.0")
