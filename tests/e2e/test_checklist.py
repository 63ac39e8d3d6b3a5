"""The checklist that benchmark and faults go by, against a real life-cycle."""

from __future__ import annotations

from uuid import UUID

from deploy.local.stack import Stack
from deploy.waiting import until
from tests.e2e.people import BLACK_RIVER, Caller, submit, suggested
from tests.load.checklist import incomplete
from tests.load.petitions import Kind


def test_a_life_cycle_is_complete_when_every_service_has_done_its_part_and_not_before(stack: Stack) -> None:
    officer = Caller(stack, "officer")
    matter = submit(stack, BLACK_RIVER | {"title": "下河村河水发黑，请查清来源"})
    mine = {UUID(matter.id): Kind.SINGLE}
    suggested(officer, matter.id)
    wanted = [{"agency_code": "city-ecology", "role": "lead"}]
    officer.post(f"/api/v1/cases/{matter.id}/assignments", {"assignments": wanted, "kind": "transfer"})
    matter.until("served")

    missing = incomplete(stack, mine)[UUID(matter.id)]
    assert "intake.matter-rated was said 0 times, not 1" in missing
    assert "routing.case-closed was said 0 times, not 1" in missing

    matter.rate(solved=True)
    until(lambda: not incomplete(stack, mine), "the life-cycle is complete in every service", seconds=90)
