"""Matters by API: submit, status, rate, supplement, withdraw."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from lianban.chassis.time import china_day, now
from lianban.chassis.web import Api, idempotent, limited, principal, public
from services.intake.app import petitioner
from services.intake.app.register import register as register_petition
from services.intake.domain import petition
from services.intake.web import status
from services.intake.web.reading import caller, documented, json_object
from services.intake.web.schemas import (
    MatterSchema,
    RatedSchema,
    RatingSchema,
    RegisteredSchema,
    StatusQuery,
    StatusSchema,
    SupplementedSchema,
    SupplementSchema,
    WithdrawalSchema,
)

matters = Api("matters", __name__, url_prefix="/api/v1/matters", description="信访事项 / matters")


def refuse_a_token_that_does_not_count() -> None:
    """Before a query code is looked at: the edge spreads requests with a token over processes that count separately."""
    principal()


matters.before_request(refuse_a_token_that_does_not_count)


def wrong(response: Response) -> bool:
    """Whether a try at a query code failed: only those count against the rate."""
    return response.status_code == 404


throttled = limited("20 per minute; 200 per day", counts=wrong)


def _body(schema: Any) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@matters.post("")
@public
@idempotent
@documented(matters, summary="提交信访事项 / submit a matter", **_body(MatterSchema))
@matters.response(201, RegisteredSchema)
def register() -> Any:
    """Register a matter; everybody may submit by ``web``, a channel's or clerk's token also for others."""
    moment = now()
    told = petition.parse(json_object(), today=china_day(moment))
    done = register_petition(told, by=caller(), at=moment)
    return done, 201 if done.created else 200


@matters.get("/<number>")
@public
@throttled
@matters.arguments(StatusQuery, location="query")
@documented(
    matters,
    summary="查询办理进度 / status and time line",
    parameters=[
        {"in": "header", "name": "X-Query-Code", "schema": {"type": "string"}, "description": "查询码 / query code"}
    ],
)
@matters.response(200, StatusSchema)
def read(query: dict[str, Any], number: str) -> Any:
    """Where the matter stands, who holds it, until when, and what happened; a wrong code looks like no matter."""
    code = request.headers.get("X-Query-Code") or query.get("query_code", "")
    opened = petitioner.open_matter(number, code)
    petitioner.note_opening(opened.id, now())
    return status.of(opened.id, now())


@matters.post("/<number>/ratings")
@public
@throttled
@idempotent
@documented(matters, summary="评价 / rate", **_body(RatingSchema))
@matters.response(201, RatedSchema)
def rate(number: str) -> Any:
    """Rate the petition office and each agency separately, once per decision, and say whether the problem is solved."""
    told = json_object("query_code", "votes", "solved")
    opened = petitioner.open_matter(number, _code(told))
    at = now()
    return {"rating": status.rating(petitioner.rate(opened.id, told, at=at), at)}


@matters.post("/<number>/supplements")
@public
@throttled
@idempotent
@documented(matters, summary="补充材料 / supplement", **_body(SupplementSchema))
@matters.response(201, SupplementedSchema)
def supplement(number: str) -> Any:
    """Add facts or files until the matter is decided."""
    told = json_object("query_code", "text", "attachments")
    opened = petitioner.open_matter(number, _code(told))
    uploads = petition.read_attachments(told.get("attachments"))
    made = petitioner.supplement(opened.id, told.get("text"), uploads, uploader=caller().key, at=now())
    return {"supplement_id": made}


@matters.post("/<number>/withdrawal")
@public
@throttled
@idempotent
@documented(matters, summary="撤回 / withdraw", **_body(WithdrawalSchema))
@matters.response(200, StatusSchema)
def withdraw(number: str) -> Any:
    """Withdraw the matter until it is decided; to repeat it changes nothing."""
    opened = petitioner.open_matter(number, _code(json_object("query_code")))
    petitioner.withdraw(opened.id, at=now())
    return status.of(opened.id, now())


def _code(told: Any) -> str:
    given = request.headers.get("X-Query-Code") or told.get("query_code")
    return given if isinstance(given, str) else ""
