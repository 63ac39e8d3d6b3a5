"""Events that leave late: some stay behind in the outbox while later ones, of the same matter and of others, go out."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType

import psycopg

from deploy.local.layout import SERVICES
from tests.chaos.shaken import ShakenStack

EVERY = 0.3
HOLD_BACK = """
create table held_back (position bigint primary key, until timestamptz not null);
create function hold_back() returns trigger language plpgsql as $$
begin
    if random() < 0.2 then
        insert into held_back values (new.position, clock_timestamp() + random() * interval '3 s');
        return null;
    end if;
    return new;
end $$;
create trigger hold_back before insert on unpublished for each row execute function hold_back();
"""
LET_GO = """
with due as (delete from held_back where until <= clock_timestamp() or %s returning position)
insert into unpublished (position) select position from due
"""
STOP_HOLDING = "drop trigger hold_back on unpublished; drop function hold_back()"


class LateEvents(threading.Thread):
    """Within the block every fifth event leaves up to three seconds late; :attr:`held_back` counts them."""

    def __init__(self, stack: ShakenStack) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.held_back = 0
        self._ending = threading.Event()

    def __enter__(self) -> LateEvents:
        for service in SERVICES:
            with self.stack.look(service) as looking:
                looking.execute(HOLD_BACK)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for service in SERVICES:
            with self.stack.look(service) as looking:
                looking.execute(STOP_HOLDING)
        self._ending.set()
        self.join()
        for service in SERVICES:
            with self.stack.look(service) as looking:
                self.held_back += looking.execute(LET_GO, (True,)).rowcount
                looking.execute("drop table held_back")

    def run(self) -> None:
        while not self._ending.wait(EVERY):
            for service in SERVICES:
                with suppress(psycopg.OperationalError), self.stack.look(service) as looking:
                    self.held_back += looking.execute(LET_GO, (False,)).rowcount
