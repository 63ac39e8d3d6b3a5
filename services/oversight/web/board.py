"""The oversight board: what is overdue, in whose hands, and why each date is what it is."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request

from lianban.chassis.rules import rulebook
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.chassis.web import PageRequest, Pages, _, idempotent, language, log_access, principal, require
from lianban.contracts.codes import MatterState
from lianban.law.calendar import CalendarError
from services.oversight.app import looking, working_calendar
from services.oversight.app.importing import import_notice
from services.oversight.store import matters
from services.oversight.web.api import CALENDAR_KEEPERS, READERS
from services.oversight.web.wording import event_text

board = Pages("board", __name__)
LARGEST_NOTICE = 200_000


@board.get("/oversight/")
@require(*READERS)
def overview() -> str:
    """Figures, what is overdue, each agency's standing."""
    territory = principal().territory
    moment = now()
    with database().transaction() as tx:
        seen = looking.summary(tx, territory=territory, at=moment)
        overdue = looking.running_clocks(
            tx,
            territory=territory,
            rule=None,
            agency=None,
            overdue=True,
            after=None,
            limit=10,
            at=moment,
        )
    return render_template("oversight/board.html", seen=seen, overdue=overdue, agencies=seen.agencies, bars=_bars(seen))


@board.get("/oversight/clocks")
@require(*READERS)
def list_clocks() -> str:
    """Running clocks with filters."""
    wanted = PageRequest.read(request.args, date, UUID)
    rule = request.args.get("rule") or None
    agency = request.args.get("agency") or None
    standing = request.args.get("standing") or ""
    with database().transaction() as tx:
        rows = looking.running_clocks(
            tx,
            territory=principal().territory,
            rule=rule,
            agency=agency,
            overdue=standing == "overdue",
            provisional=True if standing == "provisional" else None,
            unanswered=standing == "unanswered",
            after=wanted.after,
            limit=wanted.fetch,
            at=now(),
        )
        agencies = _agencies(tx)
    page = wanted.page(rows, key=lambda row: (row.clock.legal_due, row.clock.id))
    values = {"rule": rule or "", "agency": agency or "", "standing": standing}
    rules = [(r.id, r.label(language())) for r in rulebook().rules]
    return render_template("oversight/clocks.html", page=page, values=values, rules=rules, agencies=agencies)


@board.get("/oversight/matters")
@require(*READERS)
def list_matters() -> Any:
    """Matters with filters; a number leads straight to its matter."""
    number = (request.args.get("number") or "").strip()
    if number:
        return redirect(f"/oversight/matters/{number}")
    wanted = PageRequest.read(request.args, datetime, UUID)
    state = request.args.get("state") or ""
    agency = request.args.get("agency") or ""
    known = state in {s.value for s in MatterState}
    with database().transaction() as tx:
        rows = matters.page(
            tx,
            territory=looking.prefix_of(principal().territory),
            state=state if known else None,
            agency=agency or None,
            after=(wanted.after[0], wanted.after[1]) if wanted.after else None,
            limit=wanted.fetch,
        )
        agencies = _agencies(tx)
    page = wanted.page(rows, key=lambda row: row.key)
    values = {"state": state, "agency": agency, "number": ""}
    return render_template("oversight/matters.html", page=page, values=values, agencies=agencies)


@board.get("/oversight/matters/<string:number>")
@require(*READERS)
def matter(number: str) -> str:
    """Every clock of a matter with its arithmetic and article, each agency's part, the history."""
    with database().transaction() as tx:
        seen = looking.matter(tx, number, territory=principal().territory, at=now())
        log_access(tx, "matter-overseen", subject=seen.matter.id, purpose="oversight")
    history = [
        {"at": link.entry.happened_at, **event_text(link.entry.type, json.loads(link.entry.data), language())}
        for link in seen.events
    ]
    return render_template("oversight/matter.html", seen=seen, history=[h for h in history if h["title"]])


@board.get("/oversight/calendar")
@require(*READERS, *CALENDAR_KEEPERS)
def calendar() -> str:
    """The work calendar, year by year."""
    return _calendar_page({})


@board.post("/oversight/calendar")
@require(*CALENDAR_KEEPERS)
@idempotent
def import_calendar() -> Any:
    """Import a year's notice from a JSON file."""
    upload = request.files.get("notice")
    text = upload.read(LARGEST_NOTICE + 1) if upload else b""
    if not text:
        return _calendar_page({"notice": _("请选择节假日安排的 JSON 文件")}), 422
    if len(text) > LARGEST_NOTICE:
        return _calendar_page({"notice": _("文件过大，节假日安排不会超过 200 KB")}), 422
    try:
        changed = import_notice([json.loads(text)], actor=principal().subject, at=now())
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, CalendarError) else _("不是 JSON 文件")
        return _calendar_page({"notice": _("无法使用：%(why)s", why=why)}), 422
    years = "、".join(str(year.year) for year in changed)
    flash(_("已导入 %(years)s 年，正在重新计算时限", years=years) if changed else _("与现有安排相同，没有变化"), "good")
    return redirect("/oversight/calendar", 303)


def _calendar_page(errors: dict[str, str]) -> str:
    with database().transaction() as tx:
        _edition, kept = working_calendar.present(tx)
    may_import = principal().has(*CALENDAR_KEEPERS)
    years = sorted(kept.years, key=lambda year: -year.year)
    return render_template(
        "oversight/calendar.html",
        years=years,
        errors=errors,
        may_import=may_import,
        may_oversee=principal().has(*READERS),
    )


def _agencies(tx: Transaction) -> list[tuple[str, str]]:
    """The choices of a filter by agency."""
    return [(a.code, a.name) for a in matters.agencies(tx, territory=looking.prefix_of(principal().territory))]


def _bars(seen: looking.Summary) -> list[dict[str, Any]]:
    """One stacked bar per rule: how its clocks ended or stand, in per mille of the longest bar."""
    longest = max((sum(counts.values()) for _rule, counts in seen.rules), default=0) or 1
    bars = []
    for rule, counts in seen.rules:
        start, parts = 0.0, []
        for name in ("met", "running", "lapsed", "late", "overdue"):
            width = counts[name] * 1000 / longest
            parts.append({"name": name, "count": counts[name], "x": round(start, 1), "width": round(width, 1)})
            start += width
        bars.append({"rule": rule, "parts": parts, "total": sum(counts.values())})
    return bars
