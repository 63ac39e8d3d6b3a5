"""How an assignment and a matter move from state to state: tables as data, each move with its reason.

``DESIGNATED`` and ``UPHELD`` bind: of all that the agency may say, only acceptance is left. Extension, mediation
and hearing stand beside ``HANDLING`` with records of their own; they are no states of an assignment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lianban.contracts.codes import AgencyRole, AssignmentState, CodeList, MatterState
from lianban.law.errors import NotAllowed


class AssignmentAction(CodeList):
    """What can be done to an assignment."""

    SEND = "send", "派出", "Send"
    ACCEPT = "accept", "受理", "Accept"
    OBJECT = "object", "提出异议", "Object"
    RELEASE = "release", "同意退回", "Release"
    UPHOLD = "uphold", "不同意退回", "Refuse the objection"
    DESIGNATE = "designate", "指定受理", "Designate"
    PROGRESS = "progress", "报告进展", "Tell progress"
    GIVE_OPINION = "give_opinion", "提交协办意见", "Give opinion"
    REPLY = "reply", "提交答复", "Reply"
    FINISH = "finish", "完成", "Finish"
    WITHDRAW = "withdraw", "收回", "Withdraw"


AGENCY_ACTIONS = frozenset(
    {
        AssignmentAction.ACCEPT,
        AssignmentAction.OBJECT,
        AssignmentAction.PROGRESS,
        AssignmentAction.GIVE_OPINION,
        AssignmentAction.REPLY,
    }
)
"""What the agency itself says; the other actions are the routing body's."""


