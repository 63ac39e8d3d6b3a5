"""Reading what waits in the outbox."""

from __future__ import annotations


def waiting(columns: str, *, most: str) -> str:
    """The SQL that reads ``columns`` of events that wait for publication, the first ones in the order of positions.

    ``most`` is the placeholder of how many. Each event is looked up by itself (``offset 0`` keeps the planner from
    joining): ``unpublished`` is empty one moment and full the next, and a plan made for one of them would read the
    whole outbox in the other.
    """
    return f"""
        select {columns} from (select position from unpublished order by position limit {most}) as first
        cross join lateral (select * from outbox where outbox.position = first.position offset 0) as event
        order by first.position
        """


def backlog(*, most: str) -> str:
    """The SQL that tells how many events wait (``waiting``), at most ``most`` (a placeholder), and for how many seconds
    the oldest of them does (``oldest``; null where none waits)."""
    return f"""
        select count(*) as waiting, extract(epoch from now() - min(created_at))::float8 as oldest
        from ({waiting("created_at", most=most)}) as w
        """
