"""Events as sentences for the oversight board."""

from __future__ import annotations

from typing import Any

_WORDS: dict[str, tuple[str, str, str]] = {
    "intake.matter-registered.v1": ("登记", "Registered", "busy"),
    "intake.matter-supplemented.v1": ("信访人补充材料", "Petitioner added material", "calm"),
    "intake.matter-withdrawn.v1": ("信访人撤回", "Withdrawn by the petitioner", "calm"),
    "intake.matter-opened.v1": ("信访人查看办理情况", "Petitioner opened the status page", "calm"),
    "intake.matter-rated.v1": ("信访人评价", "Rated by the petitioner", "busy"),
    "routing.case-suggested.v1": ("系统提出分办建议", "Routing suggested", "calm"),
    "routing.case-routed.v1": ("分办确定", "Routing decided", "busy"),
    "routing.assignment-sent.v1": ("派给{agency}", "Sent to {agency}", "busy"),
    "routing.assignment-accepted.v1": ("{agency}受理", "{agency} accepted", "good"),
    "routing.assignment-objected.v1": ("{agency}提出异议", "{agency} objected", "warn"),
    "routing.assignment-released.v1": ("同意{agency}的异议", "Objection of {agency} agreed with", "calm"),
    "routing.assignment-upheld.v1": ("{agency}的异议不成立", "Objection of {agency} refused", "warn"),
    "routing.assignment-designated.v1": ("指定{agency}受理", "{agency} designated", "busy"),
    "routing.assignment-withdrawn.v1": ("收回派给{agency}的件", "Assignment of {agency} withdrawn", "calm"),
    "routing.assignment-progressed.v1": ("{agency}报告进展", "{agency} told progress", "busy"),
    "routing.assignment-opinion-given.v1": ("{agency}提交协办意见", "{agency} gave its opinion", "good"),
    "routing.assignment-replied.v1": ("{agency}提交答复", "{agency} replied", "good"),
    "routing.agency-statement-refused.v1": ("{agency}的回复未被采纳", "Statement of {agency} not applied", "warn"),
    "routing.case-disputed.v1": ("受理争议", "Acceptance in dispute", "warn"),
    "routing.case-accepted.v1": ("{lead}受理本事项", "Accepted by {lead}", "good"),
    "routing.case-decided.v1": ("作出处理意见", "Decided", "good"),
    "routing.case-closed.v1": ("办结", "Closed", "good"),
    "routing.case-reopened.v1": ("责令重新办理", "Re-handling ordered", "warn"),
    "agency_gateway.message-delivered.v1": ("已送达{agency}的系统", "Delivered to the system of {agency}", "calm"),
    "agency_gateway.message-outcome-unknown.v1": (
        "送达{agency}的结果未知，正在核实",
        "Outcome of delivery to {agency} unknown",
        "warn",
    ),
    "agency_gateway.message-rejected.v1": ("{agency}的系统拒收", "Rejected by the system of {agency}", "bad"),
    "notification.document-issued.v1": ("签发文书 {number}", "Document {number} issued", "busy"),
    "notification.notice-served.v1": ("告知已送达", "Notice served", "calm"),
    "notification.notice-failed.v1": ("告知未能送出", "Notice could not be sent", "warn"),
}


def event_text(event_type: str, data: dict[str, Any], language: str) -> dict[str, Any]:
    """Title and tone of an event on the time line; an empty title where it is of no interest there."""
    words = _WORDS.get(event_type.removeprefix("lianban."))
    if words is None:
        return {"title": "", "tone": "calm"}
    facts = {name: (data.get(name) or {}).get("name", "") for name in ("agency", "lead")}
    template = words[1] if language.startswith("en") else words[0]
    return {"title": template.format(number=data.get("number", ""), **facts), "tone": words[2]}
