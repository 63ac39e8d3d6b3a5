"""The database of the ticket system: one function per question, plain SQL."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from deploy.demo.departments.records import Item, ItemResult, Message, Move, NewTicket, Step, Tenant, Ticket, Webhook
from deploy.demo.departments.vocabulary import Kind, MessageType, Result, ReturnCode, Status

log = logging.getLogger("departments.store")

Conn = Connection[DictRow]
Pool = ConnectionPool[Conn]
PAGE = 30


def open_pool(url: str, size: int = 12) -> Pool:
    """A pool that connects in the background, so that the program starts before its database does."""
    return ConnectionPool(
        url,
        connection_class=Conn,
        kwargs={"row_factory": dict_row, "application_name": "departments"},
        min_size=2,
        max_size=size,
        timeout=5.0,
        max_idle=300.0,
        reconnect_timeout=30.0,
        open=True,
    )


def install(connection: Conn) -> None:
    """Create the tables where they are missing; two programs starting at once do it one after the other."""
    connection.execute("SELECT pg_advisory_xact_lock(726481)")
    connection.execute(Path(__file__).with_name("schema.sql").read_bytes())


def digest(api_key: str) -> bytes:
    """What is kept of a tenant's API key."""
    return hashlib.sha256(api_key.encode()).digest()


# Tenants

_TENANT = "code, name, trade, webhook_url, webhook_key, autopilot, fault"


def put_tenant(connection: Conn, tenant: Tenant, api_key: str) -> bool:
    """Create or overwrite a tenant; True when it is new."""
    row = connection.execute(
        """
        INSERT INTO tenant (code, name, trade, api_key_hash, webhook_url, webhook_key, autopilot)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (code) DO UPDATE SET (name, trade, api_key_hash, webhook_url, webhook_key, autopilot)
            = (EXCLUDED.name, EXCLUDED.trade, EXCLUDED.api_key_hash, EXCLUDED.webhook_url, EXCLUDED.webhook_key,
               EXCLUDED.autopilot)
        RETURNING xmax = 0 AS created
        """,
        (
            tenant.code,
            tenant.name,
            tenant.trade,
            digest(api_key),
            tenant.webhook_url,
            tenant.webhook_key,
            Jsonb(tenant.autopilot),
        ),
    ).fetchone()
    return bool(row and row["created"])


def tenant_of_key(connection: Conn, api_key: str) -> Tenant | None:
    """The tenant that an API key belongs to."""
    row = connection.execute(f"SELECT {_TENANT} FROM tenant WHERE api_key_hash = %s", (digest(api_key),)).fetchone()
    return Tenant(**row) if row else None


def tenant(connection: Conn, code: str) -> Tenant | None:
    """One tenant."""
    row = connection.execute(f"SELECT {_TENANT} FROM tenant WHERE code = %s", (code,)).fetchone()
    return Tenant(**row) if row else None


def tenants_with_counts(connection: Conn) -> list[tuple[Tenant, int, int]]:
    """Every tenant with the number of its open tickets and of all of them."""
    rows = connection.execute(
        f"""
        SELECT {_TENANT}, coalesce(open, 0) AS open, coalesce(total, 0) AS total
        FROM tenant LEFT JOIN (
            SELECT tenant, count(*) AS total, count(*) FILTER (WHERE status IN ('NEW', 'TAKEN', 'WORKING')) AS open
            FROM ticket GROUP BY tenant
        ) AS counts ON counts.tenant = tenant.code
        ORDER BY code
        """
    ).fetchall()
    return [(Tenant(**row), open_, total) for row in rows for open_, total in [(row.pop("open"), row.pop("total"))]]


def set_autopilot(connection: Conn, code: str, autopilot: dict[str, Any]) -> bool:
    """Replace a tenant's autopilot; False when there is no such tenant."""
    return (
        connection.execute("UPDATE tenant SET autopilot = %s WHERE code = %s", (Jsonb(autopilot), code)).rowcount == 1
    )


