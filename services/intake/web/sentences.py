"""The time line in plain sentences, made when it is shown from what the projection keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from lianban.chassis.rules import rulebook
from lianban.chassis.web import _, language
from lianban.chassis.web.presentation import show_date
from lianban.contracts import codes


@dataclass(frozen=True, slots=True)
class Entry:
    """One sentence with its moment; ``tone`` colours it on the page."""

    at: datetime
    kind: str
    text: str
    agency: dict[str, str] | None
    tone: str

    def json(self) -> dict[str, Any]:
        """The entry as the API shows it, with the page's tone."""
        return {"at": self.at, "kind": self.kind, "text": self.text, "agency": self.agency, "tone": self.tone}


def sentence(
    at: datetime,
    kind: str,
    agency_code: str | None = None,
    agency_name: str | None = None,
    data: dict[str, Any] | None = None,
) -> Entry:
    """The entry for something that happened."""
    text, tone = _say(kind, agency_name or "", data or {})
    agency = {"code": agency_code, "name": agency_name or ""} if agency_code else None
    return Entry(at, kind, text, agency, tone)


def _say(kind: str, agency: str, data: dict[str, Any]) -> tuple[str, str]:
    match kind:
        case "registered":
            return _("信访事项已登记。"), "busy"
        case "sealed":
            return _("检举控告已密封登记，只由有权处理的纪检监察机关处理。"), "busy"
        case "routed":
            return _routed(agency, data)
        case "delivered":
            return _("材料已送到%(agency)s。", agency=agency), "busy"
        case "accepted":
            return _("%(agency)s已接收（%(role)s）。", agency=agency, role=_role(data)), "busy"
        case "objected":
            return _objected(agency, data)
        case "released":
            return _("信访部门同意%(agency)s的异议，将重新确定承办单位。", agency=agency), "warn"
        case "upheld":
            return _("信访部门认为%(agency)s的异议不成立，仍由其办理。", agency=agency), "busy"
        case "designated":
            return _("%(decider)s决定由%(agency)s受理。", decider=data.get("decided_by", ""), agency=agency), "busy"
        case "taken_back":
            return _("%(agency)s不再承办。", agency=agency), "calm"
        case "disputed":
            return _disputed(agency, data)
        case "case_accepted":
            return _("%(agency)s已受理，办理期限%(days)s日。", agency=agency, days=_days("handle")), "good"
        case "progressed":
            return _("%(agency)s正在办理，报告了新的进展。", agency=agency), "busy"
        case "opinion_given":
            return _("%(agency)s已提交协办意见。", agency=agency), "busy"
        case "replied":
            return _replied(agency, data)
        case "decided":
            return _decided(agency, data)
        case "decision_served":
            return _("处理意见书已送达（%(means)s）。", means=_label(codes.NoticeChannel, data.get("means"))), "good"
        case "closed":
            return _("信访事项已办结（%(reason)s）。", reason=_label(codes.ClosingReason, data.get("reason"))), "good"
        case "reopened":
            return _("因您评价问题没有解决，信访部门要求重新办理。"), "warn"
        case "overdue":
            return _overdue(agency, data)
        case "document_issued":
            return _document(agency, data)
        case "notice_sent":
            return _("已通过%(channel)s告知您（%(notice)s）。", channel=_channel(data), notice=_notice(data)), "calm"
        case "notice_failed":
            return _(
                "未能通过%(channel)s告知您（%(notice)s），请在本页查看。", channel=_channel(data), notice=_notice(data)
            ), "warn"
        case "supplemented":
            return _("您补充了材料。"), "calm"
        case "withdrawn":
            return _("您撤回了信访事项。"), "calm"
        case "rated":
            return _("您作出了评价。"), "calm"
        case "answered":
            return (_("您表示问题已经解决。"), "good") if data.get("solved") else (_("您表示问题没有解决。"), "warn")
    raise AssertionError(f"no sentence for {kind}")


