"""Ids in the order of time are valid version 7 UUIDs and differ."""

from __future__ import annotations

import time
from uuid import RFC_4122

import pytest

from lianban.chassis import ids


def test_ids_are_version_7_and_hold_the_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_859_999_123_456_789)
    made = ids.time_ordered()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == 1_795_859_999_123
    assert (made.int >> 64) & 0xFFF == 456_789 * 4096 // 1_000_000


def test_a_later_id_is_greater_and_none_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(1_795_859_999_000_000_000, 1_795_859_999_100_000_000, 100_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(moments))
    made = [ids.time_ordered() for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000


def test_ids_of_one_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_859_999_123_456_789)
    assert len({ids.time_ordered() for _ in range(1000)}) == 1000
