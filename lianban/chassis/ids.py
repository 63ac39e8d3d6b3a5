"""Ids of rows that only ever come: in the order of time, so that an index grows at its end and not everywhere.

With random ids each new row touches another page of the index, and after a checkpoint each touched page goes to the log
whole.
"""

from __future__ import annotations

import secrets
import time
from uuid import UUID


def time_ordered() -> UUID:
    """A version 7 UUID (RFC 9562, 5.7): milliseconds, a 4096th of one, and 62 random bits."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    return UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62))
