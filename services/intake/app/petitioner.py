"""What a petitioner does after registration: opens the page, supplements, withdraws, rates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from lianban.chassis import traces
from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.secrets import seal
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import MatterState
from lianban.contracts.intake import MatterOpened, MatterRated, MatterSupplemented, MatterWithdrawn
from lianban.contracts.refs import AgencyRef, RatingVote
from services.intake.app import attach, metrics
from services.intake.app.register import code_of
from services.intake.domain import number, petition, query_code, rating
from services.intake.domain.petition import Fault, Faulty
from services.intake.domain.progress import may_be_rated, may_be_supplemented, may_be_withdrawn
from services.intake.store import matters, progress, standing
from services.intake.store import petitioner as store
from services.intake.store.standing import Standing

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """A matter that was opened with its query code."""

    id: UUID
    number: str


def state_of(matter: Row) -> MatterState:
    """The state shown to people: a withdrawal counts at once, whatever the departments still do."""
    state = MatterState(matter["case_state"])
    if matter["withdrawn_at"] is not None and state not in (MatterState.CLOSED, MatterState.ARCHIVED):
        return MatterState.WITHDRAWN
    return state


def open_matter(typed_number: str, typed_code: str) -> Opened:
    """The matter that a number and query code open; an unknown number and a wrong code give the same 404."""
    given = number.normalise(typed_number)
    expected = code_of(given if number.is_number(given) else "0")
    if query_code.matches(typed_code, expected) and number.is_number(given):
        with database().transaction(whole=False) as tx:
            matter = matters.id_of(tx, given)
        if matter is not None:
            metrics.opened.labels("right").inc()
            traces.about(given)
            return Opened(matter, given)
    metrics.opened.labels("wrong").inc()
    raise Rejected(
        "matter-not-found",
        "没有找到这个信访事项，请核对编号和查询码。",
        "No such matter; check its number and query code.",
        status=404,
    )


def note_opening(matter: UUID, at: datetime) -> None:
    """Say which notices the petitioner has now seen, each once (a proof of service, see MatterOpened)."""
    with database().transaction() as tx:
        if not progress.unopened_notices(tx, matter):
            return
        tx.lock(matter)
        notices = progress.open_notices(tx, matter, at)
        if notices:
            tx.emit(MatterOpened(opened_at=at, notices=tuple(notices)), subject=matter, at=at)


def supplement(matter: UUID, text: Any, uploads: Sequence[UUID], *, uploader: str, at: datetime) -> UUID:
    """Add facts or files to a matter that is not decided yet; answers the supplement's id."""
    words = petition.read_supplement(text, uploads)
    made = uuid4()
    with database().transaction() as tx:
        row = _locked(tx, matter)
        if not may_be_supplemented(state_of(row)):
            raise _too_late("supplement-too-late", row, "补充材料", "be supplemented")
        sealed = seal(json.dumps({"text": words}, ensure_ascii=False), context=f"supplement.words:{made}")
        store.add_supplement(tx, made, matter, sealed, at)
        if uploads:
            attach.give(tx, uploads, uploader=uploader, matter=matter, supplement=made)
        event = MatterSupplemented(supplement_id=made, attachments=len(uploads), supplemented_at=at)
        tx.emit(event, subject=matter, at=at)
    return made


def withdraw(matter: UUID, *, at: datetime) -> None:
    """Withdraw a matter that is not decided yet; a repetition changes nothing."""
    with database().transaction() as tx:
        row = _locked(tx, matter)
        if row["withdrawn_at"] is not None:
            return
        if not may_be_withdrawn(state_of(row)):
            raise _too_late("withdrawal-too-late", row, "撤回", "be withdrawn")
        if store.withdraw(tx, matter, at):
            tx.emit(MatterWithdrawn(withdrawn_at=at), subject=matter, at=at)


def rate(matter: UUID, told: Mapping[str, Any], *, at: datetime) -> Standing:
    """Record votes on the petition office and agencies, and whether it is solved; one vote per target and round.

    Answers where the matter stands then, so that nobody need ask for it.
    """
    with database().transaction() as tx:
        before = standing.read(tx.execute_all(standing.asked(matter), lock=[matter]))
        if before is None:
            raise _unknown()
        row = _may_act_on(before.matter)
        if not may_be_rated(state_of(row), row["decided_at"], row["closed_at"], at):
            raise Rejected(
                "rating-not-open",
                "处理意见作出后才能评价；办结超过30日的不再评价。现在的状态：{state_zh}。",
                "A matter is rated after its decision and until 30 days after its closing. It is now: {state_en}.",
                status=409,
                state_zh=state_of(row).zh,
                state_en=state_of(row).en,
            )
        round_ = row["decided_round"]
        votes, solved = rating.parse(told, targets(before.parts, round_))
        rated = {(vote["target"], vote["agency_code"]) for vote in before.votes if vote["round"] == round_}
        repeated = [
            Fault(
                f"/votes/{index}",
                "rated-already",
                f"{_name(vote, 'zh')}在本轮已经评价过，不能重复评价",
                f"{_name(vote, 'en')} was rated in this round already",
            )
            for index, vote in enumerate(votes)
            if (vote.target, vote.agency.code if vote.agency else "") in rated
        ]
        if repeated:
            raise Faulty(repeated)
        if solved is not None and round_ in before.answers:
            raise Faulty(
                [
                    Fault(
                        "/solved",
                        "answered-already",
                        "是否解决在本轮已经回答过",
                        "solved was answered in this round already",
                    )
                ]
            )
        if votes:
            store.rate(tx, matter, round_, votes, at)
        if solved is not None:
            store.answer_solved(tx, matter, round_, solved, at)
        tx.emit(MatterRated(round=round_, votes=votes, solved=solved, rated_at=at), subject=matter, at=at)
    for vote in votes:
        metrics.votes.labels(vote.target.value, vote.value.value).inc()
    if solved is False:
        metrics.not_solved.inc()
    return before.rated(votes, solved, at)


def targets(parts: Sequence[Row], round_: int) -> list[AgencyRef]:
    """The agencies that can be rated: those with a part in the decision of a round."""
    found = {
        p["agency_code"]: AgencyRef(p["agency_code"], p["agency_name"]) for p in parts if p["decided_round"] == round_
    }
    return list(found.values())


def _name(vote: RatingVote, language: str) -> str:
    return vote.agency.name if vote.agency else vote.target.label(language)


def _locked(tx: Transaction, matter: UUID) -> Row:
    tx.lock(matter)
    row = matters.by_id(tx, matter)
    if row is None:
        raise _unknown()
    return _may_act_on(row)


def _unknown() -> Rejected:
    return Rejected("matter-not-found", "没有找到这个信访事项。", "No such matter.", status=404)


def _may_act_on(row: Row) -> Row:
    if row["sealed"]:
        raise Rejected(
            "matter-sealed",
            "检举控告事项已密封移送有权处理的纪检监察机关，请直接向该机关反映。",
            "An accusation is sealed for the competent discipline body; please turn to that body.",
            status=409,
        )
    return row


def _too_late(slug: str, row: Row, zh: str, en: str) -> Rejected:
    state = state_of(row)
    return Rejected(
        slug,
        "信访事项现在的状态是“{state_zh}”，不能再{deed_zh}。",
        "The matter is now “{state_en}” and cannot {deed_en} any more.",
        status=409,
        deed_zh=zh,
        deed_en=en,
        state_zh=state.zh,
        state_en=state.en,
    )
