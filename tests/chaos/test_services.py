"""Services are killed, stopped, started again and doubled."""

from __future__ import annotations

import pytest

from deploy.local.layout import SERVICES
from deploy.local.processes import all_of
from tests.chaos.beside import second_replica
from tests.chaos.conftest import Trial


@pytest.mark.chaos_quick
def test_each_service_killed_in_turn(trial: Trial) -> None:
    with trial() as load:
        load.more(3)
        for service in SERVICES:
            load.stack.kill(service)
            load.fault_over()
            load.until_ready()
            load.more(1)


@pytest.mark.chaos
@pytest.mark.parametrize("service", SERVICES)
def test_service_killed(trial: Trial, service: str) -> None:
    with trial() as load:
        load.more(8)
        load.stack.kill(service)
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_one_of_two_processes_killed(trial: Trial) -> None:
    """The other goes on, with all queues and the outbox; the edge asks it instead."""
    with trial() as load:
        load.more(8)
        load.stack.kill("intake-2")
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_all_services_killed_at_once(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        load.stack.kill(*SERVICES)
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
@pytest.mark.parametrize("helper", ["suggest", "documents", "mail", "departments"])
def test_helper_killed(trial: Trial, helper: str) -> None:
    """The text model, the document worker, the mail server, the departments' own systems."""
    with trial() as load:
        load.more(8)
        load.stack.kill(helper)
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_rolling_restart(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        for process in all_of(*SERVICES):
            stopped = load.stack.stopped_by_itself(process)
            load.stack.restart(process)
            assert load.stack.stopped_by_itself(process) == stopped + 1  # SIGTERM was enough
            load.fault_over()
            load.until_ready()
            load.more(2)


@pytest.mark.chaos
@pytest.mark.parametrize("service", SERVICES)
def test_second_replica_started_and_stopped(trial: Trial, service: str) -> None:
    """It takes over while all others are away, and ends what it has in hand when it is stopped itself."""
    with trial() as load:
        load.more(4)
        with second_replica(load.stack, service) as second:
            load.more(4)
            load.stack.supervisor.end_together(all_of(service))
            for process in all_of(service):
                load.stack.supervisor.begin(process)
            load.until_ready()
            load.more(4)
            assert second.stop() == 0
        load.fault_over()
        load.more(4)
