"""The tables of assignment and matter: who may do what, and how the matter's state follows from its parts."""

from __future__ import annotations

import pytest

from lianban.contracts.codes import AgencyRole, AssignmentState, MatterState
from lianban.law.lifecycle import (
    ASSIGNMENT,
    MATTER_MOVES,
    AssignmentAction,
    IllegalMove,
    Milestones,
    Part,
    allowed_actions,
    check_matter_move,
    is_reachable,
    matter_state,
    missing_parts,
    next_assignment_state,
)

S, A, M = AssignmentState, AssignmentAction, MatterState
LEAD, CO, COPY = AgencyRole.LEAD, AgencyRole.CO_HANDLER, AgencyRole.COPY


def walk(role: AgencyRole, *actions: AssignmentAction) -> AssignmentState:
    state = S.PROPOSED
    for action in actions:
        state = next_assignment_state(state, action, role)
    return state


def test_a_lead_goes_from_sent_to_done() -> None:
    assert walk(LEAD, A.SEND, A.ACCEPT, A.PROGRESS, A.PROGRESS, A.REPLY) is S.REPLIED
    assert walk(LEAD, A.SEND, A.ACCEPT, A.REPLY, A.FINISH) is S.DONE


def test_a_co_handler_gives_its_opinion() -> None:
    assert walk(CO, A.SEND, A.ACCEPT, A.PROGRESS, A.GIVE_OPINION, A.FINISH) is S.DONE
    assert walk(CO, A.SEND, A.ACCEPT, A.GIVE_OPINION) is S.OPINION_GIVEN


def test_a_copy_is_sent_for_information_and_done() -> None:
    assert walk(COPY, A.SEND, A.FINISH) is S.DONE
    assert allowed_actions(S.SENT, COPY) == (A.FINISH, A.WITHDRAW)


def test_an_objection_is_agreed_to_or_refused() -> None:
    assert walk(LEAD, A.SEND, A.OBJECT, A.RELEASE) is S.RELEASED
    assert walk(LEAD, A.SEND, A.OBJECT, A.UPHOLD, A.ACCEPT) is S.ACCEPTED
    assert walk(LEAD, A.SEND, A.OBJECT, A.UPHOLD, A.DESIGNATE, A.ACCEPT) is S.ACCEPTED
    assert walk(LEAD, A.DESIGNATE, A.ACCEPT) is S.ACCEPTED


@pytest.mark.parametrize("state", [S.UPHELD, S.DESIGNATED])
def test_a_bound_agency_can_only_accept(state: AssignmentState) -> None:
    said = {A.ACCEPT, A.OBJECT, A.PROGRESS, A.REPLY, A.GIVE_OPINION}
    assert said & set(allowed_actions(state, LEAD)) == {A.ACCEPT}


def test_an_assignment_that_was_sent_binding_cannot_be_objected_to() -> None:
    with pytest.raises(IllegalMove) as caught:
        next_assignment_state(S.SENT, A.OBJECT, LEAD, binding=True)
    assert caught.value.slug == "assignment-binding"
    assert next_assignment_state(S.SENT, A.ACCEPT, LEAD, binding=True) is S.ACCEPTED
    assert next_assignment_state(S.ACCEPTED, A.PROGRESS, LEAD, binding=True) is S.HANDLING


@pytest.mark.parametrize(
    ("state", "action", "role", "slug"),
    [
        (S.DONE, A.PROGRESS, LEAD, "assignment-ended"),
        (S.RELEASED, A.ACCEPT, LEAD, "assignment-ended"),
        (S.WITHDRAWN, A.WITHDRAW, LEAD, "assignment-ended"),
        (S.UPHELD, A.OBJECT, LEAD, "assignment-binding"),
        (S.DESIGNATED, A.REPLY, LEAD, "assignment-binding"),
        (S.HANDLING, A.REPLY, CO, "role-not-allowed"),
        (S.HANDLING, A.GIVE_OPINION, LEAD, "role-not-allowed"),
        (S.SENT, A.ACCEPT, COPY, "role-not-allowed"),
        (S.SENT, A.FINISH, LEAD, "role-not-allowed"),
        (S.SENT, A.REPLY, LEAD, "not-accepted"),
        (S.OBJECTED, A.PROGRESS, LEAD, "not-accepted"),
        (S.ACCEPTED, A.ACCEPT, LEAD, "already-accepted"),
        (S.HANDLING, A.OBJECT, LEAD, "already-accepted"),
        (S.REPLIED, A.REPLY, LEAD, "already-answered"),
        (S.OPINION_GIVEN, A.PROGRESS, CO, "already-answered"),
        (S.SENT, A.RELEASE, LEAD, "no-objection"),
        (S.ACCEPTED, A.UPHOLD, LEAD, "no-objection"),
        (S.ACCEPTED, A.SEND, LEAD, "illegal-move"),
        (S.OBJECTED, A.ACCEPT, LEAD, "illegal-move"),
    ],
)
def test_an_illegal_move_says_why(
    state: AssignmentState, action: AssignmentAction, role: AgencyRole, slug: str
) -> None:
    with pytest.raises(IllegalMove) as caught:
        next_assignment_state(state, action, role)
    assert caught.value.slug == slug
    assert caught.value.zh
    assert caught.value.en


