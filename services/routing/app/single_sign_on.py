"""Signing in through one of the site's identity providers (统一身份认证): to the provider, and back with its answer.

The first sign-in links the provider's subject, which never changes, to an account; from then on the subject counts
and not the user name, so that a name given to another person opens nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.secrets import seal, unseal
from lianban.chassis.settings import settings
from lianban.chassis.transaction import Transaction
from services.routing.app import accounts, openid, registering, sign_in_policy
from services.routing.app.accounts import SignedIn, Vouching
from services.routing.app.openid import Vouched
from services.routing.domain.register import Staff
from services.routing.domain.vouching import USERNAME, Provider, Unplaceable, grant, text
from services.routing.store import identities, registers
from services.routing.store import staff as store

ON_THE_WAY = timedelta(minutes=10)
"""How long a person may take at the provider."""
_REMEMBERED = timedelta(hours=1)
"""How long an attempt is kept, so that one that came late is told from one that never was."""
_CANCELLED = ("access_denied", "interaction_required", "login_required", "consent_required")
_AWAY = ("server_error", "temporarily_unavailable")

TROUBLES: dict[str, tuple[str, str]] = {
    "sign-in-not-begun-here": (
        "这次登录不是从本浏览器发起的，或者已经用过。请重新登录。",
        "This sign-in did not begin in this browser, or was used already. Please sign in again.",
    ),
    "sign-in-too-late": (
        "登录用时过长，已经失效。请重新登录。",
        "Signing in took too long and no longer counts. Please sign in again.",
    ),
    "account-inactive": (
        "您的账号已停用，请联系管理员。",
        "Your account is switched off; please ask your administrator.",
    ),
    "sign-in-no-username": (
        "统一身份认证没有提供可用的用户名，请联系管理员。",
        "Your organisation's account has no user name that can be used here; please ask your administrator.",
    ),
    "no-such-provider": (
        "本站没有这种登录方式。",
        "This site has no such way to sign in.",
    ),
    "provider-misconfigured": (
        "统一身份认证的配置有误，暂时无法登录，请联系管理员。",
        "Signing in this way is not set up correctly; please tell your administrator.",
    ),
    "sign-in-not-vouched": (
        "统一身份认证的答复无效或者已过期。请重新登录。",
        "The answer of your organisation's sign-in does not count or has expired. Please sign in again.",
    ),
    "sign-in-cancelled": (
        "您取消了登录，或者统一身份认证没有同意。",
        "You cancelled signing in, or your organisation did not agree to it.",
    ),
    "provider-away": (
        "统一身份认证暂时无法使用，请稍后再试。",
        "Your organisation's sign-in cannot be reached at the moment; please try again shortly.",
    ),
    "sign-in-unknown": (
        "您的身份已核实，但没有使用本系统的权限。请联系管理员。",
        "We know who you are, but you are not registered to use this system. Please ask your administrator.",
    ),
    "sign-in-unplaced": (
        "您的身份已核实，但无法确定您的单位或辖区。请联系管理员。",
        "We know who you are, but not which agency or territory you belong to. Please ask your administrator.",
    ),
}
"""Everything that can go wrong for a person, and what they are told in both languages."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Started:
    """Where the browser is sent, and the secret by which it is known again."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A person who came back from the provider, and where they wanted to go."""

    signed: SignedIn
    target: str


def redirect_uri(provider: Provider) -> str:
    """Where the provider sends browsers back; registered there."""
    return f"{settings().public_url.rstrip('/')}/sign-in/oidc/{provider.name}/callback"


def after_sign_out() -> str:
    """Where the provider sends browsers after signing out; registered there."""
    return f"{settings().public_url.rstrip('/')}/sign-in"


def begin(name: str, *, target: str, language: str, browser: str | None, at: datetime) -> Started:
    """Send a browser to the provider; raises :class:`Rejected`. A browser that is known keeps its secret."""
    provider = _provider(name)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    browser = browser or secrets.token_urlsafe(32)
    try:
        url = openid.authorization_url(
            provider,
            redirect_uri=redirect_uri(provider),
            state=state,
            nonce=nonce,
            verifier=verifier,
            language=language,
        )
    except openid.OpenIdError as error:
        raise _told(provider, error) from error
    digest = _digest(state)
    sealed = seal(json.dumps({"nonce": nonce, "verifier": verifier, "target": target}), context=_place(digest))
    with database().transaction() as tx:
        identities.forget_attempts(tx, before=at - _REMEMBERED)
        identities.forget_tokens(tx, at=at)
        identities.put_attempt(tx, digest, browser_hash=_digest(browser), provider=provider.name, sealed=sealed, at=at)
    return Started(url, browser)


def complete(name: str, answer: Mapping[str, str], *, browser: str | None, at: datetime) -> Arrived:
    """A session for whom the provider's answer vouches for; raises :class:`Rejected`. Every answer counts once."""
    provider = _provider(name)
    digest = _digest(answer.get("state", ""))
    with database().transaction() as tx:
        attempt = identities.take_attempt(tx, digest, browser_hash=_digest(browser or ""), provider=provider.name)
    if attempt is None:
        raise _rejected("sign-in-not-begun-here")
    if at - attempt.started_at > ON_THE_WAY:
        raise _rejected("sign-in-too-late")
    kept = json.loads(unseal(attempt.sealed, context=_place(digest)))
    try:
        openid.check_answer(provider, answer.get("iss"))
        if "error" in answer:
            raise _refused(provider, answer["error"])
        vouched = openid.redeem(
            provider,
            answer.get("code", ""),
            redirect_uri=redirect_uri(provider),
            nonce=kept["nonce"],
            verifier=kept["verifier"],
            at=at,
        )
    except openid.OpenIdError as error:
        raise _told(provider, error) from error
    return Arrived(_sign_in(provider, vouched, at=at), kept["target"])


