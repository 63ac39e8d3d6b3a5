"""The client side of OpenID Connect: discovery, authorization code with PKCE, and judging the id_token.

No database and no decision about people here: what a provider vouches for comes out, or

    OpenIdError
    ├── Away          the provider does not answer as it should: try later
    ├── Misconfigured the provider refuses this client, or offers what it must not: a person must mend it
    └── NotVouched    the code or the id_token does not count

Their texts are for the log and hold no token, code or claim.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from lianban.chassis.settings import settings
from services.routing.app.sign_in_policy import secure
from services.routing.domain.vouching import Provider

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
KEPT_SECONDS = 600.0
"""How long a provider's metadata and keys are believed; an unknown key is asked for at once."""
LEEWAY_SECONDS = 60
"""How far a provider's clock may be from ours."""
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Signatures that count: made with a private key. ``none`` and shared secrets (HS…) never do."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

Key = RSAKey | ECKey | OKPKey


class OpenIdError(Exception):
    """The root of what goes wrong with a provider."""


class Away(OpenIdError):
    """The provider is out of reach, or answers what it must not."""


class Misconfigured(OpenIdError):
    """Provider and site do not fit together."""


class NotVouched(OpenIdError):
    """The provider, or who claims to come from it, does not vouch for anybody."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who a provider says that somebody is; ``id_token`` is what it wants to see at sign-out."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]
    id_token: str


@dataclass(slots=True)
class _Known:
    """What is known of a provider, and since when."""

    metadata: dict[str, Any]
    read_at: float
    keys: list[Key] = field(default_factory=list)


@cache
def _known() -> dict[str, _Known]:
    return {}


def forget() -> None:
    """Ask every provider anew the next time."""
    _known().clear()


def metadata(provider: Provider) -> Mapping[str, Any]:
    """The provider's description of itself (OpenID Connect Discovery 1.0 §4)."""
    return _of(provider).metadata


def key_count(provider: Provider) -> int:
    """How many signing keys the provider shows."""
    with _session(provider) as session:
        return len(_fetch_keys(session, _of(provider)))


def authorization_url(
    provider: Provider, *, redirect_uri: str, state: str, nonce: str, verifier: str, language: str
) -> str:
    """Where to send the browser; ``verifier`` is the PKCE secret that stays here (RFC 7636)."""
    known = _of(provider)
    with _session(provider, redirect_uri=redirect_uri) as session:
        url, _ = session.create_authorization_url(
            known.metadata["authorization_endpoint"],
            state=state,
            nonce=nonce,
            code_verifier=verifier,
            ui_locales="en zh" if language == "en" else "zh-CN zh en",
        )
    return cast(str, url)


def redeem(provider: Provider, code: str, *, redirect_uri: str, nonce: str, verifier: str, at: datetime) -> Vouched:
    """Exchange a code for an id_token and judge it; raises :class:`OpenIdError`."""
    known = _of(provider)
    method = _authentication(provider, known)
    with _session(provider, redirect_uri=redirect_uri, token_endpoint_auth_method=method) as session:
        tokens = _exchange(session, known, code, verifier)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise NotVouched("no id_token in the answer")
        claims = _judge(session, provider, known, id_token, nonce=nonce, access_token=access_token, at=at)
        if provider.userinfo:
            claims = {**_userinfo(session, known, str(claims["sub"])), **claims}
    return Vouched(provider.issuer, str(claims["sub"]), claims, id_token)


def check_answer(provider: Provider, given_issuer: str | None) -> None:
    """Refuse an answer that names another issuer, or none where the provider always names itself (RFC 9207)."""
    always = _of(provider).metadata.get("authorization_response_iss_parameter_supported") is True
    if given_issuer != provider.issuer and (given_issuer is not None or always):
        raise NotVouched("the answer names another issuer")


def sign_out_url(provider: Provider, id_token: str, *, back: str) -> str | None:
    """Where the provider ends its own session, if it offers that (OpenID Connect RP-Initiated Logout 1.0)."""
    endpoint = _of(provider).metadata.get("end_session_endpoint")
    if not isinstance(endpoint, str) or not secure(endpoint):
        return None
    request = requests.Request(
        "GET",
        endpoint,
        params={"id_token_hint": id_token, "client_id": provider.client_id, "post_logout_redirect_uri": back},
    )
    return request.prepare().url


def secret(provider: Provider) -> str | None:
    """The client's secret from routing's key folder; ``None`` for a public client. Raises :class:`Misconfigured`."""
    if provider.client_secret_file is None:
        return None
    try:
        found = _key_file(provider.client_secret_file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"cannot read {provider.client_secret_file}: {type(error).__name__}") from error
    if not found:
        raise Misconfigured(f"{provider.client_secret_file} is empty")
    return found


def _key_file(name: str) -> Path:
    return Path(settings().need("keys")) / name


def _session(provider: Provider, **more: Any) -> Any:
    """A session of Authlib's client, to be closed; it follows no redirects and asks no proxy."""
    session = OAuth2Session(
        provider.client_id,
        secret(provider),
        scope=" ".join(provider.scopes),
        code_challenge_method="S256",
        default_timeout=(CONNECT_SECONDS, READ_SECONDS),
        leeway=0,  # access tokens of a minute are used at once, or never
        **more,
    )
    session.trust_env = False
    session.max_redirects = 0
    if provider.ca_file is not None:
        session.verify = str(_key_file(provider.ca_file))
    return session