def set_fault(connection: Conn, code: str, fault: dict[str, Any] | None) -> bool:
    """Switch a misbehaviour on or off; False when there is no such tenant."""
    value = None if fault is None else Jsonb(fault)
    return connection.execute("UPDATE tenant SET fault = %s WHERE code = %s", (value, code)).rowcount == 1


def use_up_fault(connection: Conn, code: str) -> bool:
    """Count one misbehaviour down; False when it was used up by another request."""
    row = connection.execute(
        """
        UPDATE tenant
        SET fault = CASE WHEN (fault->>'times')::int > 1
                         THEN jsonb_set(fault, '{times}', to_jsonb((fault->>'times')::int - 1)) END
        WHERE code = %s AND fault ? 'times'
        RETURNING code
        """,
        (code,),
    ).fetchone()
    return row is not None


# Tickets

_TICKET = """id, tenant, no, external_ref, source_no, subject, body, kind, items, reporter, deadline, no_return,
    status, remark, return_code, suggest_dept, results, basis, created_at, updated_at"""


def _ticket(row: DictRow) -> Ticket:
    columns: dict[str, Any] = row | {
        "kind": Kind(row["kind"]),
        "status": Status(row["status"]),
        "return_code": ReturnCode(row["return_code"]) if row["return_code"] else None,
        "items": tuple(Item(**item) for item in row["items"]),
        "results": tuple(ItemResult(r["key"], Result(r["result"]), r["note"]) for r in row["results"]),
    }
    return Ticket(**columns)


def add_ticket(
    connection: Conn, tenant_code: str, request_ref: str, new: NewTicket, actor: str, remark: str, at: datetime
) -> Ticket | None:
    """File a ticket with the first line of its history; None when the caller filed one with this reference before."""
    row = connection.execute(
        f"""
        WITH filed AS (
        INSERT INTO ticket (tenant, no, request_ref, external_ref, source_no, subject, body, kind, items, reporter,
                            deadline, no_return, status, created_at, updated_at)
        VALUES (%(tenant)s, 'GD' || to_char(%(at)s AT TIME ZONE 'Asia/Shanghai', 'YYYYMMDD')
                            || lpad(nextval('ticket_serial')::text, 6, '0'),
                %(request_ref)s, %(external_ref)s, %(source_no)s, %(subject)s, %(body)s, %(kind)s, %(items)s,
                %(reporter)s, %(deadline)s, %(no_return)s, 'NEW', %(at)s, %(at)s)
        ON CONFLICT ON CONSTRAINT one_ticket_per_request DO NOTHING
        RETURNING *
        ), noted AS (
        INSERT INTO step (ticket_id, actor, status, remark, happened_at)
        SELECT id, %(actor)s, status, %(remark)s, created_at FROM filed
        )
        SELECT {_TICKET} FROM filed
        """,
        {
            "actor": actor,
            "remark": remark,
            "tenant": tenant_code,
            "request_ref": request_ref,
            "external_ref": new.external_ref,
            "source_no": new.source_no,
            "subject": new.subject,
            "body": new.body,
            "kind": new.kind.value,
            "items": Jsonb([asdict(item) for item in new.items]),
            "reporter": Jsonb(new.reporter),
            "deadline": new.deadline,
            "no_return": new.no_return,
            "at": at,
        },
    ).fetchone()
    return _ticket(row) if row else None


def ticket_of_request(connection: Conn, tenant_code: str, request_ref: str) -> Ticket | None:
    """The ticket that a request filed or that a later message with this reference is about."""
    row = connection.execute(
        f"""
        SELECT {_TICKET} FROM ticket
        WHERE tenant = %(tenant)s AND request_ref = %(ref)s
           OR id = (SELECT ticket_id FROM message WHERE tenant = %(tenant)s AND request_ref = %(ref)s)
        """,
        {"tenant": tenant_code, "ref": request_ref},
    ).fetchone()
    return _ticket(row) if row else None


