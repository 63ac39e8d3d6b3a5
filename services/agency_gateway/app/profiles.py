"""Registering how an agency is reached, and looking it up."""

from __future__ import annotations

import hashlib
import secrets as randomness
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog

from lianban.chassis.recent import Recent
from lianban.chassis.runtime import database
from lianban.chassis.secrets import CannotOpen, seal, unseal
from lianban.chassis.transaction import Transaction
from services.agency_gateway.app.profile_schema import OUTBOUND, InvalidProfile, read
from services.agency_gateway.domain.profile import Profile
from services.agency_gateway.store import agencies, deliveries, lanes
from services.agency_gateway.store import profiles as store

log = structlog.get_logger()

TOKEN_PREFIX = "lbx_"  # noqa: S105 - marks our tokens so that scanners of leaked secrets find them
FRESH_SECONDS = 1.0
"""For so long a process goes by what it has read: a new profile or a revoked token counts everywhere after that."""
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
    _holders.clear()
    _present.forget(agency)
    for kind in OUTBOUND:  # messages before their lane, as everywhere
        deliveries.take_along(tx, agency, kind, profile.adapter_for(kind))
    lanes.ensure(tx, agency, agencies.name_of(tx, agency))
    lanes.set_limits(tx, agency, adapter=profile.adapter.value, limits=profile.limits, at=at)
    for name, secret in secrets.items():
        store.put_secret(tx, agency, name, seal(secret, context=_context(agency, name)))
    for label, token in tokens.items():
        store.put_token(tx, agency, label, _digest(token), at)
    revision = store.put(tx, agency, adapter=profile.adapter.value, level=profile.level, document=dict(document), at=at)
    tx.wake("deliver")
    return revision


def issue_token(tx: Transaction, agency: str, label: str, *, at: datetime) -> str:
    """A new token with which the agency's system may call us, in place of the one of that label; shown only here."""
    token = TOKEN_PREFIX + randomness.token_urlsafe(32)
    _holders.clear()  # the token of that label until now holds no longer
    store.put_token(tx, agency, label, _digest(token), at)
    return token


_holders: Recent[bytes, str] = Recent(FRESH_SECONDS)
_present: Recent[str, Profile] = Recent(FRESH_SECONDS)
_tokens_seen: set[bytes] = set()
_agencies_seen: set[str] = set()
"""What this process asks for again and again: where one must be read, all are, so that one read a second serves all."""


def agency_of(token: str) -> str | None:
    """The agency whose system holds a token."""
    digest = _digest(token)
    known = _holders.get(digest)
    if known is not None:
        return known
    with database().transaction(whole=False) as tx:
        found = store.agencies_of_tokens(tx, [digest, *_tokens_seen])
    _tokens_seen.intersection_update(found)
    for each, agency in found.items():
        _tokens_seen.add(each)
        _holders.keep(each, agency)
    return found.get(digest)


def profile_of(tx: Transaction, agency: str) -> Profile:
    """The agency's profile; without one it works on the desk.

    Raises :class:`~services.agency_gateway.app.profile_schema.InvalidProfile` where the stored one cannot be read.
    """
    found = profiles_of(tx, [agency])
    if agency not in found:
        raise InvalidProfile({"agency": f"The stored profile of {agency} cannot be read; register it again"})
    return found[agency]


def profiles_of(tx: Transaction, wanted: list[str]) -> dict[str, Profile]:
    """The profiles of several agencies (and of others that were asked for before).

    A stored one that cannot be read, as after a change of what profiles may say, is missing: the others go on.
    """
    found = {code: profile for code in wanted if (profile := _present.get(code)) is not None}
    missing = [code for code in wanted if code not in found]
    if missing:
        asked = sorted(_agencies_seen.union(missing))
        revisions = store.revisions(tx, asked)
        for code in asked:
            try:
                profile = _known(tx, code, revisions[code]) if code in revisions else Profile(code)
            except InvalidProfile as error:
                log.error("profile.unreadable", agency=code, problems=sorted(error.problems))
                _agencies_seen.discard(code)
                continue
            _agencies_seen.add(code)
            found[code] = _present.keep(code, profile)
    return found


def known_profile(agency: str) -> Profile:
    """The agency's profile, where no transaction is open."""
    known = _present.get(agency)
    if known is not None:
        return known
    with database().transaction(whole=False) as tx:
        return profile_of(tx, agency)


def secrets_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Agencies' secrets in clear, of sealed ones; one that does not open with our keys is missing."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        agency, name = row["agency_code"], row["name"]
        with suppress(CannotOpen):
            found[agency][name] = unseal(bytes(row["sealed"]), context=_context(agency, name))
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