class IllegalMove(NotAllowed):
    """A move that the table does not have."""


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table: where an action leads, for which roles, and why it may."""

    state: AssignmentState
    action: AssignmentAction
    to: AssignmentState
    roles: frozenset[AgencyRole]
    why: str


_S, _A = AssignmentState, AssignmentAction
_LEAD = frozenset({AgencyRole.LEAD})
_CO = frozenset({AgencyRole.CO_HANDLER})
_COPY = frozenset({AgencyRole.COPY})
_WORKING = _LEAD | _CO
_ALL = _WORKING | _COPY

ASSIGNMENT_MOVES: tuple[Move, ...] = (
    # SENT: the routing decision was made and the agency is given its part.
    Move(_S.PROPOSED, _A.SEND, _S.SENT, _ALL, "条例 §22: transfer (转送) or assignment (交办)"),
    # OBJECTED: the agency says that the part is not its business; without effect until the sender agrees.
    Move(_S.SENT, _A.OBJECT, _S.OBJECTED, _WORKING, "条例 §23③: objection within 5 work days, with reasons"),
    # RELEASED: the sender checked the objection and agrees; the assignment ends and another agency is sought.
    Move(_S.OBJECTED, _A.RELEASE, _S.RELEASED, _WORKING, "条例 §23③: the sender verified and agreed (核实同意)"),
    # UPHELD: the sender checked the objection and does not agree.
    Move(_S.OBJECTED, _A.UPHOLD, _S.UPHELD, _WORKING, "条例 §23③: the sender did not agree"),
    # DESIGNATED: the common superior or the joint conference decided who accepts; a body that was not asked before
    # is given its part by that decision itself.
    Move(_S.PROPOSED, _A.DESIGNATE, _S.DESIGNATED, _WORKING, "条例 §24①: sent by the superior's decision"),
    Move(_S.SENT, _A.DESIGNATE, _S.DESIGNATED, _WORKING, "条例 §24①: acceptance decided by the superior"),
    Move(_S.OBJECTED, _A.DESIGNATE, _S.DESIGNATED, _WORKING, "条例 §24①: acceptance decided by the superior"),
    Move(_S.UPHELD, _A.DESIGNATE, _S.DESIGNATED, _WORKING, "条例 §24①: the dispute went on to the superior"),
    # ACCEPTED: the agency takes the part, freely or bound by a decision.
    Move(_S.SENT, _A.ACCEPT, _S.ACCEPTED, _WORKING, "条例 §23③: within the agency's powers"),
    Move(_S.UPHELD, _A.ACCEPT, _S.ACCEPTED, _WORKING, "条例 §23③: bound, the objection was refused"),
    Move(_S.DESIGNATED, _A.ACCEPT, _S.ACCEPTED, _WORKING, "条例 §24①: bound by the decision"),
    # HANDLING: the first progress was told.
    Move(_S.ACCEPTED, _A.PROGRESS, _S.HANDLING, _WORKING, "条例 §31(六): hears the petitioner and verifies"),
    Move(_S.HANDLING, _A.PROGRESS, _S.HANDLING, _WORKING, "further progress"),
    # OPINION_GIVEN: the co-handler's part is there; who never told progress passes handling in the same act.
    Move(_S.ACCEPTED, _A.GIVE_OPINION, _S.OPINION_GIVEN, _CO, "one joint reply needs each co-handler's opinion"),
    Move(_S.HANDLING, _A.GIVE_OPINION, _S.OPINION_GIVEN, _CO, "one joint reply needs each co-handler's opinion"),
    # REPLIED: the lead's reply is there; it is held back until no required part is missing.
    Move(_S.ACCEPTED, _A.REPLY, _S.REPLIED, _LEAD, "条例 §32: the lead's reply"),
    Move(_S.HANDLING, _A.REPLY, _S.REPLIED, _LEAD, "条例 §32: the lead's reply"),
    # DONE: the part went into the decision; a copy is for information and owes no answer.
    Move(_S.OPINION_GIVEN, _A.FINISH, _S.DONE, _CO, "the opinion went into the decision"),
    Move(_S.REPLIED, _A.FINISH, _S.DONE, _LEAD, "条例 §32: the decision was made"),
    Move(_S.SENT, _A.FINISH, _S.DONE, _COPY, "抄送: for information"),
    # WITHDRAWN: taken back by the routing body, or the petitioner withdrew; from any live state.
    *(
        Move(state, _A.WITHDRAW, _S.WITHDRAWN, _ALL, "taken back before it was done")
        for state in _S
        if state not in {_S.RELEASED, _S.DONE, _S.WITHDRAWN}
    ),
)
"""Every move of an assignment."""

ENDED = frozenset({_S.RELEASED, _S.DONE, _S.WITHDRAWN})
"""States that no move leaves."""

BINDING = frozenset({_S.UPHELD, _S.DESIGNATED})
"""States in which the agency can only accept."""

ACCEPTED_STATES = frozenset({_S.ACCEPTED, _S.HANDLING, _S.OPINION_GIVEN, _S.REPLIED, _S.DONE})
"""States of an agency that has accepted."""

_TABLE: Mapping[tuple[AssignmentState, AssignmentAction], Move] = {
    (move.state, move.action): move for move in ASSIGNMENT_MOVES
}

ASSIGNMENT: Mapping[AssignmentState, frozenset[AssignmentState]] = {
    state: frozenset(move.to for move in ASSIGNMENT_MOVES if move.state is state) for state in AssignmentState
}
"""Where an assignment may go from each state, by whatever action."""


def next_assignment_state(
    state: AssignmentState, action: AssignmentAction, role: AgencyRole, *, binding: bool = False
) -> AssignmentState:
    """Where an action leads; ``binding`` for an assignment that was sent by a decision and leaves no choice.

    Raises :class:`IllegalMove` (assignment-ended, assignment-binding, role-not-allowed, not-accepted,
    already-accepted, already-answered, no-objection, illegal-move).
    """
    move = _TABLE.get((state, action))
    bound = (binding and state is _S.SENT) or state in BINDING
    if bound and action in AGENCY_ACTIONS and action is not _A.ACCEPT and role is not AgencyRole.COPY:
        raise IllegalMove("assignment-binding", "已指定受理，只能受理", "The assignment binds: it can only be accepted")
    if move is None:
        raise _illegal(state, action)
    if role not in move.roles:
        raise IllegalMove(
            "role-not-allowed",
            f"{role.zh}单位不能{action.zh}",
            f"A {role.en.lower()} cannot do this: {action.en.lower()}",
        )
    return move.to


def allowed_actions(state: AssignmentState, role: AgencyRole, *, binding: bool = False) -> tuple[AssignmentAction, ...]:
    """What may be done now, in the order of the actions: for buttons on pages."""
    found = []
    for action in AssignmentAction:
        try:
            next_assignment_state(state, action, role, binding=binding)
        except IllegalMove:
            continue
        found.append(action)
    return tuple(found)


def _illegal(state: AssignmentState, action: AssignmentAction) -> IllegalMove:
    if state in ENDED:
        return IllegalMove(
            "assignment-ended", f"该派件{state.zh}，不能再变更", f"The assignment has ended: {state.en.lower()}"
        )
    if action in {_A.ACCEPT, _A.OBJECT} and state in ACCEPTED_STATES:
        return IllegalMove("already-accepted", "该派件已受理", "The assignment is already accepted")
    if action in {_A.PROGRESS, _A.GIVE_OPINION, _A.REPLY}:
        if state in ACCEPTED_STATES:
            return IllegalMove("already-answered", "该派件已提交意见", "The agency has already given its answer")
        return IllegalMove("not-accepted", "该派件尚未受理", "The assignment is not accepted yet")
    if action in {_A.RELEASE, _A.UPHOLD}:
        return IllegalMove("no-objection", "没有待处理的异议", "There is no objection to decide on")
    return IllegalMove(
        "illegal-move", f"{state.zh}状态下不能{action.zh}", f"Cannot {action.en.lower()} in state {state.en.lower()}"
    )


# --- The matter ------------------------------------------------------------------------------------------------

_M = MatterState

MATTER_MOVES: Mapping[MatterState, Mapping[MatterState, str]] = {
    _M.RECEIVED: {_M.REGISTERED: "条例 §§22, 23: every petition is registered"},
    _M.REGISTERED: {
        _M.DUPLICATE: "条例 §19③: the same matter is accepted or in handling",
        _M.CLOSED_REPEAT: "条例 §36③: same facts and reasons after the re-review",
        _M.OTHER_PROCEDURE: "条例 §22②, §31(一)–(五): a statutory procedure applies",
        _M.DISCIPLINE: "条例 §22②, §30①: accusation, sealed",
        _M.WRONG_BODY: "条例 §23①: addressed to an agency without powers",
        _M.ROUTED: "条例 §22①: transferred or assigned within 15 days",
        _M.WITHDRAWN: "the petitioner withdrew",
    },
    _M.DUPLICATE: {_M.ARCHIVED: "linked to the running matter"},
    _M.CLOSED_REPEAT: {},
    _M.OTHER_PROCEDURE: {_M.REGISTERED: "returned by the body of that procedure"},
    _M.DISCIPLINE: {},
    _M.WRONG_BODY: {},
    _M.ROUTED: {
        _M.OBJECTED: "条例 §23③: an agency objects",
        _M.DISPUTED: "条例 §24①: nobody accepts",
        _M.ACCEPTED: "the lead accepted",
        _M.REGISTERED: "every assignment was taken back before the matter was accepted",
        _M.WITHDRAWN: "the petitioner withdrew",
    },
    _M.OBJECTED: {
        _M.ROUTED: "条例 §23③: the sender agreed and routed anew, or refused",
        _M.DISPUTED: "条例 §24①: the agencies cannot agree",
        _M.ACCEPTED: "the objection was refused and the lead accepted",
        _M.WITHDRAWN: "the petitioner withdrew",
    },
    _M.DISPUTED: {
        _M.ROUTED: "条例 §24①: the superior or the joint conference named an agency",
        _M.ACCEPTED: "条例 §24①: the agency named accepted",
        _M.WITHDRAWN: "the petitioner withdrew",
    },
    _M.ACCEPTED: {
        _M.HANDLING: "the first progress was told",
        _M.EXTENDED: "条例 §34: approved by the agency's head",
        _M.DECIDED: "条例 §32",
        _M.ROUTED: "the lead's assignment was taken back and given to another agency",
        _M.WITHDRAWN: "the petitioner withdrew",
    },
    _M.HANDLING: {
        _M.EXTENDED: "条例 §34: approved by the agency's head",
        _M.DECIDED: "条例 §32",
        _M.ROUTED: "the lead's assignment was taken back and given to another agency",
        _M.WITHDRAWN: "the petitioner withdrew",
    },
    _M.EXTENDED: {
        _M.HANDLING: "handling goes on",
        _M.DECIDED: "条例 §32",
        _M.ROUTED: "the lead's assignment was taken back and given to another agency",
        _M.WITHDRAWN: "the petitioner withdrew",
    },
    _M.DECIDED: {
        _M.SERVED: "the written decision reached the petitioner",
        _M.CLOSED: "nobody can be reached",
        _M.ROUTED: "not solved: the petition office ordered re-handling",
    },
    _M.SERVED: {
        _M.REVIEW: "条例 §35: asked for within 30 days of service",
        _M.CLOSED: "rated by all, or the rating window is over",
        _M.ROUTED: "not solved: the petition office ordered re-handling",
    },
    _M.WITHDRAWN: {_M.CLOSED: "closed after withdrawal"},
    _M.REVIEW: {
        _M.RECHECK: "条例 §36: asked for within 30 days",
        _M.ROUTED: "the review ordered the agency to handle anew",
        _M.CLOSED: "no re-review asked for within 30 days",
    },
    _M.RECHECK: {
        _M.FINAL: "条例 §36: the re-review's opinion was served",
        _M.ROUTED: "the re-review ordered the agency to handle anew",
    },
    _M.FINAL: {_M.CLOSED: "条例 §36③: the petition path has ended"},
    _M.CLOSED: {
        _M.REVIEW: "条例 §35: asked for within 30 days of service",
        _M.ROUTED: "reopened: not solved, new facts, or a superior's order",
        _M.ARCHIVED: "档案法 §§13, 14",
    },
    _M.ARCHIVED: {},
}
"""Where a matter may go from each state, with the reason; a state with no entry in it is terminal."""


def check_matter_move(state: MatterState, to: MatterState) -> None:
    """Raises :class:`IllegalMove` (illegal-move) unless the table has the move."""
    if to not in MATTER_MOVES[state]:
        raise IllegalMove(
            "illegal-move", f"信访事项不能由“{state.zh}”变为“{to.zh}”", f"A matter cannot go from {state.en} to {to.en}"
        )


def is_reachable(state: AssignmentState | MatterState, later: AssignmentState | MatterState) -> bool:
    """Whether moves of the table lead from one state to another of the same list; each reaches itself."""
    return later is state or later in _reachable(state)


@lru_cache(maxsize=None, typed=True)  # typed: states of the two lists with the same text are equal and hash alike
def _reachable(state: AssignmentState | MatterState) -> frozenset[AssignmentState | MatterState]:
    found: set[AssignmentState | MatterState] = set()
    todo: list[AssignmentState | MatterState] = [state]
    while todo:
        current = todo.pop()
        nexts: Iterable[AssignmentState | MatterState] = (
            MATTER_MOVES[current] if isinstance(current, MatterState) else ASSIGNMENT[current]
        )
        for following in nexts:
            if following not in found:
                found.add(following)
                todo.append(following)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Part:
    """One agency's assignment in the present round, as far as the matter's state depends on it."""

    role: AgencyRole
    state: AssignmentState

    @property
    def live(self) -> bool:
        """Whether the agency still has the part: not given back and not taken back."""
        return self.state not in {AssignmentState.RELEASED, AssignmentState.WITHDRAWN}


@dataclass(frozen=True, slots=True)
class Milestones:
    """What has happened to the matter itself in the present round, beside its assignments."""

    disputed: bool = False
    extended: bool = False
    decided: bool = False
    served: bool = False
    closed: bool = False
    withdrawn: bool = False


def missing_parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The live co-handlers whose opinion is not there yet: the lead's reply is held back until there are none."""
    given = {AssignmentState.OPINION_GIVEN, AssignmentState.DONE}
    return tuple(part for part in parts if part.role is AgencyRole.CO_HANDLER and part.live and part.state not in given)


