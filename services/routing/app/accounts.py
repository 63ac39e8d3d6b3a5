"""Signing in with a local account: password, access token of 15 minutes, rotating refresh token, throttling.

Whatever vouches for a person, the password here or a provider in :mod:`services.routing.app.single_sign_on`, ends in
:func:`begin`, which alone opens a session. The refresh token is stored as a hash; each use replaces it. A replaced
token that comes again is theft or a lost answer: within a few seconds it is taken for the latter, later it ends the
session.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from lianban.chassis.auth import ACCESS_SECONDS, Principal, issue_access
from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.secrets import seal, unseal
from lianban.chassis.transaction import Transaction
from services.routing.app import sign_in_policy
from services.routing.app.registering import hash_password
from services.routing.domain.register import Staff
from services.routing.store import staff as store

SESSION = timedelta(hours=12)
"""How long a browser stays signed in without the password: a working day."""
REPEAT = timedelta(seconds=20)
"""How long a replaced refresh token still counts: two tabs, or an answer that got lost."""
FREE_FAILURES = 5
"""Wrong passwords after which an account waits (GB/T 22239-2019, 8.1.4.1)."""
LONGEST_WAIT = timedelta(minutes=15)

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))
"""What the password of an unknown name is compared with, so that the time taken tells nothing."""

T = TypeVar("T")


class Run(Protocol):
    """How slow work is run: at once, or in a native thread inside a service."""

    def __call__(self, work: Callable[[], T], /) -> T:
        """The result of ``work``."""


def at_once(work: Callable[[], T], /) -> T:
    """Run it here."""
    return work()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person's tokens: the access token for every service, the refresh token for routing alone."""

    principal: Principal
    access: str
    access_expires: datetime
    refresh: str | None
    refresh_expires: datetime


@dataclass(frozen=True, slots=True)
class Vouching:
    """The provider that vouched for a session, with its id_token: the provider keeps a session of its own."""

    provider: str
    id_token: str


def principal_of(staff_id: UUID, staff: Staff) -> Principal:
    """Who a member of staff is, as tokens say it."""
    return Principal(
        kind="staff",
        subject=str(staff_id),
        name=staff.name,
        roles=staff.roles,
        agency=staff.agency,
        territory=staff.territory,
    )


def sign_in(username: str, password: str, *, at: datetime, run: Run = at_once) -> SignedIn:
    """The tokens of whoever knows the password; raises :class:`Rejected` that does not tell which part was wrong."""
    if not sign_in_policy.policy().local_accounts:
        raise Rejected(
            "local-sign-in-off",
            "本站已停用用户名和密码登录，请使用统一身份认证。",
            "User names and passwords are switched off here; sign in with your organisation's account.",
            status=403,
        )
    name = username.strip().lower()
    with database().transaction() as tx:
        account = store.by_username(tx, name)
    if account is not None and account.locked_until is not None and account.locked_until > at:
        raise _locked(account.locked_until, at)
    known = account.password_hash if account is not None and account.password_hash else _NOBODY
    right = run(lambda: _matches(known, password))
    with database().transaction() as tx:
        account = store.by_username(tx, name)
        if account is None or account.password_hash is None or not account.staff.active or not right:
            if account is not None:
                _count_failure(tx, account, at)
        elif account.locked_until is not None and account.locked_until > at:
            raise _locked(account.locked_until, at)
        else:
            store.note_success(tx, account.id, at=at)
            return begin(tx, account.id, account.staff, at=at)
    raise Rejected(
        "sign-in-failed", "用户名或者密码不正确。", "User name or password is not right.", status=401, field="username"
    )


