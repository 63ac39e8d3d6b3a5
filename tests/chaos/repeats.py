"""Every event twice: whatever a relay has published is put back into its outbox once, so that it is published again."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType

import psycopg

from deploy.local.layout import SERVICES
from deploy.waiting import until
from tests.chaos.shaken import ShakenStack

EVERY = 0.3
AGAIN = """
with fresh as (
    insert into repeated (event_id)
    select event_id from outbox where created_at > now() - interval '10 minutes'
        and not exists (select from unpublished where unpublished.position = outbox.position)
    on conflict do nothing
    returning event_id
), again as (
    insert into unpublished (position) select position from outbox join fresh using (event_id)
)
select type from outbox join fresh using (event_id)
"""


class Repeats(threading.Thread):
    """Within the block every event that is published is published a second time; :attr:`repeated` counts them
    by their types, such as ``routing.case-closed``."""

    def __init__(self, stack: ShakenStack) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.repeated: Counter[str] = Counter()
        self._ending = threading.Event()

    def __enter__(self) -> Repeats:
        for service in SERVICES:
            with self.stack.look(service) as looking:
                looking.execute("create table if not exists repeated (event_id uuid primary key)")
                looking.execute("insert into repeated select event_id from outbox on conflict do nothing")
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        self.join()
        for service in SERVICES:
            with self.stack.look(service) as looking:
                looking.execute("drop table repeated")

    def run(self) -> None:
        while not self._ending.wait(EVERY):
            for service in SERVICES:
                with suppress(psycopg.OperationalError), self.stack.look(service) as looking:
                    types = [row["type"] for row in looking.execute(AGAIN)]
                    self.repeated.update(name.removeprefix("lianban.").rpartition(".")[0] for name in types)

    def wait_for_all(self) -> None:
        """Wait until everything that was said up to now has gone out a second time; the load goes on meanwhile."""
        for service in SERVICES:
            with self.stack.look(service) as looking:
                last = looking.execute("select coalesce(max(position), 0) as n from outbox").fetchall()[0]["n"]
            until(
                lambda service=service, last=last: self._settled(service, last),  # type: ignore[misc]
                f"all of {service} went out twice",
                seconds=60,
            )

    def _settled(self, service: str, last: int) -> bool:
        with self.stack.look(service) as looking:
            waiting = looking.execute(
                "select from outbox left join repeated using (event_id)"
                " left join unpublished using (position)"
                " where position <= %s and (repeated.event_id is null or unpublished.position is not null) limit 1",
                (last,),
            ).fetchone()
        return waiting is None
