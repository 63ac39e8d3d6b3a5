"""Keys and passwords of a stack are made once and stay."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from deploy.local.keys import make_keys


def test_keys_are_made_once(tmp_path: Path) -> None:
    first = make_keys(tmp_path, ["intake", "routing"], ["intake", "routing"])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert make_keys(tmp_path, ["intake", "routing"], ["intake", "routing"]) == first
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_new_role_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    first = make_keys(tmp_path, ["intake"], ["intake"])
    second = make_keys(tmp_path, ["intake"], ["intake", "demo_departments"])
    assert second.roles["intake"] == first.roles["intake"]
    assert len(second.roles["demo_departments"]) == 48
    assert second.postgres == first.postgres


def test_the_public_keys_belong_to_the_signing_keys(tmp_path: Path) -> None:
    make_keys(tmp_path, ["intake", "routing"], [])
    published = {key["kid"]: key for key in json.loads((tmp_path / "jwks.json").read_text())["keys"]}
    assert sorted(published) == ["intake-1", "routing-1"]
    private = load_pem_private_key((tmp_path / "routing" / "signing.pem").read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    x = int.from_bytes(base64.urlsafe_b64decode(published["routing-1"]["x"] + "="), "big")
    assert x == private.public_key().public_numbers().x
    assert "d" not in published["routing-1"]


def test_field_keys_are_256_bits(tmp_path: Path) -> None:
    make_keys(tmp_path, ["intake"], [])
    fields = json.loads((tmp_path / "intake" / "fields.json").read_text())
    assert fields["current"] in fields["keys"]
    assert [len(base64.b64decode(key)) for key in (*fields["keys"].values(), fields["index"])] == [32, 32]
