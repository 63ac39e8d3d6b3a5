"""Matters as told: one insert per registration, and the reads that doors and desks need."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Question, Transaction
from lianban.contracts.codes import MatterState

Row = dict[str, Any]


class RunningNumbers:
    """Running numbers of this process, taken from the sequence 50 at a time; what a stop leaves over is a gap."""

    BLOCK = 50

    def __init__(self) -> None:
        self._left: deque[int] = deque()

    def next(self, tx: Transaction) -> int:
        """A running number that nobody else gets."""
        if not self._left:
            row = tx.execute("select nextval('matter_number') as first").fetchone()
            first = int(row["first"]) if row else 0
            # Added, not set: others may have found none left at the same moment and asked too.
            self._left.extend(range(first, first + self.BLOCK))
        return self._left.popleft()


running_numbers = RunningNumbers()


@dataclass(frozen=True, slots=True)
class NewMatter:
    """The columns of a matter that is being registered; the names are those of the table."""

    id: UUID
    number: str
    channel: str
    purpose: str
    region_code: str
    region_name: str
    received_at: datetime
    original_received_on: date | None
    words: bytes
    persons: bytes | None
    contacts: list[bytes]
    claims: int
    accused: list[str]
    group_size: int
    anonymous: bool
    language: str
    sealed: bool
    registered_by: str | None
    source: str | None
    source_id: str | None


def insert(tx: Transaction, new: NewMatter) -> bool:
    """Insert a matter; False where its source's record was registered before."""
    values = (
        new.id, new.number, new.channel, new.purpose, new.region_code, new.region_name, new.received_at,
        new.original_received_on, new.words, new.persons, new.contacts, new.claims, new.accused, new.group_size,
        new.anonymous, new.language, new.sealed, new.registered_by, new.source, new.source_id,
    )  # fmt: skip
    if new.source is None:  # it cannot have been registered before, so nothing is asked
        tx.write(_INSERT, values)
        return True
    once = "on conflict (source, source_id) where source is not null do nothing"
    return tx.execute(f"{_INSERT} {once}", values).rowcount == 1


_INSERT = """
insert into matter (id, number, channel, purpose, region_code, region_name, received_at, original_received_on,
    words, persons, contacts, claims, accused, group_size, anonymous, language, sealed, registered_by,
    source, source_id)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::bytea[], %s, %s::text[], %s, %s, %s, %s, %s, %s, %s)
"""


def of_source(tx: Transaction, source: str | None, source_id: str | None) -> Row | None:
    """The matter that was registered for a source's record."""
    return tx.execute(
        "select id, number, received_at from matter where source = %s and source_id = %s", (source, source_id)
    ).fetchone()


def sources_known(tx: Transaction, source: str, source_ids: Sequence[str]) -> set[str]:
    """Those of a source's records for which a matter was registered."""
    rows = tx.execute(
        "select source_id from matter where source = %s and source_id = any(%s)", (source, list(source_ids))
    )
    return {row["source_id"] for row in rows}


def states(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, MatterState]:
    """The states of several matters."""
    rows = tx.execute(f"{_HEAD} where m.id = any(%s)", (list(ids),))
    return {row["id"]: MatterState(row["case_state"]) for row in rows}


def id_of(tx: Transaction, number: str) -> UUID | None:
    """The id of the matter that has a number."""
    row = tx.execute("select id from matter where number = %s", (number,)).fetchone()
    return row["id"] if row else None


def by_id(tx: Transaction, matter: UUID) -> Row | None:
    """A matter with its progress, without words and persons."""
    return tx.execute(*head(matter)).fetchone()


def head(matter: UUID) -> Question:
    """Asks for a matter with its progress, without words and persons."""
    return f"{_HEAD} where m.id = %s", (matter,)


_HEAD = """
select m.id, m.number, m.channel, m.purpose, m.region_code, m.region_name, m.received_at, m.original_received_on,
    m.claims, m.accused, m.group_size, m.anonymous, m.language, m.sealed, m.registered_by,
    coalesce(p.state, case when m.sealed then 'discipline' else 'registered' end) as case_state,
    coalesce(p.decided_round, 0) as decided_round, p.lead_code, p.lead_name, p.decided_at, p.served_at,
    p.closed_at, p.closing_reason, w.withdrawn_at
from matter m left join progress p on p.matter_id = m.id left join withdrawal w on w.matter_id = m.id
"""


def words(matters: Sequence[UUID]) -> Question:
    """Asks for the sealed words of matters that are not sealed for the discipline body."""
    return (
        "select id, number, words, claims from matter where id = any(%s) and not sealed order by received_at, id",
        (list(matters),),
    )


def persons(tx: Transaction, matters: Sequence[UUID]) -> list[Row]:
    """The sealed persons of matters that are not sealed for the discipline body."""
    return tx.execute(
        "select id, number, persons, language from matter where id = any(%s) and not sealed order by received_at, id",
        (list(matters),),
    ).fetchall()


_ROWS = """
select m.id, m.number, m.channel, m.region_code, m.region_name, m.received_at, m.sealed, m.words, m.contacts,
    m.anonymous, m.group_size, m.registered_by, p.lead_name, w.withdrawn_at,
    coalesce(p.state, case when m.sealed then 'discipline' else 'registered' end) as case_state
from found join matter m using (id)
left join progress p on p.matter_id = m.id left join withdrawal w on w.matter_id = m.id
order by m.received_at desc, m.id desc
"""


def newest(tx: Transaction, *, limit: int, after: tuple[datetime, UUID] | None, territory: str, by: str) -> list[Row]:
    """Matters, newest first, of a territory (prefix of region codes; empty: all) or registered by somebody."""
    before = "and (received_at, id) < (%(at)s, %(id)s)" if after else ""
    order = "order by received_at desc, id desc limit %(limit)s"
    if territory:
        found = f"""
            (select id, received_at from matter
                where region_code >= %(territory)s and region_code < %(beyond)s {before} {order})
            union
            (select id, received_at from matter where registered_by = %(by)s {before} {order})
            {order}
        """
    else:
        found = f"select id, received_at from matter where true {before} {order}"
    values = {"limit": limit, "territory": territory, "beyond": f"{territory}:", "by": by}
    if after:
        values |= {"at": after[0], "id": after[1]}
    return tx.execute(f"with found as materialized (select id from ({found}) as page) {_ROWS}", values).fetchall()


def with_number(tx: Transaction, number: str) -> list[Row]:
    """The matter with a number."""
    return tx.execute(f"with found as (select id from matter where number = %s) {_ROWS}", (number,)).fetchall()


def with_contact(tx: Transaction, contact: bytes, limit: int) -> list[Row]:
    """Matters of persons with a contact (a blind index), newest first."""
    return tx.execute(
        # Materialised: else the planner may walk through all matters in order of time to find these few.
        f"with found as materialized (select id from matter where contacts @> array[%s::bytea]) {_ROWS} limit %s",
        (contact, limit),
    ).fetchall()


def running_with_contacts(tx: Transaction, contacts: Sequence[bytes], ended: Sequence[str]) -> list[Row]:
    """Matters that are not ended and have one of the contacts, newest first, at most ten."""
    return tx.execute(
        f"""
        with found as materialized (
            select id from matter m where contacts && %s::bytea[] and not sealed
                and not exists (select from progress where matter_id = m.id and state = any(%s))
                and not exists (select from withdrawal where matter_id = m.id)
        ) {_ROWS} limit 10
        """,
        (list(contacts), list(ended)),
    ).fetchall()