def _routed(agency: str, data: dict[str, Any]) -> tuple[str, str]:
    others = [part["agency"] for part in data["parts"] if part["role"] == codes.AgencyRole.CO_HANDLER]
    if agency and others:
        return _("信访部门确定由%(lead)s主办，%(others)s协办。", lead=agency, others=_and(others)), "busy"
    if agency:
        return _("信访部门确定由%(lead)s办理。", lead=agency), "busy"
    return _("信访部门增加%(others)s协办。", others=_and([part["agency"] for part in data["parts"]])), "busy"


def _objected(agency: str, data: dict[str, Any]) -> tuple[str, str]:
    reason = _label(codes.ObjectionReason, data.get("reason"))
    if data.get("proposed"):
        return (
            _(
                "%(agency)s提出异议（%(reason)s），认为应由%(proposed)s办理；信访部门正在核实。",
                agency=agency,
                reason=reason,
                proposed=data["proposed"],
            ),
            "warn",
        )
    return _("%(agency)s提出异议（%(reason)s）；信访部门正在核实。", agency=agency, reason=reason), "warn"


def _disputed(decider: str, data: dict[str, Any]) -> tuple[str, str]:
    parties = _and(data.get("parties", []))
    if decider:
        return _("%(parties)s对由谁受理有争议，由%(decider)s决定。", parties=parties, decider=decider), "warn"
    return _("%(parties)s对由谁受理有争议，由信访工作联席会议协调。", parties=parties), "warn"


def _replied(agency: str, data: dict[str, Any]) -> tuple[str, str]:
    waiting = data.get("waiting_for", [])
    if waiting:
        return _("%(agency)s已提交答复，等待%(others)s的协办意见。", agency=agency, others=_and(waiting)), "busy"
    return _("%(agency)s已提交答复。", agency=agency), "busy"


def _decided(agency: str, data: dict[str, Any]) -> tuple[str, str]:
    results = [codes.ClaimResult(result) for result in data.get("results", [])]
    counted = [
        _(
            "%(result)s%(count)s项",
            result=result.label(language()) + (" " if language() == "en" else ""),
            count=results.count(result),
        )
        for result in codes.ClaimResult
        if result in results
    ]
    if counted:
        return _("%(agency)s作出处理意见：%(results)s。", agency=agency, results=_and(counted)), "good"
    return _("%(agency)s作出处理意见。", agency=agency), "good"


def _overdue(agency: str, data: dict[str, Any]) -> tuple[str, str]:
    day = show_date(date.fromisoformat(data["due"]))
    rule = _rule(data["rule"])
    if agency:
        return _("%(agency)s超过了期限：%(rule)s（%(day)s到期）。", agency=agency, rule=rule, day=day), "bad"
    return _("已超过期限：%(rule)s（%(day)s到期）。", rule=rule, day=day), "bad"


def _document(agency: str, data: dict[str, Any]) -> tuple[str, str]:
    kind = _label(codes.DocumentKind, data.get("document_kind"))
    return _(
        "%(agency)s出具了%(kind)s（%(number)s）。", agency=agency, kind=kind, number=data.get("number", "")
    ), "good"


def _rule(rule: str) -> str:
    try:
        return rulebook().rule(rule).label(language())
    except KeyError:
        return rule


def _days(rule: str) -> int:
    return rulebook().rule(rule).length


def _role(data: dict[str, Any]) -> str:
    return _label(codes.AgencyRole, data.get("role"))


def _channel(data: dict[str, Any]) -> str:
    return _label(codes.NoticeChannel, data.get("channel"))


def _notice(data: dict[str, Any]) -> str:
    return _label(codes.NoticeKind, data.get("notice_kind"))


def _label(code_list: type[codes.CodeList], value: Any) -> str:
    return code_list(value).label(language())


def _and(names: list[str]) -> str:
    """Names joined as the language does it."""
    if language() == "en":
        return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else ""
    return "、".join(names)
