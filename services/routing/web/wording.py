"""What the desk calls things: kinds of attention, lines of the history, sentences about what happened."""

from __future__ import annotations

from typing import Any

from lianban.chassis.web import _, _l, language
from lianban.contracts.codes import AgencyRole, ClosingReason, CodeList, DecidedBy, ObjectionReason, TransferKind
from services.routing.app.cases import POLICY
from services.routing.app.intake_events import PETITIONER
from services.routing.app.looking import Line
from services.routing.app.refusals import text_of

ATTENTION = {
    "route": _l("待转办"),
    "objection": _l("待核实异议"),
    "dispute": _l("受理争议"),
    "reopen": _l("反映未解决"),
    "delivery": _l("派件被拒收"),
}
ATTENTION_TONES = {"route": "busy", "objection": "warn", "dispute": "bad", "reopen": "warn", "delivery": "bad"}

TITLES = {
    "matter-registered": _l("登记"),
    "matter-supplemented": _l("信访人补充材料"),
    "matter-rated": _l("信访人评价"),
    "message-rejected": _l("部门系统拒收派件"),
    "case-suggested": _l("系统提出建议"),
    "case-routed": _l("转办决定"),
    "assignment-sent": _l("派出"),
    "assignment-accepted": _l("单位受理"),
    "assignment-objected": _l("单位提出异议"),
    "assignment-released": _l("同意异议，退回"),
    "assignment-upheld": _l("异议不成立"),
    "assignment-designated": _l("指定受理单位"),
    "assignment-withdrawn": _l("收回派件"),
    "assignment-progressed": _l("办理进展"),
    "assignment-opinion-given": _l("提交协办意见"),
    "assignment-replied": _l("主办单位答复"),
    "assignment-done": _l("单位办理完成"),
    "agency-statement-refused": _l("单位的表述未被采用"),
    "case-disputed": _l("受理争议"),
    "case-accepted": _l("受理"),
    "case-decided": _l("作出处理意见"),
    "case-closed": _l("办结"),
    "case-reopened": _l("重新办理"),
}
_TONES = {
    "assignment-objected": "warn",
    "agency-statement-refused": "warn",
    "message-rejected": "bad",
    "case-disputed": "bad",
    "case-accepted": "good",
    "case-decided": "good",
    "case-closed": "good",
    "case-reopened": "warn",
}


def entry(line: Line) -> dict[str, Any]:
    """A line of the history as an entry of the time line."""
    said = _sentence(line.kind, line.data)
    who = _actor(line.actor)
    text = " · ".join(part for part in (said, who if who not in said else "") if part)
    if line.note:
        text += "\n" + _("理由：%(note)s", note=line.note)
    return {
        "at": line.at,
        "title": str(TITLES.get(line.kind, line.kind)),
        "text": text,
        "tone": _TONES.get(line.kind, "calm"),
    }


def _actor(actor: str) -> Any:
    if actor == POLICY:
        return _("自动")
    if actor == PETITIONER:
        return _("信访人")
    return actor


def _label(code_list: type[CodeList], value: str) -> str:
    return code_list(value).label(language())


def _sentence(kind: str, data: dict[str, Any]) -> Any:
    agency = data["agency"]["name"] if isinstance(data.get("agency"), dict) else ""
    role = _label(AgencyRole, data["role"]) if data.get("role") else ""
    match kind:
        case "case-suggested":
            names = [data["lead"]["name"]] if data["lead"] else []
            names += [ref["name"] for ref in data["co_handlers"]]
            return _("、").join(names) or _("没有合适的单位")
        case "case-routed":
            parts = [f"{a['agency']['name']}（{_label(AgencyRole, a['role'])}）" for a in data["assignments"]]
            how = _label(TransferKind, data["kind"]) + " · " + _label(DecidedBy, data["decided_by"])
            return f"{how} · " + _("、").join(parts)
        case "assignment-objected":
            said = f"{agency} · {_label(ObjectionReason, data['reason'])}"
            return said + (" · " + _("建议由%(name)s办理", name=data["proposed"]["name"]) if data["proposed"] else "")
        case "assignment-designated":
            return _("%(decider)s指定%(agency)s受理", decider=data["decided_by"]["name"], agency=agency)
        case "assignment-replied" if data["waiting_for"]:
            names = _("、").join(ref["name"] for ref in data["waiting_for"])
            return _("%(agency)s，等待%(names)s的意见", agency=agency, names=names)
        case "agency-statement-refused":
            return f"{agency} · {text_of(data['slug'], language())}"
        case "case-disputed":
            return _("、").join(ref["name"] for ref in data["parties"])
        case "case-accepted" | "case-decided":
            return str(data["lead"]["name"])
        case "case-closed":
            return _label(ClosingReason, data["reason"])
        case "case-reopened":
            return _("第%(round)s轮 · %(by)s", round=data["round"], by=_label(DecidedBy, data["ordered_by"]))
        case "matter-rated" if data.get("solved") is False:
            return _("反映问题没有解决")
        case "matter-registered" | "matter-supplemented" | "matter-rated" | "message-rejected":
            return ""
        case _:
            return f"{agency}（{role}）" if role else agency
