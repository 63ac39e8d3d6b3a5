"""The database is restarted, killed, out of reach, full, locked, or lets nobody in."""

from __future__ import annotations

import pytest

from tests.chaos.conftest import Trial
from tests.chaos.database import disk_full, locked, no_connections


@pytest.mark.chaos_quick
def test_database_killed(trial: Trial) -> None:
    with trial() as load:
        load.more(3)
        load.stack.kill("postgres")
        load.fault_over()
        load.more(3)


@pytest.mark.chaos
def test_database_restarted(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        load.stack.restart("postgres")
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_database_out_of_reach(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        load.stack.database_door.silent()
        load.lasting(45)
        load.stack.database_door.open()
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_connections_to_the_database_cut(trial: Trial) -> None:
    with trial() as load:
        for _ in range(5):
            load.more(3)
            load.stack.database_door.cut()
        load.fault_over()
        load.more(3)


@pytest.mark.chaos
def test_database_slow(trial: Trial) -> None:
    with trial() as load:
        load.more(3)
        load.stack.database_door.slow(0.05)
        load.more(12)
        load.stack.database_door.open()
        load.fault_over()
        load.more(3)


@pytest.mark.chaos
def test_connection_limit_reached(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        with no_connections(load.stack):
            load.lasting(15)
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_disk_full(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        with disk_full(load.stack):
            load.lasting(15)
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_long_lock(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        with locked(load.stack):
            load.lasting(30)  # longer than any statement may take
        load.fault_over()
        load.more(8)
