"""What the ticket system keeps: rows as frozen records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from deploy.demo.departments.vocabulary import Kind, MessageType, Result, ReturnCode, Status


@dataclass(frozen=True)
class Tenant:
    """One department; ``autopilot`` and ``fault`` are as configured (see ``autopilot`` and ``faults``)."""

    code: str
    name: str
    trade: str
    webhook_url: str | None
    webhook_key: str | None
    autopilot: dict[str, Any]
    fault: dict[str, Any] | None


@dataclass(frozen=True)
class Item:
    """One request inside a ticket; ``key`` is the caller's."""

    key: str
    text: str


@dataclass(frozen=True)
class ItemResult:
    """What came of one item."""

    key: str
    result: Result
    note: str


@dataclass(frozen=True)
class NewTicket:
    """A ticket as a caller files it."""

    external_ref: str
    source_no: str
    subject: str
    body: str
    kind: Kind
    items: tuple[Item, ...]
    reporter: dict[str, str]
    deadline: str
    no_return: bool


@dataclass(frozen=True)
class Ticket:
    """A ticket as it stands."""

    id: int
    tenant: str
    no: str
    external_ref: str
    source_no: str
    subject: str
    body: str
    kind: Kind
    items: tuple[Item, ...]
    reporter: dict[str, str]
    deadline: str
    no_return: bool
    status: Status
    remark: str
    return_code: ReturnCode | None
    suggest_dept: str | None
    results: tuple[ItemResult, ...]
    basis: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Move:
    """A ticket after a move, and what its tenant's own address is told of it."""

    ticket: Ticket
    event_id: UUID
    payload: dict[str, Any]


@dataclass(frozen=True)
class Message:
    """Something a caller said later about a ticket."""

    id: int
    type: MessageType
    sender: str
    body: str
    created_at: datetime


@dataclass(frozen=True)
class Step:
    """One line of a ticket's history."""

    actor: str
    status: Status
    remark: str
    happened_at: datetime


@dataclass(frozen=True)
class Webhook:
    """One call to a tenant's own address."""

    id: int
    event_id: UUID
    tenant: str
    payload: dict[str, Any]
    attempts: int
    url: str
    key: str | None
