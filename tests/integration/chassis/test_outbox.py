"""The outbox: what a transaction says is numbered without gap, and said only when the transaction commits."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.inbox import Received
from lianban.chassis.runtime import database
from lianban.chassis.transaction import Transaction
from lianban.contracts.intake import MatterSupplemented
from tests.integration.chassis.envelopes import MOMENT, an_envelope, an_event, an_inbox

Looking = psycopg.Connection[DictRow]


class Refused(Exception):
    """A use case changes its mind."""


def said(looking: Looking, subject: UUID) -> list[int]:
    rows = looking.execute("select sequence from outbox where subject = %s order by position", (subject,))
    return [row["sequence"] for row in rows]


def bodies(looking: Looking, subject: UUID) -> list[dict[str, Any]]:
    rows = looking.execute("select body from outbox where subject = %s order by sequence", (subject,))
    return [json.loads(row["body"]) for row in rows]


def test_concurrent_transactions_number_each_subject_without_gap(service_database: Looking) -> None:
    subjects = [uuid4() for _ in range(3)]
    committed: list[UUID] = []

    def some_use_cases(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(15):
            subject = dice.choice(subjects)
            how_many = dice.randint(1, 3)
            try:
                with database().transaction() as tx:
                    if dice.random() < 0.5:
                        tx.lock(subject)
                    for number in range(how_many):
                        tx.emit(an_event(number), subject=subject, at=MOMENT)
                    if dice.random() < 0.3:
                        raise Refused
            except Refused:
                continue
            committed.extend([subject] * how_many)

    threads = [threading.Thread(target=some_use_cases, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert committed
    for subject in subjects:
        assert said(service_database, subject) == list(range(1, committed.count(subject) + 1))


def test_an_event_is_rolled_back_with_its_transaction(service_database: Looking) -> None:
    subject = uuid4()
    with suppress(Refused), database().transaction() as tx:
        tx.lock(subject)
        tx.emit(an_event(), subject=subject, at=MOMENT)
        raise Refused
    assert said(service_database, subject) == []
    with database().transaction() as tx:
        tx.emit(an_event(), subject=subject, at=MOMENT)
    assert said(service_database, subject) == [1]


def test_a_savepoint_takes_back_events_and_streams(service_database: Looking) -> None:
    """A stream first taken inside is not taken any more: its number would be lost with its row."""
    subject, other = uuid4(), uuid4()
    with database().transaction() as tx:
        tx.emit(an_event(1), subject=subject, at=MOMENT)
        with suppress(Refused), tx.savepoint():
            tx.lock(other)
            tx.emit(an_event(2), subject=subject, at=MOMENT)
            raise Refused
        tx.emit(an_event(3), subject=other, at=MOMENT)
    with database().transaction() as tx:
        tx.emit(an_event(4), subject=other, at=MOMENT)
    assert [body["data"]["attachments"] for body in bodies(service_database, subject)] == [1]
    assert [(body["sequence"], body["data"]["attachments"]) for body in bodies(service_database, other)] == [
        (1, 3),
        (2, 4),
    ]


def test_an_event_tells_what_its_producer_had_handled_and_what_caused_it(service_database: Looking) -> None:
    subject = uuid4()

    def answer(tx: Transaction, event: Received[MatterSupplemented]) -> None:
        tx.emit(event.data, subject=event.subject, at=event.time)

    first, second = an_envelope(subject, 1), an_envelope(subject, 2)
    an_inbox("routing", {MatterSupplemented: answer}).handle([first, second])
    one, two = bodies(service_database, subject)
    assert two["after"] == {"intake": 2}
    assert [one["causationid"], two["causationid"]] == [str(first.id), str(second.id)]


def test_an_event_that_cannot_be_written_is_refused_where_it_is_said(service_database: Looking) -> None:
    with database().transaction() as tx:
        with pytest.raises(ValueError, match="offset"):
            tx.emit(an_event(), subject=uuid4(), at=MOMENT.replace(tzinfo=None))
        with pytest.raises(AttributeError):
            tx.emit(object(), subject=uuid4(), at=MOMENT)
    row = service_database.execute("select count(*) as events from outbox").fetchone()
    assert row == {"events": 0}


def test_a_use_case_joins_the_transaction_of_its_request(service_database: Looking) -> None:
    subject = uuid4()
    with suppress(Refused), database().one_transaction() as outer:
        with database().transaction() as tx:
            tx.emit(an_event(), subject=subject, at=MOMENT)
        assert not outer.failed
        raise Refused
    assert said(service_database, subject) == []


def test_a_new_subject_begins_at_one_and_goes_on_from_there(service_database: Looking) -> None:
    subject = uuid4()
    with database().transaction() as tx:
        tx.begin_stream(subject)
        tx.emit(an_event(0), subject=subject, at=MOMENT)
        tx.emit(an_event(1), subject=subject, at=MOMENT)
    with database().transaction() as tx:
        tx.emit(an_event(2), subject=subject, at=MOMENT)
    assert said(service_database, subject) == [1, 2, 3]


def test_a_subject_that_is_begun_twice_is_refused(service_database: Looking) -> None:
    subject = uuid4()
    for expected in (nullcontext(), pytest.raises(psycopg.errors.UniqueViolation)):
        with expected, database().transaction() as tx:
            tx.begin_stream(subject)
            tx.emit(an_event(0), subject=subject, at=MOMENT)
    assert said(service_database, subject) == [1]


APPENDED = "insert into kept (number, word) select * from unnest(%s::int[], %s::text[])"


def kept(looking: Looking) -> list[tuple[int, str]]:
    return [(row["number"], row["word"]) for row in looking.execute("select number, word from kept order by position")]


def test_appended_rows_go_out_together_and_before_the_next_question(service_database: Looking) -> None:
    service_database.execute(
        "create table kept (position int generated always as identity, number int primary key, word text)"
    )
    with database().transaction() as tx:
        for number in (3, 1, 2):
            tx.append(APPENDED, (number, f"w{number}"))
        tx.write("insert into kept (number, word) values (%s, %s)", (9, "written first"))
        assert [row["number"] for row in tx.execute("select number from kept order by number")] == [1, 2, 3, 9]
        tx.append(APPENDED, (4, "w4"))
    assert kept(service_database) == [(9, "written first"), (3, "w3"), (1, "w1"), (2, "w2"), (4, "w4")]


def test_what_a_savepoint_undoes_is_neither_appended_nor_done_at_the_end(service_database: Looking) -> None:
    service_database.execute(
        "create table kept (position int generated always as identity, number int primary key, word text)"
    )

    def keep(tx: Transaction, numbers: list[int]) -> None:
        for number in numbers:
            tx.append(APPENDED, (number, "at the end"))

    with database().transaction() as tx:
        tx.at_end(keep, 1)
        with suppress(Refused), tx.savepoint():
            tx.append(APPENDED, (5, "undone"))
            tx.at_end(keep, 2)
            raise Refused
        with tx.savepoint():
            tx.append(APPENDED, (6, "stays"))
            tx.at_end(keep, 3)
    assert kept(service_database) == [(6, "stays"), (3, "at the end"), (1, "at the end")]


@pytest.mark.parametrize("referring_first", [True, False])
def test_rows_that_refer_to_appended_rows_go_out_behind_them(service_database: Looking, referring_first: bool) -> None:
    """``referring_first``: the first of them refers to nothing and is appended before there is anything to refer to."""
    service_database.execute("create table kept (number int primary key, word text)")
    service_database.execute("create table about (number int references kept)")
    about = "insert into about (number) select * from unnest(%s::int[])"
    with database().transaction() as tx:
        if referring_first:
            tx.append(about, (None,), behind=APPENDED)
        for number in (1, 2):
            tx.append(APPENDED, (number, "w"))
            tx.append(about, (number,), behind=APPENDED)
    rows = service_database.execute("select number from about where number is not null order by number").fetchall()
    assert [row["number"] for row in rows] == [1, 2]


AMENDED = """
update kept set word = new.word from (select * from unnest(%s::int[], %s::text[])) as new (number, word)
where kept.number = new.number
"""


@pytest.fixture
def table_kept(service_database: Looking) -> None:
    service_database.execute(
        "create table kept (position int generated always as identity, number int primary key, word text)"
    )


@pytest.mark.usefixtures("table_kept")
def test_of_the_amendments_of_a_row_the_last_one_counts(service_database: Looking) -> None:
    with database().transaction() as tx:
        for number in (1, 2, 3):
            tx.append(APPENDED, (number, "first"))
        tx.settle()
        for number, word in ((1, "second"), (2, "second"), (1, "third"), (1, None), (2, "last")):
            tx.amend(AMENDED, number, word)
        assert tx.execute("select word from kept where number = 2").fetchone() == {"word": "last"}
        tx.amend(AMENDED, 3, "at commit")
    assert kept(service_database) == [(1, None), (2, "last"), (3, "at commit")]


@pytest.mark.usefixtures("table_kept")
@pytest.mark.parametrize("amended_before", [True, False])
def test_a_row_may_be_amended_in_the_exchange_that_inserts_it(service_database: Looking, amended_before: bool) -> None:
    """``amended_before``: the statements are used first for a row that is there, so the amendment is the older one."""
    service_database.execute("insert into kept (number, word) values (1, 'there')")
    with database().transaction() as tx:
        if amended_before:
            tx.amend(AMENDED, 1, "amended")
        tx.append(APPENDED, (2, "inserted"))
        tx.amend(AMENDED, 2, "amended")
        tx.append(APPENDED, (3, "inserted"))
    first = "amended" if amended_before else "there"
    assert kept(service_database) == [(1, first), (2, "amended"), (3, "inserted")]


@pytest.mark.usefixtures("table_kept")
def test_a_transaction_that_only_amends_commits_it(service_database: Looking) -> None:
    service_database.execute("insert into kept (number, word) values (1, 'there')")
    with database().transaction() as tx:
        tx.execute("select 1")
        tx.amend(AMENDED, 1, "amended")
    assert kept(service_database) == [(1, "amended")]


@pytest.mark.usefixtures("table_kept")
def test_what_a_savepoint_undoes_is_not_amended(service_database: Looking) -> None:
    service_database.execute("insert into kept (number, word) values (1, 'there'), (2, 'there'), (3, 'there')")
    with database().transaction() as tx:
        tx.amend(AMENDED, 1, "before")
        with suppress(Refused), tx.savepoint():
            tx.amend(AMENDED, 1, "undone")
            tx.amend(AMENDED, 2, "undone")
            raise Refused
        with tx.savepoint():
            tx.amend(AMENDED, 3, "stays")
    assert sorted(kept(service_database)) == [(1, "before"), (2, "there"), (3, "stays")]


@pytest.mark.usefixtures("service_database")
def test_what_was_remembered_is_forgotten_where_a_savepoint_undoes_it() -> None:
    with database().transaction() as tx:
        with tx.savepoint():
            tx.memory["kept", 1] = "stays"
        assert tx.memory == {("kept", 1): "stays"}
        with suppress(Refused), tx.savepoint():
            tx.memory["kept", 1] = "undone"
            raise Refused
        assert tx.memory == {}


@pytest.mark.usefixtures("table_kept")
def test_a_savepoint_answers_for_its_own_amendments(service_database: Looking) -> None:
    service_database.execute("alter table kept add constraint kept_short check (length(word) < 9)")
    service_database.execute("insert into kept (number, word) values (1, 'there')")
    with database().transaction() as tx:
        with pytest.raises(psycopg.errors.CheckViolation), tx.savepoint():
            tx.amend(AMENDED, 1, "much too long")
        tx.append(APPENDED, (2, "goes on"))
    assert kept(service_database) == [(1, "there"), (2, "goes on")]


def test_questions_go_out_in_order_with_what_is_written_and_are_answered_by_the_next_exchange(
    service_database: Looking,
) -> None:
    service_database.execute("create table kept (position int generated always as identity, number int, word text)")
    heard: list[tuple[str, int]] = []

    def take(name: str) -> Callable[[list[DictRow]], None]:
        return lambda rows: heard.extend((name, row["n"]) for row in rows)

    with database().transaction() as tx:
        tx.ask("select count(*) as n from kept", (), take("before"))
        tx.write("insert into kept (number, word) values (%s, %s)", (1, "a"))
        tx.ask("select count(*) as n from kept", (), take("after"))
        assert heard == []
        tx.settle()
        assert heard == [("before", 0), ("after", 1)]
        tx.ask("select count(*) as n from kept", (), take("with a statement"))
        row = tx.execute("select 7 as n").fetchone()
        assert row is not None
        assert row["n"] == 7
        assert heard[2:] == [("with a statement", 1)]


def test_a_transaction_without_a_commit_says_nothing(service_database: Looking) -> None:
    with pytest.raises(RuntimeError), database().transaction(whole=False) as tx:
        tx.emit(an_event(0), subject=uuid4(), at=MOMENT)


def test_a_question_that_fails_without_a_transaction_leaves_no_half_prepared_statements(
    service_database: Looking,
) -> None:
    for number in range(12):  # psycopg prepares a statement at its sixth use
        with suppress(psycopg.errors.DivisionByZero), database().transaction(whole=False) as tx:
            tx.execute_all([("select 1 / %s as n", (number % 2,)), ("select %s::int + 1 as n", (number,))])
    with database().transaction(whole=False) as tx:
        _, answer = tx.execute_all([("select 1 / %s as n", (1,)), ("select %s::int + 1 as n", (41,))])
        assert answer.fetchone() == {"n": 42}
