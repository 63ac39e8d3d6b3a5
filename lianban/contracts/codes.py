"""Code lists with their labels: one place for every enumeration that crosses a service's border.

Values are stable and additive only (a value is never renamed or reused); ``zh`` is shown first in the
interface, ``en`` second. Sources: 信访工作条例 (2022) for channels, purposes and results; the state
vocabulary follows the statutory states of a matter.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class CodeList(StrEnum):
    """A string enumeration whose members carry a Chinese and an English label."""

    zh: str
    en: str

    def __new__(cls, value: str, zh: str = "", en: str = "") -> Self:
        """A member with its labels (``CodeList(value)`` looks a member up)."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.zh = zh
        member.en = en
        return member

    def label(self, language: str) -> str:
        """The label in ``language``: Chinese unless it starts with ``en``."""
        return self.en if language.startswith("en") else self.zh


class Channel(CodeList):
    """信访形式: how a petition came in (条例 §17)."""

    WEB = "web", "信息网络", "Web portal"
    LETTER = "letter", "书信", "Letter"
    PHONE = "phone", "电话", "Telephone"
    FAX = "fax", "传真", "Fax"
    VISIT = "visit", "走访", "Visit"
    HOTLINE = "hotline", "热线转办", "Hotline order"
    EMAIL = "email", "电子邮件", "E-mail"
    LEADER_RECEPTION = "leader_reception", "领导接访", "Leader's reception day"
    VILLAGE_PROXY = "village_proxy", "村级代办", "Village proxy"


class Purpose(CodeList):
    """信访目的 (条例 §§29-31)."""

    SUGGESTION = "suggestion", "建议意见", "Suggestion or opinion"
    ACCUSATION = "accusation", "检举控告", "Accusation"
    APPEAL = "appeal", "申诉求决", "Appeal for a decision"


class IdType(CodeList):
    """证件类型."""

    NONE = "none", "未提供", "Not given"
    RESIDENT_ID = "resident_id", "居民身份证", "Resident identity card"
    RESIDENCE_PERMIT = "residence_permit", "港澳台居民居住证", "Residence permit (Hong Kong, Macao, Taiwan)"
    FOREIGN_PERMIT = "foreign_permit", "外国人永久居留身份证", "Foreigner's permanent residence card"
    PASSPORT = "passport", "护照", "Passport"
    ORGANISATION = "organisation", "统一社会信用代码", "Unified social credit code"


class MatterState(CodeList):
    """The statutory states of a matter (信访事项); the vocabulary shown to people and to oversight."""

    RECEIVED = "received", "收到", "Received"
    REGISTERED = "registered", "已登记", "Registered"
    DUPLICATE = "duplicate", "不予受理（已受理或办理中）", "Not taken up: already running"
    CLOSED_REPEAT = "closed_repeat", "不再受理", "No longer taken up"
    OTHER_PROCEDURE = "other_procedure", "导入法定程序", "Sent to a statutory procedure"
    DISCIPLINE = "discipline", "转纪检监察", "Sent to discipline inspection"
    WRONG_BODY = "wrong_body", "告知向有权机关提出", "Told to address the competent body"
    ROUTED = "routed", "已转送（交办）", "Transferred or assigned"
    OBJECTED = "objected", "异议中", "Objected"
    DISPUTED = "disputed", "受理争议", "Acceptance in dispute"
    ACCEPTED = "accepted", "受理", "Accepted"
    HANDLING = "handling", "办理中", "In handling"
    EXTENDED = "extended", "延期办理", "Extended"
    DECIDED = "decided", "已作出处理意见", "Decided"
    SERVED = "served", "处理意见已送达", "Decision served"
    WITHDRAWN = "withdrawn", "已撤回", "Withdrawn"
    REVIEW = "review", "复查", "Review"
    RECHECK = "recheck", "复核", "Re-review"
    FINAL = "final", "复核意见已送达", "Final"
    CLOSED = "closed", "办结", "Closed"
    ARCHIVED = "archived", "归档", "Archived"


