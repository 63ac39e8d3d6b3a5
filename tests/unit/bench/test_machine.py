"""A run says on what it was made."""

from __future__ import annotations

from tests.bench.machine import machine


def test_the_machine_and_the_versions_are_told() -> None:
    found = machine()

    assert found["cores"] >= 1
    assert found["processor"]
    assert "PostgreSQL" in found["postgresql"]
    assert found["packages"]["nameko"] == "2.14.1"
    assert len(found["load_before"]) == 3
    assert found["disk_gib"] >= found["disk_free_gib"] > 0
