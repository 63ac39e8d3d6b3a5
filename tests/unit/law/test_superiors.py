"""Who decides a dispute between agencies, and who must not learn of a matter."""

from __future__ import annotations

import pytest

from lianban.law.superiors import (
    Decider,
    DeciderKind,
    Line,
    Standing,
    SuperiorsError,
    blocked_agencies,
    common_superior,
    superiors,
    who_decides,
)

CITY, EAST, WEST = "990100000000", "990101000000", "990102000000"


def a_register(*agencies: Standing) -> dict[str, Standing]:
    return {agency.code: agency for agency in agencies}


REGISTER = a_register(
    Standing("city-gov", CITY),
    Standing("city-ecology", CITY, government="city-gov"),
    Standing("city-urban", CITY, government="city-gov"),
    Standing("city-petition", CITY, government="city-gov", petition_office=True),
    Standing("east-gov", EAST, government="city-gov"),
    Standing("east-urban", EAST, government="east-gov", vertical="city-urban"),
    Standing("east-ecology", EAST, vertical="city-ecology"),
    Standing("east-branch", EAST, vertical="city-ecology"),
    Standing("east-petition", EAST, government="east-gov", petition_office=True),
    Standing("west-gov", WEST, government="city-gov"),
    Standing("west-urban", WEST, government="west-gov", vertical="city-urban", successors=("west-works",)),
    Standing("west-works", WEST, government="west-gov"),
    Standing("tax", EAST, vertical="tax-province"),
    Standing("tax-province", "990000000000"),
)


def test_the_superiors_of_an_agency_are_told_line_by_line() -> None:
    assert superiors("east-urban", Line.GOVERNMENT, REGISTER) == ("east-gov", "city-gov")
    assert superiors("east-urban", Line.VERTICAL, REGISTER) == ("city-urban",)


def test_the_common_superior_is_the_lowest_above_all_parties() -> None:
    assert common_superior(["city-ecology", "city-urban"], Line.GOVERNMENT, REGISTER) == "city-gov"
    assert common_superior(["east-urban", "west-urban"], Line.VERTICAL, REGISTER) == "city-urban"
    assert common_superior(["east-urban", "tax"], Line.VERTICAL, REGISTER) is None
    assert common_superior([], Line.VERTICAL, REGISTER) is None


def test_a_party_is_never_its_own_judge() -> None:
    assert common_superior(["east-gov", "east-urban"], Line.GOVERNMENT, REGISTER) == "city-gov"


def test_the_nearest_common_superior_of_either_line_decides() -> None:
    assert who_decides(["city-ecology", "city-urban"], REGISTER) == Decider(
        DeciderKind.COMMON_SUPERIOR, "city-gov", Line.GOVERNMENT
    )
    assert who_decides(["east-urban", "west-urban"], REGISTER) == Decider(
        DeciderKind.COMMON_SUPERIOR, "city-urban", Line.VERTICAL
    )
    assert who_decides(["east-ecology", "east-branch"], REGISTER).code == "city-ecology"


def test_without_a_common_superior_the_joint_conference_of_the_lowest_shared_region_coordinates() -> None:
    assert who_decides(["east-urban", "tax"], REGISTER) == Decider(DeciderKind.JOINT_CONFERENCE, "east-petition")
    assert who_decides(["west-urban", "tax"], REGISTER) == Decider(DeciderKind.JOINT_CONFERENCE, "city-petition")
    assert who_decides(["tax-province", "tax"], REGISTER) == Decider(DeciderKind.JOINT_CONFERENCE, None)


def test_a_superior_that_is_blocked_by_the_matter_does_not_decide() -> None:
    found = who_decides(["east-urban", "west-urban"], REGISTER, frozenset({"city-urban"}))
    assert found == Decider(DeciderKind.COMMON_SUPERIOR, "city-gov", Line.GOVERNMENT)
    assert who_decides(["east-urban", "tax"], REGISTER, frozenset({"east-petition"})).code == "city-petition"


def test_the_accused_all_below_it_and_its_successors_are_blocked() -> None:
    assert blocked_agencies(["city-ecology"], REGISTER) == {"city-ecology", "east-ecology", "east-branch"}
    assert blocked_agencies(["west-urban"], REGISTER) == {"west-urban", "west-works"}
    assert blocked_agencies(["city-urban"], REGISTER) == {"city-urban", "east-urban", "west-urban", "west-works"}
    assert blocked_agencies([], REGISTER) == frozenset()


def test_an_accused_agency_that_the_register_does_not_know_stays_blocked() -> None:
    assert blocked_agencies(["old-bureau"], REGISTER) == {"old-bureau"}


def test_a_register_that_contradicts_itself_is_refused() -> None:
    circle = a_register(Standing("a", CITY, government="b"), Standing("b", CITY, government="a"))
    with pytest.raises(SuperiorsError, match="own superior"):
        superiors("a", Line.GOVERNMENT, circle)
    with pytest.raises(SuperiorsError, match="does not know the agency 'nobody'"):
        superiors("nobody", Line.GOVERNMENT, REGISTER)
    assert blocked_agencies(["a"], circle) == {"a", "b"}