def refresh(token: str, *, at: datetime) -> SignedIn | None:
    """New tokens for a session that goes on; ``None`` when it is over or the token does not count."""
    digest = _digest(token)
    allowed = sign_in_policy.policy()
    with database().transaction() as tx:
        session = store.session_of(tx, digest)
        if session is None or session.ended or session.expires_at <= at:
            return None
        account = store.by_id(tx, session.staff_id)
        if account is None or not account.staff.active or not allowed.goes_on(session.provider):
            store.end_session(tx, session.id, at=at)
            return None
        if session.replaced:
            if at - session.refreshed_at > REPEAT:
                store.end_session(tx, session.id, at=at)
                return None
            return _tokens(account.id, account.staff, None, session.expires_at, at)
        fresh = secrets.token_urlsafe(32)
        store.replace_token(tx, session.id, _digest(fresh), at=at)
        return _tokens(account.id, account.staff, fresh, session.expires_at, at)


def sign_out(token: str | None, *, at: datetime) -> Vouching | None:
    """The session of a refresh token is over; an unknown token changes nothing. Returns who vouched for it."""
    if not token:
        return None
    with database().transaction() as tx:
        session = store.session_of(tx, _digest(token))
        if session is None:
            return None
        store.end_session(tx, session.id, at=at)
    if session.provider is None or session.id_token is None:
        return None
    return Vouching(session.provider, unseal(session.id_token, context=_place(session.id)))


def sign_out_everywhere(staff_id: UUID, *, at: datetime) -> int:
    """Every session of a person is over; returns how many were."""
    with database().transaction() as tx:
        return store.end_all_sessions(tx, staff_id, at=at)


def change_password(staff_id: UUID, old: str, new: str, *, at: datetime, run: Run) -> None:
    """A new password; every other session of the person ends."""
    with database().transaction() as tx:
        account = store.by_id(tx, staff_id)
    if account is None or account.password_hash is None:
        raise Rejected("no-password", "该账户没有本地密码。", "This account has no local password.", status=409)
    known = account.password_hash
    if not run(lambda: _matches(known, old)):
        raise Rejected("wrong-password", "原密码不正确。", "The old password is not right.", field="old")
    made = run(lambda: hash_password(new))
    with database().transaction() as tx:
        store.set_password(tx, staff_id, made)
        store.end_all_sessions(tx, staff_id, at=at)


def _matches(known: str, password: str) -> bool:
    try:
        return _hasher.verify(known, password)
    except (VerificationError, InvalidHashError):
        return False


def _count_failure(tx: Transaction, account: store.Account, at: datetime) -> None:
    failures = account.failures + 1
    locked: datetime | None = None
    if failures >= FREE_FAILURES:
        locked = at + min(timedelta(seconds=15 * 2 ** min(failures - FREE_FAILURES, 10)), LONGEST_WAIT)
    store.note_failure(tx, account.id, failures, locked)


def _locked(until: datetime, at: datetime) -> Rejected:
    return Rejected(
        "sign-in-locked",
        "密码多次输入错误，请在{seconds}秒后再试。",
        "Too many wrong passwords; try again in {seconds} seconds.",
        status=429,
        seconds=max(1, int((until - at).total_seconds())),
    )


def begin(
    tx: Transaction, staff_id: UUID, staff: Staff, *, at: datetime, vouched_by: Vouching | None = None
) -> SignedIn:
    """Open a session for a person who was vouched for: by the password, or by a provider with its id_token."""
    fresh = secrets.token_urlsafe(32)
    session_id = uuid4()
    store.open_session(
        tx,
        session_id,
        staff_id,
        _digest(fresh),
        at=at,
        expires_at=at + SESSION,
        provider=vouched_by.provider if vouched_by else None,
        id_token=seal(vouched_by.id_token, context=_place(session_id)) if vouched_by else None,
    )
    return _tokens(staff_id, staff, fresh, at + SESSION, at)


def _place(session_id: UUID) -> str:
    return f"staff_session.id_token:{session_id}"


def _tokens(staff_id: UUID, staff: Staff, fresh: str | None, expires: datetime, at: datetime) -> SignedIn:
    who = principal_of(staff_id, staff)
    return SignedIn(who, issue_access(who, at=at), at + timedelta(seconds=ACCESS_SECONDS), fresh, expires)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
