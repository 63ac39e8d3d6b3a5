"""Statutory screening: what a matter's words say about a procedure of its own (条例 §22②, §30, §31(一)-(五)).

A matter that seems to belong to another procedure is never routed without a person; the officer is shown the
words and the article. The list is data: reading it needs no programming.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Procedure:
    """A statutory procedure, the words that point to it, and the article of the 条例 that sends it there."""

    code: str
    zh: str
    en: str
    article: str
    words: tuple[str, ...]


PROCEDURES = (
    Procedure(
        "litigation",
        "涉法涉诉事项，应当转送同级政法部门",
        "In court or before the prosecutor: goes to the political and legal affairs body",
        "《信访工作条例》第二十二条第二款",
        ("法院判决", "判决书", "一审", "二审", "终审", "再审申请", "强制执行申请", "检察院", "执行法官", "不予立案"),
    ),
    Procedure(
        "discipline",
        "检举控告公职人员，应当转送有管理权限的纪检监察机关",
        "Accuses an official: goes to the competent discipline inspection body",
        "《信访工作条例》第三十条第一款",
        ("贪污", "受贿", "行贿", "索贿", "滥用职权", "以权谋私", "吃拿卡要", "违纪违法", "收红包"),
    ),
    Procedure(
        "arbitration",
        "应当通过仲裁解决",
        "To be settled by arbitration",
        "《信访工作条例》第三十一条第一项、第二项",
        ("劳动仲裁", "仲裁裁决", "仲裁委", "申请仲裁"),
    ),
    Procedure(
        "reconsideration",
        "应当通过行政复议或者行政诉讼解决",
        "To be settled by administrative reconsideration or litigation",
        "《信访工作条例》第三十一条第三项",
        ("行政复议", "行政处罚决定书", "不服处罚", "行政诉讼"),
    ),
    Procedure(
        "disclosure",
        "申请政府信息公开，应当按照政府信息公开条例办理",
        "Asks for disclosure of government information",
        "《信访工作条例》第三十一条第四项",
        ("申请信息公开", "政府信息公开申请", "依申请公开"),
    ),
)


def screen(text: str) -> Procedure | None:
    """The procedure that most of the text's words point to; ``None`` where none does."""
    best, most = None, 0
    for procedure in PROCEDURES:
        hits = sum(1 for word in procedure.words if word in text)
        if hits > most:
            best, most = procedure, hits
    return best
