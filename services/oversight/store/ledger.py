"""The ledger: append and read, nothing else; rows are never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from services.oversight.domain.entry import Entry, chained


def append(tx: Transaction, partition: int, entry: Entry) -> None:
    """Add an entry at the end of its partition's chain, with the others of this transaction."""
    tx.at_end(_append, (partition, entry))


def _append(tx: Transaction, entries: list[tuple[int, Entry]]) -> None:
    partitions = sorted({partition for partition, _ in entries})
    rows = tx.execute(
        "select partition, position, hash from ledger_head where partition = any(%s) order by partition for update",
        (partitions,),
    )
    heads = {row["partition"]: (int(row["position"]), bytes(row["hash"])) for row in rows}
    for partition, entry in entries:
        position, before = heads[partition]
        heads[partition] = position, after = position + 1, chained(before, entry.digest())
        tx.append(
            """
            insert into ledger (partition, position, event_id, subject, producer, sequence, type, happened_at, data,
                hash)
            select * from unnest(%s::int[], %s::bigint[], %s::uuid[], %s::uuid[], %s::text[], %s::bigint[],
                %s::text[], %s::timestamptz[], %s::text[], %s::bytea[])
            """,
            (
                partition, position, entry.event_id, entry.subject, entry.producer, entry.sequence, entry.type,
                entry.happened_at, entry.data, after,
            ),
        )  # fmt: skip
    tx.write(
        """
        update ledger_head set position = new.position, hash = new.hash
        from unnest(%s::int[], %s::bigint[], %s::bytea[]) as new (partition, position, hash)
        where ledger_head.partition = new.partition
        """,
        (partitions, [heads[p][0] for p in partitions], [heads[p][1] for p in partitions]),
    )


@dataclass(frozen=True, slots=True)
class Link:
    """An entry with its place in the chain."""

    position: int
    entry: Entry
    hash: bytes
    recorded_at: datetime


def _read(row: dict[str, Any]) -> Link:
    entry = Entry(
        event_id=row["event_id"],
        subject=row["subject"],
        producer=row["producer"],
        sequence=row["sequence"],
        type=row["type"],
        happened_at=row["happened_at"],
        data=row["data"],
    )
    return Link(row["position"], entry, bytes(row["hash"]), row["recorded_at"])


_COLUMNS = "position, event_id, subject, producer, sequence, type, happened_at, recorded_at, data, hash"


def chain(tx: Transaction, partition: int, *, page: int = 1000) -> Iterator[Link]:
    """A partition's chain from its beginning, read in pages."""
    last = 0
    while True:
        rows = tx.execute(
            f"select {_COLUMNS} from ledger where partition = %s and position > %s order by position limit %s",
            (partition, last, page),
        ).fetchall()
        yield from (_read(row) for row in rows)
        if len(rows) < page:
            return
        last = rows[-1]["position"]


def head(tx: Transaction, partition: int) -> tuple[int, bytes]:
    """Length and last hash of a partition's chain."""
    row = tx.execute("select position, hash from ledger_head where partition = %s", (partition,)).fetchone()
    if row is None:
        raise LookupError(f"no ledger for partition {partition}")
    return row["position"], bytes(row["hash"])


def of_subject(tx: Transaction, subject: UUID) -> list[Link]:
    """Everything heard about one matter, in the order in which it was recorded."""
    rows = tx.execute(
        f"select {_COLUMNS} from ledger where subject = %s order by position",
        (subject,),
    )
    return [_read(row) for row in rows]
