"""Where a matter stands, put together for API and page; codes stay codes, labels stand beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from lianban.chassis.auth import issue_ticket
from lianban.chassis.rules import rulebook
from lianban.chassis.runtime import database
from lianban.chassis.time import china_day
from lianban.chassis.transaction import Question
from lianban.chassis.web import _, language
from lianban.contracts.codes import AgencyRole, AssignmentState, ClockOutcome, DocumentKind, MatterState, RatingTarget
from lianban.contracts.refs import AgencyRef
from lianban.law.rulebook import Bound
from services.intake.app.disclose import file_of, supplement_of, words_of
from services.intake.app.petitioner import state_of, targets
from services.intake.domain.progress import may_be_rated, may_be_supplemented, may_be_withdrawn
from services.intake.store import matters, petitioner, progress, reference, standing, uploads
from services.intake.store.standing import Standing
from services.intake.web.sentences import Entry, sentence

LINK_SECONDS = 1800
"""How long links to documents work: as long as a status page stays open."""

_SHOWN = {ClockOutcome.MET.value: "met", ClockOutcome.LATE.value: "late", ClockOutcome.LAPSED.value: "lapsed"}
_CAUSED_BY_PETITIONER = frozenset({"closed", "reopened", "taken_back"})
_OFFICE_HOLDS = (MatterState.REGISTERED, MatterState.OBJECTED, MatterState.DISPUTED)
_LEAD_HOLDS = (
    MatterState.ROUTED,
    MatterState.ACCEPTED,
    MatterState.HANDLING,
    MatterState.EXTENDED,
    MatterState.DECIDED,
)


def of(matter: UUID, at: datetime) -> dict[str, Any]:
    """The status of a matter that is known to exist."""
    return _told(_read(matter, []), at)


@dataclass(frozen=True, slots=True)
class _Read:
    """What a page is made of; ``more`` are the answers to what else was asked."""

    standing: Standing
    office: AgencyRef | None
    clocks: Sequence[dict[str, Any]]
    documents: Sequence[dict[str, Any]]
    timeline: Sequence[dict[str, Any]]
    supplements: Sequence[dict[str, Any]]
    more: Sequence[Sequence[dict[str, Any]]]


def _read(matter: UUID, more: Sequence[Question]) -> _Read:
    """Ask for everything in one exchange, and for the office that holds the matter where one does."""
    own = [
        progress.clocks(matter),
        progress.documents(matter),
        progress.timeline(matter),
        petitioner.supplements([matter]),
    ]
    of_standing = standing.asked(matter)
    with database().transaction(whole=False) as tx:
        answers = [answer.fetchall() for answer in tx.execute_all([*of_standing, *own, *more])]
        found = standing.read(answers[: len(of_standing)])
        if found is None:
            raise LookupError("a matter that was opened is not there")
        held = state_of(found.matter) in _OFFICE_HOLDS
        office = reference.petition_office(tx, found.matter["region_code"]) if held else None
    clocks, documents, timeline, supplements, *rest = answers[len(of_standing) :]
    return _Read(found, office, clocks, documents, timeline, supplements, rest)


def _told(read: _Read, at: datetime) -> dict[str, Any]:
    row = read.standing.matter
    state = state_of(row)
    shown_clocks = [_clock(clock, china_day(at)) for clock in read.clocks]
    return {
        "id": row["id"],
        "number": row["number"],
        "status": state.value,
        "status_label": state.label(language()),
        "channel": row["channel"],
        "purpose": row["purpose"],
        "region": {"code": row["region_code"], "name": row["region_name"]},
        "received_at": row["received_at"],
        "original_received_on": row["original_received_on"],
        "withdrawn_at": row["withdrawn_at"],
        "held_by": _holder(row, state, read.office),
        "next_due": _next_due(shown_clocks),
        "agencies": [_part(part) for part in read.standing.parts],
        "clocks": shown_clocks,
        "timeline": [entry.json() for entry in _timeline(read)],
        "documents": [_document(document, row, at) for document in read.documents],
        "rating": rating(read.standing, at),
        "may_supplement": not row["sealed"] and may_be_supplemented(state),
        "may_withdraw": not row["sealed"] and may_be_withdrawn(state),
    }


def for_page(matter: UUID, at: datetime) -> dict[str, Any]:
    """The status with what only the page shows: the words, how far each clock ran, the time line newest first."""
    read = _read(matter, [matters.words([matter]), uploads.of_matters([matter])])
    words, attached = read.more
    found = _told(read, at)
    for clock in found["clocks"]:
        allowed = (clock["due"] - clock["started_on"]).days
        left = clock["days_left"]
        clock["shown"] = _SHOWN.get(clock["outcome"], "running")
        clock["allowed"] = allowed if clock["running"] else None
        clock["used"] = max(0, allowed - left) if left is not None else None
    last = len(found["timeline"]) - 1
    found["steps"] = [
        {"at": entry["at"], "title": entry["text"], "tone": entry["tone"], "now": index == last}
        for index, entry in enumerate(found["timeline"])
    ][::-1]
    supplements = read.supplements if words else []
    files = [file_of(row) for row in attached] if words else []
    found["words"] = words_of(words[0]) if words else None
    found["files"] = [file["name"] for file in files if file["supplement_id"] is None]
    found["supplements"] = [
        {
            "at": added["supplemented_at"],
            "text": supplement_of(added)["text"],
            "files": [file["name"] for file in files if file["supplement_id"] == str(added["id"])],
        }
        for added in supplements
    ]
    found["clocks"] = [clock for clock in found["clocks"] if clock["outcome"] != ClockOutcome.CANCELLED]
    return found


def _holder(row: dict[str, Any], state: MatterState, office: AgencyRef | None) -> dict[str, Any] | None:
    if row["sealed"]:
        return {"code": None, "name": _("有权处理的纪检监察机关")}
    if state in _OFFICE_HOLDS:
        return {"code": office.code, "name": office.name} if office else {"code": None, "name": _("信访部门")}
    if state in _LEAD_HOLDS and row["lead_code"]:
        return {"code": row["lead_code"], "name": row["lead_name"]}
    return None


def _part(part: dict[str, Any]) -> dict[str, Any]:
    role, state = AgencyRole(part["role"]), AssignmentState(part["state"])
    return {
        "agency": {"code": part["agency_code"], "name": part["agency_name"]},
        "role": role.value,
        "role_label": role.label(language()),
        "state": state.value,
        "state_label": state.label(language()),
        "since": part["since"],
    }


def _clock(clock: dict[str, Any], today: date) -> dict[str, Any]:
    label, article, bound, unused = clock["rule"], None, None, None
    try:
        rule = rulebook().rule(clock["rule"])
    except KeyError:
        pass  # a rule of a newer edition: its dates are shown all the same
    else:
        label, article, bound = rule.label(language()), rule.article(language()), rule.bound.value
        unused = rule.unused(language()) or None
    running = clock["outcome"] is None
    return {
        "rule": clock["rule"],
        "label": label,
        "article": article,
        "bound": bound,
        "unused": unused,
        "agency": {"code": clock["agency_code"], "name": clock["agency_name"]} if clock["agency_code"] else None,
        "started_on": clock["started_on"],
        "raw_due": clock["raw_due"],
        "due": clock["legal_due"],
        "provisional": clock["provisional"],
        "running": running,
        "days_left": (clock["legal_due"] - today).days if running else None,
        "outcome": clock["outcome"],
        "stopped_at": clock["stopped_at"],
    }


def _next_due(clocks: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The clock that ends first among those that bind authorities: until when something must happen."""
    running = [clock for clock in clocks if clock["running"] and clock["bound"] != Bound.PETITIONER]
    return min(running, key=lambda clock: clock["due"], default=None)


