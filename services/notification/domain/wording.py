"""What people are told, in plain words: one sentence for what happened, one for what comes next."""

from __future__ import annotations

from dataclasses import dataclass

from lianban.contracts.codes import NoticeKind


@dataclass(frozen=True, slots=True)
class Wording:
    """Subject and sentences of one kind of notice; ``{placeholders}`` are facts of the notice."""

    subject: str
    happened: str
    next: str


ZH: dict[NoticeKind, Wording] = {
    NoticeKind.REGISTERED: Wording(
        "您的信访事项已登记",
        "您提交的信访事项已经登记，编号 {number}。",
        "信访部门将在 15 日内转送或者交办给有权处理的机关，并告知您去向。",
    ),
    NoticeKind.ROUTED: Wording(
        "您的信访事项已转送",
        "您的信访事项 {number} 已转送：由{lead}主办{co_handlers}。",
        "承办机关将在收到之日起 15 日内书面告知您接收情况以及处理途径和程序。",
    ),
    NoticeKind.REROUTED: Wording(
        "您的信访事项已改由其他机关承办",
        "您的信访事项 {number} 经核实改派：现由{lead}主办{co_handlers}。",
        "您无需重新提交材料，各项期限不因改派而中止。",
    ),
    NoticeKind.CO_HANDLERS: Wording(
        "您的信访事项协办单位有变化",
        "您的信访事项 {number} 仍由{lead}主办{co_handlers}。",
        "您无需重新提交材料，各项期限不受影响。",
    ),
    NoticeKind.ACCEPTED: Wording(
        "您的信访事项已受理",
        "您的信访事项 {number} 已由{lead}受理{co_handlers}。",
        "办理期限为自受理之日起 60 日。受理告知书见附件，也可以在查询页面下载。",
    ),
    NoticeKind.DECIDED: Wording(
        "您的信访事项已有处理意见",
        "{lead}已就您的信访事项 {number} 作出处理意见{co_handlers}。",
        "处理意见书见附件。请您对信访部门和各承办单位分别作出评价；如果问题没有解决，请在评价时说明。",
    ),
    NoticeKind.CLOSED: Wording(
        "您的信访事项已办结",
        "您的信访事项 {number} 已办结。",
        "对处理意见不服的，可以自收到处理意见书之日起 30 日内请求原办理机关的上一级机关复查。",
    ),
    NoticeKind.REOPENED: Wording(
        "您的信访事项已重新办理",
        "根据您“未解决”的评价，信访部门已要求对信访事项 {number} 重新办理。",
        "承办机关将重新调查并答复，您可以随时在查询页面查看进展。",
    ),
}

EN: dict[NoticeKind, Wording] = {
    NoticeKind.REGISTERED: Wording(
        "Your petition is registered",
        "Your petition is registered under number {number}.",
        "Within 15 days the petition office passes it to the competent agencies and tells you which.",
    ),
    NoticeKind.ROUTED: Wording(
        "Your petition was passed on",
        "Your petition {number} was passed on: {lead} leads{co_handlers}.",
        "Within 15 days the agencies tell you in writing how it will be handled.",
    ),
    NoticeKind.REROUTED: Wording(
        "Another agency now handles your petition",
        "Your petition {number} was re-routed: {lead} now leads{co_handlers}.",
        "You need not submit anything again, and no deadline is suspended.",
    ),
    NoticeKind.CO_HANDLERS: Wording(
        "Other agencies now join in your petition",
        "{lead} still leads your petition {number}{co_handlers}.",
        "You need not submit anything again, and no deadline changes.",
    ),
    NoticeKind.ACCEPTED: Wording(
        "Your petition was accepted",
        "{lead} accepted your petition {number}{co_handlers}.",
        "It is to be handled within 60 days of acceptance. The notice is attached and on the status page.",
    ),
    NoticeKind.DECIDED: Wording(
        "Your petition was decided",
        "{lead} decided on your petition {number}{co_handlers}.",
        "The decision is attached. Please rate the petition office and each agency; say so if it is not solved.",
    ),
    NoticeKind.CLOSED: Wording(
        "Your petition is closed",
        "Your petition {number} is closed.",
        "Within 30 days of receiving the decision you may ask the next higher body for a review.",
    ),
    NoticeKind.REOPENED: Wording(
        "Your petition is handled again",
        "You said that it is not solved, so the petition office ordered that petition {number} be handled again.",
        "The agencies will investigate and answer again; the status page shows the progress.",
    ),
}


@dataclass(frozen=True, slots=True)
class Sentences:
    """The words of one notice, ready to be sent."""

    subject: str
    happened: str
    next: str


def sentences(kind: NoticeKind, *, language: str, number: str, lead: str, co_handlers: list[str]) -> Sentences:
    """The words of a notice in Chinese, or in English where ``language`` starts with ``en``."""
    english = language.startswith("en")
    wording = (EN if english else ZH)[kind]
    if english:
        others = f", together with {', '.join(co_handlers)}" if co_handlers else ""
    else:
        others = f"，{'、'.join(co_handlers)}协办" if co_handlers else ""
    facts = {"number": number, "lead": lead, "co_handlers": others}
    return Sentences(wording.subject, wording.happened.format(**facts), wording.next.format(**facts))
