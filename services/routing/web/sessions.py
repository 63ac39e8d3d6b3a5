"""What every way of signing in shares: the cookies of a session, where people go from there, the record of it.

The refresh cookie goes only to ``/sign-in…``; every other service sees no more than the access token.
"""

from __future__ import annotations

from typing import Any

from flask import Response, render_template

from lianban.chassis.auth import Principal
from lianban.chassis.runtime import database
from lianban.chassis.settings import settings
from lianban.chassis.web import clear_access_cookie, language, log_access, set_access_cookie
from lianban.contracts.codes import StaffRole
from services.routing.app import sign_in_policy
from services.routing.app.accounts import SignedIn
from services.routing.domain.vouching import Provider

REFRESH_COOKIE = "lianban_refresh"
_HOMES = (
    (StaffRole.OFFICER, "/routing/"),
    (StaffRole.CLERK, "/intake/"),
    (StaffRole.AGENCY, "/desk/"),
    (StaffRole.SUPERVISOR, "/oversight/"),
    (StaffRole.AUDITOR, "/oversight/"),
)


def home_of(who: Principal) -> str:
    """The desk of a person."""
    return next((path for role, path in _HOMES if who.has(role)), "/account")


def sign_in_page(target: str, **shown: Any) -> str:
    """The sign-in page with every way that the site allows."""
    allowed = sign_in_policy.policy()
    return render_template(
        "routing/sign_in.html",
        next=target,
        local=allowed.local_accounts,
        providers=[(provider.name, _title(provider)) for provider in allowed.providers],
        **shown,
    )


def give(response: Response, signed: SignedIn) -> None:
    """Give a browser its session."""
    set_access_cookie(response, signed.access, expires=signed.access_expires)
    if signed.refresh is not None:
        response.set_cookie(
            REFRESH_COOKIE,
            signed.refresh,
            expires=signed.refresh_expires,
            httponly=True,
            samesite="Lax",
            secure=settings().public_url.startswith("https:"),
            path="/sign-in",
        )
    response.headers["Cache-Control"] = "no-store"


def forget(response: Response) -> None:
    """Take the session from a browser."""
    clear_access_cookie(response)
    response.delete_cookie(REFRESH_COOKIE, path="/sign-in", httponly=True, samesite="Lax")


def record(action: str, *, outcome: str = "allowed", actor: str | None = None) -> None:
    """Put on record who signed in, or tried to."""
    with database().transaction() as tx:
        log_access(tx, action, outcome=outcome, purpose=f"staff:{actor}" if actor else None)


def _title(provider: Provider) -> str:
    return provider.title_en if language() == "en" else provider.title
