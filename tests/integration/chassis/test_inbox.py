"""The inbox: every event has its effect once, in order per subject, cause before effect, and nothing is skipped."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from psycopg.rows import DictRow

from lianban.chassis import inspect, runtime
from lianban.chassis.errors import Poison, Retry
from lianban.chassis.inbox import Inbox, Received
from lianban.chassis.runtime import database
from lianban.chassis.time import at, now
from lianban.chassis.transaction import Transaction
from lianban.contracts.envelope import Envelope
from lianban.contracts.intake import MatterSupplemented
from lianban.contracts.routing import CaseReopened
from tests.integration.chassis.envelopes import an_envelope, an_inbox, effects, note, states, with_effects
from tests.keys import forget_settings

Looking = psycopg.Connection[DictRow]
Event = Received[Any]


@pytest.fixture
def looking(service_database: Looking, become: Any, monkeypatch: pytest.MonkeyPatch) -> Looking:
    """The database of a service that hears intake, routing, the gateway and oversight."""
    monkeypatch.setenv("LIANBAN_TRIES", "3")
    become("notification")
    return with_effects(service_database)


@contextmanager
def later(seconds: float) -> Iterator[None]:
    with at(now() + timedelta(seconds=seconds)):
        yield


# --- order


def a_small_history(subject: UUID) -> list[Envelope]:
    """Intake says 1; routing hears it and says 1; intake hears that and says 2; routing, not yet hearing it, says 2."""
    return [
        an_envelope(subject, 1),
        an_envelope(subject, 1, source="routing", after={"intake": 1}),
        an_envelope(subject, 2, after={"routing": 1}),
        an_envelope(subject, 2, source="routing", after={"intake": 1}),
    ]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_every_permutation_of_a_history_has_its_effect_once_and_in_order(looking: Looking, together: bool) -> None:
    inbox = an_inbox()
    for order in itertools.permutations(range(4)):
        subject = uuid4()
        events = [a_small_history(subject)[place] for place in order]
        for batch in [events] if together else [[event] for event in events]:
            inbox.handle(batch)
        done = effects(looking, subject)
        assert sorted(done) == [("intake", 1), ("intake", 2), ("routing", 1), ("routing", 2)], order
        assert done[:2] == [("intake", 1), ("routing", 1)], order
        assert set(states(looking, subject).values()) == {"done"}


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[tuple[str, int, dict[str, int]]], list[list[int]]]:
    """What two producers said while hearing one another, and batches in which it comes: any order, with repeats."""
    said: list[tuple[str, int, dict[str, int]]] = []
    last = {"intake": 0, "routing": 0}
    heard = {"intake": 0, "routing": 0}
    other = {"intake": "routing", "routing": "intake"}
    for producer, hears in draw(
        st.lists(st.tuples(st.sampled_from(["intake", "routing"]), st.booleans()), min_size=1, max_size=9)
    ):
        if hears:
            heard[producer] = last[other[producer]]
        else:
            last[producer] += 1
            said.append((producer, last[producer], {other[producer]: heard[producer]} if heard[producer] else {}))
    places = list(range(len(said)))
    again = draw(st.lists(st.sampled_from(places), max_size=4)) if places else []
    order = draw(st.permutations(places + again))
    cuts = sorted(draw(st.sets(st.integers(0, len(order)), max_size=3)) | {0, len(order)})
    return said, [list(order[a:b]) for a, b in itertools.pairwise(cuts)]


@given(what=deliveries())
@hypothesis(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_and_any_repeats_have_each_effect_once_cause_first(
    looking: Looking, what: tuple[list[tuple[str, int, dict[str, int]]], list[list[int]]]
) -> None:
    said, batches = what
    subject, inbox = uuid4(), an_inbox()
    events = [an_envelope(subject, number, source=producer, after=after) for producer, number, after in said]
    for batch in batches:
        inbox.handle([events[place] for place in batch])
    done = effects(looking, subject)
    assert sorted(done) == sorted((producer, number) for producer, number, _ in said)
    for producer, number, after in said:
        place = done.index((producer, number))
        causes = [(producer, number - 1)] if number > 1 else []
        causes += [(cause, number) for cause, number in after.items()]
        assert all(done.index(cause) < place for cause in causes)


def test_a_gap_holds_up_its_own_subject_only(looking: Looking) -> None:
    waiting, other, inbox = uuid4(), uuid4(), an_inbox()
    inbox.handle([an_envelope(waiting, 2), an_envelope(waiting, 3), an_envelope(other, 1), an_envelope(other, 2)])
    assert effects(looking, waiting) == []
    assert states(looking, waiting) == {("intake", 2): "parked", ("intake", 3): "parked"}
    assert effects(looking, other) == [("intake", 1), ("intake", 2)]
    inbox.handle([an_envelope(waiting, 1)])
    assert effects(looking, waiting) == [("intake", 1), ("intake", 2), ("intake", 3)]


def test_what_a_producer_says_that_this_service_does_not_hear_is_not_waited_for(looking: Looking, become: Any) -> None:
    become("agency_gateway")  # hears no notification
    subject = uuid4()
    an_inbox("agency_gateway").handle([an_envelope(subject, 1, after={"notification": 99, "agency_gateway": 99})])
    assert effects(looking, subject) == [("intake", 1)]


def test_an_event_nobody_handles_still_counts(looking: Looking) -> None:
    subject = uuid4()
    an_inbox(handlers={}).handle([an_envelope(subject, 1)])
    assert states(looking, subject) == {("intake", 1): "done"}


# --- a handler that fails


class Failing:
    """A handler that fails as often as it is told to, for one subject."""

    def __init__(self, subject: UUID, error: Exception, times: int = 1000) -> None:
        self.subject = subject
        self.error = error
        self.left = times

    def __call__(self, tx: Transaction, event: Event) -> None:
        note(tx, event)
        if event.subject == self.subject and self.left:
            self.left -= 1
            raise self.error

    def inbox(self) -> Inbox:
        return an_inbox(handlers={MatterSupplemented: self})


def waiting_one(looking: Looking, subject: UUID) -> dict[str, Any]:
    (row,) = looking.execute("select * from inbox where subject = %s and sequence = 1", (subject,)).fetchall()
    return row


def test_one_failing_handler_costs_its_batch_nothing(looking: Looking) -> None:
    subjects = [uuid4() for _ in range(5)]
    batch = [an_envelope(subject, number) for number in (1, 2) for subject in subjects]
    Failing(subjects[2], ValueError("x")).inbox().handle(batch)
    for subject in subjects:
        wanted = [] if subject == subjects[2] else [("intake", 1), ("intake", 2)]
        assert effects(looking, subject) == wanted
    assert states(looking, subjects[2]) == {("intake", 1): "parked", ("intake", 2): "parked"}


def test_what_a_failed_event_remembered_is_not_there_for_the_next(looking: Looking) -> None:
    subject = uuid4()
    found: dict[tuple[str, int], Any] = {}

    def remember(tx: Transaction, event: Event) -> None:
        place = (event.source, event.sequence)
        found[place] = tx.memory.get(("last", subject))
        tx.memory["last", subject] = place
        if place == ("intake", 2):
            raise ValueError("x")

    inbox = an_inbox(handlers={MatterSupplemented: remember, CaseReopened: remember})
    inbox.handle([an_envelope(subject, 2), an_envelope(subject, 1, source="routing", after={"intake": 1})])
    inbox.handle([an_envelope(subject, 1)])  # both waited for it, and are handled in its transaction
    assert found == {("intake", 1): None, ("intake", 2): ("intake", 1), ("routing", 1): None}


def test_a_retry_backs_off_and_then_all_goes_on_in_order(looking: Looking) -> None:
    subject = uuid4()
    inbox = Failing(subject, Retry("intake is out of reach"), times=3).inbox()  # in the batch, alone, at the sweep
    inbox.handle([an_envelope(subject, 1)])
    first = waiting_one(looking, subject)
    assert (first["state"], first["tries"], first["error"]) == ("parked", 1, "Retry: intake is out of reach")
    assert timedelta(seconds=0.5) < first["next_try_at"] - now() < timedelta(seconds=1.3)

    inbox.handle([an_envelope(subject, 2)])  # what follows does not hurry it
    assert waiting_one(looking, subject)["tries"] == 1
    with later(1.5):
        assert inbox.sweep() == 1
        second = waiting_one(looking, subject)
        assert second["tries"] == 2
        assert timedelta(seconds=1.5) < second["next_try_at"] - now() < timedelta(seconds=2.5)
    with later(5):
        inbox.sweep()
    assert effects(looking, subject) == [("intake", 1), ("intake", 2)]
    assert states(looking, subject) == {("intake", 1): "done", ("intake", 2): "done"}


def test_spent_tries_end_in_quarantine_and_replay_goes_on_from_there(looking: Looking) -> None:
    subject = uuid4()
    failing = Failing(subject, RuntimeError("x"))
    inbox = failing.inbox()
    inbox.handle([an_envelope(subject, 1), an_envelope(subject, 2)])
    for round_ in range(1, 5):
        with later(round_ * 10):
            inbox.sweep()
    (held,) = inspect.waiting(database(), "quarantined")
    assert (held.subject, held.sequence, held.tries) == (subject, 1, 3)
    assert held.error is not None
    assert held.error.startswith("RuntimeError at ")
    body = inspect.event_body(database(), held.event_id)
    assert body is not None
    assert Envelope.decode(body).sequence == 1
    inbox.handle([an_envelope(subject, 1)])  # comes again: stays with the operator
    assert inspect.inbox_summary(database()) == {"done": 0, "parked": 1, "quarantined": 1}

    failing.left = 0
    assert inspect.replay(database(), [uuid4()]) == 0
    assert inspect.replay(database(), [held.event_id]) == 1
    with later(60):
        inbox.sweep()
    assert effects(looking, subject) == [("intake", 1), ("intake", 2)]
    assert inspect.inbox_summary(database()) == {"done": 2, "parked": 0, "quarantined": 0}
    assert inspect.event_body(database(), held.event_id) is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"event_type": "lianban.intake.matter-vanished.v1"}, "UnknownEvent: lianban.intake.matter-vanished.v1"),
        (
            {"event_type": "lianban.intake.matter-supplemented.v9"},
            "UnknownEvent: lianban.intake.matter-supplemented.v9",
        ),
        ({"data": {"attachments": "many"}}, "InvalidEvent: lianban.intake.matter-supplemented.v1: "),
        ({"data": {}}, "InvalidEvent: lianban.intake.matter-supplemented.v1: {'supplement_id': ['Missing data"),
    ],
    ids=["unknown type", "unknown version", "invalid data", "no data"],
)
def test_what_no_version_of_the_contracts_knows_is_quarantined_with_its_reason(
    looking: Looking, bad: dict[str, Any], reason: str
) -> None:
    subject, other = uuid4(), uuid4()
    an_inbox().handle([an_envelope(subject, 1, **bad), an_envelope(subject, 2), an_envelope(other, 1)])
    held = waiting_one(looking, subject)
    assert held["state"] == "quarantined"
    assert held["error"].startswith(reason)
    assert states(looking, subject)["intake", 2] == "parked"
    assert effects(looking, other) == [("intake", 1)]


def test_poison_is_not_tried_twice(looking: Looking) -> None:
    subject = uuid4()
    failing = Failing(subject, Poison("the assignment belongs to another case"))
    failing.inbox().handle([an_envelope(subject, 1)])
    held = waiting_one(looking, subject)
    assert (held["state"], held["tries"]) == ("quarantined", 1)
    assert held["error"] == "Poison: the assignment belongs to another case"
    tried = failing.left
    with later(600):
        failing.inbox().sweep()
    assert failing.left == tried


@pytest.mark.parametrize(
    "sql",
    [
        "insert into person values ('王小明')",
        "select '王小明'::uuid",
        "select %(name)s::date",
        "insert into person (name, phone) values ('李四', '王小明')",
    ],
)
def test_what_an_operator_reads_never_quotes_a_row(looking: Looking, sql: str) -> None:
    looking.execute("create table person (name text unique, phone char(2))")
    looking.execute("insert into person values ('王小明')")
    subject = uuid4()

    def careless(tx: Transaction, event: Event) -> None:
        tx.execute(sql, {"name": "王小明"})

    def foolish(tx: Transaction, event: Event) -> None:
        raise KeyError("王小明")

    for handler in (careless, foolish):
        subject = uuid4()
        an_inbox(handlers={MatterSupplemented: handler}).handle([an_envelope(subject, 1)])
        error = waiting_one(looking, subject)["error"]
        assert error
        assert "小明" not in error


# --- the database's own troubles


def test_a_statement_that_takes_too_long_is_repeated(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANBAN_STATEMENT_TIMEOUT", "0.2")
    fresh_database_settings()
    subjects = [uuid4(), uuid4()]
    slow = [True]

    def sometimes_slow(tx: Transaction, event: Event) -> None:
        note(tx, event)
        if event.subject == subjects[1] and slow:
            slow.pop()
            tx.execute("select pg_sleep(5)")

    an_inbox(handlers={MatterSupplemented: sometimes_slow}).handle([an_envelope(s, 1) for s in subjects])
    assert [effects(looking, subject) for subject in subjects] == [[("intake", 1)], [("intake", 1)]]


def test_a_statement_that_always_takes_too_long_holds_up_its_own_subject_only(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIANBAN_STATEMENT_TIMEOUT", "0.2")
    fresh_database_settings()
    slow, other = uuid4(), uuid4()

    def handler(tx: Transaction, event: Event) -> None:
        note(tx, event)
        if event.subject == slow:
            tx.execute("select pg_sleep(5)")

    an_inbox(handlers={MatterSupplemented: handler}).handle([an_envelope(slow, 1), an_envelope(other, 1)])
    held = waiting_one(looking, slow)
    assert (held["state"], held["error"]) == (
        "parked",
        "QueryCanceled: canceling statement due to statement timeout",
    )
    assert effects(looking, other) == [("intake", 1)]


def test_a_deadlock_is_repeated(looking: Looking) -> None:
    looking.execute("create table place (id int primary key, n int not null)")
    looking.execute("insert into place values (1, 0), (2, 0)")
    subject = uuid4()
    ours, theirs = threading.Event(), threading.Event()

    def crossing(tx: Transaction, event: Event) -> None:
        tx.execute("set local deadlock_timeout = '20ms'")  # so that this side notices first
        tx.execute("update place set n = n + 1 where id = 1")
        ours.set()
        assert theirs.wait(10)
        tx.execute("update place set n = n + 1 where id = 2")
        note(tx, event)

    def the_other_way_round() -> None:
        with database().transaction() as tx:
            tx.execute("update place set n = n + 1 where id = 2")
            theirs.set()
            assert ours.wait(10)
            tx.execute("update place set n = n + 1 where id = 1")

    thread = threading.Thread(target=the_other_way_round)
    thread.start()
    an_inbox(handlers={MatterSupplemented: crossing}).handle([an_envelope(subject, 1)])
    thread.join()
    assert effects(looking, subject) == [("intake", 1)]
    assert [row["n"] for row in looking.execute("select n from place order by id")] == [2, 2]


def test_what_fails_only_at_commit_is_quarantined_and_its_neighbours_are_done(looking: Looking) -> None:
    looking.execute("create table pair (id int primary key, twin int references pair deferrable initially deferred)")
    bad, good = uuid4(), uuid4()

    def handler(tx: Transaction, event: Event) -> None:
        note(tx, event)
        if event.subject == bad:
            tx.execute("insert into pair values (1, 2)")

    an_inbox(handlers={MatterSupplemented: handler}).handle([an_envelope(bad, 1), an_envelope(good, 1)])
    held = waiting_one(looking, bad)
    assert held["state"] == "quarantined"
    assert held["error"].startswith("ForeignKeyViolation: insert or update on table")
    assert effects(looking, good) == [("intake", 1)]


def test_what_fails_at_the_end_is_the_fault_of_the_event_that_asked_for_it(looking: Looking) -> None:
    bad, good = uuid4(), uuid4()

    def at_end(tx: Transaction, subjects: list[UUID]) -> None:
        if bad in subjects:
            raise Retry("not yet")

    def handler(tx: Transaction, event: Event) -> None:
        note(tx, event)
        tx.at_end(at_end, event.subject)

    an_inbox(handlers={MatterSupplemented: handler}).handle([an_envelope(bad, 1), an_envelope(good, 1)])
    held = waiting_one(looking, bad)
    assert (held["state"], held["tries"]) == ("parked", 1)
    assert effects(looking, bad) == []
    assert effects(looking, good) == [("intake", 1)]


def test_a_handler_that_swallows_an_error_of_the_database_loses_nothing(looking: Looking) -> None:
    bad, good = uuid4(), uuid4()

    def handler(tx: Transaction, event: Event) -> None:
        if event.subject == bad:
            try:
                tx.execute("select 1 / 0")
            except psycopg.Error:
                return
        note(tx, event)

    an_inbox(handlers={MatterSupplemented: handler}).handle([an_envelope(bad, 1), an_envelope(good, 1)])
    assert states(looking, bad)["intake", 1] in {"parked", "quarantined"}
    assert effects(looking, good) == [("intake", 1)]


def test_two_events_of_one_id_are_two_events(looking: Looking) -> None:
    """Ids are the producer's business; what comes in its own place in the stream has its own effect."""
    subject = uuid4()
    first = an_envelope(subject, 1)
    twin = Envelope(first.id, "intake", first.type, subject, first.time, 2, first.data)
    an_inbox().handle([first])
    an_inbox().handle([twin])
    assert effects(looking, subject) == [("intake", 1), ("intake", 2)]


