"""Giving the demo city its past: the services stand still while :mod:`cli.histories` plays it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress

from cli import city as setting_up
from cli.histories import Histories, planned
from cli.target import as_service
from cli.world import Busy, World
from deploy.demo.matters.plan import FOLDER
from deploy.local.checks import Trouble
from deploy.local.layout import SERVICES
from deploy.local.processes import all_of
from deploy.local.stack import Stack
from lianban.chassis import logs
from lianban.chassis.runtime import database
from lianban.chassis.time import china_day, now

AT_WORK = (*all_of(*SERVICES), "documents")
"""The processes that must stand still: everybody who handles events or takes rows of work."""
NEEDED = ("suggest", "mail")
"""The processes that take part: the text model, and the mailbox of the petitioners."""
READY_SECONDS = 90
ALREADY = "已有信访事项，不再生成历史 the city has matters already: no past was made (make reset begins anew)"
INTERRUPTED = (
    "上次演示历史未演完，城市里只有其中一部分 the last start was interrupted while the past was played: the city has "
    "a part of it (make reset, then start again, makes all of it)"
)


@contextmanager
def alone(here: Stack) -> Iterator[None]:
    """Stop the processes that would take part by themselves; they go on afterwards."""
    states = here.supervisor.states()
    running = [name for name in AT_WORK if states.get(name, {}).get("statename") in ("RUNNING", "STARTING")]
    here.supervisor.end_together(running)
    try:
        yield
    finally:
        for name in running:
            here.supervisor.begin(name)
        if running:
            here.wait_until_ready()


def make(here: Stack, progress: Progress, *, most: int | None = None) -> str:
    """Play the past where there is none; returns what was done, in words."""
    with as_service("intake"), database().transaction() as tx:
        row = tx.execute("select exists (select from matter) as there").fetchone()
    begun = here.layout.past_begun
    if row and row["there"]:
        said = INTERRUPTED if begun.exists() else ALREADY
    else:
        begun.touch()
        with alone(here):
            said = _play(here, progress, most)
    begun.unlink(missing_ok=True)
    here.layout.past.write_text(f"{now().isoformat()}\n{said}\n", encoding="utf-8")
    return said


def _play(here: Stack, progress: Progress, most: int | None) -> str:
    logs.configure("past", "WARNING")
    city = setting_up.load()
    setting_up.register_city(city, progress)
    start_needed(here)
    try:
        with World(here, site=str(FOLDER / "site.toml")).open() as world:
            world.settle(now())
            steps = planned(city, china_day(now()), most=most)
            matters = len({id(due.story) for due in steps})
            task = progress.add_task(f"演示历史 the past of {matters} matters", total=len(steps))
            stopped = Histories(world).play(steps, lambda done: progress.advance(task, done))
            world.a_day_passes(now())
    except Busy as busy:
        raise Trouble(
            f"{busy} is running on its database.", "Stop it first: the past is made by one process."
        ) from None
    lines = [f"演示历史 {matters} matters, {len(steps)} steps"]
    lines += [f"  {story.number} {story.plan.key} stopped at: {story.stopped}" for story in stopped]
    return "\n".join(lines)


def start_needed(here: Stack) -> None:
    """Start the text model and the mailbox; the model is ready when it has learned the catalogue."""
    wanted = [process for process in here.table if process.name in NEEDED]
    for process in wanted:
        here.supervisor.begin(process.name)
    deadline = time.monotonic() + READY_SECONDS
    for process in wanted:
        while why := here.unready(process):
            if time.monotonic() > deadline:
                raise Trouble(f"{process.name} is not ready: {why}.", f"See its log in {here.layout.logs}.")
            time.sleep(0.2)
