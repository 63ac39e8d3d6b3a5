"""The petitioner's pages: home, submit, query, status. Every page works without JavaScript."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, session

from lianban.chassis import traces
from lianban.chassis.errors import Rejected
from lianban.chassis.rules import rulebook
from lianban.chassis.time import now
from lianban.chassis.web import Pages, _, body, idempotent, public, rejected_fields
from lianban.chassis.web.protection import FORM_TYPES
from lianban.contracts.codes import Channel, RatingTarget
from services.intake.app import petitioner
from services.intake.domain import number as numbers
from services.intake.domain.petition import Faulty
from services.intake.web import registering, status
from services.intake.web.forms import Form
from services.intake.web.matters import throttled
from services.intake.web.reading import caller, form_errors

portal = Pages("portal", __name__)

OPEN_SECONDS = 1800
"""How long a matter stays open in a browser after its query code was given."""
OPEN_AT_ONCE = 5


@portal.get("/")
@public
def home() -> str:
    """What this is, what can be done here, and how a matter goes."""
    return render_template("intake/home.html", rules=rulebook())


@portal.get("/submit")
@public
def submit() -> str:
    """The empty form."""
    return registering.show(Form.blank(), desk=False)


@portal.post("/submit")
@public
@body(megabytes=24, types=FORM_TYPES)
def fill_in() -> Any:
    """A step of filling in: another claim, back to the form, or on to the preview."""
    return registering.fill_in(Channel.WEB, desk=False)


@portal.post("/submit/confirm")
@public
@idempotent
def confirm() -> Any:
    """Register what the preview showed; a second click shows the same number."""
    return registering.confirm(Channel.WEB, desk=False)


@portal.get("/matters")
@public
def query() -> str:
    """The form that asks for number and query code."""
    return render_template("intake/query.html", values={"number": request.args.get("number", "")}, errors={})


@portal.post("/matters")
@public
@throttled
def open_by_code() -> Any:
    """Open a matter in this browser for half an hour; the code goes no further."""
    given = {"number": request.form.get("number", "")}
    try:
        opened = petitioner.open_matter(given["number"], request.form.get("query_code", ""))
    except Rejected as rejected:
        errors = {"number": next(iter(rejected_fields(rejected).values()))}
        return render_template("intake/query.html", values=given, errors=errors), 404
    _remember(opened.number, opened.id)
    return redirect(f"/matters/{opened.number}", 303)


@portal.get("/matters/<number>")
@public
def show(number: str) -> Any:
    """Where the matter stands."""
    matter = _opened(number)
    if matter is None:
        return redirect(f"/matters?number={_safe(number)}", 303)
    petitioner.note_opening(matter, now())
    return _show_status(matter)


@portal.post("/matters/<number>/leave")
@public
def leave(number: str) -> Any:
    """Close the matter in this browser."""
    kept = dict(session.get("opened", {}))
    kept.pop(numbers.normalise(number), None)
    session["opened"] = kept
    return redirect("/matters", 303)


@portal.post("/matters/<number>/rate")
@public
@idempotent
def rate(number: str) -> Any:
    """Take votes on the petition office and on each agency."""
    matter = _opened(number)
    if matter is None:
        return redirect(f"/matters?number={_safe(number)}", 303)
    try:
        petitioner.rate(matter, _votes(), at=now())
    except Faulty as faulty:
        errors = {"votes": next(iter(form_errors(faulty).values()))}
        return _show_status(matter, errors), 422
    except Rejected as rejected:
        return _show_status(matter, {"votes": next(iter(rejected_fields(rejected).values()))}), rejected.status
    flash(_("您的评价已记录，谢谢。"), "good")
    return redirect(f"/matters/{_safe(number)}", 303)


@portal.post("/matters/<number>/supplement")
@public
@body(megabytes=24, types=FORM_TYPES)
@idempotent
def supplement(number: str) -> Any:
    """Take further facts and files."""
    matter = _opened(number)
    if matter is None:
        return redirect(f"/matters?number={_safe(number)}", 303)
    form = Form.posted()
    if form.errors:
        return _show_status(matter, form.errors, form), 422
    try:
        files = [UUID(file["id"]) for file in form.files]
        petitioner.supplement(matter, form.values.get("text"), files, uploader=caller().key, at=now())
    except Faulty as faulty:
        return _show_status(matter, form_errors(faulty, attachments="files", attachments_="files"), form), 422
    except Rejected as rejected:
        return _show_status(matter, {"text": next(iter(rejected_fields(rejected).values()))}, form), rejected.status
    flash(_("补充材料已提交，将转给承办单位。"), "good")
    return redirect(f"/matters/{_safe(number)}", 303)


@portal.get("/matters/<number>/withdraw")
@public
def ask_withdrawal(number: str) -> Any:
    """Ask whether the matter is really to be withdrawn."""
    matter = _opened(number)
    if matter is None:
        return redirect(f"/matters?number={_safe(number)}", 303)
    return render_template("intake/withdraw.html", number=number)


@portal.post("/matters/<number>/withdraw")
@public
@idempotent
def withdraw(number: str) -> Any:
    """Withdraw the matter."""
    matter = _opened(number)
    if matter is None:
        return redirect(f"/matters?number={_safe(number)}", 303)
    try:
        petitioner.withdraw(matter, at=now())
    except Rejected as rejected:
        return _show_status(matter, {"": next(iter(rejected_fields(rejected).values()))}), rejected.status
    flash(_("信访事项已撤回。"), "good")
    return redirect(f"/matters/{_safe(number)}", 303)


def _show_status(matter: UUID, errors: dict[str, str] | None = None, form: Form | None = None) -> str:
    return render_template(
        "intake/status.html",
        status=status.for_page(matter, now()),
        errors=errors or {},
        values=form.values if form else {},
        files=form.files if form else [],
    )


def _votes() -> dict[str, Any]:
    """The votes in the form: fields are named ``vote.<agency code>``; the petition office's has no code."""
    votes: list[dict[str, Any]] = []
    for name, value in request.form.items():
        if name == "vote.":
            votes.append({"target": RatingTarget.PETITION_OFFICE.value, "value": value})
        elif name.startswith("vote."):
            votes.append({"target": RatingTarget.AGENCY.value, "agency": name.removeprefix("vote."), "value": value})
    solved = {"yes": True, "no": False}.get(request.form.get("solved", ""))
    return {"votes": votes, "solved": solved}


def _remember(number: str, matter: UUID) -> None:
    until = int(now().timestamp()) + OPEN_SECONDS
    kept = dict(list(session.get("opened", {}).items())[-(OPEN_AT_ONCE - 1) :])
    kept[number] = [str(matter), until]
    session["opened"] = kept


def _opened(number: str) -> UUID | None:
    """The matter of that number, where its query code was given in this browser within half an hour."""
    given = numbers.normalise(number)
    found = session.get("opened", {}).get(given)
    if not found or found[1] < now().timestamp():
        return None
    traces.about(given)
    return UUID(found[0])


def _safe(number: str) -> str:
    """A number for an address of ours."""
    given = numbers.normalise(number)
    return given if numbers.is_number(given) else ""
