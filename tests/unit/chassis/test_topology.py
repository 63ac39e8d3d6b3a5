"""Which queue a partition belongs to."""

from __future__ import annotations

import pytest

from lianban.chassis.topology import partitions_of, queue_of
from lianban.contracts.envelope import PARTITIONS


@pytest.mark.parametrize("queues", [1, 2, 3, 4, 7, 33, 63, 64])
def test_every_partition_belongs_to_the_queue_that_is_bound_to_it(queues: int) -> None:
    bound = {partition: index for index in range(queues) for partition in partitions_of(index, queues)}
    assert {partition: queue_of(partition, queues) for partition in range(PARTITIONS)} == bound
