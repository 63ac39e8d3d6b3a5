"""``/api/v1/oversight/…``: what the board shows, as JSON."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields, validate

from lianban.chassis.errors import Rejected
from lianban.chassis.rules import rulebook
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.web import Api, PageQuery, PageRequest, body, log_access, principal, require
from lianban.contracts.codes import MatterState, StaffRole, YearStatus
from lianban.contracts.refs import AgencyRef
from lianban.law.calendar import CalendarError
from lianban.law.clocks import Step
from lianban.law.rulebook import standard
from services.oversight.app import looking, working_calendar
from services.oversight.app.importing import import_notice
from services.oversight.store import matters

READERS = (StaffRole.SUPERVISOR, StaffRole.AUDITOR, StaffRole.OFFICER)
CALENDAR_KEEPERS = (StaffRole.SUPERVISOR, StaffRole.OPERATOR)

api = Api("oversight", __name__, url_prefix="/api/v1/oversight", description="督查 / oversight")


class ClockQuery(PageQuery):
    """Which clocks are asked for."""

    rule = fields.String(
        validate=validate.OneOf([rule.id for rule in standard().rules]), metadata={"description": "期限种类 / rule"}
    )
    agency = fields.String(validate=validate.Length(3, 40), metadata={"description": "单位代码 / agency code"})
    overdue = fields.Boolean(load_default=False, metadata={"description": "只看超期 / overdue only"})
    provisional = fields.Boolean(metadata={"description": "只看暂定 / provisional only"})
    unanswered = fields.Boolean(
        load_default=False,
        metadata={"description": "异议期满、单位尚未答复 / windows of objection that passed without an answer"},
    )


class MatterQuery(PageQuery):
    """Which matters are asked for."""

    state = fields.Enum(MatterState, by_value=True, metadata={"description": "状态 / state"})
    agency = fields.String(validate=validate.Length(3, 40), metadata={"description": "单位代码 / agency code"})


class AnyObject(Schema):
    """A JSON object; its members are described in the reference."""


@api.get("/summary")
@require(*READERS)
@api.response(200)
def summary() -> dict[str, Any]:
    """总览：时限和事项的数目 / counts of clocks and matters."""
    with database().transaction() as tx:
        seen = looking.summary(tx, territory=principal().territory, at=now())
    return {
        "today": seen.today,
        "clocks": seen.figures,
        "matters": {state.value: count for state, count in seen.states.items()},
        "rules": [{**_rule(rule.id), **counts} for rule, counts in seen.rules],
        "months": [
            {"month": f"{month.first:%Y-%m}", "registered": month.registered, "closed": month.closed}
            for month in seen.months
        ],
        "provisional_years": seen.provisional_years,
    }


@api.get("/clocks")
@require(*READERS)
@api.arguments(ClockQuery, location="query")
@api.response(200)
def list_clocks(query: dict[str, Any]) -> dict[str, Any]:
    """在走的时限，最早到期的在前 / running clocks, the first to end in front; or those of silent agencies."""
    wanted = PageRequest.read(query, date, UUID)
    with database().transaction() as tx:
        rows = looking.running_clocks(
            tx,
            territory=principal().territory,
            rule=query.get("rule"),
            agency=query.get("agency"),
            overdue=query["overdue"],
            provisional=query.get("provisional"),
            unanswered=query["unanswered"],
            after=wanted.after,
            limit=wanted.fetch,
            at=now(),
        )
    page = wanted.page(rows, key=lambda row: (row.clock.legal_due, row.clock.id))
    return page.json(clock_json)


@api.get("/matters")
@require(*READERS)
@api.arguments(MatterQuery, location="query")
@api.response(200)
def list_matters(query: dict[str, Any]) -> dict[str, Any]:
    """事项，最近变动的在前 / matters, the last changed first."""
    from datetime import datetime

    wanted = PageRequest.read(query, datetime, UUID)
    state = query.get("state")
    with database().transaction() as tx:
        rows = matters.page(
            tx,
            territory=looking.prefix_of(principal().territory),
            state=state.value if state else None,
            agency=query.get("agency"),
            after=(wanted.after[0], wanted.after[1]) if wanted.after else None,
            limit=wanted.fetch,
        )
    page = wanted.page(rows, key=lambda row: row.key)
    return page.json(matter_json)


@api.get("/matters/<string:number>")
@require(*READERS)
@api.response(200)
def get_matter(number: str) -> dict[str, Any]:
    """一件事项：时限及其算法、各单位、经过 / one matter: clocks with their arithmetic, agencies, history."""
    with database().transaction() as tx:
        seen = looking.matter(tx, number, territory=principal().territory, at=now())
        log_access(tx, "matter-overseen", subject=seen.matter.id, purpose="oversight")
    return {
        **matter_json(seen.matter),
        "assignments": [
            {
                "id": part.id,
                "agency": _agency(part.agency),
                "role": part.role.value,
                "state": part.state.value,
                "objections": part.objections,
                "sent_at": part.sent_at,
                "ended_at": part.ended_at,
            }
            for part in seen.assignments
        ],
        "clocks": [{**clock_json(clock), "arithmetic": [_step(step) for step in clock.steps]} for clock in seen.clocks],
        "history": [
            {"at": link.entry.happened_at, "type": link.entry.type, "hash": link.hash.hex()} for link in seen.events
        ],
    }


@api.get("/agencies")
@require(*READERS)
@api.response(200)
def list_agencies() -> dict[str, Any]:
    """各单位的承办和按期情况 / each agency's work and how its clocks ended."""
    with database().transaction() as tx:
        rows = looking.summary(tx, territory=principal().territory, at=now()).agencies
    return {
        "items": [
            {"agency": {"code": row.pop("code"), "name": row.pop("name")}, **row} for row in (dict(r) for r in rows)
        ],
        "next": None,
    }


