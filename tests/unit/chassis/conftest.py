"""What the tests of the chassis share."""

from __future__ import annotations

from tests.plain_logs import plain_logs

__all__ = ["plain_logs"]
