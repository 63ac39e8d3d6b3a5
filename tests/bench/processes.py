"""What the processes of a stack use: CPU time and memory, each process with everything that it has started.

CPU time is told by service, of all its processes together; memory is each process's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.local import leftovers
from deploy.local.layout import Layout
from deploy.local.processes import all_of, service_of
from deploy.local.stack import READY_SECONDS, Stack
from deploy.waiting import until

MEGABYTE = 1 << 20


def pids(stack: Stack) -> dict[str, int]:
    """The supervised processes that run, by name."""
    return {
        name: item["pid"]
        for name, item in stack.supervisor.states().items()
        if item["statename"] == "RUNNING" and name != "epmd"
    }


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """CPU time used so far, by process, with that of its children, ended ones too."""
    return {name: sum(map(_cpu, _family(pid))) for name, pid in pids(stack).items()}


def memory_megabytes(stack: Stack) -> dict[str, float]:
    """Resident memory by process; of one with children, together, where what they share counts once."""
    return {name: _memory(list(_family(pid))) / MEGABYTE for name, pid in pids(stack).items()}


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """CPU seconds by service between two looks, of the processes that were there both times."""
    found: dict[str, float] = {}
    for name, seconds in after.items():
        if name in before:
            found[service_of(name)] = found.get(service_of(name), 0.0) + seconds - before[name]
    return found


def others(layout: Layout) -> float:
    """CPU seconds used so far by what is neither the benchmark nor its stack; the kernel's threads aside."""
    ours = {*leftovers.find(layout), *(process.pid for process in _family(os.getpid()))}
    return sum(_cpu(process) for process in psutil.process_iter() if process.pid not in ours and _program(process))


def only(stack: Stack, names: Iterable[str]) -> None:
    """Let these services and processes run beside the infrastructure and no others; returns when they are ready."""
    wanted = set(all_of(*names))
    stack.supervisor.end_together([process.name for process in stack.table if process.name not in wanted])
    for name in wanted:
        stack.supervisor.begin(name)
    wait_until_ready(stack, wanted)


def wait_until_ready(stack: Stack, names: Iterable[str]) -> None:
    """Wait until these services and processes say that they are ready."""
    wanted = set(all_of(*names))
    for process in stack.table:
        if process.name in wanted:
            until(
                lambda process=process: not stack.unready(process),  # type: ignore[misc]
                f"{process.name} is ready",
                seconds=READY_SECONDS,
            )


def _family(pid: int) -> Iterator[psutil.Process]:
    with suppress(psutil.Error):
        parent = psutil.Process(pid)
        yield parent
        yield from parent.children(recursive=True)


def _program(process: psutil.Process) -> bool:
    """Whether it runs a program: the kernel's threads, which work for everybody, have no command."""
    try:
        return bool(process.cmdline())
    except psutil.Error:
        return False


def _cpu(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.Error:
        return 0.0
    return used.user + used.system + used.children_user + used.children_system


def _memory(family: list[psutil.Process]) -> float:
    if len(family) == 1:
        return _resident(family[0])
    return sum(map(_proportional, family))


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss)
    except psutil.Error:
        return 0.0


def _proportional(process: psutil.Process) -> float:
    """The proportional set size where the system tells it, else the resident one."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1]) * 1024
    return _resident(process)
