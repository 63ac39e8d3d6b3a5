"""``lianban run``, ``up``, ``down``, ``reset``: the embedded stack as a person starts and stops it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click
import psutil

from cli.target import stack
from deploy.local.checks import Trouble
from deploy.local.layout import ROOT
from deploy.local.stack import Stack

no_demo = click.option("--no-demo", is_flag=True, help="不含演示城市 without the demo city and its departments.")


class _Asked(Exception):
    """A signal asked us to stop."""


def _stop(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Asked


@click.command()
@no_demo
def run(no_demo: bool) -> None:
    """前台运行，Ctrl-C 停止 Run everything in the foreground; Ctrl-C stops it and keeps the data."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _stop)
    here = stack(demo=not no_demo)
    if here.running():
        if not here.abandoned():
            raise Trouble(
                f"已在运行 This stack is running already, at {here.url}.",
                "Stop it with: make down   (or open it in the browser)",
            )
        click.echo("上次前台运行已中断，先行停止 the earlier foreground run was killed; stopping what it left")
        here.stop()
    me = psutil.Process()
    owner = {"mode": "run", "pid": me.pid, "since": me.create_time()}
    try:
        _start(here, owner)
        click.echo("\nCtrl-C 停止 stops everything and keeps the data.")
        _watch(here)
    except _Asked:
        _ignore_signals()
        click.echo("\n正在停止 stopping")
    except BaseException:
        _ignore_signals()
        here.stop()
        raise
    here.stop()
    click.echo("已停止，数据保留 stopped; the data is kept")


def _ignore_signals() -> None:
    """A second Ctrl-C must not leave half of the stack behind."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _watch(here: Stack) -> None:
    """Tell when a process ends or comes back, until the stack is stopped from elsewhere or a signal comes."""
    before: dict[str, tuple[str, int]] = {}
    while here.running():
        now = {name: (item["statename"], item["pid"]) for name, item in here.supervisor.states().items()}
        for name, (state, pid) in now.items():
            if name in before and before[name] != (state, pid):
                click.echo(f"  {time.strftime('%H:%M:%S')} {name}: {state.lower()}")
        before = now
        time.sleep(2)
    click.echo("the stack was stopped by another command")


@click.command()
@no_demo
def up(no_demo: bool) -> None:
    """后台启动，就绪后返回 Start everything in the background; returns when all is ready."""
    here = stack(demo=not no_demo)
    if here.running() and here.abandoned():
        click.echo("上次前台运行已中断，先行停止 the earlier foreground run was killed; stopping what it left")
        here.stop()
    _start(here, {"mode": "background"})


def _start(here: Stack, owner: dict[str, Any]) -> None:
    began = time.monotonic()
    click.secho("联办 Lianban", bold=True)
    if here.demo and not here.layout.past.exists():
        here.start(services=False, owner=owner)
        _after_start(here, "demo", "histories")
    here.start(owner=owner)
    _after_start(here, "describe", quiet=True)
    if here.demo:
        _after_start(here, "demo", "seed")
        here.wait_until_ready(with_data=True)
    click.secho(f"\n✓ 就绪 ready in {time.monotonic() - began:.0f} s", fg="green")
    click.echo(addresses(here))


def _after_start(here: Stack, *arguments: str, quiet: bool = False) -> None:
    """Run another command of ours on the stack that has just become ready; raises :class:`Trouble` if it fails."""
    environment = os.environ | {
        "LIANBAN_HOME": str(here.layout.home),
        "LIANBAN_PORT": str(here.layout.ports.edge),
        "LIANBAN_PORT_BASE": str(here.layout.ports.base),
    }
    outcome = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env=environment,
        check=False,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
    )
    if outcome.returncode:
        said = (outcome.stdout or "")[-1500:]
        raise Trouble(f"lianban {' '.join(arguments)} failed. {said}", "The stack itself runs; make down stops it.")


def addresses(here: Stack) -> str:
    """Where to go, and as whom."""
    lines = [
        ("群众门户 portal", here.url + "/"),
        ("工作人员登录 staff sign-in", here.url + "/sign-in"),
        ("督办看板 oversight board", here.url + "/oversight/"),
        ("接口说明 API", here.url + "/openapi.json"),
    ]
    if here.demo:
        lines += [
            ("演示邮箱 demo mailbox", here.url + "/demo/mail/"),
            ("演示部门系统 demo departments", here.url + "/demo/departments/"),
        ]
    text = "\n".join(f"  {name:<28} {address}" for name, address in lines)
    if here.demo:
        text += "\n  演示账号 demo sign-ins: lianban demo accounts"
    return f"{text}\n  状态 status: lianban status    日志 logs: {_near(here.layout.logs)}"


def _near(path: Path) -> Path:
    """A path as somebody in the present folder would write it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@click.command()
def down() -> None:
    """停止，数据保留 Stop everything in order; the data is kept."""
    here = stack()
    running = here.running()
    here.stop()
    click.echo("已停止，数据保留 stopped; the data is kept" if running else "没有在运行 nothing was running")


@click.command()
@click.option("--yes", is_flag=True, help="不再询问 do not ask.")
def reset(yes: bool) -> None:
    """清空全部数据 Stop everything and delete the state folder: matters, documents, keys, logs."""
    here = stack()
    if not here.layout.home.exists():
        click.echo(f"没有数据 there is nothing in {here.layout.home}")
        return
    if not yes:
        click.confirm(f"删除全部数据？ Delete everything in {here.layout.home}?", abort=True)
    here.reset()
    click.echo("已清空 deleted; the next start begins anew")