def tickets_of_external_ref(connection: Conn, tenant_code: str, external_ref: str) -> list[Ticket]:
    """The tickets filed with a caller's reference, oldest first."""
    rows = connection.execute(
        f"SELECT {_TICKET} FROM ticket WHERE tenant = %s AND external_ref = %s ORDER BY id LIMIT 100",
        (tenant_code, external_ref),
    )
    return [_ticket(row) for row in rows]


def ticket_of_no(connection: Conn, tenant_code: str, no: str, *, for_change: bool = False) -> Ticket | None:
    """One ticket by its number; ``for_change`` holds it until the transaction ends."""
    lock = " FOR UPDATE" if for_change else ""
    row = connection.execute(f"SELECT {_TICKET} FROM ticket WHERE tenant = %s AND no = %s{lock}", (tenant_code, no))
    found = row.fetchone()
    return _ticket(found) if found else None


def free_tickets(connection: Conn, ticket_ids: Sequence[int]) -> list[Ticket]:
    """Those of these tickets that nobody else holds; they are held until the transaction ends."""
    rows = connection.execute(
        f"SELECT {_TICKET} FROM ticket WHERE id = ANY(%s) ORDER BY id FOR UPDATE SKIP LOCKED", (list(ticket_ids),)
    )
    return [_ticket(row) for row in rows]


def newest_tickets(
    connection: Conn, tenant_code: str, status: Status | None, words: str, before: int | None
) -> list[Ticket]:
    """A page of tickets, newest first, and one more when there is a further page."""
    conditions = ["tenant = %s"]
    parameters: list[Any] = [tenant_code]
    if status:
        conditions.append("status = %s")
        parameters.append(status.value)
    if words:
        conditions.append("(no = %s OR source_no = %s OR strpos(subject, %s) > 0)")
        parameters += [words, words, words]
    if before:
        conditions.append("id < %s")
        parameters.append(before)
    rows = connection.execute(
        f"SELECT {_TICKET} FROM ticket WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT {PAGE + 1}",
        parameters,
    )
    return [_ticket(row) for row in rows]


def counts_of_status(connection: Conn, tenant_code: str) -> dict[Status, int]:
    """How many tickets of a tenant there are in each status."""
    rows = connection.execute(
        "SELECT status, count(*) AS n FROM ticket WHERE tenant = %s GROUP BY status", (tenant_code,)
    )
    return {Status(row["status"]): row["n"] for row in rows}


def move(connection: Conn, moves: Sequence[Move], actor: str, at: datetime) -> None:
    """Keep tickets' new statuses with what belongs to them, write them into their histories, and queue the calls to the
    tenants' own addresses, where they have one."""
    connection.execute(
        """
        WITH new AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(%(moves)s) AS new (id bigint, status text, remark text, return_code text,
            suggest_dept text, results jsonb, basis text, event_id uuid, payload jsonb)
        ), moved AS (
        UPDATE ticket
        SET status = new.status, remark = new.remark, return_code = new.return_code, suggest_dept = new.suggest_dept,
            results = new.results, basis = new.basis, updated_at = %(at)s
        FROM new WHERE ticket.id = new.id RETURNING ticket.id, ticket.tenant, ticket.status, ticket.remark
        ), noted AS (
        INSERT INTO step (ticket_id, actor, status, remark, happened_at)
        SELECT id, %(actor)s, status, remark, %(at)s FROM moved
        )
        INSERT INTO webhook (event_id, tenant, ticket_id, payload, next_try_at)
        SELECT event_id, code, id, payload, %(at)s
        FROM moved JOIN new USING (id) JOIN tenant ON code = moved.tenant WHERE webhook_url IS NOT NULL
        """,
        {"actor": actor, "at": at, "moves": Jsonb([_moved(move) for move in moves])},
    )


