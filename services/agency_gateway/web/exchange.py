"""``/exchange/v1``: what departments' systems call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

import marshmallow as ma
from flask_smorest import abort

from lianban.chassis.auth import Principal
from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.chassis.web import Api, PageQuery, PageRequest, language, log_access, principal, require
from lianban.contracts.codes import StaffRole
from services.agency_gateway.adapters.pull.translation import StatementSchema
from services.agency_gateway.adapters.pull.translation import statement as statement_of
from services.agency_gateway.adapters.rest_push import translation
from services.agency_gateway.app import feeding, stating, taking, telling
from services.agency_gateway.app.profiles import profile_of
from services.agency_gateway.app.taking import Stated
from services.agency_gateway.domain.profile import TargetBy
from services.agency_gateway.domain.statement import LONGEST_ID, Problem, Via, content
from services.agency_gateway.store import assignments

exchange = Api(
    "exchange", __name__, url_prefix="/exchange/v1", description="数据交换：部门系统对接 / exchange with departments"
)


class FeedQuery(ma.Schema):
    """Where to go on in the feed."""

    after = ma.fields.Integer(
        strict=False,
        load_default=0,
        validate=ma.validate.Range(0, 2**63 - 1),
        metadata={"description": "上次最后一条的 cursor，从头开始用 0 / the last cursor seen, 0 to begin with"},
    )
    limit = ma.fields.Integer(load_default=50, validate=ma.validate.Range(1, 100))


class FeedItem(ma.Schema):
    """One message of the feed."""

    cursor = ma.fields.Integer(required=True)
    message = ma.fields.Dict(required=True)


class FeedPage(ma.Schema):
    """Messages that wait for their receipt, in order."""

    items = ma.fields.List(ma.fields.Nested(FeedItem), required=True)
    next = ma.fields.Integer(required=True, metadata={"description": "下次请求的 after / to go on from"})


class ReceiptOfMessage(ma.Schema):
    """The department has a message."""

    reference = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Length(1, LONGEST_ID))


class Acknowledged(ma.Schema):
    """What was acknowledged."""

    message_id = ma.fields.UUID(required=True)
    status = ma.fields.String(required=True)


class ReceiptOfStatement(ma.Schema):
    """The receipt of a statement; whether it takes effect is told by the assignment."""

    statement_id = ma.fields.UUID(required=True)
    received_at = ma.fields.String(required=True)
    status = ma.fields.String(required=True)


def _agency(who: Principal | None = None) -> str:
    """The agency that is calling; a token of the role without an agency opens nothing."""
    agency = (who or principal()).agency
    if agency is None:
        raise Rejected("no-agency", "令牌未绑定机关。", "The token is bound to no agency.", status=403)
    return agency


@exchange.get("/messages")
@require(StaffRole.AGENCY)
@exchange.arguments(FeedQuery, location="query")
@exchange.response(200, FeedPage)
def feed(query: dict[str, Any]) -> dict[str, Any]:
    """取消息：尚未回执的消息，按顺序 / messages without receipt, in order."""
    with database().transaction() as tx:
        page = feeding.messages(tx, _agency(), after=query["after"], limit=query["limit"], at=now())
        if page.items:  # an empty answer disclosed nothing, and departments poll often
            log_access(tx, "exchange.fetch")
    return {"items": [{"cursor": cursor, "message": message} for cursor, message in page.items], "next": page.next}


@exchange.post("/messages/<uuid:message_id>/receipt")
@require(StaffRole.AGENCY)
@exchange.arguments(ReceiptOfMessage)
@exchange.response(200, Acknowledged)
def acknowledge(given: dict[str, Any], message_id: UUID) -> dict[str, Any]:
    """回执：已收到消息 / the department has the message."""
    with database().transaction() as tx:
        feeding.acknowledge(tx, _agency(), message_id, given["reference"], at=now())
    return {"message_id": message_id, "status": "delivered"}


class AssignmentsQuery(PageQuery):
    """Which assignments."""

    state = ma.fields.String(load_default="open", validate=ma.validate.OneOf(list(assignments.FILTERS)))


@exchange.get("/assignments")
@require(StaffRole.AGENCY)
@exchange.arguments(AssignmentsQuery, location="query")
@exchange.response(200)
def list_assignments(query: dict[str, Any]) -> dict[str, Any]:
    """本机关的派件，新的在前 / the agency's assignments, newest first."""
    wanted = PageRequest.read(query, datetime, UUID)
    with database().transaction() as tx:
        rows = assignments.listed(
            tx,
            _agency(),
            states=assignments.FILTERS[query["state"]],
            number=None,
            before=(wanted.after[0], wanted.after[1]) if wanted.after is not None else None,
            limit=wanted.fetch,
        )
        page = wanted.page(rows, key=lambda row: (row.sent_at, row.id))
        if page.items:
            log_access(tx, "exchange.list")
        return {"items": telling.summaries(tx, page.items), "next": page.next}