def matter_state(parts: Iterable[Part], milestones: Milestones) -> MatterState:
    """The state of a registered matter, derived from its milestones, its lead and the required parts.

    Copies count for nothing. While the lead has not accepted, an objection of any required part shows as
    objected; after that the lead's state decides, and a reply that is held back is still in handling.
    """
    if milestones.closed:
        return MatterState.CLOSED
    if milestones.withdrawn:
        return MatterState.WITHDRAWN
    if milestones.served:
        return MatterState.SERVED
    if milestones.decided:
        return MatterState.DECIDED
    required = [part for part in parts if part.role is not AgencyRole.COPY]
    leads = [part.state for part in required if part.role is AgencyRole.LEAD and part.live]
    if leads and leads[-1] in ACCEPTED_STATES:
        return _accepted_state(leads[-1], [part for part in required if part.live], milestones)
    if milestones.disputed:
        return MatterState.DISPUTED
    states = {part.state for part in required}
    if AssignmentState.OBJECTED in states or (not leads and AssignmentState.RELEASED in states):
        return MatterState.OBJECTED
    if not states - {AssignmentState.PROPOSED, AssignmentState.WITHDRAWN}:
        return MatterState.REGISTERED
    return MatterState.ROUTED


def _accepted_state(lead: AssignmentState, live: Iterable[Part], milestones: Milestones) -> MatterState:
    if lead is AssignmentState.DONE:
        return MatterState.DECIDED
    if milestones.extended:
        return MatterState.EXTENDED
    begun = {AssignmentState.HANDLING, AssignmentState.OPINION_GIVEN, AssignmentState.REPLIED, AssignmentState.DONE}
    if any(part.state in begun for part in live):
        return MatterState.HANDLING
    return MatterState.ACCEPTED
