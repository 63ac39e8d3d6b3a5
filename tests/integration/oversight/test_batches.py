"""A batch of events leaves what its events leave one by one, and writes each row once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.inbox import Inbox
from lianban.chassis.runtime import database
from lianban.chassis.topology import HEARS
from lianban.chassis.transaction import statistics
from lianban.contracts.envelope import Envelope
from services.oversight.app import verifying, working_calendar
from services.oversight.app.hearing import HANDLERS, prepare
from services.oversight.store import tallies
from tests.databases import FreshDatabase
from tests.integration.oversight.lives import Life, objected, reopened, straight, withdrawn

Looking = psycopg.Connection[DictRow]


def an_inbox(*, prepared: bool = True) -> Inbox:
    """Oversight's inbox."""
    return Inbox(database(), "oversight", HEARS["oversight"], HANDLERS, prepare if prepared else None)


def together(events: Sequence[Envelope]) -> None:
    """As one batch, in which every event comes twice."""
    an_inbox().handle([*events, *events])


def unprepared(events: Sequence[Envelope]) -> None:
    """As one batch for which nothing was read beforehand."""
    an_inbox(prepared=False).handle(events)


def in_pieces(events: Sequence[Envelope]) -> None:
    """In batches of seven, as they may come."""
    for start in range(0, len(events), 7):
        an_inbox().handle(events[start : start + 7])


def one_by_one(events: Sequence[Envelope]) -> None:
    """Each in a transaction of its own."""
    for event in events:
        an_inbox().handle([event])


def carefully(events: Sequence[Envelope]) -> None:
    """In savepoints, as after a failure: the last come first, and wait until the first event brings them along."""
    an_inbox()._one_by_one(list(reversed(events)))


def some_lives() -> list[Life]:
    """Matters of three counties with different ends."""
    return [
        straight("XF1"),
        straight("XF2", "990102000000"),
        objected("XF3", "990102000000"),
        reopened("XF4", "990103000000"),
        withdrawn("XF5"),
    ]


def mixed(lives: Sequence[Life]) -> list[Envelope]:
    """The events of several matters, one of each in turn."""
    turns = itertools.zip_longest(*(life.said for life in lives))
    return [event for turn in turns for event in turn if event is not None]


def left(look: Looking) -> dict[str, list[DictRow]]:
    """The rows that oversight keeps, without what only says when and in which order they were written."""
    asked = {
        "matters": "select * from matter order by id",
        "assignments": "select * from assignment order by id",
        "clocks": "select * from clock order by id",
        "agencies": "select * from agency_in_region order by 1, 2",
        "counts": "select what, region_code, agency_code, rule, word, sum(n)::int as n from counted"
        " group by 1, 2, 3, 4, 5 having sum(n) <> 0 order by 1, 2, 3, 4, 5",
        "ledger": "select event_id, subject, producer, sequence, data from ledger order by event_id",
        "said": "select subject, sequence, type, convert_from(body, 'UTF8')::jsonb -> 'data' as data from outbox"
        " order by subject, sequence",
    }
    return {name: look.execute(sql.encode()).fetchall() for name, sql in asked.items()}


@pytest.fixture
def begun(fresh_database: FreshDatabase) -> Callable[[], Looking]:
    """Makes an oversight with the announced calendar, each with a database of its own."""

    def begin() -> Looking:
        working_calendar._seen.clear()
        look = fresh_database("oversight")
        working_calendar.seed()
        look.execute("delete from outbox")  # the calendar's own events
        return look

    return begin


@pytest.mark.parametrize("hand_over", [together, unprepared, in_pieces, carefully])
def test_events_leave_the_same_rows_however_they_are_handed_over(
    begun: Callable[[], Looking], hand_over: Callable[[Sequence[Envelope]], None]
) -> None:
    events = mixed(some_lives())
    look = begun()
    one_by_one(events)
    wanted = left(look)
    look = begun()
    hand_over(events)
    kept = left(look)
    for name, rows in wanted.items():
        assert kept[name] == rows, name
    with database().transaction() as tx:
        assert [verdict.fault for verdict in verifying.verify_all(tx) if verdict.fault] == []
        tallies.rebuild(tx)
    assert left(look)["counts"] == kept["counts"]


def test_a_batch_with_whole_lives_ends_where_the_law_says(begun: Callable[[], Looking]) -> None:
    look = begun()
    lives = some_lives()
    together(mixed(lives))
    states = look.execute("select state, round, closed_at from matter order by number").fetchall()
    assert [tuple(row.values()) for row in states] == [
        ("closed", 1, lives[0].on_day(41)),
        ("closed", 1, lives[1].on_day(41)),
        ("accepted", 1, None),
        ("routed", 2, None),
        ("withdrawn", 1, None),
    ]
    parts = look.execute(
        "select agency_code, role, assignment.state, objections from assignment join matter on matter.id = matter_id"
        " where number = 'XF3' order by sent_at, role desc"
    ).fetchall()
    assert [tuple(row.values()) for row in parts] == [
        ("city-ecology", "lead", "released", 1),
        ("city-urban", "lead", "accepted", 0),
        ("city-ecology", "co_handler", "sent", 0),
    ]
    clocks = look.execute(
        "select rule, outcome, stopped_at from clock join matter on matter.id = matter_id where number = 'XF1'"
    ).fetchall()
    assert {row["rule"]: (row["outcome"], row["stopped_at"]) for row in clocks} == {
        "route": ("met", lives[0].on_day(2)),
        "notice": ("met", lives[0].on_day(3)),
        "objection": ("met", lives[0].on_day(3)),
        "handle": ("met", lives[0].on_day(40)),
        "rating": ("met", lives[0].on_day(41)),
        "ask_review": (None, None),
    }


def test_each_row_of_a_batch_is_written_once_and_what_cancels_out_is_not_counted(begun: Callable[[], Looking]) -> None:
    look = begun()
    lives = [straight("XF1"), straight("XF2")]
    statistics.runs.clear()
    an_inbox().handle(mixed(lives))
    wrote = Counter(" ".join(sql.split()[:3]) for sql, (runs, _) in statistics.runs.items() for _ in range(int(runs)))
    for table in ("matter", "assignment", "clock", "agency_in_region", "tally_change"):
        assert wrote[f"insert into {table}"] == 1, table
    assert not [text for text in wrote if text.startswith(("update matter", "update assignment", "update clock"))]
    changes = look.execute("select what, word, n from tally_change where what <> 'clocks' order by what").fetchall()
    assert [tuple(row.values()) for row in changes] == [("assignments", "", 2), ("matters", "closed", 2)]
