"""What can be done with a ticket, by its caller, by the department's people and by the autopilot.

Every function works inside the caller's transaction, holds the ticket it changes, writes its history and queues the
call to the tenant's own address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from deploy.demo.departments import autopilot, store
from deploy.demo.departments.errors import Refused
from deploy.demo.departments.records import Item, ItemResult, Move, NewTicket, Tenant, Ticket
from deploy.demo.departments.vocabulary import Kind, MessageType, ReturnCode, Status

CALLER = "来单方"
PILOT = "值班经办员"


@dataclass(frozen=True)
class Change:
    """What a CHANGE message alters; None leaves a part as it is."""

    kind: Kind | None
    items: tuple[Item, ...] | None
    deadline: str | None
    no_return: bool | None


def file(connection: store.Conn, tenant: Tenant, request_ref: str, new: NewTicket, at: datetime) -> tuple[Ticket, bool]:
    """File a ticket; with the same reference again it is the first one, and the second value is False."""
    ticket = store.add_ticket(connection, tenant.code, request_ref, new, CALLER, "来单登记", at)
    if ticket is None:
        first = store.ticket_of_request(connection, tenant.code, request_ref)
        if first is None:
            raise LookupError(request_ref)
        return first, False
    _plan(connection, [(tenant, ticket)], at)
    return ticket, True


def hear(
    connection: store.Conn,
    ticket: Ticket,
    tenant: Tenant,
    request_ref: str,
    type_: MessageType,
    sender: str,
    body: str,
    change: Change,
    at: datetime,
) -> tuple[Ticket, bool]:
    """Keep a later message and do what it asks; a repeat changes nothing, and the second value is False."""
    if not store.add_message(connection, ticket, request_ref, type_, sender, body, at):
        return ticket, False
    match type_:
        case MessageType.WITHDRAW if not ticket.status.ended:
            store.cancel_turn(connection, ticket.id)
            return _move(connection, replace(ticket, status=Status.CANCELLED, remark=body), CALLER, at), True
        case MessageType.CHANGE:
            ticket = _changed(ticket, change)
            store.save_change(connection, ticket, at)
            if ticket.status is Status.RETURNED:
                # The caller insists after a return: the ticket is on the table again.
                ticket = replace(ticket, status=Status.NEW, remark=body, return_code=None, suggest_dept=None)
                ticket = _move(connection, ticket, CALLER, at)
                _plan(connection, [(tenant, ticket)], at)
                return ticket, True
        case _:
            pass
    store.add_step(connection, ticket.id, CALLER, ticket.status, type_.label, at)
    return ticket, True


def take(connection: store.Conn, ticket: Ticket, actor: str, remark: str, at: datetime) -> Ticket:
    """签收."""
    _require(ticket, Status.NEW)
    return _by_hand(connection, replace(ticket, status=Status.TAKEN, remark=remark or "已签收。"), actor, at)


def give_back(
    connection: store.Conn, ticket: Ticket, actor: str, code: ReturnCode, suggest: str, remark: str, at: datetime
) -> Ticket:
    """退单, with a reason; refused for a ticket that must not be returned."""
    _require(ticket, Status.NEW, Status.TAKEN)
    if ticket.no_return:
        raise Refused(409, "NO_RETURN", "该工单为指定办理，不能退单")
    returned = replace(ticket, status=Status.RETURNED, remark=remark, return_code=code, suggest_dept=suggest or None)
    return _by_hand(connection, returned, actor, at)


def note(connection: store.Conn, ticket: Ticket, actor: str, remark: str, at: datetime) -> Ticket:
    """登记进展: the ticket is being worked on."""
    _require(ticket, Status.TAKEN, Status.WORKING)
    return _by_hand(connection, replace(ticket, status=Status.WORKING, remark=remark), actor, at)


def end(
    connection: store.Conn,
    ticket: Ticket,
    actor: str,
    results: tuple[ItemResult, ...],
    remark: str,
    basis: str,
    at: datetime,
) -> Ticket:
    """办结 a main ticket, 出具意见 on one of assistance; a main ticket needs its basis and a result for each item."""
    _require(ticket, Status.TAKEN, Status.WORKING)
    if ticket.kind is Kind.MAIN and {r.key for r in results} != {item.key for item in ticket.items}:
        raise Refused(400, "RESULTS_MISSING", "请逐项填写办理结果")
    if ticket.kind is Kind.MAIN and not basis:
        raise Refused(400, "BASIS_MISSING", "请填写办理依据")
    ended = replace(ticket, status=ticket.kind.end, remark=remark, results=results, basis=basis)
    return _by_hand(connection, ended, actor, at)


def autopilot_turns(connection: store.Conn, ticket_ids: Sequence[int], at: datetime) -> list[Ticket]:
    """Let departments make their due moves by themselves, and plan those after them; returns the tickets moved."""
    # A ticket is held before its turn, as everywhere: whoever changes a ticket may then cancel its turn.
    held = store.free_tickets(connection, ticket_ids)
    tenants = store.take_turns(connection, [ticket.id for ticket in held], at)
    moved = []
    for ticket in held:
        tenant = tenants.get(ticket.id)
        if tenant is None:
            continue
        pilot = autopilot.of(tenant)
        if pilot.seconds_before(ticket) is None:
            continue
        moved.append(replace(autopilot.next_move(tenant, pilot, ticket), updated_at=at))
    if moved:
        store.move(connection, [_said(ticket, at) for ticket in moved], PILOT, at)
        _plan(connection, [(tenants[ticket.id], ticket) for ticket in moved], at)
    return moved


def _plan(connection: store.Conn, tickets: Sequence[tuple[Tenant, Ticket]], at: datetime) -> None:
    turns = []
    for tenant, ticket in tickets:
        seconds = autopilot.of(tenant).seconds_before(ticket)
        if seconds is not None:
            turns.append((ticket, at + timedelta(seconds=seconds)))
    if turns:
        store.plan_turns(connection, turns)


def _changed(ticket: Ticket, change: Change) -> Ticket:
    return replace(
        ticket,
        kind=ticket.kind if change.kind is None else change.kind,
        items=ticket.items if change.items is None else change.items,
        deadline=ticket.deadline if change.deadline is None else change.deadline,
        no_return=ticket.no_return if change.no_return is None else change.no_return,
    )


def _require(ticket: Ticket, *statuses: Status) -> None:
    if ticket.status not in statuses:
        raise Refused(409, "WRONG_STATUS", f"工单当前状态为“{ticket.status.label}”，不能执行该操作")


def _by_hand(connection: store.Conn, ticket: Ticket, actor: str, at: datetime) -> Ticket:
    store.cancel_turn(connection, ticket.id)
    return _move(connection, ticket, actor, at)


def _move(connection: store.Conn, ticket: Ticket, actor: str, at: datetime) -> Ticket:
    store.move(connection, [_said(ticket, at)], actor, at)
    return replace(ticket, updated_at=at)


def _said(ticket: Ticket, at: datetime) -> Move:
    """A move with what the tenant's own address is told about it."""
    event_id = uuid4()
    payload = {
        "event_id": str(event_id),
        "event": "ticket.status",
        "ticket_no": ticket.no,
        "external_ref": ticket.external_ref,
        "status": ticket.status.value,
        "remark": ticket.remark,
        "items": [{"key": r.key, "result": r.result.value, "note": r.note} for r in ticket.results],
        "basis": ticket.basis,
        "return_code": ticket.return_code.value if ticket.return_code else None,
        "suggest_dept": ticket.suggest_dept,
        "happened_at": at.isoformat(),
    }
    return Move(ticket, event_id, payload)
