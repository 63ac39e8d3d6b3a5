"""Votes of a petitioner: petition office and each agency of the decision, separately (国信发〔2022〕11号)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lianban.contracts.codes import RatingTarget, RatingValue
from lianban.contracts.refs import AgencyRef, RatingVote
from services.intake.domain.petition import Fault, Faulty


def parse(told: Mapping[str, Any], agencies: Iterable[AgencyRef]) -> tuple[tuple[RatingVote, ...], bool | None]:
    """The votes and the answer to "solved?"; ``agencies`` are those that can be rated. Raises :class:`Faulty`."""
    known = {agency.code: agency for agency in agencies}
    faults: list[Fault] = []
    votes: list[RatingVote] = []
    solved = told.get("solved")
    if solved is not None and not isinstance(solved, bool):
        faults.append(Fault("/solved", "not-true-or-false", "是否解决须为true或false", "solved must be true or false"))
        solved = None
    given = told.get("votes")
    if given is None:
        given = []
    if not isinstance(given, Sequence) or isinstance(given, str):
        faults.append(Fault("/votes", "not-a-list", "评价必须是列表", "votes must be a list"))
        given = []
    seen: set[tuple[RatingTarget, str]] = set()
    for index, item in enumerate(given[:100]):
        vote = _vote(item, f"/votes/{index}", known, faults)
        if vote is None:
            continue
        target = (vote.target, vote.agency.code if vote.agency else "")
        if target in seen:
            faults.append(
                Fault(f"/votes/{index}", "target-twice", "同一对象只能评价一次", "a target is rated once only")
            )
        seen.add(target)
        votes.append(vote)
    if not faults and not votes and solved is None:
        faults.append(Fault("/votes", "missing", "请至少评价一个对象", "rate at least one target"))
    if faults:
        raise Faulty(faults)
    return tuple(votes), solved


def _vote(item: Any, pointer: str, known: Mapping[str, AgencyRef], faults: list[Fault]) -> RatingVote | None:
    if not isinstance(item, Mapping):
        faults.append(Fault(pointer, "not-an-object", "评价必须是对象", "a vote must be an object"))
        return None
    try:
        target = RatingTarget(item.get("target"))  # type: ignore[arg-type]
    except ValueError:
        faults.append(
            Fault(
                f"{pointer}/target",
                "unknown-code",
                "评价对象可选：petition_office, agency",
                "known targets: petition_office, agency",
            )
        )
        return None
    try:
        value = RatingValue(item.get("value"))  # type: ignore[arg-type]
    except ValueError:
        codes = ", ".join(code.value for code in RatingValue)
        faults.append(Fault(f"{pointer}/value", "unknown-code", f"满意度可选：{codes}", f"known values: {codes}"))
        return None
    if target is RatingTarget.PETITION_OFFICE:
        return RatingVote(target=target, value=value)
    code = item.get("agency")
    if isinstance(code, Mapping):
        code = code.get("code")
    if not isinstance(code, str) or code not in known:
        faults.append(
            Fault(
                f"{pointer}/agency",
                "unknown-agency",
                "该单位没有参与本信访事项的处理意见",
                "this agency has no part in the decision",
            )
        )
        return None
    return RatingVote(target=target, value=value, agency=known[code])
