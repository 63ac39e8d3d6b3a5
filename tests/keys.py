"""Fixtures: keys and settings of a service that exist only for a test."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm

from lianban.chassis import auth, secrets
from lianban.chassis.auth import Principal
from lianban.chassis.settings import settings_of_process
from lianban.chassis.time import now
from lianban.contracts.codes import StaffRole

FIELD_KEY = base64.b64encode(b"k" * 32).decode()


def forget_settings() -> None:
    for cached in (settings_of_process, auth._signing_key, auth._public_keys, secrets.provider_of):
        cached.cache_clear()


@dataclass
class Keys:
    """The key folders of some services below one folder, and the public keys of all of them."""

    folder: Path

    def make(self, service: str, kid: str | None = None) -> None:
        """Make a signing key; the public one is added to the JWKS file."""
        key = ec.generate_private_key(ec.SECP256R1())
        home = self.folder / service
        home.mkdir(exist_ok=True)
        (home / "signing.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (home / "fields.json").write_text(json.dumps({"current": "k1", "keys": {"k1": FIELD_KEY}, "index": FIELD_KEY}))
        path = self.folder / "jwks.json"
        keys = json.loads(path.read_text())["keys"] if path.exists() else []
        entry = {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid or f"{service}-1", "alg": "ES256"}
        path.write_text(json.dumps({"keys": [*(k for k in keys if k["kid"] != entry["kid"]), entry]}))

    def forge(self, service: str, typ: str, kid: str, **claims: object) -> str:
        """A token signed with a service's key that claims whatever one likes."""
        key = (self.folder / service / "signing.pem").read_bytes()
        body = {"iat": int(now().timestamp()), "exp": int(now().timestamp()) + 60, "jti": "1", **claims}
        return jwt.encode(body, key, algorithm="ES256", headers={"kid": kid, "typ": typ})


@pytest.fixture
def become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Make this process one of the services for the time of a test."""
    keys = Keys(tmp_path)
    for service in ("intake", "routing", "agency_gateway", "oversight", "notification"):
        keys.make(service)

    for name in [name for name in os.environ if name.startswith("LIANBAN_")]:
        monkeypatch.delenv(name)

    def as_service(service: str) -> None:
        monkeypatch.setenv("LIANBAN_SERVICE", service)
        monkeypatch.setenv("LIANBAN_KEYS", str(tmp_path / service))
        monkeypatch.setenv("LIANBAN_JWKS", str(tmp_path / "jwks.json"))
        monkeypatch.setenv("LIANBAN_SECRET_KEY", "only-for-tests")
        forget_settings()

    as_service("routing")
    yield as_service
    forget_settings()


@pytest.fixture
def keys(tmp_path: Path, become: Callable[[str], None]) -> Keys:
    """The keys of the services of this test."""
    return Keys(tmp_path)


@pytest.fixture
def token(become: Callable[[str], None]) -> Callable[..., str]:
    """Make access tokens as routing does: ``token(StaffRole.OFFICER, agency=...)``."""

    def make(
        *roles: StaffRole,
        kind: auth.Kind = "staff",
        agency: str | None = None,
        at: datetime | None = None,
        seconds: int = 900,
    ) -> str:
        who = Principal(kind=kind, subject="s-1", name="王敏", roles=frozenset(roles), agency=agency)
        become("routing")
        return auth.issue_access(who, at=at or now(), seconds=seconds)

    return make
