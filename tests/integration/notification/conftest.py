"""Notification on a real database, with a mail server that behaves as told and neighbours that answer from memory."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from psycopg.rows import DictRow

from lianban.chassis.errors import Poison, Retry
from lianban.chassis.inbox import Received
from lianban.chassis.runtime import database
from lianban.contracts.catalogue import load_envelope
from lianban.contracts.codes import (
    AgencyRole,
    Channel,
    ClaimResult,
    DecidedBy,
    NoticeChannel,
    Purpose,
    TransferKind,
)
from lianban.contracts.envelope import Envelope as EventEnvelope
from lianban.contracts.intake import MatterRegistered
from lianban.contracts.refs import AgencyRef, AssignmentRef, ClaimOutcome, ClaimRef, OpinionPart
from lianban.contracts.routing import CaseAccepted, CaseDecided, CaseRouted
from services.notification import worker
from services.notification.app import composing, sending
from services.notification.app.hearing import HANDLERS
from tests.databases import FreshDatabase
from tests.keys import forget_settings

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
ECOLOGY = AgencyRef("city-ecology", "清河市生态环境局")
URBAN = AgencyRef("city-urban", "清河市城市管理局")
TOWN = AgencyRef("dongping-town", "东坪镇人民政府")
PERSON = "秦晓月"


@dataclass
class Mailbox:
    """What a mail server took; ``answers`` (to letters), ``to_mail``, ``to_rcpt`` and ``to_data`` (to these commands)
    are used up before it says yes. ``together``: it takes commands together (RFC 2920)."""

    mails: list[EmailMessage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    to_mail: list[str] = field(default_factory=list)
    to_rcpt: list[str] = field(default_factory=list)
    to_data: list[str] = field(default_factory=list)
    together: bool = False

    async def handle_EHLO(  # noqa: N802 - its name there
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], *(["250-PIPELINING"] if self.together else []), responses[-1]]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name there
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        if not content:
            return "554 nobody to give this to"
        mail = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


class Conversation(SMTP):
    """One connection to the mail server."""

    event_handler: Mailbox

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802 - its name there
        if self.event_handler.to_mail:
            await self.push(self.event_handler.to_mail.pop(0))
        else:
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str) -> None:  # noqa: N802 - its name there
        """A refusal after which it takes a letter all the same, as some servers do."""
        if self.event_handler.to_rcpt:
            await self.push(self.event_handler.to_rcpt.pop(0))
            assert self.envelope is not None
            self.envelope.rcpt_tos.append("nobody@example.org")
        else:
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - its name there
        if self.event_handler.to_data:
            await self.push(self.event_handler.to_data.pop(0))
        else:
            await super().smtp_DATA(arg)


class MailServer(Controller):
    """The mail server in a thread of its own."""

    def factory(self) -> SMTP:
        return Conversation(self.handler, **self.SMTP_kwargs)


@dataclass
class Notification:
    """What notification hears, does and says."""

    look: psycopg.Connection[DictRow]
    mailbox: Mailbox
    neighbours_away: bool = False
    unspeakable: set[UUID] = field(default_factory=set)
    """Matters and statements of which no neighbour says anything, nor of others that are asked for with them."""
    matter: UUID = field(default_factory=uuid4)
    claim: UUID = field(default_factory=uuid4)
    statements: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    def hear(self, event: Any, event_id: UUID | None = None, *, at: datetime = NOW) -> None:
        """Let notification handle an event as its inbox would."""
        received = Received(event_id or uuid4(), self.matter, event.TYPE.split(".")[1], 1, at, event)
        with database().transaction() as tx:
            tx.lock(self.matter)
            HANDLERS[type(event)](tx, received)

    def register(self, *reachable: NoticeChannel, event_id: UUID | None = None) -> None:
        """The matter is registered."""
        event = MatterRegistered(
            number="XF202611230000017",
            channel=Channel.WEB,
            purpose=Purpose.APPEAL,
            region_code="990101000000",
            region_name="锦川区",
            received_at=NOW,
            claims=(ClaimRef(self.claim, 1),),
            group_size=1,
            reachable=reachable or (NoticeChannel.PORTAL, NoticeChannel.EMAIL),
        )
        self.hear(event, event_id)

    def route(self, lead: AgencyRef, *co_handlers: AgencyRef, minute: int, round_: int = 1) -> None:
        """An officer decided on the agencies."""
        roles = ((lead, AgencyRole.LEAD), *((agency, AgencyRole.CO_HANDLER) for agency in co_handlers))
        at = NOW + timedelta(minutes=minute)
        event = CaseRouted(
            round=round_,
            decided_by=DecidedBy.OFFICER,
            kind=TransferKind.TRANSFER,
            assignments=tuple(AssignmentRef(uuid4(), agency, role, (self.claim,)) for agency, role in roles),
            routed_at=at,
        )
        self.hear(event, at=at)

    def accept(self, event_id: UUID | None = None) -> None:
        """The lead accepts."""
        event = CaseAccepted(assignment_id=uuid4(), lead=ECOLOGY, co_handlers=(URBAN,), round=1, accepted_at=NOW)
        self.hear(event, event_id)

    def decide(self, legal_basis: str = "《水污染防治法》第八十三条") -> None:
        """The case is decided with two agencies' parts."""
        parts = []
        for agency, role in ((ECOLOGY, AgencyRole.LEAD), (URBAN, AgencyRole.CO_HANDLER)):
            statement = uuid4()
            self.statements[statement] = {
                "id": str(statement),
                "text": f"{agency.name}的意见",
                "facts": "现场检查发现排污口",
                "legal_basis": legal_basis,
                "remedy": "限期整改",
                "results": [{"claim_id": str(self.claim), "result": "supported", "text": "已立案查处"}],
            }
            parts.append(OpinionPart(uuid4(), agency, role, statement))
        self.hear(
            CaseDecided(
                decision_id=uuid4(),
                round=1,
                lead=ECOLOGY,
                results=(ClaimOutcome(self.claim, ClaimResult.SUPPORTED),),
                parts=tuple(parts),
                decided_at=NOW,
            )
        )

    def fetch(self, service: str, path: str, body: dict[str, Any], *, purpose: str) -> Any:
        """What the neighbours answer."""
        assert purpose in {"document", "notice"}
        if self.neighbours_away:
            raise Retry(f"{service} is out of reach")
        if self.unspeakable & {UUID(i) for i in body["ids"]}:
            raise Poison(f"{service} refused {path}: 400")
        if service == "agency_gateway":
            return {"items": [self.statements[UUID(i)] for i in body["ids"]]}
        assert str(self.matter) in body["ids"]
        if path.endswith("texts"):
            claims = [{"id": str(self.claim), "ordinal": 1, "text": "查处污染"}]
            return {"items": [{"id": i, "title": "河水发黑", "claims": claims} for i in body["ids"]]}
        person = {"name": PERSON, "email": "qin@example.org", "language": "zh", "query_code": "7KQ2MX9RTP"}
        return {"items": [{"id": i, **person} for i in body["ids"]]}

    def run(self) -> None:
        """Run the loops and the press until nothing is left to do at once."""
        press = worker.Press()
        while composing.run_due() + worker.run_due(press) + sending.run_due():
            pass

    def said(self, kind: type[Any]) -> list[Any]:
        """Events of a kind that notification said."""
        rows = self.look.execute("select body from outbox order by position").fetchall()
        events = [load_envelope(EventEnvelope.decode(bytes(row["body"]))) for row in rows]
        return [event for event in events if isinstance(event, kind)]

    def make_due(self) -> None:
        """Let the time pass that notices and documents wait for."""
        self.look.execute("update notice set next_try_at = now() - interval '1 hour'")
        self.look.execute("update document set next_try_at = now() - interval '1 hour'")


@pytest.fixture
def notification(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Notification]:
    """Notification with a mail server; e-mail accepted by the recipient's server proves service."""
    mailbox = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = MailServer(mailbox, hostname="127.0.0.1", port=port, server_hostname="mail.test")
    controller.start()
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "清河市联办"\n[notification]\nemail_proves_service = true\n', "utf-8")
    made = Notification(fresh_database("notification"), mailbox)
    monkeypatch.setenv("LIANBAN_SMTP_URL", f"smtp://127.0.0.1:{port}")
    monkeypatch.setenv("LIANBAN_SITE", str(site))
    forget_settings()
    monkeypatch.setattr(composing, "fetch", made.fetch)
    monkeypatch.setattr(sending, "fetch", made.fetch)
    yield made
    controller.stop()
