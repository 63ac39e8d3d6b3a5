"""Waking the worker loops of this process after a commit, instead of asking the database more often."""

from __future__ import annotations

import threading

_bells: dict[str, threading.Event] = {}


def bell(loop: str) -> threading.Event:
    """The bell that a loop waits for; set by :func:`wake`, cleared by the loop."""
    return _bells.setdefault(loop, threading.Event())


def wake(loop: str) -> None:
    """Ring a loop's bell if that loop runs in this process."""
    found = _bells.get(loop)
    if found is not None:
        found.set()
