"""The case: who has which part of a matter, and what may happen next (条例 §§22-24, 32; `lianban.law.lifecycle`).

A case is changed only by the methods here. Each applies one fact or decision, appends the events that follow to
:attr:`Case.said`, and raises :class:`NotApplicable` where the state table does not allow it. Time and ids are
arguments; nothing here reads a clock or a database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.contracts.codes import (
    AgencyRole,
    AssignmentState,
    ClosingReason,
    DecidedBy,
    MatterState,
    RatingTarget,
    TransferKind,
)
from lianban.contracts.refs import AgencyRef, ClaimOutcome, ClaimRef, RatingVote
from lianban.contracts.routing import (
    AssignmentAccepted,
    AssignmentDesignated,
    AssignmentDone,
    AssignmentObjected,
    AssignmentOpinionGiven,
    AssignmentProgressed,
    AssignmentReleased,
    AssignmentReplied,
    AssignmentSent,
    AssignmentUpheld,
    AssignmentWithdrawn,
    CaseAccepted,
    CaseClosed,
    CaseDecided,
    CaseDisputed,
    CaseReopened,
    CaseRouted,
)
from lianban.law import lifecycle
from services.routing.domain import afterwards, dispute, joint_reply
from services.routing.domain.dispute import Dispute
from services.routing.domain.parts import Assignment, Attention, NotApplicable, Objection, Wanted

A = AssignmentState
Do = lifecycle.AssignmentAction
OPEN_CASE = frozenset(
    {
        MatterState.REGISTERED,
        MatterState.ROUTED,
        MatterState.OBJECTED,
        MatterState.DISPUTED,
        MatterState.ACCEPTED,
        MatterState.HANDLING,
    }
)
"""States in which assignments may still change."""


@dataclass(slots=True, kw_only=True)
class Case:
    """One matter as routing sees it; ``said`` collects what this use case has to tell the others."""

    id: UUID
    number: str
    channel: str
    purpose: str
    region_code: str
    region_name: str
    received_at: datetime
    claims: tuple[ClaimRef, ...]
    accused: tuple[str, ...] = ()
    blocked: frozenset[str] = frozenset()
    anonymous: bool = False
    reachable: bool = True
    imported: bool = False
    state: MatterState = MatterState.REGISTERED
    attention: Attention | None = Attention.ROUTE
    round: int = 1
    matter_type: str | None = None
    dispute: Dispute | None = None
    decision_id: UUID | None = None
    decided_at: datetime | None = None
    served_at: datetime | None = None
    close_due: datetime | None = None
    version: int = 1
    assignments: list[Assignment] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)

    # -- looking --------------------------------------------------------------------------------------------

    def find(self, assignment_id: UUID) -> Assignment:
        """One assignment of this case; raises :class:`NotApplicable` when there is none."""
        for item in self.assignments:
            if item.id == assignment_id:
                return item
        raise NotApplicable("unknown-assignment")

    @property
    def current(self) -> list[Assignment]:
        """The assignments that are not ended."""
        return [item for item in self.assignments if item.active]

    @property
    def lead(self) -> Assignment | None:
        """The agency that leads now."""
        return next((item for item in self.current if item.role is AgencyRole.LEAD), None)

    @property
    def open_objections(self) -> list[Assignment]:
        """Assignments whose objection nobody has answered."""
        return [item for item in self.assignments if item.state is A.OBJECTED]

    @property
    def refusals(self) -> list[Assignment]:
        """Leads of this round that objected and were not overruled, in their order."""
        return dispute.refusals(self.assignments, self.round)

    @property
    def waiting_for(self) -> tuple[AgencyRef, ...]:
        """Co-handlers whose opinion is still missing (R10)."""
        return joint_reply.waiting_for(self.current)

    def has_refused(self, agency_code: str) -> bool:
        """Whether an agency objected to leading in this round and was let go."""
        return any(item.agency.code == agency_code for item in self.refusals)

    # -- routing by the petition office ------------------------------------------------------------------------

    def route(
        self,
        wanted: Sequence[Wanted],
        *,
        kind: TransferKind,
        decided_by: DecidedBy,
        at: datetime,
        new_id: Callable[[], UUID],
        withdraw: Sequence[UUID] = (),
        hop_limit: int,
    ) -> None:
        """Give the parts to agencies: the first time, or again after an objection (条例 §22, §23③).

        Open objections are agreed with. An agency that already has the same part keeps it. Afterwards there is
        exactly one lead, every claim is in somebody's hands and nobody has two parts.
        """
        if self.state not in OPEN_CASE:
            raise NotApplicable("case-not-open")
        if not wanted and not withdraw:
            raise NotApplicable("nothing-to-do")
        self._check_wanted(wanted, hop_limit)
        known = {claim.id for claim in self.claims}
        for objected in self.open_objections:
            self._release(objected, at)
        for assignment_id in withdraw:
            self._withdraw(self.find(assignment_id), at)
        fresh: list[Wanted] = []
        for item in wanted:
            held = next((a for a in self.current if a.agency.code == item.agency.code), None)
            if held is not None and held.role is item.role and not item.claims:
                continue
            if held is not None and held.role is item.role and set(held.claims) == set(item.claims):
                continue
            if held is not None:
                self._withdraw(held, at)
            fresh.append(item)
        new_lead = any(item.role is AgencyRole.LEAD for item in fresh)
        if new_lead and self.lead is not None:
            raise NotApplicable("two-leads")
        if not new_lead and self.lead is None:
            raise NotApplicable("no-lead")
        made = [self._send(item, kind, at, new_id(), binding=False) for item in fresh]
        covered = {claim for item in self.current if item.role is not AgencyRole.COPY for claim in item.claims}
        if covered != known:
            raise NotApplicable("claim-uncovered")
        self.said.append(
            CaseRouted(
                round=self.round,
                decided_by=decided_by,
                kind=kind,
                assignments=tuple(item.ref for item in self.current),
                routed_at=at,
            )
        )
        self.said.extend(self._sent(item) for item in made)
        self._settle(at, new_id)

    def release(self, assignment_id: UUID, *, at: datetime, new_id: Callable[[], UUID]) -> None:
        """Agree with an objection: the agency is let go; a lead must then be found anew."""
        self._release(self.find(assignment_id), at)
        self._settle(at, new_id)

    def uphold(self, assignment_id: UUID, *, at: datetime, new_id: Callable[[], UUID]) -> None:
        """Refuse an objection: the agency must accept."""
        item = self.find(assignment_id)
        if self.dispute is not None and item.role is AgencyRole.LEAD:
            raise NotApplicable("disputed")
        self._act(item, Do.UPHOLD)
        item.binding = True
        self.said.append(AssignmentUpheld(assignment_id=item.id, agency=item.agency, role=item.role, upheld_at=at))
        self._settle(at, new_id)

    def designate(
        self, agency: AgencyRef, *, decided_by: AgencyRef, kind: TransferKind, at: datetime, new_id: Callable[[], UUID]
    ) -> None:
        """The common superior or the joint conference decides who accepts (条例 §24); it binds."""
        if self.dispute is None and not self.refusals:
            raise NotApplicable("no-dispute")
        if self.state not in OPEN_CASE:
            raise NotApplicable("case-not-open")
        if agency.code in self.blocked:
            raise NotApplicable("agency-blocked")
        own = next((item for item in self.open_objections if item.agency.code == agency.code), None)
        if own is not None and own.role is not AgencyRole.LEAD:
            self._release(own, at)
            own = None
        for item in self.open_objections:
            if item.role is AgencyRole.LEAD and item is not own:
                self._release(item, at)
        if self.lead is not own:
            raise NotApplicable("lead-not-disputed")
        for item in self.current:
            if item.agency.code == agency.code and item is not own:
                self._withdraw(item, at)
        self.dispute = None
        chosen = own or self._send(Wanted(agency, AgencyRole.LEAD), kind, at, new_id(), binding=True)
        chosen.binding = True
        self.said.append(
            CaseRouted(
                round=self.round,
                decided_by=DecidedBy.OFFICER,
                kind=kind,
                assignments=tuple(item.ref for item in self.current),
                routed_at=at,
            )
        )
        if own is None:
            self.said.append(self._sent(chosen))
        self._act(chosen, Do.DESIGNATE)
        self.said.append(
            AssignmentDesignated(
                assignment_id=chosen.id, agency=agency, role=chosen.role, decided_by=decided_by, designated_at=at
            )
        )
        self._settle(at, new_id)

    # -- what departments say ----------------------------------------------------------------------------------

    def accept(self, assignment_id: UUID, *, at: datetime, new_id: Callable[[], UUID]) -> None:
        """An agency accepts; when it leads, the matter is accepted (受理)."""
        item = self._open(assignment_id)
        self._act(item, Do.ACCEPT)
        self.said.append(
            AssignmentAccepted(
                assignment_id=item.id, agency=item.agency, role=item.role, binding=item.binding, accepted_at=at
            )
        )
        if item.role is AgencyRole.LEAD:
            self.said.append(
                CaseAccepted(
                    assignment_id=item.id,
                    lead=item.agency,
                    co_handlers=tuple(a.agency for a in self.current if a.role is AgencyRole.CO_HANDLER),
                    round=self.round,
                    accepted_at=at,
                )
            )
        self._settle(at, new_id)

    def object(
        self,
        assignment_id: UUID,
        objection: Objection,
        *,
        hop_limit: int,
        decider: Callable[[Sequence[AgencyRef]], AgencyRef | None],
        at: datetime,
        new_id: Callable[[], UUID],
    ) -> None:
        """An agency objects; a dispute arises when they pass the matter to and fro (R7).

        ``decider`` finds the body that decides among the parties.
        """
        item = self._open(assignment_id)
        self._act(item, Do.OBJECT)
        item.objection = objection
        self.said.append(
            AssignmentObjected(
                assignment_id=item.id,
                agency=item.agency,
                role=item.role,
                reason=objection.reason,
                proposed=objection.proposed,
                statement_id=objection.statement_id,
                objected_at=at,
            )
        )
        if item.role is AgencyRole.LEAD and self.dispute is None:
            made = dispute.arising(self.refusals, item, objection, hop_limit=hop_limit, decider=decider, at=at)
            if made is not None:
                self.dispute = made
                self.said.append(CaseDisputed(parties=made.parties, decider=made.decider, disputed_at=at))
        self._settle(at, new_id)

    def progress(self, assignment_id: UUID, statement_id: UUID, *, at: datetime, new_id: Callable[[], UUID]) -> None:
        """An agency tells progress; the first one means that handling began."""
        item = self._open(assignment_id)
        self._act(item, Do.PROGRESS)
        self.said.append(
            AssignmentProgressed(
                assignment_id=item.id,
                agency=item.agency,
                role=item.role,
                statement_id=statement_id,
                progressed_at=at,
            )
        )
        self._settle(at, new_id)

    def opine(
        self,
        assignment_id: UUID,
        statement_id: UUID,
        results: Sequence[ClaimOutcome],
        *,
        at: datetime,
        new_id: Callable[[], UUID],
    ) -> None:
        """A co-handler gives its opinion; it may complete what a held reply waits for."""
        item = self._open(assignment_id)
        joint_reply.check_opinion(item, results, self.claims, self.current)
        self._act(item, Do.GIVE_OPINION)
        item.statement_id, item.results = statement_id, tuple(results)
        self.said.append(
            AssignmentOpinionGiven(assignment_id=item.id, agency=item.agency, statement_id=statement_id, given_at=at)
        )
        self._settle(at, new_id)

    def reply(
        self,
        assignment_id: UUID,
        statement_id: UUID,
        results: Sequence[ClaimOutcome],
        *,
        at: datetime,
        new_id: Callable[[], UUID],
    ) -> None:
        """The lead replies claim by claim (条例 §32); held back while a required opinion is missing (R10)."""
        item = self._open(assignment_id)
        joint_reply.check_reply(item, results, self.claims)
        self._act(item, Do.REPLY)
        item.statement_id, item.results = statement_id, tuple(results)
        self.said.append(
            AssignmentReplied(
                assignment_id=item.id,
                agency=item.agency,
                statement_id=statement_id,
                waiting_for=self.waiting_for,
                replied_at=at,
            )
        )
        self._settle(at, new_id)

    # -- what happens after the decision -----------------------------------------------------------------------

    def serve(self, *, round: int, at: datetime, until: datetime, everybody_rated: bool) -> None:  # noqa: A002
        """The decision of a round was served; the rating window runs ``until`` then."""
        if self.state is not MatterState.DECIDED or round != self.round:
            raise NotApplicable("not-decided")
        self.state = MatterState.SERVED
        self.served_at = at
        self.close_due = until if self.reachable else at
        if everybody_rated:
            self.close(ClosingReason.RATED, at=at)

    def targets(self) -> frozenset[tuple[RatingTarget, str]]:
        """Who is to be rated: the petition office and every agency whose part went into the decision."""
        return afterwards.targets(self.assignments, self.round)

    def everybody_rated(self, votes: Sequence[RatingVote]) -> bool:
        """Whether the votes cover every target of this round."""
        return self.targets() <= afterwards.given(votes)

    def close(self, reason: ClosingReason, *, at: datetime) -> None:
        """The case is closed (办结)."""
        if self.state not in {MatterState.SERVED, MatterState.DECIDED}:
            raise NotApplicable("not-served")
        self.state = MatterState.CLOSED
        self.close_due = None
        self.said.append(CaseClosed(reason=reason, closed_at=at))

    def not_solved(self) -> None:
        """The petitioner says that it is not solved: an officer is to decide on re-handling."""
        if self.state not in {MatterState.DECIDED, MatterState.SERVED, MatterState.CLOSED}:
            raise NotApplicable("not-decided")
        self.attention = Attention.REOPEN

    def leave_closed(self) -> None:
        """The officer looked and orders no re-handling."""
        if self.attention is not Attention.REOPEN:
            raise NotApplicable("no-request")
        self.attention = None

    def reopen(
        self,
        *,
        ordered_by: DecidedBy,
        successors: Mapping[str, AgencyRef],
        at: datetime,
        new_id: Callable[[], UUID],
    ) -> None:
        """The petition office orders re-handling: a new round with the same agencies or their ``successors``."""
        if self.state not in {MatterState.DECIDED, MatterState.SERVED, MatterState.CLOSED}:
            raise NotApplicable("not-decided")
        again = afterwards.again(self.assignments, self.round, successors, self.blocked)
        self.round += 1
        self.decision_id = self.decided_at = self.served_at = self.close_due = None
        self.dispute = None
        self.said.append(CaseReopened(round=self.round, ordered_by=ordered_by, reopened_at=at))
        made = [self._send(wanted, kind, at, new_id(), binding=False) for wanted, kind in again]
        self.said.append(
            CaseRouted(
                round=self.round,
                decided_by=ordered_by,
                kind=made[0].kind,
                assignments=tuple(item.ref for item in made),
                routed_at=at,
            )
        )
        self.said.extend(self._sent(item) for item in made)
        self._settle(at, new_id)

    def withdraw(self, *, at: datetime) -> None:
        """The petitioner withdrew: every agency is told, the case ends."""
        if self.state not in OPEN_CASE:
            raise NotApplicable("case-not-open")
        for item in self.current:
            self._withdraw(item, at)
        self.state = MatterState.WITHDRAWN
        self.attention = None
        self.dispute = None
        self.said.append(CaseClosed(reason=ClosingReason.WITHDRAWN, closed_at=at))

    def look_at_delivery(self) -> None:
        """A department says that it can never take a message: a person must look."""
        if self.state in OPEN_CASE and self.attention is None:
            self.attention = Attention.DELIVERY

    # -- inside ----------------------------------------------------------------------------------------------

    def _check_wanted(self, wanted: Sequence[Wanted], hop_limit: int) -> None:
        codes = [item.agency.code for item in wanted]
        if len(set(codes)) != len(codes):
            raise NotApplicable("duplicate-agency")
        if not self.blocked.isdisjoint(codes):
            raise NotApplicable("agency-blocked")
        known = {claim.id for claim in self.claims}
        if not all(known.issuperset(item.claims) for item in wanted):
            raise NotApplicable("unknown-claim")
        leads = [item for item in wanted if item.role is AgencyRole.LEAD]
        if len(leads) > 1:
            raise NotApplicable("two-leads")
        if leads and self.dispute is not None:
            raise NotApplicable("disputed")
        if any(self.has_refused(item.agency.code) for item in leads):
            raise NotApplicable("ping-pong")
        if leads and len(self.refusals) >= hop_limit:
            raise NotApplicable("hop-limit")

    def _open(self, assignment_id: UUID) -> Assignment:
        item = self.find(assignment_id)
        if self.state not in OPEN_CASE:
            raise NotApplicable("assignment-ended")
        return item

    def _act(self, item: Assignment, action: lifecycle.AssignmentAction) -> None:
        try:
            item.state = lifecycle.next_assignment_state(item.state, action, item.role, binding=item.binding)
        except lifecycle.IllegalMove as error:
            raise NotApplicable(error.slug) from error

    def _release(self, item: Assignment, at: datetime) -> None:
        self._act(item, Do.RELEASE)
        self.said.append(AssignmentReleased(assignment_id=item.id, agency=item.agency, role=item.role, released_at=at))

    def _withdraw(self, item: Assignment, at: datetime) -> None:
        self._act(item, Do.WITHDRAW)
        self.said.append(
            AssignmentWithdrawn(assignment_id=item.id, agency=item.agency, role=item.role, withdrawn_at=at)
        )

    def _send(self, wanted: Wanted, kind: TransferKind, at: datetime, new_id: UUID, *, binding: bool) -> Assignment:
        item = Assignment(
            id=new_id,
            position=len(self.assignments) + 1,
            round=self.round,
            agency=wanted.agency,
            role=wanted.role,
            kind=kind,
            claims=wanted.claims or tuple(claim.id for claim in self.claims),
            state=A.SENT,
            binding=binding,
            sent_at=at,
        )
        self.assignments.append(item)
        return item

    def _sent(self, item: Assignment) -> AssignmentSent:
        return AssignmentSent(
            assignment_id=item.id,
            number=self.number,
            agency=item.agency,
            role=item.role,
            kind=item.kind,
            claims=item.claims,
            round=item.round,
            region_code=self.region_code,
            region_name=self.region_name,
            matter_type=self.matter_type,
            binding=item.binding,
            sent_at=item.sent_at,
        )

    def _settle(self, at: datetime, new_id: Callable[[], UUID]) -> None:
        """Derive the state of the matter and what an officer has to do; decide when every part is there."""
        lead = self.lead
        if lead is not None and lead.state is A.REPLIED and not self.waiting_for:
            self._decide(lead, at, new_id())
            return
        self.state = lifecycle.matter_state(
            (lifecycle.Part(item.role, item.state) for item in self.assignments if item.round == self.round),
            lifecycle.Milestones(disputed=self.dispute is not None),
        )
        if self.dispute is not None:
            self.attention = Attention.DISPUTE
        elif self.open_objections:
            self.attention = Attention.OBJECTION
        elif lead is None:
            self.attention = Attention.ROUTE
        else:
            self.attention = None

    def _decide(self, lead: Assignment, at: datetime, decision_id: UUID) -> None:
        parts = joint_reply.parts_of(lead, self.current)
        results = joint_reply.outcomes(parts, self.claims)
        if results is None:
            # The one who had a claim alone was let go after answering others': the officer gives it to somebody.
            self.state = MatterState.HANDLING
            self.attention = Attention.ROUTE
            return
        self.decision_id, self.decided_at = decision_id, at
        self.state = MatterState.DECIDED
        self.attention = None
        if not self.reachable:
            self.close_due = at
        self.said.append(
            CaseDecided(
                decision_id=decision_id,
                round=self.round,
                lead=lead.agency,
                results=results,
                parts=joint_reply.opinions(parts),
                decided_at=at,
            )
        )
        for item in self.current:
            self._act(item, Do.FINISH)
            self.said.append(AssignmentDone(assignment_id=item.id, agency=item.agency, role=item.role, done_at=at))
