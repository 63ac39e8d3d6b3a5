"""What the gateway lets go besides what every service does: messages of assignments that ended long ago.

The feed and the desk hold the words of matters so that departments can work on them; the journal, which proves what was
sent, keeps its own bytes.
"""

from __future__ import annotations

from lianban.chassis import retention
from lianban.chassis.settings import settings
from services.agency_gateway.store import assignments


def prune() -> int:
    """One round; a worker loop. Returns how many rows went."""
    of_exchange = retention.round_of("assignment messages", settings().keep_exchange_days, assignments.forget_messages)
    return of_exchange + retention.prune()