class AssignmentState(CodeList):
    """The states of one agency's assignment."""

    PROPOSED = "proposed", "拟派", "Proposed"
    SENT = "sent", "已派出", "Sent"
    OBJECTED = "objected", "提出异议", "Objected"
    RELEASED = "released", "已退回", "Released"
    UPHELD = "upheld", "异议不成立", "Objection refused"
    DESIGNATED = "designated", "已指定", "Designated"
    ACCEPTED = "accepted", "已受理", "Accepted"
    HANDLING = "handling", "办理中", "In handling"
    OPINION_GIVEN = "opinion_given", "已提交协办意见", "Opinion given"
    REPLIED = "replied", "已提交答复", "Replied"
    DONE = "done", "已完成", "Done"
    WITHDRAWN = "withdrawn", "已收回", "Withdrawn"


class AgencyRole(CodeList):
    """What an agency does in a matter."""

    LEAD = "lead", "主办", "Lead"
    CO_HANDLER = "co_handler", "协办", "Co-handler"
    COPY = "copy", "抄送", "Copy"


class TransferKind(CodeList):
    """转送 or 交办 (条例 §22)."""

    TRANSFER = "transfer", "转送", "Transfer"
    ASSIGN = "assign", "交办", "Assign"


class ObjectionReason(CodeList):
    """Why an agency objects to an assignment (条例 §23③)."""

    OUTSIDE_POWERS = "outside_powers", "不属于本机关职权范围", "Outside our powers"
    OUTSIDE_TERRITORY = "outside_territory", "不属于本辖区", "Outside our territory"
    OTHER_LEAD = "other_lead", "应由其他机关主办", "Another body should lead"
    STATUTORY_PROCEDURE = "statutory_procedure", "应通过法定途径处理", "A statutory procedure applies"
    ALREADY_HANDLED = "already_handled", "已受理或者正在办理", "Already accepted or in handling"


class ClaimResult(CodeList):
    """处理意见 per claim (条例 §32)."""

    SUPPORTED = "supported", "予以支持", "Supported"
    EXPLAINED = "explained", "解释说明", "Explained"
    NOT_SUPPORTED = "not_supported", "不予支持", "Not supported"


class RatingTarget(CodeList):
    """评价对象: petition office and agencies are rated separately."""

    PETITION_OFFICE = "petition_office", "信访部门", "Petition office"
    AGENCY = "agency", "责任单位", "Agency"


class RatingValue(CodeList):
    """满意度."""

    SATISFIED = "satisfied", "满意", "Satisfied"
    BASICALLY_SATISFIED = "basically_satisfied", "基本满意", "Basically satisfied"
    DISSATISFIED = "dissatisfied", "不满意", "Dissatisfied"


class NoticeChannel(CodeList):
    """How a person is reached."""

    PORTAL = "portal", "网上查询", "Portal"
    EMAIL = "email", "电子邮件", "E-mail"
    SMS = "sms", "短信", "Text message"
    LETTER = "letter", "信函", "Letter"


class DocumentKind(CodeList):
    """Statutory documents that this version issues."""

    ACCEPTANCE_NOTICE = "acceptance_notice", "受理告知书", "Notice of acceptance"
    TRANSFER_NOTICE = "transfer_notice", "转送交办去向告知书", "Notice of transfer"
    DECISION = "decision", "处理意见书", "Written decision"


class NoticeKind(CodeList):
    """What a message to a petitioner is about."""

    REGISTERED = "registered", "登记告知", "Registered"
    ROUTED = "routed", "转送告知", "Transferred"
    ACCEPTED = "accepted", "受理告知", "Accepted"
    REROUTED = "rerouted", "改派告知", "Re-routed"
    CO_HANDLERS = "co_handlers", "协办调整告知", "Co-handlers changed"
    DECIDED = "decided", "处理意见", "Decision"
    CLOSED = "closed", "办结告知", "Closed"
    REOPENED = "reopened", "重新办理告知", "Reopened"