def farewell_url(vouching: Vouching) -> str | None:
    """Where a browser that signed out here signs out of its provider too; ``None`` where that is not to be had."""
    provider = sign_in_policy.policy().provider(vouching.provider)
    if provider is None or not provider.sign_out:
        return None
    try:
        return openid.sign_out_url(provider, vouching.id_token, back=after_sign_out())
    except openid.OpenIdError as error:
        log.warning("sign-out at provider failed", provider=provider.name, reason=str(error))
        return None


def _sign_in(provider: Provider, vouched: Vouched, *, at: datetime) -> SignedIn:
    """The session of the account that the identity stands for, linked or made if the site's rules say so."""
    with database().transaction() as tx:
        known = identities.identity(tx, vouched.issuer, vouched.subject)
        if known is None:
            staff_id, managed = _link(tx, provider, vouched, at=at)
        else:
            staff_id, managed = known.staff_id, known.managed
        account = store.by_id(tx, staff_id)
        if account is None or not account.staff.active:
            raise _rejected("account-inactive")
        found = _follow(tx, provider, vouched, account.staff.username, at=at) if managed else account.staff
        if isinstance(found, Rejected):
            # Who lost their place at the provider loses the other browsers here, too.
            store.end_all_sessions(tx, staff_id, at=at)
        else:
            store.note_success(tx, staff_id, at=at)
            return accounts.begin(tx, staff_id, found, at=at, vouched_by=Vouching(provider.name, vouched.id_token))
    raise found


def _follow(tx: Transaction, provider: Provider, vouched: Vouched, username: str, *, at: datetime) -> Staff | Rejected:
    """Bring a managed account to what the rules give it now."""
    try:
        staff = _entry(tx, provider, vouched, username)
    except Rejected as refused:
        return refused
    registering.register_staff(tx, staff, None, at=at)
    return staff


def _link(tx: Transaction, provider: Provider, vouched: Vouched, *, at: datetime) -> tuple[UUID, bool]:
    """The account that a subject is linked to at its first sign-in, and whether the rules manage it."""
    username = (text(vouched.claims, provider.username_claim) or "").lower()
    if not USERNAME.match(username):
        log.warning("sign-in refused", provider=provider.name, reason="no usable user name in the claim")
        raise _rejected("sign-in-no-username")
    account = store.by_username(tx, username)
    if account is None:
        staff = _entry(tx, provider, vouched, username)
        staff_id, managed = registering.register_staff(tx, staff, None, at=at), True
    elif provider.link_by_username:
        staff_id, managed = account.id, False
    else:
        raise _rejected("sign-in-unknown")
    if not identities.link(tx, vouched.issuer, vouched.subject, staff_id, managed=managed, at=at):
        # The account is linked to another subject: the name was given to another person.
        log.warning("sign-in refused", provider=provider.name, reason="the account belongs to another identity")
        raise _rejected("sign-in-unknown")
    return staff_id, managed


def _entry(tx: Transaction, provider: Provider, vouched: Vouched, username: str) -> Staff:
    """The register's entry that the rules make; raises :class:`Rejected` when they give no role or no known place."""
    try:
        given = grant(provider, vouched.claims)
    except Unplaceable as error:
        raise _unplaced(provider, str(error)) from error
    if given is None:
        raise _rejected("sign-in-unknown")
    agency = registers.agency(tx, given.agency) if given.agency else None
    missing = given.agency is not None and (agency is None or not agency.active)
    if missing or (given.territory is not None and registers.region(tx, given.territory) is None):
        raise _unplaced(provider, "agency or territory is not registered")
    return Staff(
        username=username,
        name=(text(vouched.claims, provider.name_claim) or username)[:100],
        roles=given.roles,
        agency=given.agency,
        territory=given.territory,
    )


def _provider(name: str) -> Provider:
    provider = sign_in_policy.policy().provider(name)
    if provider is None:
        raise _rejected("no-such-provider")
    return provider


def _told(provider: Provider, error: openid.OpenIdError) -> Rejected:
    """What a person is told of what went wrong at the provider; the log is told which."""
    log.warning("sign-in failed", provider=provider.name, kind=type(error).__name__, reason=str(error))
    match error:
        case openid.Away():
            return _rejected("provider-away")
        case openid.Misconfigured():
            return _rejected("provider-misconfigured")
        case _:
            return _rejected("sign-in-not-vouched")


def _refused(provider: Provider, error: str) -> Rejected:
    if error in _CANCELLED:
        return _rejected("sign-in-cancelled")
    if error in _AWAY:
        return _rejected("provider-away")
    # The name of the error comes through the browser, so it goes to no log as it is.
    return _told(provider, openid.Misconfigured("the provider answered with an error"))


def _unplaced(provider: Provider, reason: str) -> Rejected:
    log.warning("sign-in refused", provider=provider.name, reason=f"unplaceable: {reason}")
    return _rejected("sign-in-unplaced")


def _rejected(slug: str) -> Rejected:
    zh, en = TROUBLES[slug]
    return Rejected(slug, zh, en, status=403)


def _place(digest: bytes) -> str:
    return f"sign_in_attempt:{digest.hex()}"


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
