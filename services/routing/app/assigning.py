"""What a routing officer does with a case: route it, decide on objections, designate, order re-handling.

Each use case takes the case alone, checks the version that the officer saw, and keeps the officer's reason sealed
with the history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyRole, DecidedBy, TransferKind
from lianban.contracts.refs import AgencyRef
from lianban.law import places
from services.routing.app.cases import keep
from services.routing.app.deciders import deciders_of
from services.routing.app.policy import policy
from services.routing.app.refusals import rejected, rejection
from services.routing.app.reopening import reopen_round
from services.routing.domain.case import Case
from services.routing.domain.parts import NotApplicable, Wanted
from services.routing.store import cases as store
from services.routing.store import registers


@dataclass(frozen=True, slots=True)
class Officer:
    """Who decides; ``territory`` bounds the cases that the officer sees (a region code)."""

    name: str
    territory: str | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A part as the officer asked for it: no claims means all."""

    agency_code: str
    role: AgencyRole
    claims: tuple[UUID, ...] = ()


def assign(
    case_id: UUID,
    chosen: Sequence[Chosen],
    *,
    kind: TransferKind,
    officer: Officer,
    expected_version: int | None,
    withdraw: Sequence[UUID] = (),
    reason: str | None = None,
) -> Case:
    """Route a case, or route it anew after an objection; open objections are agreed with."""
    at = now()

    def decide(tx: Transaction, case: Case) -> None:
        wanted = [
            Wanted(_agency(tx, item.agency_code, number), item.role, item.claims) for number, item in enumerate(chosen)
        ]
        case.route(
            wanted,
            kind=kind,
            decided_by=DecidedBy.OFFICER,
            at=at,
            new_id=uuid4,
            withdraw=withdraw,
            hop_limit=policy().hop_limit,
        )

    return _decide(case_id, decide, officer=officer, expected_version=expected_version, reason=reason)


def decide_objection(
    case_id: UUID,
    assignment_id: UUID,
    *,
    release: bool,
    officer: Officer,
    expected_version: int | None,
    reason: str | None = None,
) -> Case:
    """Agree with an objection (the agency is let go) or refuse it (the agency must accept)."""
    at = now()

    def decide(_: Transaction, case: Case) -> None:
        if release:
            case.release(assignment_id, at=at, new_id=uuid4)
        else:
            case.uphold(assignment_id, at=at, new_id=uuid4)

    return _decide(case_id, decide, officer=officer, expected_version=expected_version, reason=reason)


def designate(
    case_id: UUID,
    agency_code: str,
    *,
    decided_by: str | None,
    kind: TransferKind,
    officer: Officer,
    expected_version: int | None,
    reason: str | None = None,
) -> Case:
    """Record who must accept, as the common superior or the coordinating petition office decided (条例 §24).

    Without ``decided_by`` the first of those who may decide is recorded.
    """
    at = now()

    def decide(tx: Transaction, case: Case) -> None:
        agency = _agency(tx, agency_code, None)
        able = deciders_of(tx, case)
        decider = next((ref for ref in able if decided_by in {None, ref.code}), None)
        if decider is None:
            raise rejected("wrong-decider", field="decided_by")
        case.designate(agency, decided_by=decider, kind=kind, at=at, new_id=uuid4)

    return _decide(case_id, decide, officer=officer, expected_version=expected_version, reason=reason)


def decide_reopening(
    case_id: UUID, *, reopen: bool, officer: Officer, expected_version: int | None, reason: str | None = None
) -> Case:
    """Order re-handling of a case that the petitioner says is not solved, or leave it as it is."""
    at = now()

    def decide(tx: Transaction, case: Case) -> None:
        if reopen:
            reopen_round(tx, case, ordered_by=DecidedBy.OFFICER, at=at)
        else:
            case.leave_closed()

    return _decide(case_id, decide, officer=officer, expected_version=expected_version, reason=reason)


def _decide(
    case_id: UUID,
    decision: Callable[[Transaction, Case], None],
    *,
    officer: Officer,
    expected_version: int | None,
    reason: str | None,
) -> Case:
    with database().transaction() as tx:
        case = store.load(tx, case_id)
        if case is None or not places.within(case.region_code, officer.territory):
            raise rejected("unknown-case")
        tx.lock(case_id)
        case = store.load(tx, case_id)
        if case is None:
            raise rejected("unknown-case")
        if expected_version is not None and case.version != expected_version:
            raise rejected("version-conflict", field="expected_version")
        try:
            decision(tx, case)
        except NotApplicable as error:
            raise rejection(error) from error
        keep(tx, case, actor=officer.name, at=now(), note=reason)
        return case


def _agency(tx: Transaction, code: str, number: int | None) -> AgencyRef:
    field = "agency_code" if number is None else f"assignments.{number}.agency_code"
    found = registers.agency(tx, code)
    if found is None:
        raise rejected("unknown-agency", field=field, code=code)
    if not found.active:
        raise rejected("agency-inactive", field=field)
    return found.ref