class DeliveryState(CodeList):
    """The states of one message to a department."""

    PENDING = "pending", "待发送", "Pending"
    SENDING = "sending", "发送中", "Sending"
    DELIVERED = "delivered", "已送达", "Delivered"
    UNKNOWN = "unknown", "结果未知", "Outcome unknown"
    REJECTED = "rejected", "被拒收", "Rejected"
    PARKED = "parked", "已搁置", "Parked"


class ExchangeKind(CodeList):
    """Canonical messages between the gateway and a department."""

    ASSIGNMENT = "assignment", "派件", "Assignment"
    ASSIGNMENT_CHANGED = "assignment-changed", "派件变更", "Assignment changed"
    ASSIGNMENT_WITHDRAWN = "assignment-withdrawn", "派件收回", "Assignment withdrawn"
    SUPPLEMENT = "supplement", "补充材料", "Supplement"
    CO_HANDLER_OPINION = "co-handler-opinion", "协办意见", "Co-handler's opinion"
    CASE_CLOSED = "case-closed", "办结通知", "Case closed"
    ACCEPT = "accept", "受理", "Accept"
    OBJECT = "object", "异议", "Object"
    PROGRESS = "progress", "进展", "Progress"
    OPINION = "opinion", "协办意见", "Opinion"
    REPLY = "reply", "答复", "Reply"


class ClockOutcome(CodeList):
    """How a clock ended."""

    MET = "met", "按期", "In time"
    LATE = "late", "超期", "Late"
    CANCELLED = "cancelled", "已取消", "Cancelled"
    LAPSED = "lapsed", "期满未行使", "Ran out unused"


class YearStatus(CodeList):
    """Whether a year's calendar is announced (国务院办公厅 notice) or still assumed."""

    OFFICIAL = "official", "正式", "Official"
    PROVISIONAL = "provisional", "暂定", "Provisional"


class AgencyLevel(CodeList):
    """四级."""

    CITY = "city", "市级", "City"
    COUNTY = "county", "县（区）级", "County or district"
    TOWNSHIP = "township", "乡镇（街道）级", "Township or sub-district"
    VILLAGE = "village", "村（社区）级", "Village or community"


class StaffRole(CodeList):
    """Who may do what; a token carries one or more."""

    CLERK = "clerk", "登记员", "Clerk"
    OFFICER = "officer", "转办员", "Routing officer"
    AGENCY = "agency", "承办单位人员", "Agency"
    SUPERVISOR = "supervisor", "督查员", "Supervisor"
    EVALUATOR = "evaluator", "第三方评估员", "Evaluator"
    OPERATOR = "operator", "运维人员", "Operator"
    SECURITY_ADMIN = "security_admin", "安全管理员", "Security administrator"
    AUDITOR = "auditor", "审计员", "Auditor"
    IMPORTER = "importer", "导入员", "Importer"
    CHANNEL = "channel", "接入渠道", "Channel"


class DecidedBy(CodeList):
    """Who confirmed a routing or ordered re-handling."""

    OFFICER = "officer", "工作人员", "Officer"
    POLICY = "policy", "自动规则", "Policy"


class ClosingReason(CodeList):
    """Why a case was closed."""

    RATED = "rated", "评价完成", "All targets rated"
    WINDOW_OVER = "window_over", "评价期满", "Rating window over"
    WITHDRAWN = "withdrawn", "撤回", "Withdrawn"


class SuggestionGround(CodeList):
    """Why an agency is suggested."""

    PLACE = "place", "属地", "Place"
    CATALOGUE = "catalogue", "权责清单", "Responsibility catalogue"
    TEXT = "text", "文本", "Text"
    ACCUSED = "accused", "回避", "Conflict of interest"
    HISTORY = "history", "既往指定", "Past designations"
