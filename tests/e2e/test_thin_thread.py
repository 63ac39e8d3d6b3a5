"""One matter of three agencies, each connected in another way, through all five services and back to the petitioner."""

from __future__ import annotations

from typing import Any

from deploy.local.stack import Stack
from deploy.waiting import until
from tests.e2e.people import BLACK_RIVER, POLITE, Caller, Submitted, submit, suggested

LEAD, PULLING, DESK = "city-ecology", "city-urban", "dongping-town"


def served_documents(matter: Submitted) -> dict[str, Any]:
    """The documents by kind, once all three are served; else nothing."""
    found = {item["kind"]: item for item in matter.status()["documents"] if item["served_at"]}
    return found if len(found) == 3 else {}


def test_a_matter_travels_from_the_petitioner_to_three_departments_and_back(stack: Stack) -> None:
    officer = Caller(stack, "officer")
    matter = submit(stack, BLACK_RIVER)

    case = suggested(officer, matter.id)
    assert case["suggested_lead"]["code"] == LEAD
    assert {item["code"] for item in case["suggested_co_handlers"]} == {PULLING, DESK}
    reasons = officer.get(f"/api/v1/cases/{matter.id}")["suggestion"]["lead"]["reasons"]
    assert reasons

    wanted = [{"agency_code": LEAD, "role": "lead"}]
    wanted += [{"agency_code": code, "role": "co_handler"} for code in (PULLING, DESK)]
    officer.post(f"/api/v1/cases/{matter.id}/assignments", {"assignments": wanted, "kind": "transfer"})

    matter.until("decided")
    matter.until_parts({LEAD: "done", PULLING: "done", DESK: "done"})

    documents = until(lambda: served_documents(matter), "three documents served", every=POLITE)
    assert set(documents) == {"transfer_notice", "acceptance_notice", "decision"}
    for document in documents.values():
        assert matter.caller.fetch(document["href"]).content.startswith(b"%PDF")

    assert "river@mail.qinghe.example" in matter.caller.fetch("/demo/mail/").text

    matter.rate(solved=True)
    closed = matter.until("closed", seconds=30)
    handling = next(clock for clock in closed["clocks"] if clock["rule"] == "handle")
    assert handling["agency"]["code"] == LEAD
    assert handling["outcome"] == "met"
    assert {clock["rule"] for clock in closed["clocks"]} >= {"route", "objection", "notice", "handle"}


def test_a_matter_that_is_not_solved_is_handled_again(stack: Stack) -> None:
    officer = Caller(stack, "officer")
    matter = submit(stack, BLACK_RIVER | {"title": "黑河整治以后又发黑"})
    suggested(officer, matter.id)
    wanted = [{"agency_code": LEAD, "role": "lead"}]
    officer.post(f"/api/v1/cases/{matter.id}/assignments", {"assignments": wanted, "kind": "transfer"})
    matter.until("decided")

    matter.rate(solved=False, value="dissatisfied")

    def again() -> bool:
        status = matter.status()
        return bool(status["rating"]["round"] == 2 and status["status"] in {"decided", "served"})

    until(again, "the decision of the second round", seconds=90, every=POLITE)
