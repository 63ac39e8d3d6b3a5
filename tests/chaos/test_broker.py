"""The broker is restarted, killed, out of reach, slow, or takes nothing from publishers."""

from __future__ import annotations

import pytest

from tests.chaos.broker import memory_alarm
from tests.chaos.conftest import Trial


@pytest.mark.chaos_quick
def test_broker_killed(trial: Trial) -> None:
    with trial() as load:
        load.more(3)
        load.stack.kill("rabbitmq")
        load.fault_over()
        load.more(3)  # requests do not need the broker


@pytest.mark.chaos
def test_broker_restarted(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        load.stack.restart("rabbitmq")
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_broker_out_of_reach_for_two_minutes(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        load.stack.broker_door.silent()
        load.lasting(120)
        load.stack.broker_door.open()
        load.fault_over()
        load.more(8)


@pytest.mark.chaos
def test_connections_to_the_broker_cut(trial: Trial) -> None:
    with trial() as load:
        for _ in range(5):
            load.more(3)
            load.stack.broker_door.cut()
        load.fault_over()
        load.more(3)


@pytest.mark.chaos
def test_broker_slow(trial: Trial) -> None:
    with trial() as load:
        load.more(3)
        load.stack.broker_door.slow(0.2)
        load.more(16)
        load.stack.broker_door.open()
        load.fault_over()
        load.more(3)


@pytest.mark.chaos
def test_memory_alarm(trial: Trial) -> None:
    with trial() as load:
        load.more(8)
        with memory_alarm(load.stack):
            load.more(8)
            load.lasting(40)  # longer than a relay waits for confirms
        load.fault_over()
        load.more(4)
