"""A small OpenID provider in a thread: discovery, authorize, token, keys, userinfo. It is real where it matters to its
client (codes count once, PKCE and redirect_uri are checked) and lies where a test tells it to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "lianban", "the client's secret"
HOUR = 3600


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@cache
def usual_key() -> RSAKey:
    return new_key("k1")


@dataclass
class OpenIdProvider:
    """What the provider knows and how it behaves."""

    issuer: str
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "preferred_username": "officer"})
    key: RSAKey = field(default_factory=usual_key)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    twist: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    sign: Callable[[dict[str, Any]], str] | None = None
    client: Literal["basic", "post", "public"] = "basic"
    broken: bool = False
    slow: float = 0.0
    requests: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end-session",
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            **self.metadata,
        }

    def authorize(self, asked: dict[str, str]) -> str:
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, asked: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not self.knows_client(asked, authorization):
            return 401, {"error": "invalid_client"}
        began = self.codes.pop(asked["code"], None)
        digest = base64.urlsafe_b64encode(hashlib.sha256(asked["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            began is None
            or began["redirect_uri"] != asked["redirect_uri"]
            or began["code_challenge"] != digest.decode()
        ):
            return 400, {"error": "invalid_grant"}
        at = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": at, "exp": at + HOUR, "nonce": began["nonce"]}
        claims = self.twist({**claims, **self.person})
        made = self.sign(claims) if self.sign else self.signed(claims)
        return 200, {"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": made}

    def knows_client(self, asked: dict[str, str], authorization: str) -> bool:
        match self.client:
            case "basic":
                user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
                return (unquote(user), unquote(password)) == (CLIENT, SECRET)
            case "post":
                return not authorization and (asked.get("client_id"), asked.get("client_secret")) == (CLIENT, SECRET)
            case _:
                return not authorization and asked.get("client_id") == CLIENT and "client_secret" not in asked

    def signed(self, claims: dict[str, Any], **header: str) -> str:
        return jwt.encode({"alg": "RS256", "kid": "k1", **header}, claims, self.key)

    def unsigned(self, claims: dict[str, Any]) -> str:
        return f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."

    def signed_with_the_public_key(self, claims: dict[str, Any]) -> str:
        content = f"{_encoded({'alg': 'HS256', 'kid': 'k1'})}.{_encoded(claims)}"
        mark = hmac.digest(self.key.as_pem(private=False), content.encode(), hashlib.sha256)
        return f"{content}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _handler(provider: OpenIdProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, body: dict[str, Any], **headers: str) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            provider.requests.append(parts.path)
            time.sleep(provider.slow)
            if provider.broken:
                self.answer(503, {})
            elif parts.path == "/.well-known/openid-configuration":
                self.answer(200, provider.describe())
            elif parts.path == "/keys":
                self.answer(200, {"keys": [{"kty": "strange"}, provider.key.as_dict(private=False)]})
            elif parts.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.answer(302, {}, Location=provider.authorize(asked))
            elif parts.path == "/userinfo" and self.headers["Authorization"] == "Bearer access":
                self.answer(200, provider.userinfo)
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            provider.requests.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked = {name: values[0] for name, values in parse_qs(body).items()}
            if provider.broken:
                self.answer(503, {})
            else:
                self.answer(*provider.token(asked, self.headers.get("Authorization", "")))

    return Handler


@contextmanager
def running() -> Iterator[OpenIdProvider]:
    """A provider on a free port."""
    provider = OpenIdProvider("")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider))
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
