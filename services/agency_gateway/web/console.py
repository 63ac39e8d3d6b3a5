"""The integration console: which department's lane works, what waits, what went wrong, and what to do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.web import Pages, _, idempotent, language, log_access, require
from lianban.contracts.codes import StaffRole
from services.agency_gateway.app import console as deeds
from services.agency_gateway.store import deliveries, lanes

console = Pages("console", __name__)

SHOWN = 100
"""Messages of a lane that its page shows."""


@console.get("/desk/lanes")
@require(StaffRole.OPERATOR)
def overview() -> Any:
    """Every lane, those in trouble first."""
    with database().transaction() as tx:
        rows = lanes.overview(tx)
        log_access(tx, "lanes.list", purpose="operation")
    return render_template("agency_gateway/lanes.html", lanes=rows, explain=_explain)


@console.get("/desk/lanes/<string:agency>")
@require(StaffRole.OPERATOR)
def lane_page(agency: str) -> Any:
    """One lane with what has not reached its department."""
    with database().transaction() as tx:
        lane = lanes.one(tx, agency)
        if lane is None:
            raise _no_such_lane()
        waiting = deliveries.open_in_lane(tx, agency, limit=SHOWN)
        log_access(tx, "lanes.open", purpose="operation")
    return render_template("agency_gateway/lane.html", lane=lane, waiting=waiting, explain=_explain, shown=SHOWN)


@console.post("/desk/lanes/<string:agency>/retry")
@require(StaffRole.OPERATOR)
@idempotent
def retry_lane(agency: str) -> Any:
    """Try a lane at once."""
    with database().transaction() as tx:
        if lanes.one(tx, agency) is None:
            raise _no_such_lane()
        deeds.retry_lane(tx, agency, at=now())
        log_access(tx, "lanes.retry", purpose="operation")
    flash(_("已安排立即重试。"), "good")
    return redirect(f"/desk/lanes/{agency}", 303)


@console.post("/desk/lanes/<string:agency>/messages/<uuid:message_id>/<any(retry,handover):deed>")
@require(StaffRole.OPERATOR)
@idempotent
def settle_message(agency: str, message_id: UUID, deed: str) -> Any:
    """Try a message again, or lay it on the agency's desk."""
    try:
        with database().transaction() as tx:
            matter_id = deliveries.matter_of(tx, message_id)
            if deed == "retry":
                deeds.retry(tx, message_id, at=now())
            else:
                deeds.hand_over(tx, message_id, at=now())
            log_access(tx, f"lanes.{deed}", subject=matter_id, purpose="operation")
    except Rejected as rejected:
        if rejected.status == 404:
            raise
        flash(rejected.zh if language() == "zh" else rejected.en, "warn")
    else:
        flash(_("已安排重试。") if deed == "retry" else _("已转到承办单位工作台。"), "good")
    return redirect(f"/desk/lanes/{agency}", 303)


def _explain(trouble: str | None) -> str | None:
    return deeds.explain(trouble, language())


def _no_such_lane() -> Rejected:
    return Rejected("unknown-lane", "没有这条通道。", "There is no such lane.", status=404)
