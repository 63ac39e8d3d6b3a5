"""Proving the ledger: every chain is recomputed from its beginning and compared entry by entry."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from lianban.chassis.transaction import Transaction
from lianban.contracts.envelope import PARTITIONS
from services.oversight.domain.entry import chained, first_hash
from services.oversight.store import ledger


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one partition; ``fault`` is None where the chain holds."""

    partition: int
    entries: int
    fault: str | None


def verify(tx: Transaction, partition: int) -> Verdict:
    """Walk one partition's chain; it must pass where its head stood when the walk began, for entries go on coming."""
    length, last = ledger.head(tx, partition)
    reached = (length, last) == (0, first_hash(partition))
    expected = first_hash(partition)
    position = 0
    for link in ledger.chain(tx, partition):
        position += 1
        if link.position != position:
            return Verdict(partition, position, f"entry {position} is missing")
        expected = chained(expected, link.entry.digest())
        if not hmac.compare_digest(expected, link.hash):
            return Verdict(partition, position, f"entry {position} was changed, or an entry before it")
        reached = reached or (position == length and hmac.compare_digest(expected, last))
    if not reached:
        return Verdict(partition, position, f"the chain ends at {position}, its head says {length}")
    return Verdict(partition, position, None)


def verify_all(tx: Transaction) -> list[Verdict]:
    """Every partition's verdict."""
    return [verify(tx, partition) for partition in range(PARTITIONS)]
