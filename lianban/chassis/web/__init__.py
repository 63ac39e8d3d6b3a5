"""The web base of all five services: JSON APIs and pages with one look and one set of rules.

A service makes its application in ``services/<s>/web/__init__.py``::

    from flask import Flask
    from lianban.chassis import web

    def create_app() -> Flask:
        return web.create_app("routing", api=[cases], pages=[desk])

An API view. Every view says who may use it (``@require`` or ``@public``), or the application does not start::

    from lianban.chassis.web import Api, PageQuery, PageRequest, idempotent, log_access, principal, require

    cases = Api("cases", __name__, url_prefix="/api/v1/cases", description="受理单 / cases")

    @cases.get("")
    @require(StaffRole.OFFICER)
    @cases.arguments(PageQuery, location="query")
    @cases.response(200, CasePage)
    def list_cases(query):
        wanted = PageRequest.read(query, datetime, UUID)          # types of the sort keys
        rows = store.cases(after=wanted.after, limit=wanted.fetch)
        return wanted.page(rows, key=lambda row: (row["opened_at"], row["id"])).json()

    @cases.post("/<uuid:case_id>/assignments")
    @require(StaffRole.OFFICER)
    @idempotent                        # above arguments and response; database().transaction() inside joins it
    @cases.arguments(Assignments)
    @cases.response(201, Case)
    def assign(body, case_id): ...

Other bodies than 1 MB of JSON: ``@body(megabytes=25, types=("multipart/form-data",))``. A tighter rate:
``@limited("5 per minute")``. Departments' systems: ``@require(StaffRole.AGENCY, kinds={"agency"})``; people:
``kinds={"staff"}``. Errors: raise ``Rejected`` (never return an error body); validation errors, 404, 503 and bugs
become problem documents by themselves. Requests of other services: ``lianban.chassis.internal.internal``.

A page. POSTs carry the form token (the ``form`` macro puts it there) and end in a redirect::

    desk = Pages("desk", __name__)     # templates in web/templates/<service>/

    @desk.get("/routing/")
    @require(StaffRole.OFFICER)
    def board():
        return render_template("routing/board.html", page=...)

    @desk.post("/routing/cases/<uuid:case_id>")
    @require(StaffRole.OFFICER)
    @idempotent                        # key from the form's hidden field, so that a double click has one effect
    def decide(case_id):
        values, errors = read_form(DecisionForm())
        if not errors:
            try:
                ...
                flash(_("已派出"), "good")
                return redirect(f"/routing/cases/{case_id}", 303)
            except Rejected as rejected:
                errors = rejected_fields(rejected)
        return render_template("routing/case.html", values=values, errors=errors), 422

Templates extend ``layout.html`` and ``{% import "components.html" as ui with context %}``; the macros are described
there. Messages are Chinese, in ``_("…")`` (``_l`` outside requests); English goes into the one catalogue by
``python -m lianban.chassis.web.translate extract``. Filters: ``date``, ``datetime``, ``label``.
"""

from __future__ import annotations

from lianban.chassis.auth import ANONYMOUS, Principal
from lianban.chassis.web.access import (
    clear_access_cookie,
    log_access,
    principal,
    public,
    require,
    safe_next,
    set_access_cookie,
)
from lianban.chassis.web.application import Api, Pages, create_app
from lianban.chassis.web.idempotency import idempotent
from lianban.chassis.web.languages import _, _l, language
from lianban.chassis.web.limiting import limited
from lianban.chassis.web.openapi import build_openapi
from lianban.chassis.web.paging import Page, PageQuery, PageRequest, decode_cursor, encode_cursor
from lianban.chassis.web.problems import problem, rejected_fields
from lianban.chassis.web.protection import body
from lianban.chassis.web.validation import read_form

__all__ = [
    "ANONYMOUS",
    "Api",
    "Page",
    "PageQuery",
    "PageRequest",
    "Pages",
    "Principal",
    "_",
    "_l",
    "body",
    "build_openapi",
    "clear_access_cookie",
    "create_app",
    "decode_cursor",
    "encode_cursor",
    "idempotent",
    "language",
    "limited",
    "log_access",
    "principal",
    "problem",
    "public",
    "read_form",
    "rejected_fields",
    "require",
    "safe_next",
    "set_access_cookie",
]
