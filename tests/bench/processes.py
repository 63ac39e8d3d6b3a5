"""What the processes of a stack use: CPU time and memory, each process with everything that it has started.

Figures bear the name of the service: of one with several processes, the CPU time of all and the memory of the largest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

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
    """Resident memory by service; of a process with children, together, where what they share counts once."""
    return largest({name: _memory(list(_family(pid))) / MEGABYTE for name, pid in pids(stack).items()})


def largest(by_process: dict[str, float]) -> dict[str, float]:
    """By service: the figure of that of its processes which has the most."""
    found: dict[str, float] = {}
    for name, figure in by_process.items():
        found[service_of(name)] = max(figure, found.get(service_of(name), figure))
    return found


def spent(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """CPU seconds by service between two looks, of the processes that were there both times."""
    found: dict[str, float] = {}
    for name, seconds in after.items():
        if name in before:
            found[service_of(name)] = found.get(service_of(name), 0.0) + seconds - before[name]
    return found


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