@api.get("/calendar")
@require(*READERS, StaffRole.OPERATOR)
@api.response(200)
def get_calendar() -> dict[str, Any]:
    """工作日历 / the work calendar."""
    with database().transaction() as tx:
        edition, calendar = working_calendar.present(tx)
    return {
        "edition": edition,
        "years": [
            {
                "year": year.year,
                "status": year.status.value,
                "days": [{"date": d.day, "works": d.works, "name": d.name} for d in year.days],
            }
            for year in calendar.years
        ],
    }


@api.post("/calendar")
@require(*CALENDAR_KEEPERS)
@body(megabytes=1)
@api.arguments(AnyObject(unknown="include"))
@api.response(201)
def post_calendar(notice: dict[str, Any]) -> dict[str, Any]:
    """导入一年的节假日安排，沿用 holiday-cn 的格式 / import a year's notice in the form of holiday-cn."""
    try:
        changed = import_notice([notice], actor=principal().subject, at=now())
    except CalendarError as error:
        raise Rejected(
            "invalid-calendar", "节假日数据无法使用：{why}", "Cannot use this notice: {why}", why=str(error)
        ) from None
    return {"years": [{"year": year.year, "status": YearStatus(year.status).value} for year in changed]}


def _agency(ref: AgencyRef | None) -> dict[str, str] | None:
    return {"code": ref.code, "name": ref.name} if ref else None


def _rule(rule_id: str) -> dict[str, Any]:
    rule = rulebook().rule(rule_id)
    return {
        "rule": rule.id,
        "name": {"zh": rule.zh, "en": rule.en},
        "article": {"zh": rule.article_zh, "en": rule.article_en},
        "length": rule.length,
        "unit": rule.unit.value,
    }


def _step(step: Step) -> dict[str, Any]:
    return {"kind": step.kind.value, "date": step.day, "text": {"zh": step.zh, "en": step.en}}


def matter_json(matter: matters.Matter) -> dict[str, Any]:
    """A matter as JSON."""
    return {
        "id": matter.id,
        "number": matter.number,
        "region": {"code": matter.region_code, "name": matter.region_name},
        "state": matter.state.value,
        "received_at": matter.received_at,
        "changed_at": matter.changed_at,
        "lead": _agency(matter.lead),
        "round": matter.round,
    }


def clock_json(seen: looking.SeenClock) -> dict[str, Any]:
    """A clock as JSON."""
    clock = seen.clock
    return {
        "id": clock.id,
        **_rule(clock.rule),
        "matter": {"id": seen.matter_id, "number": seen.number or None},
        "bound": _agency(clock.bound),
        "round": clock.round,
        "standing": seen.standing,
        "started_on": clock.started_on,
        "raw_due": clock.raw_due,
        "legal_due": clock.legal_due,
        "days_left": seen.days_left,
        "provisional": clock.provisional,
        "stopped_at": clock.stopped_at,
        "warned": list(seen.warned),
    }
