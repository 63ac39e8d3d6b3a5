"""The two doors of signing in through a provider: out to it, and back from it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import make_response, redirect, request

from lianban.chassis.errors import Rejected
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.chassis.web import Pages, language, limited, public, safe_next
from services.routing.app import metrics, single_sign_on
from services.routing.web.sessions import give, home_of, record

single_sign_on_pages = Pages("single_sign_on", __name__)

BROWSER_COOKIE = "lianban_sign_in"
_FOLDER = "/sign-in/oidc"


@single_sign_on_pages.get(f"{_FOLDER}/<provider>")
@public
@limited("20 per minute")
def leave(provider: str) -> Any:
    """Send the browser to an identity provider of the site."""
    at = now()
    target = safe_next(request.args.get("next"), "")
    try:
        started = single_sign_on.begin(
            provider, target=target, language=language(), browser=request.cookies.get(BROWSER_COOKIE), at=at
        )
    except Rejected as refused:
        return _failed(refused, target)
    response = make_response(redirect(started.url, 302))
    response.set_cookie(
        BROWSER_COOKIE,
        started.browser,
        expires=at + single_sign_on.ON_THE_WAY,
        httponly=True,
        # Lax, not Strict: the browser comes back by a link from another site.
        samesite="Lax",
        secure=settings().public_url.startswith("https:"),
        path=_FOLDER,
    )
    return response


@single_sign_on_pages.get(f"{_FOLDER}/<provider>/callback")
@public
@limited("20 per minute")
def arrive(provider: str) -> Any:
    """Take the browser back from the provider, and begin a session if the answer counts."""
    try:
        arrived = single_sign_on.complete(
            provider, request.args.to_dict(), browser=request.cookies.get(BROWSER_COOKIE), at=now()
        )
    except Rejected as refused:
        metrics.sign_ins.labels("refused").inc()
        record("sign-in", outcome="refused")
        return _failed(refused, "")
    response = make_response(redirect(arrived.target or home_of(arrived.signed.principal), 303))
    give(response, arrived.signed)
    metrics.sign_ins.labels("accepted").inc()
    record("sign-in", actor=arrived.signed.principal.subject)
    return response


def _failed(refused: Rejected, target: str) -> Any:
    # Away from the address that the provider's answer stands in; the sign-in page tells what happened.
    query = {"trouble": refused.slug, **({"next": target} if target else {})}
    return redirect(f"/sign-in?{urlencode(query)}", 303)
