"""Votes, and what a petitioner may do when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lianban.contracts.codes import MatterState, RatingTarget, RatingValue
from lianban.contracts.refs import AgencyRef, RatingVote
from services.intake.domain import rating
from services.intake.domain.caller import PETITIONER, Caller, territory_prefix
from services.intake.domain.petition import Faulty
from services.intake.domain.progress import may_be_rated, may_be_supplemented, may_be_withdrawn

ECOLOGY = AgencyRef("city-ecology", "清河市生态环境局")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
OFFICE = {"target": "petition_office", "value": "satisfied"}
AGENCY = {"target": "agency", "agency": "city-ecology", "value": "dissatisfied"}


def test_votes_are_read_with_the_agency_as_it_is_called() -> None:
    assert rating.parse({"votes": [OFFICE, AGENCY], "solved": False}, [ECOLOGY]) == (
        (
            RatingVote(RatingTarget.PETITION_OFFICE, RatingValue.SATISFIED),
            RatingVote(RatingTarget.AGENCY, RatingValue.DISSATISFIED, ECOLOGY),
        ),
        False,
    )


def test_solved_alone_is_an_answer() -> None:
    assert rating.parse({"solved": True}, [ECOLOGY]) == ((), True)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, ("/votes", "missing")),
        ({"votes": "x"}, ("/votes", "not-a-list")),
        ({"votes": [1]}, ("/votes/0", "not-an-object")),
        ({"votes": [{"target": "mayor", "value": "satisfied"}]}, ("/votes/0/target", "unknown-code")),
        ({"votes": [{"target": ["agency"], "value": "satisfied"}]}, ("/votes/0/target", "unknown-code")),
        ({"votes": [{**OFFICE, "value": "so so"}]}, ("/votes/0/value", "unknown-code")),
        ({"votes": [{**AGENCY, "agency": "city-urban"}]}, ("/votes/0/agency", "unknown-agency")),
        ({"votes": [{**AGENCY, "agency": None}]}, ("/votes/0/agency", "unknown-agency")),
        ({"votes": [OFFICE, OFFICE]}, ("/votes/1", "target-twice")),
        ({"votes": [OFFICE], "solved": "no"}, ("/solved", "not-true-or-false")),
    ],
)
def test_wrong_votes_are_told_with_their_place(told: dict[str, Any], expected: tuple[str, str]) -> None:
    with pytest.raises(Faulty) as caught:
        rating.parse(told, [ECOLOGY])
    assert expected in [(fault.pointer, fault.slug) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("state", "open_"),
    [
        (MatterState.REGISTERED, True),
        (MatterState.DISPUTED, True),
        (MatterState.HANDLING, True),
        (MatterState.DECIDED, False),
        (MatterState.SERVED, False),
        (MatterState.CLOSED, False),
        (MatterState.WITHDRAWN, False),
        (MatterState.DISCIPLINE, False),
    ],
)
def test_a_matter_is_supplemented_and_withdrawn_until_its_decision(state: MatterState, open_: bool) -> None:
    assert may_be_supplemented(state) is open_
    assert may_be_withdrawn(state) is open_


@pytest.mark.parametrize(
    ("state", "decided", "closed_before", "open_"),
    [
        (MatterState.HANDLING, False, None, False),
        (MatterState.DECIDED, True, None, True),
        (MatterState.SERVED, True, None, True),
        (MatterState.CLOSED, True, timedelta(days=30), True),
        (MatterState.CLOSED, True, timedelta(days=31), False),
        (MatterState.CLOSED, False, timedelta(days=1), False),
    ],
)
def test_a_matter_is_rated_after_its_decision(
    state: MatterState, decided: bool, closed_before: timedelta | None, open_: bool
) -> None:
    decided_at = NOW - timedelta(days=40) if decided else None
    closed_at = NOW - closed_before if closed_before else None
    assert may_be_rated(state, decided_at, closed_at, NOW) is open_


def test_only_those_who_submit_for_others_use_other_channels() -> None:
    from lianban.contracts.codes import Channel, StaffRole

    assert PETITIONER.may_use(Channel.WEB)
    assert not PETITIONER.may_use(Channel.HOTLINE)
    assert Caller(roles=frozenset({StaffRole.CHANNEL})).may_use(Channel.HOTLINE)
    assert not Caller(roles=frozenset({StaffRole.AGENCY})).may_use(Channel.VISIT)
    assert Caller(roles=frozenset({StaffRole.IMPORTER})).may_back_date
    assert not Caller(roles=frozenset({StaffRole.CLERK})).may_back_date


@pytest.mark.parametrize(
    ("region", "prefix"),
    [
        (None, ""),
        ("990000000000", "99"),
        ("990100000000", "9901"),
        ("990102000000", "990102"),
        ("990102101000", "990102101"),
        ("990102101001", "990102101001"),
    ],
)
def test_a_territory_is_a_prefix_of_region_codes(region: str | None, prefix: str) -> None:
    assert territory_prefix(region) == prefix
