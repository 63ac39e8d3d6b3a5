"""What an agency answers by itself: the statements for an assignment, in their order, in words that fit its trade."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy.demo import phrases
from deploy.demo.puller.settings import Agency, Rule
from deploy.demo.puller.store import Assignment

ACCEPT, OBJECT, PROGRESS, OPINION, REPLY = "accept", "object", "progress", "opinion", "reply"
DONE_AT_THE_EXCHANGE = {
    "proposed": (),
    "sent": (),
    "upheld": (),
    "designated": (),
    "released": None,
    "objected": None,
    "accepted": (ACCEPT,),
    "handling": (ACCEPT, PROGRESS),
    "opinion_given": None,
    "replied": None,
    "done": None,
    "withdrawn": None,
}
"""What was already said in each state of the exchange; None: there is nothing to say."""

OBJECTION_CODES = {
    "outside_powers": "R01",
    "outside_territory": "R02",
    "other_lead": "R03",
    "statutory_procedure": "R04",
    "already_handled": "R05",
}


@dataclass(frozen=True)
class Answer:
    """One statement without its id, number and time, and the seconds that the agency takes for it."""

    fields: dict[str, Any]
    wait: float


def answers(agency: Agency, assignment: Assignment, state: str = "sent") -> list[Answer]:
    """Everything the agency will say about an assignment that is in ``state`` at the exchange."""
    done = DONE_AT_THE_EXCHANGE.get(state)
    if not agency.autopilot.on or done is None or assignment.role not in {"lead", "co_handler"}:
        return []
    matter = assignment.matter
    about = f"{matter.get('title', '')}\n{matter.get('content', '')}"
    rule = agency.autopilot.rule_for(assignment.role, about, binding=assignment.binding or state != "sent")
    if rule is not None and rule.action == "ignore":
        return []
    if rule is not None and rule.action == "object":
        said: list[dict[str, Any]] = [_objection(rule, assignment)]
    else:
        said = [one for one in _course(agency, assignment, about) if one["kind"] not in done]
        if rule is not None:
            said = [one for one in said if one["kind"] in {ACCEPT, PROGRESS}]
    return [Answer(one, _wait(agency, assignment, one["kind"])) for one in said]


def _course(agency: Agency, assignment: Assignment, about: str) -> Iterator[dict[str, Any]]:
    trade, seed = agency.trade, assignment.reference

    def say(kind: str) -> str:
        return phrases.sentence(trade, kind, seed, about)

    yield {"kind": ACCEPT, "text": phrases.sentence(trade, "taken", seed)}
    yield {"kind": PROGRESS, "text": say("working")}
    results = [_result(trade, seed, claim) for claim in assignment.matter.get("claims") or []]
    basis = phrases.sentence(trade, "basis", seed)
    if assignment.role == "co_handler":
        yield {"kind": OPINION, "text": say("advice"), "legal_basis": basis, "results": results}
        return
    facts, remedy = say("facts"), say("remedy")
    yield {
        "kind": REPLY,
        "text": f"{facts}{remedy}",
        "facts": facts,
        "legal_basis": basis,
        "remedy": remedy,
        "results": results,
    }


def _result(trade: str, seed: str, claim: dict[str, Any]) -> dict[str, Any]:
    share = phrases.fraction(f"{seed}:{claim['id']}:result")
    result, kind = (
        ("supported", "agree")
        if share < 0.65
        else ("explained", "explain")
        if share < 0.92
        else ("not_supported", "decline")
    )
    text = phrases.sentence(trade, kind, f"{seed}:{claim['id']}", str(claim.get("text") or ""))
    return {"claim_id": claim["id"], "result": result, "text": text}


def _objection(rule: Rule, assignment: Assignment) -> dict[str, Any]:
    return {
        "kind": OBJECT,
        "reason": rule.reason,
        "text": rule.text or phrases.return_reason(OBJECTION_CODES[rule.reason], assignment.reference),
        "legal_basis": rule.legal_basis or "《信访工作条例》第二十三条",
        "proposed_agency": rule.proposed_agency,
    }


def _wait(agency: Agency, assignment: Assignment, kind: str) -> float:
    low, high = agency.autopilot.min_seconds, agency.autopilot.max_seconds
    return low + (high - low) * phrases.fraction(f"{assignment.reference}:{assignment.version}:{kind}")
