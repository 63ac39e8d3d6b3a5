"""Who is asking: ES256 tokens that every service makes or verifies offline with the public keys of all (JWKS).

Three kinds of token, told apart by ``typ`` in their header so that none passes for another:

``access+jwt``
    a person, a department's system or a channel; only routing may issue it.
``service+jwt``
    one service speaking to another; issuer and subject are the service, signed with its own key.
``ticket+jwt``
    leave to fetch one file for a few minutes, bound to whom it was given; signed by the service that hands it out.

A key id is ``<service>-<n>``, and a token counts only where its issuer is the service of its key.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from lianban.chassis.settings import settings
from lianban.contracts.codes import StaffRole

Kind = Literal["staff", "agency", "service", "channel", "anonymous"]

ACCESS = "access+jwt"
SERVICE = "service+jwt"
TICKET = "ticket+jwt"
ISSUER_OF_ACCESS = "routing"
ACCESS_SECONDS = 900
SERVICE_SECONDS = 60
TICKET_SECONDS = 600
LEEWAY = timedelta(seconds=10)
TOKENS_REMEMBERED = 2000
"""So many verified tokens are kept in a process; the memory is emptied when there are more, or the keys change."""
SERVICE_TOKEN_SERVES = timedelta(seconds=SERVICE_SECONDS / 2)
"""How long a service uses one token for its neighbour: well within its life."""


class InvalidToken(Exception):
    """A token that does not count; ``reason`` is for the log and never holds the token."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.expired = expired


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a member of staff, a department's system, a service, a channel, or nobody in particular.

    ``subject`` is the stable id that goes to access logs; ``agency`` and ``territory`` (a region code) bound what
    the roles give. ``token`` is the token's id.
    """

    kind: Kind
    subject: str
    name: str = ""
    roles: frozenset[StaffRole] = field(default_factory=frozenset)
    agency: str | None = None
    territory: str | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    token: str | None = None

    @property
    def signed_in(self) -> bool:
        """Whether anybody vouches for who this is."""
        return self.kind != "anonymous"

    def has(self, *roles: StaffRole) -> bool:
        """Whether this principal has one of the roles."""
        return not self.roles.isdisjoint(roles)


ANONYMOUS = Principal(kind="anonymous", subject="anonymous")


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a view; no roles and no kinds mean everybody who signed in, ``open`` means everybody."""

    roles: frozenset[StaffRole] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    open: bool = False

    def admits(self, who: Principal) -> bool:
        """Whether a signed-in principal may use the view."""
        return (not self.roles or who.has(*self.roles)) and (not self.kinds or who.kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to fetch one file: ``holder`` is ``person:<id>`` or ``agency:<code>``, ``issuer`` the giving service."""

    file: UUID
    holder: str
    purpose: str
    issuer: str
    expires_at: datetime

    def belongs_to(self, principal: Principal) -> bool:
        """Whether a signed-in principal is the holder."""
        return self.holder in (f"person:{principal.subject}", f"agency:{principal.agency}")


class PublicKeys:
    """The public keys in a JWKS file, read again when the file has changed: a new key counts without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, ec.EllipticCurvePublicKey] = {}
        self._verified: dict[tuple[str, str, str | None], dict[str, Any]] = {}
        self._lock = threading.Lock()

    def get(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        """The key of that id, or None."""
        self._look()
        return self._keys.get(kid)

    def verified(self, token: str, typ: str, audience: str | None) -> dict[str, Any] | None:
        """The claims of a token whose signature was found right with the keys as they are now."""
        self._look()
        return self._verified.get((token, typ, audience))

    def remember(self, token: str, typ: str, audience: str | None, claims: dict[str, Any]) -> None:
        """Keep the claims of a token whose signature is right, so that its next use costs nothing."""
        if len(self._verified) >= TOKENS_REMEMBERED:
            self._verified.clear()
        self._verified[token, typ, audience] = claims

    def _look(self) -> None:
        stat = self._path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp != self._stamp:
            with self._lock:
                document = json.loads(self._path.read_text(encoding="utf-8"))
                self._keys = {str(entry["kid"]): _public(entry) for entry in document["keys"]}
                self._verified = {}
                self._stamp = stamp


def _public(entry: dict[str, Any]) -> ec.EllipticCurvePublicKey:
    key = ECAlgorithm.from_jwk(entry)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError(f"JWKS entry {entry.get('kid')} holds more than a public key")
    return key


@cache
def _public_keys(path: str) -> PublicKeys:
    return PublicKeys(Path(path))


@cache
def _signing_key(folder: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key((Path(folder) / "signing.pem").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("signing.pem must hold a P-256 private key")
    return key


def _sign(typ: str, claims: dict[str, Any], *, at: datetime, seconds: int) -> str:
    given = settings()
    service = given.need("service")
    body = {
        **claims,
        "iss": service,
        "iat": int(at.timestamp()),
        "exp": int(at.timestamp()) + seconds,
        "jti": str(uuid4()),
    }
    return jwt.encode(
        body, _signing_key(given.need("keys")), algorithm="ES256", headers={"kid": f"{service}-1", "typ": typ}
    )


def issue_access(principal: Principal, *, at: datetime, seconds: int = ACCESS_SECONDS) -> str:
    """An access token for a person, a department's system or a channel; counts only when made by routing."""
    claims: dict[str, Any] = {
        "sub": principal.subject,
        "kind": principal.kind,
        "name": principal.name,
        "roles": sorted(role.value for role in principal.roles),
    }
    if principal.agency is not None:
        claims["agency"] = principal.agency
    if principal.territory is not None:
        claims["territory"] = principal.territory
    return _sign(ACCESS, claims, at=at, seconds=seconds)


def issue_service(audience: str, *, at: datetime, seconds: int = SERVICE_SECONDS) -> str:
    """A token with which this service speaks to another one."""
    return _sign(SERVICE, {"sub": settings().need("service"), "aud": audience}, at=at, seconds=seconds)


_service_tokens: dict[tuple[str, str, str], tuple[datetime, str]] = {}


def service_token(audience: str, *, at: datetime) -> str:
    """The token with which this service speaks to another one at the moment; signed anew every half minute."""
    given = settings()
    place = (given.need("keys"), given.need("service"), audience)
    issued = _service_tokens.get(place)
    if issued is None or not timedelta(0) <= at - issued[0] < SERVICE_TOKEN_SERVES:
        issued = _service_tokens[place] = (at, issue_service(audience, at=at))
    return issued[1]


def issue_ticket(
    file: UUID, *, owner: str, holder: str, purpose: str, at: datetime, seconds: int = TICKET_SECONDS
) -> str:
    """Leave for ``holder`` (``person:<id>`` or ``agency:<code>``) to fetch one file from the service that owns it."""
    claims = {"sub": holder, "aud": f"{owner}/files", "file": str(file), "purpose": purpose}
    return _sign(TICKET, claims, at=at, seconds=seconds)


def _verify(token: str, typ: str, *, at: datetime, audience: str | None = None) -> dict[str, Any]:
    keys = _public_keys(settings().need("jwks"))
    claims = keys.verified(token, typ, audience)
    if claims is None:
        claims = _check_signature(token, typ, keys, audience)
        keys.remember(token, typ, audience, claims)
    if _instant(claims["exp"]) <= at:
        raise InvalidToken("expired", expired=True)
    if _instant(claims["iat"]) > at + LEEWAY:
        raise InvalidToken("issued in the future")
    return claims


def _check_signature(token: str, typ: str, keys: PublicKeys, audience: str | None) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if header.get("typ") != typ or not isinstance(kid, str):
            raise InvalidToken("token of another kind")
        key = keys.get(kid)
        if key is None:
            raise InvalidToken("unknown key")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["ES256"],
            audience=audience,
            # The instants are judged below against our own clock, which tests and seeded histories set.
            options={"require": ["iss", "sub", "iat", "exp", "jti"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.PyJWTError as error:
        raise InvalidToken(type(error).__name__) from None
    if kid.rpartition("-")[0] != claims["iss"]:
        raise InvalidToken("issuer is not the owner of the key")
    return claims


def _instant(value: Any) -> datetime:
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise InvalidToken("malformed instant") from None


def verify_access(token: str, *, at: datetime) -> Principal:
    """Who holds this access token; raises :class:`InvalidToken`."""
    claims = _verify(token, ACCESS, at=at)
    if claims["iss"] != ISSUER_OF_ACCESS:
        raise InvalidToken("only routing issues access tokens")
    kind = claims.get("kind")
    if kind not in ("staff", "agency", "channel"):
        raise InvalidToken("unknown kind of principal")
    try:
        roles = frozenset(StaffRole(role) for role in claims.get("roles", []))
    except (TypeError, ValueError):
        raise InvalidToken("unknown role") from None
    return Principal(
        kind=kind,
        subject=str(claims["sub"]),
        name=str(claims.get("name", "")),
        roles=roles,
        agency=claims.get("agency"),
        territory=claims.get("territory"),
        issued_at=_instant(claims["iat"]),
        expires_at=_instant(claims["exp"]),
        token=str(claims["jti"]),
    )


def verify_service(token: str, *, at: datetime) -> Principal:
    """Which service holds this token, meant for this service; raises :class:`InvalidToken`."""
    claims = _verify(token, SERVICE, at=at, audience=settings().need("service"))
    if claims["sub"] != claims["iss"]:
        raise InvalidToken("a service speaks only for itself")
    return Principal(
        kind="service",
        subject=str(claims["sub"]),
        name=str(claims["sub"]),
        issued_at=_instant(claims["iat"]),
        expires_at=_instant(claims["exp"]),
        token=str(claims["jti"]),
    )


def verify_ticket(ticket: str, *, file: UUID, at: datetime) -> Ticket:
    """The leave that a ticket gives for a file of this service; raises :class:`InvalidToken`."""
    claims = _verify(ticket, TICKET, at=at, audience=f"{settings().need('service')}/files")
    if claims.get("file") != str(file):
        raise InvalidToken("ticket for another file")
    return Ticket(
        file=file,
        holder=str(claims["sub"]),
        purpose=str(claims.get("purpose", "")),
        issuer=str(claims["iss"]),
        expires_at=_instant(claims["exp"]),
    )


def verify_bearer(token: str, *, at: datetime) -> Principal:
    """Who holds an access token or a service token; raises :class:`InvalidToken`."""
    if _public_keys(settings().need("jwks")).verified(token, ACCESS, None) is not None:
        return verify_access(token, at=at)
    try:
        typ = jwt.get_unverified_header(token).get("typ")
    except jwt.PyJWTError as error:
        raise InvalidToken(type(error).__name__) from None
    return verify_service(token, at=at) if typ == SERVICE else verify_access(token, at=at)
