"""A service's clock jumps a day forward and a day back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deploy.local.layout import SERVICES
from tests.chaos.clock import RIGHT, wrong_clock
from tests.chaos.conftest import Trial


@pytest.mark.chaos
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("offset", [timedelta(days=1), timedelta(days=-1)], ids=["forward", "back"])
def test_clock_jumps(trial: Trial, service: str, offset: timedelta) -> None:
    with trial() as load, wrong_clock(load.stack, service) as clock:
        load.more(3)
        clock.jump(offset)
        load.more(6)
        clock.jump(RIGHT)
        load.fault_over()
        load.more(3)
