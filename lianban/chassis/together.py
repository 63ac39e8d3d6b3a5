"""Doing something for many at once, where one that cannot be done must not hold up the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.errors import Retry

T = TypeVar("T")
R = TypeVar("R")


def together(items: Sequence[T], do: Callable[[Sequence[T]], R]) -> list[tuple[Sequence[T], R | Exception]]:
    """What ``do`` gives for all items at once; where it fails, what it gives for each by itself, or how it fails there.

    ``Retry`` and a database that is out of reach are raised: they are about none of the items.
    """
    if not items:
        return []
    try:
        return [(items, do(items))]
    except (Retry, *UNAVAILABLE):
        raise
    except Exception as error:  # noqa: BLE001 - the caller is told which item it was
        if len(items) == 1:
            return [(items, error)]
        return [part for item in items for part in together([item], do)]
