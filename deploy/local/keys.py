"""Keys and passwords of a stack: made once, kept in the state folder, readable by their owner only.

Per service a P-256 signing key (``signing.pem``, key id ``<service>-1``) and the keys of its encrypted columns
(``fields.json``); for all the public keys (``jwks.json``), one secret for form tokens, and the passwords of the
database roles and the broker.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

JWKS = "jwks.json"
PASSWORDS = "passwords.json"
SIGNING = "signing.pem"
FIELDS = "fields.json"


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, completely or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # only its owner may read it
    temporary = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@dataclass(frozen=True, slots=True)
class Passwords:
    """The secrets that processes are given in their environment."""

    postgres: str
    broker: str
    cookie: str
    session: str
    departments: str
    roles: dict[str, str]


def key_id(service: str) -> str:
    """The id of a service's signing key in tokens and in the JWKS."""
    return f"{service}-1"


def make_keys(folder: Path, services: Iterable[str], roles: Iterable[str]) -> Passwords:
    """Make what is missing and return the passwords; what is there stays, so that data remains readable."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    public = []
    for service in services:
        own = folder / service
        own.mkdir(exist_ok=True)
        own.chmod(0o700)
        public.append(_public(_signing_key(own / SIGNING), key_id(service)))
        if not (own / FIELDS).exists():
            write_private(own / FIELDS, _json({"current": "k1", "keys": {"k1": _random()}, "index": _random()}))
    known = _json({"keys": public})
    if not (folder / JWKS).exists() or (folder / JWKS).read_bytes() != known:
        write_private(folder / JWKS, known)
    return _passwords(folder / PASSWORDS, roles)


def _signing_key(path: Path) -> ec.EllipticCurvePrivateKey:
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{path} is no P-256 key")
        return key
    made = ec.generate_private_key(ec.SECP256R1())
    write_private(
        path,
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return made


def _public(key: ec.EllipticCurvePrivateKey, name: str) -> dict[str, str]:
    numbers = key.public_key().public_numbers()

    def coordinate(value: int) -> str:
        return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()

    return {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": name,
            "x": coordinate(numbers.x), "y": coordinate(numbers.y)}  # fmt: skip


def _passwords(path: Path, roles: Iterable[str]) -> Passwords:
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    own = known.get("roles", {})
    complete: dict[str, Any] = {
        "postgres": known.get("postgres") or secrets.token_hex(24),
        "broker": known.get("broker") or secrets.token_hex(24),
        "cookie": known.get("cookie") or secrets.token_hex(20).upper(),
        "session": known.get("session") or secrets.token_hex(32),
        "departments": known.get("departments") or secrets.token_hex(24),
        "roles": {**own, **{role: own.get(role) or secrets.token_hex(24) for role in roles}},
    }
    if complete != known:
        write_private(path, _json(complete))
    return Passwords(**complete)


def _random() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()