def test_the_table_by_target_is_the_one_of_the_design() -> None:
    assert ASSIGNMENT[S.SENT] == {S.ACCEPTED, S.OBJECTED, S.DESIGNATED, S.DONE, S.WITHDRAWN}
    assert ASSIGNMENT[S.OBJECTED] == {S.RELEASED, S.UPHELD, S.DESIGNATED, S.WITHDRAWN}
    assert {state for state in S if not ASSIGNMENT[state]} == {S.RELEASED, S.DONE, S.WITHDRAWN}


def test_an_assignment_never_returns_to_an_earlier_state() -> None:
    assert is_reachable(S.PROPOSED, S.DONE)
    assert is_reachable(S.HANDLING, S.HANDLING)
    assert not is_reachable(S.ACCEPTED, S.SENT)
    assert not [(a, b) for a in S for b in S if a is not b and is_reachable(a, b) and is_reachable(b, a)]


def test_every_state_of_a_matter_has_its_row_and_can_be_reached() -> None:
    assert set(MATTER_MOVES) == set(M)
    assert all(is_reachable(M.RECEIVED, state) for state in M)


def test_a_matter_moves_only_along_the_table() -> None:
    check_matter_move(M.SERVED, M.ROUTED)
    with pytest.raises(IllegalMove) as caught:
        check_matter_move(M.REGISTERED, M.DECIDED)
    assert caught.value.slug == "illegal-move"
    assert caught.value.zh == "信访事项不能由“已登记”变为“已作出处理意见”"


def test_terminal_states_of_a_matter_are_left_by_nothing() -> None:
    terminal = {state for state, moves in MATTER_MOVES.items() if not moves}
    assert terminal == {M.CLOSED_REPEAT, M.DISCIPLINE, M.WRONG_BODY, M.ARCHIVED}


@pytest.mark.parametrize(
    ("parts", "state"),
    [
        ([], M.REGISTERED),
        ([(LEAD, S.PROPOSED)], M.REGISTERED),
        ([(LEAD, S.WITHDRAWN)], M.REGISTERED),
        ([(LEAD, S.SENT), (CO, S.ACCEPTED)], M.ROUTED),
        ([(LEAD, S.UPHELD)], M.ROUTED),
        ([(LEAD, S.DESIGNATED)], M.ROUTED),
        ([(LEAD, S.OBJECTED)], M.OBJECTED),
        ([(LEAD, S.SENT), (CO, S.OBJECTED)], M.OBJECTED),
        ([(LEAD, S.RELEASED), (CO, S.ACCEPTED)], M.OBJECTED),
        ([(LEAD, S.RELEASED), (LEAD, S.SENT)], M.ROUTED),
        ([(LEAD, S.ACCEPTED), (CO, S.OBJECTED)], M.ACCEPTED),
        ([(LEAD, S.ACCEPTED), (CO, S.HANDLING)], M.HANDLING),
        ([(LEAD, S.REPLIED), (CO, S.SENT)], M.HANDLING),
        ([(LEAD, S.SENT), (COPY, S.DONE)], M.ROUTED),
        ([(LEAD, S.ACCEPTED), (COPY, S.DONE)], M.ACCEPTED),
        ([(LEAD, S.DONE), (CO, S.DONE)], M.DECIDED),
    ],
)
def test_the_matters_state_follows_from_the_lead_and_the_required_parts(
    parts: list[tuple[AgencyRole, AssignmentState]], state: MatterState
) -> None:
    assert matter_state([Part(role, at) for role, at in parts], Milestones()) is state


@pytest.mark.parametrize(
    ("milestones", "state"),
    [
        (Milestones(extended=True), M.EXTENDED),
        (Milestones(extended=True, decided=True), M.DECIDED),
        (Milestones(decided=True, served=True), M.SERVED),
        (Milestones(withdrawn=True), M.WITHDRAWN),
        (Milestones(withdrawn=True, closed=True), M.CLOSED),
        (Milestones(decided=True, served=True, closed=True), M.CLOSED),
    ],
)
def test_milestones_of_the_matter_go_before_its_parts(milestones: Milestones, state: MatterState) -> None:
    assert matter_state([Part(LEAD, S.HANDLING)], milestones) is state


def test_a_dispute_shows_until_a_lead_has_accepted() -> None:
    assert matter_state([Part(LEAD, S.OBJECTED)], Milestones(disputed=True)) is M.DISPUTED
    assert matter_state([Part(LEAD, S.ACCEPTED)], Milestones(disputed=True)) is M.ACCEPTED


def test_a_reply_waits_for_every_co_handler_that_still_has_its_part() -> None:
    parts = [
        Part(LEAD, S.REPLIED),
        Part(CO, S.HANDLING),
        Part(CO, S.OPINION_GIVEN),
        Part(CO, S.RELEASED),
        Part(COPY, S.SENT),
    ]
    assert missing_parts(parts) == (Part(CO, S.HANDLING),)
