"""Tokens count only when made by whom they say, for what they are used for, while they are young."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from lianban.chassis import auth
from lianban.chassis.auth import InvalidToken, Principal
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.contracts.codes import StaffRole
from tests.keys import Keys

FILE = UUID("0b6f2a52-7a3e-4c6c-9f0e-000000000001")
OTHER = UUID("0b6f2a52-7a3e-4c6c-9f0e-000000000002")


def test_an_access_token_tells_every_service_who_asks(become: Callable[[str], None]) -> None:
    at = now()
    officer = Principal(
        kind="staff",
        subject="u-7",
        name="王敏",
        roles=frozenset({StaffRole.OFFICER, StaffRole.CLERK}),
        agency="city-petition",
        territory="990100000000",
    )
    token = auth.issue_access(officer, at=at)
    become("intake")
    who = auth.verify_access(token, at=at)
    assert (who.kind, who.subject, who.name, who.agency, who.territory) == (
        "staff",
        "u-7",
        "王敏",
        "city-petition",
        "990100000000",
    )
    assert who.roles == {StaffRole.OFFICER, StaffRole.CLERK}


def test_a_token_is_over_after_its_fifteen_minutes(token: Callable[..., str]) -> None:
    made = token(StaffRole.OFFICER)
    assert auth.verify_access(made, at=now() + timedelta(minutes=14)).signed_in
    with pytest.raises(InvalidToken) as caught:
        auth.verify_access(made, at=now() + timedelta(minutes=16))
    assert caught.value.expired


def test_only_routing_can_make_access_tokens(become: Callable[[str], None], keys: Keys) -> None:
    claims = {"sub": "u-7", "kind": "staff", "roles": ["security_admin"]}
    for forged in (
        keys.forge("intake", auth.ACCESS, "intake-1", iss="intake", **claims),
        keys.forge("intake", auth.ACCESS, "intake-1", iss="routing", **claims),
        keys.forge("intake", auth.ACCESS, "routing-1", iss="routing", **claims),
        keys.forge("intake", auth.ACCESS, "nobody-1", iss="nobody", **claims),
    ):
        with pytest.raises(InvalidToken):
            auth.verify_access(forged, at=now())


def test_one_kind_of_token_does_not_pass_for_another(become: Callable[[str], None]) -> None:
    at = now()
    service = auth.issue_service("intake", at=at)
    ticket = auth.issue_ticket(FILE, owner="intake", holder="agency:city-urban", purpose="delivery", at=at)
    access = auth.issue_access(Principal(kind="staff", subject="u-7"), at=at)
    become("intake")
    for verify, wrong in (
        (auth.verify_access, service),
        (auth.verify_access, ticket),
        (auth.verify_service, access),
        (auth.verify_service, ticket),
    ):
        with pytest.raises(InvalidToken):
            verify(wrong, at=at)
    with pytest.raises(InvalidToken):
        auth.verify_ticket(access, file=FILE, at=at)


def test_a_service_token_counts_only_at_the_service_it_is_meant_for(become: Callable[[str], None], keys: Keys) -> None:
    at = now()
    token = auth.issue_service("intake", at=at)
    become("intake")
    assert auth.verify_service(token, at=at).subject == "routing"
    become("agency_gateway")
    with pytest.raises(InvalidToken):
        auth.verify_service(token, at=at)
    posing = keys.forge("intake", auth.SERVICE, "intake-1", iss="intake", sub="routing", aud="agency_gateway")
    with pytest.raises(InvalidToken):
        auth.verify_service(posing, at=at)


def test_a_ticket_opens_one_file_of_one_service_for_ten_minutes(become: Callable[[str], None]) -> None:
    at = now()
    ticket = auth.issue_ticket(FILE, owner="intake", holder="agency:city-urban", purpose="delivery", at=at)
    become("intake")
    leave = auth.verify_ticket(ticket, file=FILE, at=at)
    assert (leave.holder, leave.purpose, leave.issuer) == ("agency:city-urban", "delivery", "routing")
    assert leave.belongs_to(Principal(kind="agency", subject="x", agency="city-urban"))
    assert not leave.belongs_to(Principal(kind="agency", subject="x", agency="city-ecology"))
    with pytest.raises(InvalidToken):
        auth.verify_ticket(ticket, file=OTHER, at=at)
    with pytest.raises(InvalidToken):
        auth.verify_ticket(ticket, file=FILE, at=at + timedelta(minutes=11))
    become("agency_gateway")
    with pytest.raises(InvalidToken):
        auth.verify_ticket(ticket, file=FILE, at=at)


def test_a_changed_key_file_counts_without_a_restart(become: Callable[[str], None], keys: Keys) -> None:
    old = auth.issue_service("intake", at=now())
    become("intake")
    assert auth.verify_service(old, at=now()).subject == "routing"
    keys.make("routing")
    with pytest.raises(InvalidToken):
        auth.verify_service(old, at=now())


def test_a_token_that_was_found_right_is_over_in_time_and_counts_for_nothing_else(
    become: Callable[[str], None],
) -> None:
    at = now()
    token = auth.issue_service("intake", at=at)
    become("intake")
    assert [auth.verify_service(token, at=at).subject for _ in range(2)] == ["routing", "routing"]
    with pytest.raises(InvalidToken):
        auth.verify_access(token, at=at)
    with pytest.raises(InvalidToken) as caught:
        auth.verify_service(token, at=at + timedelta(seconds=auth.SERVICE_SECONDS + 1))
    assert caught.value.expired
    become("notification")
    with pytest.raises(InvalidToken):
        auth.verify_service(token, at=at)


def test_the_memory_of_verified_tokens_is_bounded(
    become: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "TOKENS_REMEMBERED", 2)
    at = now()
    tokens = [auth.issue_service("intake", at=at) for _ in range(5)]
    become("intake")
    for token in tokens * 2:
        assert auth.verify_service(token, at=at).subject == "routing"
    assert len(auth._public_keys(settings().need("jwks"))._verified) <= 2


def test_a_service_signs_a_new_token_for_its_neighbour_every_half_minute(become: Callable[[str], None]) -> None:
    at = now()
    first = auth.service_token("intake", at=at)
    assert auth.service_token("intake", at=at + timedelta(seconds=29)) == first
    assert auth.service_token("agency_gateway", at=at) != first
    later = auth.service_token("intake", at=at + timedelta(seconds=31))
    assert later != first
    become("intake")
    assert auth.verify_service(later, at=at + timedelta(seconds=31)).subject == "routing"


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\x00", "é.é.é", "." * 5000])
def test_garbage_is_no_token(become: Callable[[str], None], text: str) -> None:
    with pytest.raises(InvalidToken):
        auth.verify_bearer(text, at=now())
