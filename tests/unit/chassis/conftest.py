"""What the tests of the chassis share."""

from __future__ import annotations

from tests.keys import become, keys, token

__all__ = ["become", "keys", "token"]
