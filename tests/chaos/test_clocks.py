"""A service's clock jumps a day forward and a day back."""

from __future__ import annotations

import pytest

from deploy.local.layout import SERVICES
from tests.chaos.clock import wrong_clock
from tests.chaos.conftest import Trial


@pytest.mark.chaos
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("offset", ["+1d", "-1d"], ids=["forward", "back"])
def test_clock_jumps(trial: Trial, service: str, offset: str) -> None:
    with trial() as load, wrong_clock(load.stack, service) as clock:
        load.more(3)
        clock.jump(offset)
        load.more(6)
        clock.jump("+0")
        load.fault_over()
        load.more(3)