def _document(document: dict[str, Any], row: dict[str, Any], at: datetime) -> dict[str, Any]:
    kind = DocumentKind(document["kind"])
    ticket = issue_ticket(
        document["document_id"],
        owner="notification",
        holder=f"person:{row['id']}",
        purpose="petitioner",
        at=at,
        seconds=LINK_SECONDS,
    )
    return {
        "id": document["document_id"],
        "kind": kind.value,
        "kind_label": kind.label(language()),
        "number": document["number"],
        "issuer": {"code": document["issuer_code"], "name": document["issuer_name"]},
        "issued_at": document["issued_at"],
        "served_at": document["served_at"],
        "href": f"/documents/{document['document_id']}.pdf?ticket={ticket}",
    }


def rating(known: Standing, at: datetime) -> dict[str, Any]:
    """What can be rated now, and what has been."""
    row = known.matter
    round_ = row["decided_round"]
    votes = {(vote["target"], vote["agency_code"]): vote["value"] for vote in known.votes if vote["round"] == round_}
    found: list[dict[str, Any]] = []
    if round_ > 0:
        office = RatingTarget.PETITION_OFFICE.value
        found.append({"target": office, "agency": None, "value": votes.get((office, ""))})
        found += [
            {
                "target": RatingTarget.AGENCY.value,
                "agency": {"code": agency.code, "name": agency.name},
                "value": votes.get((RatingTarget.AGENCY.value, agency.code)),
            }
            for agency in targets(known.parts, round_)
        ]
    answer = known.answers.get(round_)
    return {
        "open": not row["sealed"] and may_be_rated(state_of(row), row["decided_at"], row["closed_at"], at),
        "round": round_,
        "targets": found,
        "solved": answer["solved"] if answer else None,
    }


def _timeline(read: _Read) -> list[Entry]:
    row = read.standing.matter
    found = [sentence(row["received_at"], "sealed" if row["sealed"] else "registered")]
    found += [
        sentence(entry["at"], entry["kind"], entry["agency_code"], entry["agency_name"], entry["data"])
        for entry in read.timeline
    ]
    done = [sentence(supplement["supplemented_at"], "supplemented") for supplement in read.supplements]
    if row["withdrawn_at"] is not None:
        done.append(sentence(row["withdrawn_at"], "withdrawn"))
    done += [sentence(at, "rated") for at in sorted({vote["rated_at"] for vote in read.standing.votes})]
    done += [
        sentence(answer["answered_at"], "answered", data={"solved": answer["solved"]})
        for answer in read.standing.answers.values()
    ]
    for entry in sorted(done, key=lambda entry: entry.at):
        found.insert(_place(found, entry.at), entry)
    return found


def _place(entries: Sequence[Entry], at: datetime) -> int:
    """Where something that the petitioner did belongs: after what was before it, ahead of what it caused.

    What it caused carries the same instant, so the instant alone does not tell.
    """
    after = (
        index
        for index, entry in enumerate(entries)
        if entry.at > at or (entry.at == at and entry.kind in _CAUSED_BY_PETITIONER)
    )
    return next(after, len(entries))