@exchange.get("/assignments/<uuid:assignment_id>")
@require(StaffRole.AGENCY)
@exchange.response(200)
def show(assignment_id: UUID) -> dict[str, Any]:
    """派件的状态、期限、消息和陈述 / state, dates, messages and statements of an assignment."""
    with database().transaction() as tx:
        assignment = assignments.of_agency(tx, assignment_id, _agency())
        if assignment is None:
            raise stating.no_such_assignment()
        return telling.belief(tx, assignment)


@exchange.post("/assignments/<uuid:assignment_id>/statements")
@require(StaffRole.AGENCY)
@exchange.arguments(StatementSchema)
@exchange.response(202, ReceiptOfStatement)
def state(given: dict[str, Any], assignment_id: UUID) -> dict[str, str]:
    """受理、异议、进展、协办意见、答复 / accept, object, progress, opinion, reply."""
    at = now()
    statement = statement_of(given, received_at=at)
    raw = content(statement) | {"stated_at": str(given["stated_at"])}
    return _receipt(
        Stated(agency=_agency(), assignment_id=assignment_id, statement=statement, raw=raw, via=Via.EXCHANGE, at=at)
    )


@exchange.post("/callbacks/<string:agency_code>")
@require(StaffRole.AGENCY)
@exchange.arguments(ma.Schema.from_dict({}, name="TheirOwnFormat"), unknown=ma.INCLUDE)
@exchange.response(202, ReceiptOfStatement)
def call_back(body: dict[str, Any], agency_code: str) -> dict[str, str]:
    """部门系统以自己的格式回调 / status calls of a department's system in its own format."""
    agency = _agency()
    if agency != agency_code:
        raise stating.no_such_assignment()
    at = now()
    try:
        with database().transaction() as tx:
            profile = profile_of(tx, agency)
            inbound = profile.rest_push.inbound if profile.rest_push is not None else None
            if inbound is None:
                raise Rejected(
                    "no-callbacks", "本机关未配置回调。", "This agency's profile takes no call-backs.", status=404
                )
            reading = translation.statement(profile, inbound, body, received_at=at)
            assignment_id = _target(agency, reading, tx)
            if reading.statement is None:
                return stating.without_effect(tx, agency, assignment_id, reading.sender_id, body, at=at).json()
    except translation.UnreadableCall as error:
        _refuse([Problem(f"/{error.field}", "unreadable", error.zh, error.en)])
    return _receipt(
        Stated(
            agency=agency,
            assignment_id=assignment_id,
            statement=reading.statement,
            raw=body,
            via=Via.CALLBACK,
            at=at,
        )
    )


def _receipt(stated: Stated) -> dict[str, str]:
    try:
        return taking.receive(stated).json()
    except stating.Malformed as error:
        _refuse(error.problems)


def _target(agency: str, reading: translation.Reading, tx: Transaction) -> UUID:
    """The assignment that a call-back is about; whatever it names that is not the agency's is not found."""
    found: UUID | None
    match reading.target_by:
        case TargetBy.REFERENCE:
            found = assignments.by_reference(tx, agency, reading.target)
        case TargetBy.ASSIGNMENT:
            found = _uuid(reading.target)
        case TargetBy.MESSAGE:
            named = _uuid(reading.target)
            found = assignments.by_message(tx, agency, named) if named is not None else None
    if found is None:
        raise stating.no_such_assignment()
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _refuse(problems: Sequence[Problem]) -> NoReturn:
    """Answer 422 with one message per place of the body."""
    chinese = language() == "zh"
    messages: dict[str, Any] = {}
    for problem in problems:
        place = messages
        for key in problem.pointer.strip("/").split("/"):
            place = place.setdefault(key, {})
        # A list may be wrong as a whole and in one of its members: "_schema" is marshmallow's word for the whole.
        place.setdefault("_schema", []).append(problem.zh if chinese else problem.en)
    raise abort(422, messages={"json": messages})
