"""The clerk's desk: find matters, register for others, see what may be a duplicate before saving."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import render_template, request

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.secrets import blind
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.chassis.web import PageRequest, Pages, body, idempotent, log_access, principal, require
from lianban.chassis.web.protection import FORM_TYPES
from lianban.contracts.codes import Channel, MatterState, StaffRole
from services.intake.app import disclose
from services.intake.app.petitioner import state_of
from services.intake.app.register import contacts_of
from services.intake.domain import number as numbers
from services.intake.domain.caller import territory_prefix
from services.intake.domain.petition import Petition, normalise_phone
from services.intake.domain.progress import ENDED
from services.intake.store import matters
from services.intake.web import registering, status
from services.intake.web.forms import Form
from services.intake.web.reading import caller

desk = Pages("intake_desk", __name__)
CLERKS = (StaffRole.CLERK, StaffRole.IMPORTER)
FOUND = 50


@desk.get("/intake/")
@require(*CLERKS)
def listing() -> str:
    """Matters of the clerk's territory, newest first."""
    wanted = PageRequest.read(request.args, datetime, UUID, default=25)
    after = (wanted.after[0], wanted.after[1]) if wanted.after else None
    territory, by = _bounds()
    with database().transaction() as tx:
        rows = matters.newest(tx, limit=wanted.fetch, after=after, territory=territory, by=by)
        log_access(tx, "list-matters", purpose="registration")
    page = wanted.page([_shown(row) for row in rows], key=lambda row: (row["received_at"], row["id"]))
    return render_template("intake/desk.html", page=page, values={}, errors={}, searched=False)


@desk.post("/intake/search")
@require(*CLERKS)
def search() -> Any:
    """Find by number, telephone, e-mail or identity number; what is sought is in no address and no log."""
    sought = request.form.get("sought", "").strip()
    with database().transaction() as tx:
        rows = [row for row in _find(tx, sought) if _within(row)]
        log_access(tx, "search-matters", purpose="registration")
    return render_template(
        "intake/desk.html",
        page={"items": [_shown(row) for row in rows], "next": None},
        values={"sought": sought},
        errors={},
        searched=True,
    )


@desk.get("/intake/new")
@require(*CLERKS)
def blank() -> str:
    """The empty form for registering on somebody's behalf."""
    return registering.show(Form.blank(channel=Channel.VISIT.value), desk=True)


@desk.post("/intake/new")
@require(*CLERKS)
@body(megabytes=24, types=FORM_TYPES)
def fill_in() -> Any:
    """A step of filling in; the preview shows what the same person has running."""
    return registering.fill_in(Channel.VISIT, desk=True, duplicates=_duplicates)


@desk.post("/intake/new/confirm")
@require(*CLERKS)
@idempotent
def confirm() -> Any:
    """Register, and show the slip for the petitioner."""
    return registering.confirm(Channel.VISIT, desk=True)


@desk.get("/intake/matters/<uuid:matter_id>")
@require(*CLERKS)
def show(matter_id: UUID) -> str:
    """One matter with its words and persons; the look is put on record."""
    with database().transaction() as tx:
        row = matters.by_id(tx, matter_id)
        if row is None or row["sealed"] or not _within(row):
            raise Rejected(
                "matter-not-found",
                "没有这个信访事项，或者不在您的辖区。",
                "No such matter in your territory.",
                status=404,
            )
        persons = disclose.persons_of(matters.persons(tx, [matter_id])[0])
        log_access(tx, "read-matter", subject=matter_id, purpose="registration")
    return render_template(
        "intake/matter.html",
        matter=row,
        persons=persons,
        status=status.for_page(matter_id, now()),
    )


def _bounds() -> tuple[str, str]:
    """What a clerk sees: the own territory, and what the clerk registered (first contact) wherever it lies."""
    return territory_prefix(principal().territory), caller().key


def _within(row: dict[str, Any]) -> bool:
    territory, by = _bounds()
    return str(row["region_code"]).startswith(territory) or row["registered_by"] == by


def _find(tx: Transaction, sought: str) -> list[dict[str, Any]]:
    """By what a text can be: a matter's number, an e-mail address, a telephone number or an identity number."""
    if not sought:
        return []
    number = numbers.normalise(sought)
    if numbers.is_number(number):
        return matters.with_number(tx, number)
    if "@" in sought:
        return matters.with_contact(tx, blind(sought.lower(), field="contact.email"), FOUND)
    phone = normalise_phone(sought)
    rows = matters.with_contact(tx, blind(phone, field="contact.phone"), FOUND) if phone else []
    return rows or matters.with_contact(tx, blind(sought.upper(), field="contact.id-number"), FOUND)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "state": state_of(row),
        "title": None if row["sealed"] else disclose.words_of(row)["title"],
    }


def _duplicates(told: Petition) -> list[dict[str, Any]]:
    """What the same person has running, with what shows that it is the same person."""
    if told.petitioner is None:
        return []
    phone = told.petitioner.phone
    by_phone = blind(phone, field="contact.phone") if phone else b""
    with database().transaction() as tx:
        rows = matters.running_with_contacts(tx, contacts_of(told.persons), [state.value for state in ENDED])
    return [
        {
            "id": row["id"],
            "number": row["number"],
            "title": disclose.words_of(row)["title"],
            "region_name": row["region_name"],
            "received_at": row["received_at"],
            "state": MatterState(row["case_state"]),
            "by_phone": by_phone in [bytes(contact) for contact in row["contacts"]],
        }
        for row in rows
    ]
