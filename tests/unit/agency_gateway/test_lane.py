"""A dead department is asked rarely and by one message; one that works again gets everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.agency_gateway.domain.delivery import BackOff, Delivered, Failed, Outcome, Postponed, Refused, Unclear
from services.agency_gateway.domain.lane import Breaker, BreakerPolicy, Circuit, after_outcome
from services.agency_gateway.domain.trouble import Trouble

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
POLICY = BreakerPolicy(failures=3, cool_down=BackOff(first=10, longest=40))
DEAD = Failed(Trouble.UNREACHABLE)


def after(*outcomes: Outcome, start: Breaker | None = None) -> Breaker:
    breaker = start or Breaker()
    for outcome in outcomes:
        breaker = after_outcome(breaker, outcome, at=AT, policy=POLICY, chance=0)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    assert after(DEAD, DEAD).circuit is Circuit.CLOSED
    assert after(DEAD, DEAD, Unclear(Trouble.TIMED_OUT)) == Breaker(Circuit.OPEN, 3, 1, AT + timedelta(seconds=5))


def test_a_success_in_between_starts_the_count_anew() -> None:
    assert after(DEAD, DEAD, Delivered(), DEAD, DEAD).circuit is Circuit.CLOSED


def test_a_department_that_refuses_one_message_is_alive() -> None:
    assert after(DEAD, DEAD, Refused(Trouble.REFUSED)) == Breaker()


def test_trouble_on_our_side_is_not_the_departments() -> None:
    assert after(*[Postponed(Trouble.SOURCE_AWAY)] * 20) == Breaker()


def test_open_lets_nothing_out_before_its_time_and_then_one() -> None:
    opened = after(DEAD, DEAD, DEAD)
    assert opened.room(at=AT, in_flight=0, concurrency=4) == 0
    later = AT + timedelta(seconds=5)
    assert opened.room(at=later, in_flight=0, concurrency=4) == 1
    probing = opened.probing()
    assert probing.circuit is Circuit.HALF_OPEN
    assert probing.room(at=later, in_flight=1, concurrency=4) == 0


def test_a_failed_probe_opens_for_longer_and_a_good_one_closes() -> None:
    probing = after(DEAD, DEAD, DEAD).probing()
    again = after(DEAD, start=probing)
    assert (again.circuit, again.openings, again.probe_at) == (Circuit.OPEN, 2, AT + timedelta(seconds=10))
    assert after(Delivered(), start=probing) == Breaker()


def test_a_straggler_does_not_lengthen_the_cool_down() -> None:
    opened = after(DEAD, DEAD, DEAD)
    assert after(DEAD, DEAD, start=opened).probe_at == opened.probe_at


@given(st.lists(st.sampled_from([DEAD, Delivered(), Postponed(Trouble.SOURCE_AWAY)]), max_size=40))
def test_it_is_never_open_for_ever(outcomes: list[Outcome]) -> None:
    breaker = after(*outcomes)
    longest = AT + timedelta(seconds=40)
    assert breaker.room(at=longest, in_flight=0, concurrency=2) >= 1
