"""Profiles: connecting a department is data; a wrong profile says what is wrong, a right one translates both ways."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from lianban.contracts.codes import ClaimResult, ExchangeKind, ObjectionReason
from services.agency_gateway.adapters.rest_push import expressions, translation
from services.agency_gateway.app.profile_schema import InvalidProfile, read
from services.agency_gateway.domain.profile import AdapterName, Profile, RestPush
from tests.integration.agency_gateway.conftest import a_profile

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
URL = "http://127.0.0.1:18021/system"
SECRETS = {"api-key": "s3cret"}


def push_of(profile: Profile) -> RestPush:
    assert profile.rest_push is not None
    return profile.rest_push


def changed(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(a_profile(URL))
    *parents, last = path.split(".")
    place = document
    for name in parents:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("agency", "Stadt!", "agency"),
        ("adapter", "telex", "adapter"),
        ("level", 9, "level"),
        ("surprise", 1, "surprise"),
        ("limits.concurrency", 0, "limits.concurrency"),
        ("limits.total_seconds", 9999, "limits.total_seconds"),
        ("rest_push", None, "rest_push"),
        ("rest_push.base_url", "ftp://x", "rest_push.base_url"),
        ("rest_push.base_url", "http://user:pw@x/", "rest_push.base_url"),
        ("rest_push.auth", {"kind": "basic", "secret": "a"}, "rest_push.auth.name"),
        ("rest_push.auth", {"kind": "bearer"}, "rest_push.auth.secret"),
        ("rest_push.calls", {"shout": {"path": "/x"}}, "rest_push.calls.shout.key"),
        ("rest_push.calls.assignment", None, "rest_push.calls"),
        ("rest_push.calls.assignment.path", "api", "rest_push.calls.assignment.value.path"),
        ("rest_push.calls.assignment.path", "/{no}", "rest_push.calls.assignment.value.values"),
        ("rest_push.calls.assignment.path", "/{0.__class__}", "rest_push.calls.assignment.value.path"),
        ("rest_push.calls.assignment.method", "TRACE", "rest_push.calls.assignment.value.method"),
        ("rest_push.calls.assignment.body", {"a": {"b": "x ||| y"}}, "rest_push.calls.assignment.value.body"),
        ("rest_push.question.found", "[", "rest_push.question.found"),
        ("rest_push.inbound.target_by", "guess", "rest_push.inbound.target_by"),
        ("rest_push.inbound.kind", None, "rest_push.inbound.kind"),
    ],
)
def test_a_wrong_profile_says_where(path: str, value: Any, where: str) -> None:
    with pytest.raises(InvalidProfile) as caught:
        read(changed(path, value))
    assert where in caught.value.problems


@pytest.mark.parametrize("document", [None, [], "adapter: desk", {}])
def test_what_is_no_profile_at_all_is_refused(document: Any) -> None:
    with pytest.raises(InvalidProfile):
        read(document)


def test_a_short_profile_is_filled_in() -> None:
    profile = read({"agency": "city-urban", "adapter": "pull", "level": 2})
    assert profile.adapter is AdapterName.PULL
    assert (profile.limits.concurrency, profile.limits.total_seconds) == (4, 10.0)
    assert profile.adapter_for(ExchangeKind.SUPPLEMENT) is AdapterName.PULL


def test_kinds_without_a_call_go_to_the_desk() -> None:
    profile = read(a_profile(URL))
    assert profile.adapter_for(ExchangeKind.ASSIGNMENT) is AdapterName.REST_PUSH
    assert profile.adapter_for(ExchangeKind.CASE_CLOSED) is AdapterName.DESK


def a_message(**changes: Any) -> dict[str, Any]:
    return {
        "id": "m-1",
        "kind": "assignment",
        "assignment_id": "a-1",
        "number": "XF1",
        "role": "co_handler",
        "due": [{"rule": "objection", "date": "2026-11-30", "article": "§23"}],
        "matter": {
            "title": "河水“发黑”",
            "content": "正文",
            "claims": [{"id": "c1", "ordinal": 1, "text": "停"}],
            "attachments": [],
        },
        "petitioner": {"name": "王五", "phone": None, "address": "东平"},
        "reference": "GD/7 ?",
        **changes,
    }


def test_a_message_becomes_the_departments_request() -> None:
    profile = read(a_profile(URL))
    made = translation.request(
        profile, push_of(profile), push_of(profile).calls[ExchangeKind.ASSIGNMENT], a_message(), SECRETS
    )
    assert (made.method, made.url) == ("POST", f"{URL}/api/tickets")
    assert (made.headers["X-Api-Key"], made.headers["X-Request-Ref"]) == ("s3cret", "m-1")
    assert made.body is not None
    assert json.loads(made.body) == {
        "ref_no": "a-1", "source_no": "XF1", "subject": "河水“发黑”", "body": "正文", "kind": "ASSIST",
        "items": [{"key": "c1", "text": "停"}], "reporter": {"name": "王五", "tel": None, "addr": "东平"},
        "deadline": "2026-11-30", "files": [],
    }  # fmt: skip


def test_values_in_paths_and_queries_cannot_break_out() -> None:
    profile = read(a_profile(URL))
    push = push_of(profile)
    made = translation.request(profile, push, push.calls[ExchangeKind.ASSIGNMENT_WITHDRAWN], a_message(), SECRETS)
    assert made.url == f"{URL}/api/tickets/GD%2F7%20%3F/messages"
    assert push.question is not None
    asked = translation.request(profile, push, push.question.call, a_message(id="m&x=1"), SECRETS)
    assert asked.url == f"{URL}/api/tickets?request_ref=m%26x%3D1"


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"kind": "none"}, None),
        ({"kind": "bearer", "secret": "api-key"}, "Bearer s3cret"),
        ({"kind": "basic", "name": "lianban", "secret": "api-key"}, "Basic bGlhbmJhbjpzM2NyZXQ="),
    ],
)
def test_credentials(auth: dict[str, Any], header: str | None) -> None:
    profile = read(changed("rest_push.auth", auth))
    push = push_of(profile)
    made = translation.request(profile, push, push.calls[ExchangeKind.ASSIGNMENT], a_message(), SECRETS)
    assert made.headers.get("Authorization") == header


def test_a_message_that_the_mapping_does_not_fit_is_an_error() -> None:
    profile = read(a_profile(URL))
    push = push_of(profile)
    for message in (a_message(role="stranger"), a_message(id=None)):
        with pytest.raises(expressions.BadExpression):
            translation.request(profile, push, push.calls[ExchangeKind.ASSIGNMENT], message, SECRETS)
    with pytest.raises(translation.SecretMissing):
        translation.request(profile, push, push.calls[ExchangeKind.ASSIGNMENT], a_message(), {})


def test_the_departments_call_becomes_a_statement() -> None:
    profile = read(a_profile(URL))
    inbound = push_of(profile).inbound
    assert inbound is not None
    claim = uuid4()
    call = {
        "event_id": "e-1", "external_ref": "a-1", "ticket_no": "GD7", "status": "RETURNED", "remark": "不归我管",
        "return_code": "R01", "suggest_dept": "city-water", "happened_at": "2026-11-23T10:00:00+08:00",
        "items": [{"key": str(claim), "result": "EXPLAIN", "note": "说明"}, {"key": "x", "result": None}],
    }  # fmt: skip
    with pytest.raises(translation.UnreadableCall):
        translation.statement(profile, inbound, call, received_at=AT)
    call["items"] = [{"key": str(claim), "result": "EXPLAIN", "note": "说明"}]
    reading = translation.statement(profile, inbound, call, received_at=AT)
    made = reading.statement
    assert made is not None
    assert (reading.target, made.kind, made.reason) == ("a-1", ExchangeKind.OBJECT, ObjectionReason.OUTSIDE_POWERS)
    assert made.stated_at == AT
    assert made.results[0].result is ClaimResult.EXPLAINED


@pytest.mark.parametrize(
    ("expression", "data", "value"),
    [
        ("code(x, 'kinds')", {"x": "lead"}, "MAIN"),
        ("code_or(x, 'kinds', 'OTHER')", {"x": "nobody"}, "OTHER"),
        ("local(x, '%Y-%m-%d %H:%M:%S')", {"x": "2026-11-23T02:00:00Z"}, "2026-11-23 10:00:00"),
        ("instant(x, '%Y/%m/%d %H:%M')", {"x": "2026/11/23 10:00"}, "2026-11-23T02:00:00+00:00"),
        ("either(x, 'none')", {}, "none"),
        ("join('；', items[].text)", {"items": [{"text": "一"}, {"text": "二"}]}, "一；二"),
    ],
)
def test_the_functions_of_mappings(expression: str, data: Any, value: Any) -> None:
    assert expressions.evaluate(expression, data, {"kinds": {"lead": "MAIN"}}) == value


@pytest.mark.parametrize("expression", ["code(x, 'kinds')", "local(x, '%Y')", "sum(x)", "join(',', x)"])
def test_an_expression_that_fails_names_no_value_of_the_data(expression: str) -> None:
    with pytest.raises(expressions.BadExpression) as caught:
        expressions.evaluate(expression, {"x": "王五"}, {})
    assert "王五" not in caught.value.detail
