"""A message's life: what is delivered stays delivered, nothing is given up, nothing is sent on a guess."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.contracts.codes import DeliveryState
from services.agency_gateway.domain.delivery import (
    BackOff,
    CannotAsk,
    Delivered,
    Failed,
    Known,
    LookUp,
    NoAnswer,
    NotKnown,
    Offered,
    Outcome,
    Postponed,
    Refused,
    Stuck,
    Unclear,
    after_attempt,
    after_question,
    follows,
    may_send_after,
)
from services.agency_gateway.domain.trouble import Trouble

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
BACK_OFF = BackOff(first=1, longest=60)
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Delivered, st.none() | st.text(max_size=5)),
    st.just(Offered()),
    st.builds(Failed, st.sampled_from(Trouble), st.just(""), st.none() | st.floats(0, 1e9)),
    st.builds(Unclear, st.sampled_from(Trouble)),
    st.builds(Refused, st.sampled_from(Trouble)),
    st.builds(Postponed, st.sampled_from(Trouble)),
    st.builds(Stuck, st.sampled_from(Trouble)),
)


@pytest.mark.parametrize(
    ("outcome", "state", "due_in"),
    [
        (Delivered("GD1"), DeliveryState.DELIVERED, None),
        (Offered(), DeliveryState.SENDING, None),
        (Failed(Trouble.UNREACHABLE), DeliveryState.PENDING, 3),
        (Failed(Trouble.BUSY, "", 20.0), DeliveryState.PENDING, 20),
        (Unclear(Trouble.TIMED_OUT), DeliveryState.UNKNOWN, 5),
        (Refused(Trouble.REFUSED), DeliveryState.REJECTED, None),
        (Postponed(Trouble.SOURCE_AWAY), DeliveryState.PENDING, 3),
        (Stuck(Trouble.BAD_MAPPING), DeliveryState.PARKED, None),
    ],
)
def test_each_outcome_leads_to_its_state(outcome: Outcome, state: DeliveryState, due_in: float | None) -> None:
    step = after_attempt(outcome, tries=3, at=AT, back_off=BACK_OFF, chance=0.5, settle=5)
    assert step.state is state
    assert step.due_at == (None if due_in is None else AT + timedelta(seconds=due_in))


@given(OUTCOMES, st.integers(1, 50))
def test_what_may_have_reached_the_department_is_never_sent_again_without_asking(outcome: Outcome, tries: int) -> None:
    step = after_attempt(outcome, tries=tries, at=AT, back_off=BACK_OFF, chance=0.1, unsure=True)
    assert step.state is not DeliveryState.PENDING
    assert step.ask == (step.state in {DeliveryState.PARKED, DeliveryState.REJECTED})


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_their_bound_and_never_end(tries: int, chance: float) -> None:
    pause = BACK_OFF.pause(tries, chance).total_seconds()
    assert 0.5 <= pause <= 60
    assert BACK_OFF.pause(tries + 1, chance) >= BACK_OFF.pause(tries, chance)


@given(st.lists(OUTCOMES, max_size=30))
def test_whatever_comes_late_or_twice_a_delivered_message_stays_delivered(outcomes: list[Outcome]) -> None:
    state = DeliveryState.PENDING
    delivered = 0
    for tries, outcome in enumerate(outcomes, 1):
        was_delivered = state is DeliveryState.DELIVERED
        if state in {DeliveryState.PENDING, DeliveryState.UNKNOWN}:
            state = DeliveryState.SENDING
        step = after_attempt(outcome, tries=tries, at=AT, back_off=BACK_OFF, chance=0.1)
        if follows(state, step.state):
            delivered += step.state is DeliveryState.DELIVERED
            state = step.state
        assert not was_delivered or state is DeliveryState.DELIVERED
    assert delivered <= 1


@given(OUTCOMES)
def test_what_goes_on_by_itself_has_a_time_and_what_does_not_has_none(outcome: Outcome) -> None:
    step = after_attempt(outcome, tries=1, at=AT, back_off=BACK_OFF, chance=0)
    assert (step.due_at is not None) == (step.state in {DeliveryState.PENDING, DeliveryState.UNKNOWN})


@pytest.mark.parametrize(
    ("answer", "may_send", "outcome"),
    [
        (Known("GD1"), False, Delivered("GD1")),
        (NotKnown(), True, None),
        (CannotAsk(repeat_is_safe=True), True, None),
        (CannotAsk(repeat_is_safe=False), False, Stuck(Trouble.CANNOT_ASK)),
        (NoAnswer(Trouble.TIMED_OUT, "8 s"), False, Unclear(Trouble.TIMED_OUT, "8 s")),
    ],
)
def test_only_a_clear_answer_lets_a_message_be_sent_again(
    answer: LookUp, may_send: bool, outcome: Outcome | None
) -> None:
    assert may_send_after(answer) is may_send
    if outcome is not None:
        assert after_question(answer) == outcome


def test_every_trouble_is_told_in_both_languages() -> None:
    assert all(trouble.zh and trouble.en for trouble in Trouble)
