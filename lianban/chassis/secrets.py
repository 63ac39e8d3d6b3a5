"""Encryption of personal fields and blind indexes, behind one provider interface.

A sealed value is an envelope: the text under a data key of its own (AES-256-GCM), the data key under the
service's current key, with that key's id in front, so that keys can be rotated and other algorithms (SM4, SM3)
can take the place of these without touching a service. Every sealed value is bound to its place by ``context``:
moved to another row or column it does not open.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from lianban.chassis.settings import settings

_VERSION = b"\x01"
_NONCE = 12
_WRAPPED = 32 + 16


class CannotOpen(ValueError):
    """A sealed value does not open: another place, another key, or changed bytes."""


class Provider(Protocol):
    """What the house needs of cryptography; one implementation per family of algorithms."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt, bound to the context."""

    def unseal(self, blob: bytes, context: bytes) -> bytes:
        """Decrypt; raises :class:`CannotOpen`."""

    def mac(self, data: bytes, purpose: bytes) -> bytes:
        """A keyed digest of 32 bytes, different per purpose."""


@dataclass(frozen=True, slots=True)
class AesGcm:
    """The default provider: AES-256-GCM envelopes, HMAC-SHA-256."""

    current: str
    keys: dict[str, bytes]
    index: bytes

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt, bound to the context."""
        chance = os.urandom(32 + 2 * _NONCE)  # one call of the system, not three
        data_key, wrap_nonce, nonce = chance[:32], chance[32 : 32 + _NONCE], chance[32 + _NONCE :]
        key_id = self.current.encode()
        wrapped = _wrapping(self.keys[self.current]).encrypt(wrap_nonce, data_key, key_id)
        sealed = AESGCM(data_key).encrypt(nonce, plain, context)
        return b"".join((_VERSION, bytes([len(key_id)]), key_id, wrap_nonce, wrapped, nonce, sealed))

    def unseal(self, blob: bytes, context: bytes) -> bytes:
        """Decrypt; raises :class:`CannotOpen`."""
        try:
            if blob[:1] != _VERSION:
                raise CannotOpen("not a sealed value of a known version")
            start = 2 + blob[1]
            key_id = blob[2:start]
            key = self.keys[key_id.decode()]
            wrap_nonce, rest = blob[start : start + _NONCE], blob[start + _NONCE :]
            data_key = _wrapping(key).decrypt(wrap_nonce, rest[:_WRAPPED], key_id)
            nonce, sealed = rest[_WRAPPED : _WRAPPED + _NONCE], rest[_WRAPPED + _NONCE :]
            return AESGCM(data_key).decrypt(nonce, sealed, context)
        except KeyError as error:
            raise CannotOpen(f"the key {error.args[0]!r} is not here") from None
        except (InvalidTag, IndexError, ValueError) as error:
            raise CannotOpen(str(error) or "changed, or sealed for another place") from None

    def mac(self, data: bytes, purpose: bytes) -> bytes:
        """A keyed digest of 32 bytes, different per purpose."""
        digest = _keyed_for(self.index, purpose).copy()
        digest.update(data)
        return digest.finalize()


@lru_cache(maxsize=64)
def _keyed_for(index: bytes, purpose: bytes) -> HMAC:
    """The digest under a purpose's own key, as it stands before the data: only copies of it go on."""
    key = HMAC(index, SHA256())
    key.update(purpose)
    return HMAC(key.finalize(), SHA256())


@lru_cache(maxsize=64)
def _wrapping(key: bytes) -> AESGCM:
    """The cipher of a key that wraps data keys, set up once: there are few of them."""
    return AESGCM(key)


def load_provider(folder: Path) -> AesGcm:
    """The provider with the keys in ``fields.json`` of a key folder."""
    raw = json.loads((folder / "fields.json").read_text("utf-8"))
    keys = {key_id: base64.b64decode(key) for key_id, key in raw["keys"].items()}
    return AesGcm(current=raw["current"], keys=keys, index=base64.b64decode(raw["index"]))


@cache
def provider_of(folder: str) -> Provider:
    """The provider with the keys of a folder, read once."""
    return load_provider(Path(folder))


def provider() -> Provider:
    """The provider of the service whose settings are at hand."""
    return provider_of(settings().need("keys"))


def seal(text: str, *, context: str) -> bytes:
    """Encrypt a text for one place, for example ``matter.title:<id>``."""
    return provider().seal(text.encode(), context.encode())


def unseal(blob: bytes, *, context: str) -> str:
    """The text of a sealed value; raises :class:`CannotOpen`."""
    return provider().unseal(bytes(blob), context.encode()).decode()


def seal_bytes(data: bytes, *, context: str) -> bytes:
    """Encrypt bytes (a file) for one place."""
    return provider().seal(data, context.encode())


def unseal_bytes(blob: bytes, *, context: str) -> bytes:
    """The bytes of a sealed value; raises :class:`CannotOpen`."""
    return provider().unseal(bytes(blob), context.encode())


def blind(text: str, *, field: str) -> bytes:
    """A blind index: equal for equal texts of the same field, tells nothing else. Normalise the text first."""
    return provider().mac(text.encode(), b"blind:" + field.encode())


def blinds(texts: Iterable[str], *, field: str) -> list[bytes]:
    """The blind indexes of many texts of one field, in their order; see :func:`blind`."""
    mac, purpose = provider().mac, b"blind:" + field.encode()
    return [mac(text.encode(), purpose) for text in texts]


def keyed(data: bytes, *, purpose: str) -> bytes:
    """A keyed digest of 32 bytes for another purpose, for example query codes."""
    return provider().mac(data, b"keyed:" + purpose.encode())