def _moved(move: Move) -> dict[str, Any]:
    ticket = move.ticket
    return {
        "id": ticket.id,
        "status": ticket.status.value,
        "remark": ticket.remark,
        "return_code": ticket.return_code.value if ticket.return_code else None,
        "suggest_dept": ticket.suggest_dept,
        "results": [{"key": r.key, "result": r.result.value, "note": r.note} for r in ticket.results],
        "basis": ticket.basis,
        "event_id": str(move.event_id),
        "payload": move.payload,
    }


def save_change(connection: Conn, ticket: Ticket, at: datetime) -> None:
    """Keep what the caller changed about a ticket."""
    connection.execute(
        "UPDATE ticket SET kind = %s, items = %s, deadline = %s, no_return = %s, updated_at = %s WHERE id = %s",
        (
            ticket.kind.value,
            Jsonb([asdict(item) for item in ticket.items]),
            ticket.deadline,
            ticket.no_return,
            at,
            ticket.id,
        ),
    )


def add_step(connection: Conn, ticket_id: int, actor: str, status: Status, remark: str, at: datetime) -> None:
    """Write one line of a ticket's history."""
    connection.execute(
        "INSERT INTO step (ticket_id, actor, status, remark, happened_at) VALUES (%s, %s, %s, %s, %s)",
        (ticket_id, actor, status.value, remark, at),
    )


def steps(connection: Conn, ticket_id: int) -> list[Step]:
    """A ticket's history, oldest first."""
    rows = connection.execute(
        "SELECT actor, status, remark, happened_at FROM step WHERE ticket_id = %s ORDER BY id", (ticket_id,)
    )
    return [Step(row["actor"], Status(row["status"]), row["remark"], row["happened_at"]) for row in rows]


# Messages


def add_message(
    connection: Conn,
    ticket: Ticket,
    request_ref: str,
    type_: MessageType,
    sender: str,
    body: str,
    at: datetime,
) -> bool:
    """Keep what a caller says about a ticket; False when it said so before."""
    row = connection.execute(
        """
        INSERT INTO message (tenant, ticket_id, request_ref, type, sender, body, created_at)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT ON CONSTRAINT one_message_per_request DO NOTHING
        RETURNING id
        """,
        (ticket.tenant, ticket.id, request_ref, type_.value, sender, body, at),
    ).fetchone()
    return row is not None


def messages(connection: Conn, ticket_id: int) -> list[Message]:
    """What callers said about a ticket, oldest first."""
    rows = connection.execute(
        "SELECT id, type, sender, body, created_at FROM message WHERE ticket_id = %s ORDER BY id", (ticket_id,)
    )
    return [Message(row["id"], MessageType(row["type"]), row["sender"], row["body"], row["created_at"]) for row in rows]


# Autopilot


def plan_turns(connection: Conn, turns: Sequence[tuple[Ticket, datetime]]) -> None:
    """Let the autopilot look at each ticket at its moment."""
    connection.execute(
        """
        INSERT INTO autopilot_turn (ticket_id, tenant, due_at)
        SELECT * FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[])
        ON CONFLICT (ticket_id) DO UPDATE SET due_at = EXCLUDED.due_at
        """,
        ([t.id for t, _ in turns], [t.tenant for t, _ in turns], [due_at for _, due_at in turns]),
    )


def cancel_turn(connection: Conn, ticket_id: int) -> None:
    """Keep the autopilot away from a ticket."""
    connection.execute("DELETE FROM autopilot_turn WHERE ticket_id = %s", (ticket_id,))


def cancel_turns_of(connection: Conn, tenant_code: str) -> None:
    """Keep the autopilot away from all tickets of a tenant."""
    connection.execute("DELETE FROM autopilot_turn WHERE tenant = %s", (tenant_code,))


