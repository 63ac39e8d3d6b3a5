"""``python -m tests.bench``: measure, print the table, write ``build/bench.json``."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import click
import psutil
from rich.console import Console

from deploy.local import leftovers
from deploy.local.checks import Trouble, free_ports
from deploy.local.layout import ROOT, Layout, Ports
from deploy.local.stack import Stack
from tests.bench.figures import Figures
from tests.bench.machine import machine
from tests.bench.plan import FULL, OTHERS, QUICK, Plan
from tests.load.city import SETTINGS

BUILD = ROOT / "build"
HOME = BUILD / "bench-stack"
BUSY = 0.5
"""Load before the run from which the machine is said to be busy with something else."""
BUSY_CORES = 0.2
"""The same for the cores that others use during a round."""


@click.command()
@click.option("--quick", is_flag=True, help="three minutes: shorter runs, no bursts, no million matters.")
@click.option("--only", multiple=True, help="figures whose names begin so, such as lifecycle.single; may be repeated.")
@click.option("--profile", is_flag=True, help="watch the processes during the life-cycles, into build/profile.")
@click.option("--keep", is_flag=True, help="leave the stack running; the next run restarts its services and goes on.")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "bench.json", show_default=False)
def main(quick: bool, only: tuple[str, ...], profile: bool, keep: bool, output: Path) -> None:
    """性能基准 Measure the figures on a stack of their own; nothing else should run on the machine."""
    for name in [name for name in os.environ if name.startswith("LIANBAN_")]:
        del os.environ[name]  # the run must not depend on what the operator has set
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    began, told = time.monotonic(), machine()
    console.print(f"[bold]{told['processor']}[/], {told['cores']} cores, {told['memory_gib']} GiB; {told['system']}")
    console.print(f"disk {told['disk_gib']} GiB, {told['disk_free_gib']} free")
    console.print(f"Python {told['python']}; {told['postgresql']}; RabbitMQ {told['rabbitmq']}; {told['nginx']}")
    console.print(f"commit {told['commit']}, {told['changed_files']} files changed; load {told['load_before']}")
    if psutil.getloadavg()[0] > BUSY:
        console.print("[red]the machine is busy with something else: the figures will be too low[/]")
    stack, figures = _stack(console), Figures()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.0f} s[/] {text}")

    finished = False
    try:
        Plan(stack, figures, QUICK if quick else FULL, only, BUILD / "profile" if profile else None, say).run()
        finished = True
    finally:
        if not keep:
            _remove(stack)
        figures.print(console, part=quick or bool(only))
        console.print(disturbance(figures.samples.get(OTHERS, [])), end="", style="red")
        run = {"quick": quick, "only": list(only), "finished": finished, "seconds": round(time.monotonic() - began)}
        figures.write(output, told, run=run)
        console.print(f"{time.monotonic() - began:.0f} s; {output}")


def disturbance(cores: Sequence[float]) -> str:
    """A line that says how much others used in a round, of these samples; empty where it was next to nothing."""
    most = max(cores, default=0.0)
    return f"something else used up to {most:.2f} cores: the figures are too low\n" if most > BUSY_CORES else ""


def _stack(console: Console) -> Stack:
    """The stack of an earlier run that was kept, or a new one."""

    def say(text: str) -> None:
        console.print(f"  {text}")

    ports = HOME.with_suffix(".ports")
    if ports.exists():
        stack = Stack(HOME, *json.loads(ports.read_text()), demo=True, settings=SETTINGS, say=say)
        if stack.running():
            return stack
        _remove(stack)
    edge, base = free_ports()
    BUILD.mkdir(exist_ok=True)
    ports.write_text(json.dumps([edge, base]))
    return Stack(HOME, edge, base, demo=True, settings=SETTINGS, say=say)


def _remove(stack: Stack) -> None:
    """Stop the stack and remove its folder; its logs stay in build/bench-logs."""
    try:
        stack.stop()
    except Trouble:
        leftovers.end(Layout(HOME, Ports(0, 0)))
    logs = BUILD / "bench-logs"
    if stack.layout.logs.exists():
        shutil.rmtree(logs, ignore_errors=True)
        shutil.copytree(stack.layout.logs, logs)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.with_suffix(".ports").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
