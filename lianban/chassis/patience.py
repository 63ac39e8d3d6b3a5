"""How long to wait for company: the more there is to do, the more is done together.

A transaction, a publication, an exchange cost much the same for one event as for many. Whoever does them waits in
between as many times as long as the last one took; under load that grows by itself, and on a quiet system it is short.
"""

from __future__ import annotations

SHARE = 4.0


def patience(took: float, *, least: float, most: float) -> float:
    """Seconds to wait after something that took so many seconds, within bounds."""
    return min(max(SHARE * took, least), most)
