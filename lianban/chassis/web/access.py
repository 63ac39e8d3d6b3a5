"""Who is asking in this request, what they may use, and the record of what they saw and did.

APIs take ``Authorization: Bearer`` and nothing else; pages take the cookie and nothing else, so that no page can
be made to call an API with somebody's rights. Every view says who may use it, with :func:`require` or
:func:`public`; an application with a view that says nothing does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote, urlsplit
from uuid import UUID

from flask import Flask, Response, current_app, g, redirect, request
from flask_smorest import Blueprint as SmorestBlueprint

from lianban.chassis.auth import ANONYMOUS, Access, InvalidToken, Kind, Principal, verify_access, verify_bearer
from lianban.chassis.errors import Rejected
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import StaffRole

P = ParamSpec("P")
R = TypeVar("R")

COOKIE = "lianban_access"
SIGN_IN = "/sign-in"
REFRESH = "/sign-in/refresh"
REFRESH_BEFORE = timedelta(minutes=5)


def principal() -> Principal:
    """Who asks; :data:`~lianban.chassis.auth.ANONYMOUS` without a token.

    On an API a token that does not count is refused (401); on a page it counts as none.
    """
    if "principal" not in g:
        g.principal = _from_cookie() if g.get("is_page", False) else _from_header()
    return g.principal  # type: ignore[no-any-return]  # g holds anything


def _from_cookie() -> Principal:
    token = request.cookies.get(COOKIE)
    if not token:
        return ANONYMOUS
    try:
        return verify_access(token, at=now())
    except InvalidToken:
        return ANONYMOUS


def _from_header() -> Principal:
    # A service may know callers by tokens of its own (departments' systems): RECOGNISE_CALLER in its configuration.
    recognise: Callable[[], Principal | None] | None = current_app.config.get("RECOGNISE_CALLER")
    known = recognise() if recognise is not None else None
    if known is not None:
        return known
    header = request.headers.get("Authorization")
    if header is None:
        return ANONYMOUS
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise _refused_token()
    try:
        return verify_bearer(token.strip(), at=now())
    except InvalidToken as error:
        raise (_expired_token() if error.expired else _refused_token()) from None


def _refused_token() -> Rejected:
    return Rejected("invalid-token", "令牌无效，请重新获取。", "The token is not valid; get a new one.", status=401)


def _expired_token() -> Rejected:
    return Rejected("expired-token", "令牌已过期，请重新获取。", "The token has expired; get a new one.", status=401)


def require(*roles: StaffRole, kinds: Collection[Kind] = ()) -> Callable[[Callable[P, R]], Callable[P, R | Response]]:
    """Let only those in who have one of the roles (any signed-in principal without roles) and are of one of the kinds.

    On an API others get 401 or 403; on a page they are sent to the sign-in page or see a 403 page.
    """
    access = Access(frozenset(roles), frozenset(kinds))

    def decorate(view: Callable[P, R]) -> Callable[P, R | Response]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R | Response:
            sent_away = _admit(access)
            return sent_away if sent_away is not None else view(*args, **kwargs)

        documented: Any = SmorestBlueprint.doc(security=[{"token": []}])(checked)
        documented.access = access
        return documented  # type: ignore[no-any-return]  # smorest is not typed

    return decorate


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Say that everybody may use a view, signed in or not; its own code decides what they see."""
    view.access = Access(open=True)  # type: ignore[attr-defined]  # the mark that create_app looks for
    return view


def _admit(access: Access) -> Response | None:
    who = principal()
    if g.get("is_page", False):
        if not who.signed_in:
            return _to(SIGN_IN)
        if not access.admits(who):
            raise _forbidden()
        return _to(REFRESH) if _should_refresh(who) else None
    if not who.signed_in:
        raise Rejected("not-signed-in", "请先登录或者提供令牌。", "Sign in or send a token.", status=401)
    if not access.admits(who):
        raise _forbidden()
    return None


def _forbidden() -> Rejected:
    return Rejected("forbidden", "您没有使用此功能的权限。", "You are not allowed to do this.", status=403)


def _should_refresh(who: Principal) -> bool:
    if request.method != "GET" or "HX-Request" in request.headers or who.expires_at is None or who.issued_at is None:
        return False
    # A token that never lived longer than the margin would be refreshed for ever.
    lives_long = who.expires_at - who.issued_at > 2 * REFRESH_BEFORE
    return lives_long and who.expires_at - now() <= REFRESH_BEFORE


def _to(path: str) -> Response:
    if request.method in ("GET", "HEAD"):
        back = request.full_path.rstrip("?")
    else:
        back = safe_next(urlsplit(request.referrer or "").path)
    target = f"{path}?next={quote(safe_next(back), safe='/')}"
    if "HX-Request" in request.headers:
        return Response(status=401, headers={"HX-Redirect": target})
    response: Any = redirect(target, 302)
    return response  # type: ignore[no-any-return]  # werkzeug's Response is Flask's here


def safe_next(target: str | None, default: str = "/") -> str:
    """The path to go on to after signing in: only a path of this site, never another host."""
    if not target or len(target) > 2000 or not target.startswith("/") or target.startswith(("//", "/\\")):
        return default
    if "\\" in target or any(ord(character) < 33 or ord(character) == 127 for character in target):
        return default
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path.startswith((SIGN_IN, "/sign-out")):
        return default
    return target


def set_access_cookie(response: Response, token: str, *, expires: datetime) -> None:
    """Give a browser its access token; called by the sign-in pages."""
    response.set_cookie(
        COOKIE,
        token,
        expires=expires,
        httponly=True,
        samesite="Lax",
        secure=settings().public_url.startswith("https:"),
        path="/",
    )


def clear_access_cookie(response: Response) -> None:
    """Take the access token from a browser; called when signing out."""
    response.delete_cookie(
        COOKIE, httponly=True, samesite="Lax", secure=settings().public_url.startswith("https:"), path="/"
    )


def log_access(
    tx: Transaction, action: str, *, subject: UUID | None = None, purpose: str | None = None, outcome: str = "allowed"
) -> None:
    """Record who saw or did what, in the transaction of the deed; ``action`` is a verb of the service, no free text."""
    who = principal()
    tx.write(
        """
        insert into access_log (at, actor, role, agency, action, subject, purpose, outcome, request_id)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (
            now(),
            f"{who.kind}:{who.subject}",
            ",".join(sorted(who.roles)) or None,
            who.agency,
            action,
            subject,
            purpose,
            outcome,
            g.get("request_id"),
        ),
    )


def check_views(app: Flask) -> None:
    """Raise when a view does not say who may use it."""
    silent = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if rule.endpoint == "static":
            continue
        methods = [view]
        if hasattr(view, "view_class"):
            methods = [getattr(view.view_class, name.lower()) for name in view.view_class.methods or ()]
        if not all(hasattr(method, "access") for method in methods):
            silent.append(f"{rule.rule} ({rule.endpoint})")
    if silent:
        raise TypeError("views without @require or @public (or @internal): " + ", ".join(sorted(silent)))


def access_of(view: Any) -> Access:
    """Who may use a view function; for the test of every route with every role."""
    found: Access = view.access
    return found
