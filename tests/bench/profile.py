"""Where the time goes under load: py-spy on every service process, and the statements that each has run.

    with profiled(stack, folder):
        …load…

leaves for each process ``<name>.folded`` (stacks with their counts; https://speedscope.app draws them) and
``<name>.txt`` (the functions and statements with the most time).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.local.layout import HOST, SERVICES
from deploy.local.processes import all_of
from deploy.local.stack import Stack
from tests.bench.processes import pids

PER_SECOND = 100
MOST = 40
PROCESSES = (*all_of(*SERVICES), "suggest", "documents", "departments", "mail")


@contextmanager
def profiled(stack: Stack, folder: Path, *, rate: int = PER_SECOND) -> Iterator[None]:
    """Watch every Python process of the stack within the block."""
    folder.mkdir(parents=True, exist_ok=True)
    before = {name: queries(stack, name) for name in PROCESSES}
    spies = {
        name: subprocess.Popen(
            [
                str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--format", "raw",
                "--rate", str(rate), "--duration", "36000", "--output", str(folder / f"{name}.folded"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, pid in pids(stack).items()
        if name in PROCESSES
    }  # fmt: skip
    try:
        yield
    finally:
        for spy in spies.values():
            spy.send_signal(signal.SIGINT)
        for spy in spies.values():
            spy.wait(60)
    for name in spies:
        told = functions(folder / f"{name}.folded") + "\n\n" + statements(before[name], queries(stack, name))
        (folder / f"{name}.txt").write_text(told, "utf-8")


def queries(stack: Stack, name: str) -> dict[str, tuple[int, float]]:
    """Runs and seconds by statement, as a process counts them; empty where it counts none."""
    process = next(item for item in stack.table if item.name == name)
    if process.ops is None:
        return {}
    try:
        with urllib.request.urlopen(f"http://{HOST}:{process.ops(stack.layout.ports)}/queries", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
    except OSError:
        return {}
    return {item["statement"]: (item["runs"], item["seconds"]) for item in found}


def functions(path: Path) -> str:
    """The functions with the most samples, by themselves and with what they call."""
    alone: Counter[str] = Counter()
    together: Counter[str] = Counter()
    total = 0
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        total += int(count)
        alone[frames[-1]] += int(count)
        together.update(dict.fromkeys(set(frames), int(count)))
    if not total:
        return "no samples: the process was idle, or py-spy may not look at it"
    parts = [f"{total} samples at {PER_SECOND} a second"]
    for title, counted in (("by itself", alone), ("with what it calls", together)):
        parts.append(f"\n{title}")
        parts += [f"{count / total:6.1%} {name}" for name, count in counted.most_common(MOST)]
    return "\n".join(parts)


def statements(before: dict[str, tuple[int, float]], after: dict[str, tuple[int, float]]) -> str:
    """The statements with the most time between two looks: seconds, runs, milliseconds a run."""
    rows = []
    for statement, (runs, seconds) in after.items():
        earlier = before.get(statement, (0, 0.0))
        if runs > earlier[0]:
            rows.append((seconds - earlier[1], runs - earlier[0], statement))
    lines = [f"{s:8.3f} s {n:7d} × {s / n * 1000:7.2f} ms  {text}" for s, n, text in sorted(rows, reverse=True)[:MOST]]
    return "statements\n" + "\n".join(lines)
