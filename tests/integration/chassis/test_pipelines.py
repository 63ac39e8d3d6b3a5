"""Statements of one exchange are sent together, whatever their number and size, and fail as they do one by one."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from lianban.chassis import pipelines
from lianban.chassis.pipelines import Connection

Looking = psycopg.Connection[DictRow]


@pytest.fixture
def connection(service_database: Looking) -> Iterator[Connection[DictRow]]:
    service_database.execute("create table kept (number int primary key, word text)")
    with Connection[DictRow].connect(_url(service_database), autocommit=True, row_factory=dict_row) as made:
        yield made


def _url(looking: Looking) -> str:
    return looking.info.dsn + f" password={looking.info.password}"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry each time something is sent."""
    times: list[int] = []

    def send(pgconn: Any) -> Generator[Any, Any, None]:
        times.append(1)
        yield from psycopg.generators.send(pgconn)

    monkeypatch.setattr(pipelines, "send", send)
    return times


def test_thirty_statements_are_sent_once_and_each_has_its_answer(
    connection: Connection[DictRow], sent: list[int]
) -> None:
    with connection.pipeline():
        connection.execute("begin")
        for number in range(28):
            connection.execute("insert into kept values (%s, %s)", (number, "word"))
        asked = connection.execute("select count(*) as n, max(number) as most from kept")
    assert len(sent) == 1
    assert asked.fetchall() == [{"n": 28, "most": 27}]
    connection.execute("commit")


def test_the_first_statement_that_fails_is_told_and_nothing_of_the_transaction_stays(
    connection: Connection[DictRow],
) -> None:
    def fail() -> None:
        with connection.pipeline():
            connection.execute("begin")
            for number in (1, 2, 1, 3):
                connection.execute("insert into kept values (%s, %s)", (number, "word"))
            connection.execute("commit")

    with pytest.raises(psycopg.errors.UniqueViolation) as caught:
        fail()
    assert caught.value.diag.constraint_name == "kept_pkey"
    connection.execute("rollback")
    assert connection.execute("select count(*) as n from kept").fetchall() == [{"n": 0}]


def test_an_answer_may_be_read_before_the_end(connection: Connection[DictRow], sent: list[int]) -> None:
    with connection.pipeline():
        connection.execute("insert into kept values (1, 'a')")
        assert connection.execute("select word from kept").fetchall() == [{"word": "a"}]
        connection.execute("insert into kept values (2, 'b')")
    assert len(sent) == 2
    assert connection.execute("select count(*) as n from kept").fetchall() == [{"n": 2}]


def test_more_than_is_gathered_at_most_goes_out_in_parts(connection: Connection[DictRow], sent: list[int]) -> None:
    with connection.pipeline():
        for number in range(pipelines.MOST + 100):
            connection.execute("insert into kept values (%s, %s)", (number, "word"))
    assert len(sent) == 2
    assert connection.execute("select count(*) as n from kept").fetchall() == [{"n": pipelines.MOST + 100}]


def test_a_statement_that_cannot_be_sent_is_not_passed_over_by_the_commit_behind_it(
    connection: Connection[DictRow], service_database: Looking
) -> None:
    def broken() -> None:
        raise MemoryError

    def send() -> None:
        with connection.pipeline() as pipeline:
            connection.execute("begin")
            connection.execute("insert into kept values (1, 'a')")
            pipeline.command_queue[-1] = broken
            connection.execute("insert into kept values (2, 'b')")
            connection.execute("commit")

    with pytest.raises((MemoryError, psycopg.OperationalError)):
        send()
    assert connection.closed
    assert service_database.execute("select count(*) as n from kept").fetchone() == {"n": 0}


def test_large_questions_with_large_answers_do_not_wait_for_one_another(connection: Connection[DictRow]) -> None:
    word = "黑水" * 50_000
    with connection.pipeline():
        asked = [connection.execute("select %s::text as word", (word,)) for _ in range(200)]
    assert all(cursor.fetchone() == {"word": word} for cursor in asked)
