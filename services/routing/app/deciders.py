"""Who decides a dispute about acceptance (条例 §24): the common superior in either line, or the coordinating office."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyRole
from lianban.contracts.refs import AgencyRef
from lianban.law.superiors import Standing, SuperiorsError, who_decides
from services.routing.domain.case import Case
from services.routing.domain.register import Agency
from services.routing.domain.suggesting import petition_offices
from services.routing.store import registers


def standings(agencies: Mapping[str, Agency]) -> dict[str, Standing]:
    """The register as the law's functions see it; superiors outside the register end the line."""
    return {
        item.code: Standing(
            code=item.code,
            region_code=item.region_code,
            government=item.superior_government if item.superior_government in agencies else None,
            vertical=item.superior_vertical if item.superior_vertical in agencies else None,
            successors=(item.successor,) if item.successor else (),
            petition_office=item.petition_office and item.active,
        )
        for item in agencies.values()
    }


def decider_of(tx: Transaction, case: Case, parties: Sequence[AgencyRef]) -> AgencyRef | None:
    """The body that decides among the parties; without a common superior the office of the joint conference."""
    agencies = registers.agencies(tx)
    try:
        code = who_decides([party.code for party in parties], standings(agencies), case.blocked).code
    except SuperiorsError:
        code = None
    if code is not None:
        return agencies[code].ref
    return next(iter(_coordinators(case, agencies)), None)


def deciders_of(tx: Transaction, case: Case) -> tuple[AgencyRef, ...]:
    """Everybody who may be recorded as having decided: the common superior, then the coordinating petition offices."""
    if case.dispute is not None:
        parties: Sequence[AgencyRef] = case.dispute.parties
    else:
        parties = [item.agency for item in case.refusals if item.role is AgencyRole.LEAD]
    agencies = registers.agencies(tx)
    first = case.dispute.decider if case.dispute is not None else decider_of(tx, case, parties)
    found = ([first] if first is not None else []) + _coordinators(case, agencies)
    return tuple(dict.fromkeys(found))


def _coordinators(case: Case, agencies: Mapping[str, Agency]) -> list[AgencyRef]:
    return [office.ref for office in petition_offices(case.region_code, agencies) if office.code not in case.blocked]
