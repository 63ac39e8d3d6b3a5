"""The words of this ticket system; they are its own and differ from those of its callers."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Labelled(StrEnum):
    """A code with the label that the pages show."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        """One code; called with the value alone it looks the member up."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


class Status(Labelled):
    """工单状态."""

    NEW = "NEW", "待签收"
    TAKEN = "TAKEN", "已签收"
    RETURNED = "RETURNED", "已退单"
    WORKING = "WORKING", "处理中"
    ADVISED = "ADVISED", "已出具意见"
    FINISHED = "FINISHED", "已办结"
    CANCELLED = "CANCELLED", "已撤单"

    @property
    def ended(self) -> bool:
        """Whether nobody works on a ticket of this status any more."""
        return self in {Status.RETURNED, Status.ADVISED, Status.FINISHED, Status.CANCELLED}


class Kind(Labelled):
    """主办 or 协办: a main ticket ends FINISHED, one of assistance ends ADVISED."""

    MAIN = "MAIN", "主办"
    ASSIST = "ASSIST", "协办"

    @property
    def end(self) -> Status:
        """The status in which such a ticket ends when it was worked on."""
        return Status.FINISHED if self is Kind.MAIN else Status.ADVISED


class MessageType(Labelled):
    """What a caller may say later about a ticket."""

    SUPPLEMENT = "SUPPLEMENT", "补充材料"
    WITHDRAW = "WITHDRAW", "来单撤回"
    ADVICE = "ADVICE", "协办单位意见"
    CHANGE = "CHANGE", "要求变更"
    CLOSED = "CLOSED", "来文办结"


class ReturnCode(Labelled):
    """退单原因."""

    R01 = "R01", "不属本单位职责"
    R02 = "R02", "不属本单位辖区"
    R03 = "R03", "应由其他单位牵头"
    R04 = "R04", "应走法定程序"
    R05 = "R05", "重复工单或已在办理"


class Result(Labelled):
    """办理结果 of one item of a ticket."""

    AGREE = "AGREE", "采纳"
    EXPLAIN = "EXPLAIN", "解释说明"
    DECLINE = "DECLINE", "不采纳"
