"""Python's search for garbage in cycles, set for processes that run long and hold much that never goes.

With Python's own settings the search ran after every 700 new objects and looked through all modules, schemas and routes
again and again: some per cent of a service's time, and pauses of up to 0.1 s in the middle of requests.
"""

from __future__ import annotations

import gc

YOUNG = 20_000
"""New objects after which the young ones are looked through (Python: 700)."""


def settle() -> None:
    """What is there now is never looked at again; to be called once, when the process is made and begins to work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)
