"""What people must be told: events become notices and drafts of documents.

Handlers write rows only; texts and addresses are fetched by the loops just before they are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from lianban.chassis import site, traces
from lianban.chassis.inbox import Received
from lianban.chassis.settings import settings
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyRole, DocumentKind, NoticeChannel, NoticeKind
from lianban.contracts.intake import MatterRegistered, MatterWithdrawn
from lianban.contracts.refs import AgencyRef
from lianban.contracts.routing import CaseAccepted, CaseClosed, CaseDecided, CaseReopened, CaseRouted
from services.notification.app.serving import say_sent
from services.notification.domain.numbering import document_id, message_id, notice_id
from services.notification.store import documents, matters, notices


def petition_office() -> AgencyRef:
    """Who issues where the petition office speaks: the site names it (``[site] petition_office``)."""
    given = site.table("site").get("petition_office", {})
    return AgencyRef(given.get("code", "petition-office"), given.get("name", "信访部门"))


@dataclass(frozen=True, slots=True)
class _Told:
    """What an event gives reason to tell."""

    kind: NoticeKind
    lead: AgencyRef | None = None
    co_handlers: Sequence[AgencyRef] = ()
    document: documents.Document | None = None
    more: dict[str, Any] = field(default_factory=dict)


def registered(tx: Transaction, event: Received[MatterRegistered]) -> None:
    """A matter was registered: remember how to reach the petitioner, and say so."""
    data = event.data
    matters.insert(
        tx,
        matters.Matter(
            id=event.subject,
            number=data.number,
            region_code=data.region_code,
            region_name=data.region_name,
            reachable=data.reachable,
            received_at=data.received_at,
            withdrawn=False,
        ),
    )
    _tell(tx, event, _Told(NoticeKind.REGISTERED))


def routed(tx: Transaction, event: Received[CaseRouted]) -> None:
    """Routing was decided: a notice of where the matter went, with the first routing's document (条例 §23①).

    Later decisions of a round are told by what they change for the petitioner: who leads, who joins, or nothing.
    """
    lead = next((a.agency for a in event.data.assignments if a.role is AgencyRole.LEAD), None)
    if lead is None:
        return
    others = [a.agency for a in event.data.assignments if a.role is AgencyRole.CO_HANDLER]
    document = _document(event, DocumentKind.TRANSFER_NOTICE, petition_office(), [], event.data.round)
    if documents.draft(tx, document):
        _tell(tx, event, _Told(NoticeKind.ROUTED, lead, others, document))
        return
    known_lead, known_others = notices.agencies_told(tx, event.subject)
    if lead.name != known_lead:
        _tell(tx, event, _Told(NoticeKind.REROUTED, lead, others))
    elif {agency.name for agency in others} != set(known_others):
        _tell(tx, event, _Told(NoticeKind.CO_HANDLERS, lead, others))


def accepted(tx: Transaction, event: Received[CaseAccepted]) -> None:
    """The lead accepted: the joint 受理告知书, which speaks for every agency that it names (条例 §23③)."""
    data = event.data
    document = _document(event, DocumentKind.ACCEPTANCE_NOTICE, data.lead, [data.lead, *data.co_handlers], data.round)
    fresh = documents.draft(tx, document)
    _tell(tx, event, _Told(NoticeKind.ACCEPTED, data.lead, data.co_handlers, document if fresh else None))


def decided(tx: Transaction, event: Received[CaseDecided]) -> None:
    """The one decision with each agency's part becomes the 处理意见书 (条例 §32)."""
    data = event.data
    others = [part.agency for part in data.parts if part.role is not AgencyRole.LEAD]
    document = _document(event, DocumentKind.DECISION, data.lead, [part.agency for part in data.parts], data.round)
    document.facts["parts"] = [
        {
            "statement_id": str(part.statement_id),
            "agency": part.agency.name,
            "role": part.role.value,
        }
        for part in data.parts
    ]
    fresh = documents.draft(tx, document)
    _tell(tx, event, _Told(NoticeKind.DECIDED, data.lead, others, document if fresh else None))


def closed(tx: Transaction, event: Received[CaseClosed]) -> None:
    """The case is closed."""
    _tell(tx, event, _Told(NoticeKind.CLOSED))


def reopened(tx: Transaction, event: Received[CaseReopened]) -> None:
    """Re-handling was ordered."""
    _tell(tx, event, _Told(NoticeKind.REOPENED))


def withdrawn(tx: Transaction, event: Received[MatterWithdrawn]) -> None:
    """The petitioner withdrew: nothing more is handed over."""
    matters.withdraw(tx, event.subject, event.data.withdrawn_at)


def _document(
    event: Received[Any], kind: DocumentKind, issuer: AgencyRef, names: Sequence[AgencyRef], round_: int
) -> documents.Document:
    return documents.Document(
        id=document_id(event.subject, kind, round_),
        matter_id=event.subject,
        kind=kind,
        round=round_,
        issuer=issuer,
        names=tuple(names),
        facts={},
        happened_at=event.time,
        trace=traces.text(),
    )


def _tell(tx: Transaction, event: Received[Any], told: _Told) -> None:
    matter = matters.get(tx, event.subject)
    if matter is None or matter.withdrawn:
        return
    domain = urlsplit(settings().public_url).hostname or "lianban.invalid"
    facts = {
        "lead": told.lead.name if told.lead else "",
        "co_handlers": [agency.name for agency in told.co_handlers],
        **told.more,
    }
    channels = {NoticeChannel.PORTAL, *matter.reachable} & {NoticeChannel.PORTAL, NoticeChannel.EMAIL}
    ids = {channel: notice_id(event.id, told.kind, channel) for channel in sorted(channels)}
    made = []
    for channel, identity in ids.items():
        there = channel is NoticeChannel.PORTAL and told.document is None  # the page shows it from now on
        made.append(
            notices.Notice(
                id=identity,
                matter_id=event.subject,
                kind=told.kind,
                channel=channel,
                document_id=told.document.id if told.document else None,
                facts=facts,
                state="waiting" if told.document else "sent" if there else "queued",
                sent_at=event.time if there else None,
                message_id=message_id(identity, domain),
                happened_at=event.time,
                trace=traces.text(),
            )
        )
    notices.add(tx, made)
    for notice in made:
        if notice.state == "sent":
            say_sent(tx, notice, at=event.time)
    tx.wake("documents" if told.document else "notices")