def test_tables_that_are_not_there_yet_are_waited_for(looking: Looking) -> None:
    looking.execute("alter table inbox rename to inbox_of_another_version")
    subject = uuid4()
    with pytest.raises(psycopg.errors.UndefinedTable):
        an_inbox().handle([an_envelope(subject, 1)])
    looking.execute("alter table inbox_of_another_version rename to inbox")
    an_inbox().handle([an_envelope(subject, 1)])
    assert effects(looking, subject) == [("intake", 1)]


def test_one_subject_in_trouble_does_not_keep_the_sweep_from_the_others(looking: Looking) -> None:
    looking.execute("create table pair (id int primary key, twin int references pair deferrable initially deferred)")
    troubled, other = uuid4(), uuid4()
    broken = True

    def handler(tx: Transaction, event: Event) -> None:
        if broken:
            raise Retry("not yet")
        if event.subject == troubled:
            tx.execute("insert into pair values (1, 2)")
        note(tx, event)

    inbox = an_inbox(handlers={MatterSupplemented: handler})
    inbox.handle([an_envelope(troubled, 1)])
    inbox.handle([an_envelope(other, 1)])
    broken = False
    with later(5):
        assert inbox.sweep() == 2
    assert effects(looking, other) == [("intake", 1)]
    assert states(looking, troubled) == {("intake", 1): "parked"}


def fresh_database_settings() -> None:
    """Read the settings anew and connect by them."""
    runtime.close()
    forget_settings()
