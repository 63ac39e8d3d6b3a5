"""Work that keeps the processor busy runs in a native thread, so that the event loop stays free."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

with warnings.catch_warnings():
    # Commands come here without the patch, and whoever runs one can do nothing about eventlet's age.
    warnings.simplefilter("ignore")
    from eventlet import tpool

P = ParamSpec("P")
T = TypeVar("T")


def offload(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``function`` in a native thread and wait for it without holding up other greenlets.

    For work of more than a few milliseconds that touches no database and no socket: checking a picture,
    hashing a password.
    """
    result: T = tpool.execute(function, *args, **kwargs)
    return result
