"""Migrations are known by their names, in one list per database."""

from __future__ import annotations

import pytest

from lianban.chassis.migrations import CHASSIS
from lianban.chassis.migrations import SERVICES as FOLDER
from lianban.contracts.envelope import PRODUCERS


@pytest.mark.parametrize("service", PRODUCERS)
def test_a_service_has_no_migration_of_the_same_name_as_the_chassis(service: str) -> None:
    """The list would take the second one for applied."""
    own = {path.name for path in (FOLDER / service / "migrations").glob("*.sql")}
    assert own
    assert own.isdisjoint(path.name for path in CHASSIS.glob("*.sql"))