def _of(provider: Provider) -> _Known:
    known = _known().get(provider.issuer)
    if known is None or time.monotonic() - known.read_at > KEPT_SECONDS:
        known = _discover(provider)
        _known()[provider.issuer] = known
    return known


def _discover(provider: Provider) -> _Known:
    with _session(provider) as session:
        found = _get(session, provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if found.get("issuer") != provider.issuer:
        raise Misconfigured("the provider calls itself by another issuer")
    for name in _ENDPOINTS:
        if not isinstance(found.get(name), str) or not secure(found[name]):
            raise Misconfigured(f"the provider has no safe {name}")
    methods = found.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise Misconfigured("the provider cannot do PKCE with S256")
    return _Known(found, time.monotonic())


def _get(session: Any, url: str, *, withhold_token: bool = True) -> dict[str, Any]:
    try:
        answer = session.get(url, withhold_token=withhold_token, allow_redirects=False)
        if answer.status_code != 200:
            raise Away(f"answered {answer.status_code}")
        found = answer.json()
    except AuthlibBaseError as error:
        raise NotVouched("the access token cannot be used") from error
    except (requests.RequestException, OSError, ValueError) as error:
        raise Away(type(error).__name__) from error
    if not isinstance(found, dict):
        raise Away("answered something else than an object")
    return found


def _authentication(provider: Provider, known: _Known) -> str:
    """How the client shows its secret: as the standard has it, unless the provider only takes the other way."""
    if provider.client_secret_file is None:
        return "none"
    methods = known.metadata.get("token_endpoint_auth_methods_supported") or []
    basic = "client_secret_basic" in methods or "client_secret_post" not in methods
    return "client_secret_basic" if basic else "client_secret_post"


def _exchange(session: Any, known: _Known, code: str, verifier: str) -> Mapping[str, Any]:
    try:
        found = session.fetch_token(
            known.metadata["token_endpoint"],
            grant_type="authorization_code",
            code=code,
            code_verifier=verifier,
            allow_redirects=False,
        )
    except OAuthError as error:
        if error.error == "invalid_grant":
            raise NotVouched("the code does not count") from error
        # The error's name comes from the provider: only those of RFC 6749 §5.2 go to the log.
        known_errors = ("invalid_client", "unauthorized_client", "invalid_request", "invalid_scope")
        raise Misconfigured(error.error if error.error in known_errors else "the token was refused") from error
    except (requests.RequestException, OSError, ValueError) as error:
        raise Away(type(error).__name__) from error
    return cast(Mapping[str, Any], found)


def _judge(
    session: Any,
    provider: Provider,
    known: _Known,
    id_token: str,
    *,
    nonce: str,
    access_token: Any,
    at: datetime,
) -> dict[str, Any]:
    """The claims of an id_token that counts (OpenID Connect Core 1.0 §3.1.3.7)."""
    try:
        header = jws.extract_compact(id_token.encode()).headers()
    except (JoseError, ValueError) as error:
        raise NotVouched(type(error).__name__) from error
    if header.get("alg") not in ALGORITHMS:
        raise NotVouched("signed in a way that does not count")
    fitting = _fitting(known.keys, header)
    if not fitting:
        fitting = _fitting(_fetch_keys(session, known), header)
    token = _verify(id_token, fitting)
    claims = CodeIDToken(
        token.claims,
        token.header,
        {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
            "sub": {"essential": True},
            "nonce": {"essential": True, "value": nonce},
        },
        {"nonce": nonce, "client_id": provider.client_id, "access_token": access_token},
    )
    try:
        claims.validate(now=int(at.timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError) as error:
        raise NotVouched(f"{type(error).__name__} {getattr(error, 'claim', '')}".strip()) from error
    return dict(claims)


def _verify(id_token: str, keys: list[Key]) -> jwt.Token:
    registry = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    reason = "no key of the provider fits"
    for key in keys:
        try:
            return jwt.decode(id_token, key, registry=registry)
        except (JoseError, ValueError) as error:
            reason = type(error).__name__
    raise NotVouched(reason)


def _fitting(keys: list[Key], header: Mapping[str, Any]) -> list[Key]:
    """The keys that may have signed: of the id that the token names, or all when it names none."""
    kid = header.get("kid")
    return [key for key in keys if kid is None or key.kid == kid]


def _fetch_keys(session: Any, known: _Known) -> list[Key]:
    keys: list[Key] = []
    for entry in _get(session, known.metadata["jwks_uri"]).get("keys", []):
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(entry)
        except (JoseError, ValueError, KeyError):
            continue  # a kind of key that is not known here; others may do
        if isinstance(key, (RSAKey, ECKey, OKPKey)):
            keys.append(key)
    known.keys = keys
    return keys


def _userinfo(session: Any, known: _Known, subject: str) -> dict[str, Any]:
    endpoint = known.metadata.get("userinfo_endpoint")
    if not isinstance(endpoint, str) or not secure(endpoint):
        raise Misconfigured("the provider has no safe userinfo_endpoint")
    found = _get(session, endpoint, withhold_token=False)
    if found.get("sub") != subject:
        raise NotVouched("userinfo is about somebody else")
    return found