def plan_turns_of(connection: Conn, tenant_code: str, due_at: datetime) -> None:
    """Hand every open ticket of a tenant to the autopilot."""
    connection.execute(
        """
        INSERT INTO autopilot_turn (ticket_id, tenant, due_at)
        SELECT id, tenant, %s FROM ticket WHERE tenant = %s AND status IN ('NEW', 'TAKEN', 'WORKING')
        ON CONFLICT (ticket_id) DO NOTHING
        """,
        (due_at, tenant_code),
    )


def due_turns(connection: Conn, at: datetime, limit: int) -> list[int]:
    """Tickets whose turn has come, the longest due first."""
    rows = connection.execute(
        "SELECT ticket_id FROM autopilot_turn WHERE due_at <= %s ORDER BY due_at LIMIT %s", (at, limit)
    )
    return [row["ticket_id"] for row in rows]


def take_turns(connection: Conn, ticket_ids: Sequence[int], at: datetime) -> dict[int, Tenant]:
    """Use up tickets' due turns; returns whose they are, without those that were cancelled or moved meanwhile."""
    rows = connection.execute(
        f"""
        DELETE FROM autopilot_turn AS turn USING tenant
        WHERE ticket_id = ANY(%s) AND due_at <= %s AND code = turn.tenant RETURNING ticket_id, {_TENANT}
        """,
        (list(ticket_ids), at),
    )
    return {row.pop("ticket_id"): Tenant(**row) for row in rows}


def postpone_turn(connection: Conn, ticket_id: int, due_at: datetime) -> None:
    """Look at a ticket later, where it still has a turn."""
    connection.execute("UPDATE autopilot_turn SET due_at = %s WHERE ticket_id = %s", (due_at, ticket_id))


# Webhooks


def lease_webhooks(connection: Conn, limit: int, seconds: float) -> list[Webhook]:
    """Take due calls for ``seconds``; only the oldest one of each ticket, so that order is kept."""
    rows = connection.execute(
        """
        WITH oldest AS (
            SELECT DISTINCT ON (ticket_id) id, tenant, next_try_at FROM webhook ORDER BY ticket_id, id
        ), due AS MATERIALIZED (  -- else the planner may look for them once for each tenant
            SELECT id FROM webhook
            WHERE id = ANY(ARRAY(
                SELECT id FROM oldest
                WHERE next_try_at <= now()
                  AND tenant = ANY(ARRAY(SELECT code FROM tenant WHERE webhook_url IS NOT NULL))
                ORDER BY id LIMIT %s
            )) AND next_try_at <= now()  -- unless somebody has leased it meanwhile
            FOR UPDATE SKIP LOCKED
        )
        UPDATE webhook SET next_try_at = now() + make_interval(secs => %s), attempts = attempts + 1
        FROM due, tenant WHERE webhook.id = due.id AND tenant.code = webhook.tenant
        RETURNING webhook.id, event_id, webhook.tenant, payload, attempts, webhook_url AS url, webhook_key AS key
        """,
        (limit, seconds),
    )
    return [Webhook(**row) for row in rows]


def webhooks_delivered(connection: Conn, webhook_ids: Sequence[int]) -> None:
    """The other side has them: there is nothing left to call."""
    connection.execute("DELETE FROM webhook WHERE id = ANY(%s)", (list(webhook_ids),))


def webhook_failed(connection: Conn, webhook_id: int, error: str, wait: float) -> None:
    """Try again after ``wait`` seconds."""
    connection.execute(
        "UPDATE webhook SET next_try_at = now() + make_interval(secs => %s), last_error = %s WHERE id = %s",
        (wait, error, webhook_id),
    )


def undelivered_webhooks(connection: Conn, tenant_code: str) -> tuple[int, str | None]:
    """How many calls of a tenant wait, and the error of the oldest."""
    row = connection.execute(
        """
        SELECT count(*) AS n, (array_agg(last_error ORDER BY id) FILTER (WHERE last_error IS NOT NULL))[1] AS error
        FROM webhook WHERE tenant = %s
        """,
        (tenant_code,),
    ).fetchone()
    return (row["n"], row["error"]) if row else (0, None)
