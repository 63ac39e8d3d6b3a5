"""Registering how an agency is reached, and looking it up."""

from __future__ import annotations

import hashlib
import secrets as randomness
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lianban.chassis.database import Transaction
from lianban.chassis.secrets import CannotOpen, seal, unseal
from services.agency_gateway.app.profile_schema import OUTBOUND, InvalidProfile, read
from services.agency_gateway.domain.profile import Profile
from services.agency_gateway.store import agencies, deliveries, lanes
from services.agency_gateway.store import profiles as store

TOKEN_PREFIX = "lbx_"  # noqa: S105 - marks our tokens so that scanners of leaked secrets find them
_NONE: Mapping[str, Any] = {}


def register_profile(
    tx: Transaction,
    document: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] = _NONE,
    tokens: Mapping[str, str] = _NONE,
    at: datetime,
) -> int:
    """Register an agency's profile (a parsed YAML document) or its next revision; returns the revision.

    ``secrets`` are our credentials for the department by the names that the profile uses, kept sealed; ``tokens`` are
    the department's credentials for us by label, kept hashed. Messages that wait go on by the new adapter. Raises
    :class:`~services.agency_gateway.app.profile_schema.InvalidProfile` and changes nothing.
    """
    profile = read(document)
    agency = profile.agency
    missing = profile.secrets - set(secrets) - set(store.secrets(tx, agency))
    if missing:
        raise InvalidProfile({f"secrets.{name}": "Not registered" for name in sorted(missing)})
    for label, token in tokens.items():
        if len(token) < 20:
            raise InvalidProfile({f"tokens.{label}": "Shorter than 20 characters"})
    lanes.ensure(tx, agency, agencies.name_of(tx, agency))
    lanes.set_limits(tx, agency, adapter=profile.adapter.value, limits=profile.limits, at=at)
    for name, secret in secrets.items():
        store.put_secret(tx, agency, name, seal(secret, context=_context(agency, name)))
    for label, token in tokens.items():
        store.put_token(tx, agency, label, _digest(token), at)
    for kind in OUTBOUND:
        deliveries.take_along(tx, agency, kind, profile.adapter_for(kind))
    revision = store.put(tx, agency, adapter=profile.adapter.value, level=profile.level, document=dict(document), at=at)
    tx.wake("deliver")
    return revision


def issue_token(tx: Transaction, agency: str, label: str, *, at: datetime) -> str:
    """A new token with which the agency's system may call us, in place of the one of that label; shown only here."""
    token = TOKEN_PREFIX + randomness.token_urlsafe(32)
    store.put_token(tx, agency, label, _digest(token), at)
    return token


def agency_of(tx: Transaction, token: str) -> str | None:
    """The agency whose system holds a token."""
    return store.agency_of_token(tx, _digest(token))


def profile_of(tx: Transaction, agency: str) -> Profile:
    """The agency's profile; without one it works on the desk."""
    revision = store.revisions(tx, [agency]).get(agency)
    return Profile(agency) if revision is None else _known(tx, agency, revision)


def profiles_of(tx: Transaction, wanted: list[str]) -> dict[str, Profile]:
    """The profiles of several agencies."""
    revisions = store.revisions(tx, wanted)
    return {code: _known(tx, code, revisions[code]) if code in revisions else Profile(code) for code in wanted}


def secrets_of(tx: Transaction, agency: str) -> dict[str, str]:
    """The agency's secrets in clear; one that does not open with our keys is missing."""
    found = {}
    for name, sealed in store.secrets(tx, agency).items():
        try:
            found[name] = unseal(sealed, context=_context(agency, name))
        except CannotOpen:
            continue
    return found


_read: dict[tuple[str, int], Profile] = {}


def _known(tx: Transaction, agency: str, revision: int) -> Profile:
    """The profile of a revision; reading the document again is spared."""
    if (agency, revision) not in _read:
        registered = store.get(tx, agency)
        if registered is None:
            return Profile(agency)
        _read[agency, registered.revision] = read(registered.document)
        revision = registered.revision
    return _read[agency, revision]


def _context(agency: str, name: str) -> str:
    return f"secret.sealed:{agency}:{name}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
