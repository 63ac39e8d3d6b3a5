"""What the tests of the chassis share."""

from __future__ import annotations

from tests.keys import become, keys, token
from tests.plain_logs import plain_logs

__all__ = ["become", "keys", "plain_logs", "token"]
