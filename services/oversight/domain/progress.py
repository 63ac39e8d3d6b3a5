"""The matter as oversight sees it: which state an event leads to, in the vocabulary shown to people."""

from __future__ import annotations

from lianban.contracts import intake, notification, routing
from lianban.contracts.codes import AssignmentState, DocumentKind, MatterState
from lianban.contracts.events import Event

_MATTER: dict[type, MatterState] = {
    routing.CaseRouted: MatterState.ROUTED,
    routing.CaseDisputed: MatterState.DISPUTED,
    routing.CaseAccepted: MatterState.ACCEPTED,
    routing.CaseDecided: MatterState.DECIDED,
    routing.CaseClosed: MatterState.CLOSED,
    routing.CaseReopened: MatterState.ROUTED,
    intake.MatterWithdrawn: MatterState.WITHDRAWN,
}

_ASSIGNMENT: dict[type, AssignmentState] = {
    routing.AssignmentAccepted: AssignmentState.ACCEPTED,
    routing.AssignmentObjected: AssignmentState.OBJECTED,
    routing.AssignmentReleased: AssignmentState.RELEASED,
    routing.AssignmentUpheld: AssignmentState.UPHELD,
    routing.AssignmentDesignated: AssignmentState.DESIGNATED,
    routing.AssignmentWithdrawn: AssignmentState.WITHDRAWN,
    routing.AssignmentProgressed: AssignmentState.HANDLING,
    routing.AssignmentOpinionGiven: AssignmentState.OPINION_GIVEN,
    routing.AssignmentReplied: AssignmentState.REPLIED,
    routing.AssignmentDone: AssignmentState.DONE,
}

ENDED = frozenset({AssignmentState.RELEASED, AssignmentState.WITHDRAWN, AssignmentState.DONE})
"""States in which an assignment is in nobody's hands any more."""

_AFTER_ROUTING = (MatterState.ROUTED, MatterState.OBJECTED, MatterState.DISPUTED)


def matter_state(event: Event, before: MatterState) -> MatterState | None:
    """The matter's state after an event; None where the event does not change it."""
    match event:
        case routing.AssignmentObjected() if before in _AFTER_ROUTING:
            return MatterState.OBJECTED
        case routing.AssignmentProgressed() if before is MatterState.ACCEPTED:
            return MatterState.HANDLING
        case notification.NoticeServed(document_kind=DocumentKind.DECISION) if before is MatterState.DECIDED:
            return MatterState.SERVED
        case routing.CaseRouted() if before not in (MatterState.REGISTERED, *_AFTER_ROUTING):
            return None  # a co-handler was added while the matter runs
    return _MATTER.get(type(event))


def assignment_state(event: Event) -> AssignmentState | None:
    """The state that an event gives the assignment it names; None where it names none or changes nothing."""
    return _ASSIGNMENT.get(type(event))
