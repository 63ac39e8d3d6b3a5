"""Signing in and out, and the page about one's own account.

The refresh cookie goes only to ``/sign-in…``; every other service sees no more than the access token.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, flash, make_response, redirect, render_template, request
from marshmallow import Schema, fields, validate

from lianban.chassis.errors import Rejected
from lianban.chassis.offload import offload
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.web import (
    Pages,
    _,
    language,
    limited,
    principal,
    public,
    read_form,
    rejected_fields,
    require,
    safe_next,
)
from services.routing.app import accounts, metrics, sign_in_policy, single_sign_on
from services.routing.store import registers
from services.routing.store import staff as store
from services.routing.web.sessions import REFRESH_COOKIE, forget, give, home_of, record, sign_in_page

sign_in_pages = Pages("sign_in", __name__)


class SignInForm(Schema):
    """User name and password."""

    username = fields.String(required=True, validate=validate.Length(1, 100))
    password = fields.String(required=True, validate=validate.Length(1, 200))


class PasswordForm(Schema):
    """A new password."""

    old = fields.String(required=True, validate=validate.Length(1, 200))
    new = fields.String(required=True, validate=validate.Length(1, 200))
    again = fields.String(required=True, validate=validate.Length(1, 200))


@sign_in_pages.get("/sign-in")
@public
def show_sign_in() -> Any:
    """The sign-in page; who is signed in already goes on."""
    target = safe_next(request.args.get("next"), "")
    trouble = request.args.get("trouble", "")
    if trouble in single_sign_on.TROUBLES:
        return sign_in_page(target, trouble=single_sign_on.TROUBLES[trouble][language() == "en"])
    if principal().signed_in:
        return redirect(target or home_of(principal()), 302)
    if request.cookies.get(REFRESH_COOKIE):
        renewed = _renew(target)
        if renewed is not None:
            return renewed
    return sign_in_page(target)


@sign_in_pages.post("/sign-in")
@public
@limited("20 per minute")
def sign_in() -> Any:
    """Check the password and begin a session."""
    target = safe_next(request.form.get("next"), "")
    values, errors = read_form(SignInForm())
    status = 422
    if not errors:
        at = now()
        try:
            signed = accounts.sign_in(values["username"], values["password"], at=at, run=offload)
        except Rejected as refused:
            errors, status = rejected_fields(refused), refused.status
            metrics.sign_ins.labels("refused").inc()
            record("sign-in", outcome="refused")
        else:
            response = make_response(redirect(target or home_of(signed.principal), 303))
            give(response, signed)
            metrics.sign_ins.labels("accepted").inc()
            record("sign-in", actor=signed.principal.subject)
            return response
    shown = {"username": request.form.get("username", "")[:100]}
    return sign_in_page(target, values=shown, errors=errors), status


@sign_in_pages.get("/sign-in/refresh")
@public
def refresh() -> Any:
    """A new access token for a session that goes on, then back to where the person was."""
    target = safe_next(request.args.get("next"), "/")
    renewed = _renew(target)
    if renewed is not None:
        return renewed
    response = make_response(redirect(f"/sign-in?next={target}", 302))
    forget(response)
    return response


@sign_in_pages.get("/sign-out")
@public
def show_sign_out() -> Any:
    """Ask before signing out: a link alone changes nothing."""
    return render_template("routing/sign_out.html")


@sign_in_pages.post("/sign-in/end")
@public
def sign_out() -> Any:
    """End the session of this browser, here and at the provider that vouched for it."""
    vouched_by = accounts.sign_out(request.cookies.get(REFRESH_COOKIE), at=now())
    onward = single_sign_on.farewell_url(vouched_by) if vouched_by is not None else None
    if onward is None:
        flash(_("您已退出登录。"), "good")
        response = make_response(redirect("/sign-in", 303))
    else:
        # Not a redirect: the answer to a form may lead to this site only (Content-Security-Policy: form-action).
        response = make_response(render_template("routing/signed_out.html", onward=onward))
        response.headers["Refresh"] = f"0; url={onward}"
    forget(response)
    return response


@sign_in_pages.get("/account")
@require(kinds={"staff"})
def account() -> Any:
    """Who I am to the system."""
    return _account_page({})


@sign_in_pages.post("/account")
@require(kinds={"staff"})
@limited("10 per minute")
def change_password() -> Any:
    """Set a new password; every session ends."""
    values, errors = read_form(PasswordForm())
    if not errors and values["new"] != values["again"]:
        errors = {"again": _("两次输入的新密码不一致。")}
    if not errors:
        try:
            accounts.change_password(UUID(principal().subject), values["old"], values["new"], at=now(), run=offload)
        except Rejected as refused:
            errors = rejected_fields(refused)
            if "password" in errors:
                errors["new"] = errors.pop("password")
        else:
            record("password-changed", actor=principal().subject)
            flash(_("密码已修改，请重新登录。"), "good")
            response = make_response(redirect("/sign-in", 303))
            forget(response)
            return response
    return _account_page(errors), 422


@sign_in_pages.post("/account/sessions/end")
@require(kinds={"staff"})
def end_sessions() -> Any:
    """Sign out of every browser."""
    accounts.sign_out_everywhere(UUID(principal().subject), at=now())
    flash(_("您已在所有设备上退出登录。"), "good")
    response = make_response(redirect("/sign-in", 303))
    forget(response)
    return response


def _account_page(errors: dict[str, str]) -> str:
    who = principal()
    with database().transaction() as tx:
        agency = registers.agency(tx, who.agency) if who.agency else None
        region = registers.region(tx, who.territory) if who.territory else None
        sessions = store.open_sessions(tx, UUID(who.subject), at=now())
        known = store.by_id(tx, UUID(who.subject))
    has_password = sign_in_policy.policy().local_accounts and known is not None and known.password_hash is not None
    return render_template(
        "routing/account.html",
        who=who,
        agency=agency,
        region=region,
        sessions=sessions,
        has_password=has_password,
        values={},
        errors=errors,
    )


def _renew(target: str) -> Response | None:
    signed = accounts.refresh(request.cookies.get(REFRESH_COOKIE, ""), at=now())
    if signed is None:
        return None
    response = make_response(redirect(target or home_of(signed.principal), 302))
    give(response, signed)
    return response
