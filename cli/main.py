"""The command ``lianban``: the list of its commands. Each is imported only when it is called, so that help is quick
and a service's process loads nothing before the patch of its chassis.
"""

from __future__ import annotations

import importlib
import logging
import sys
import warnings

import click

import lianban

COMMANDS: dict[str, str] = {
    "run": "cli.stack:run",
    "up": "cli.stack:up",
    "down": "cli.stack:down",
    "reset": "cli.stack:reset",
    "status": "cli.status:status",
    "token": "cli.token:token",
    "sign-in": "cli.sign_in:sign_in",
    "agency": "cli.agency:agency",
    "demo": "cli.demo:demo",
    "import": "cli.importing:command",
    "outbox": "cli.events:outbox",
    "inbox": "cli.events:inbox",
    "quarantine": "cli.events:quarantine",
    "poison": "cli.events:poison",
    "verify": "cli.verify:verify",
    "migrate": "cli.setup:migrate",
    "topology": "cli.setup:topology",
    "describe": "cli.describe:describe",
    "reference": "cli.reference:reference",
    "serve": "cli.serve:serve",
}
"""Every command, in the order of the help, with the function that it is."""


class Commands(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(lianban.__version__, prog_name="lianban")
def command() -> None:
    """联办 Lianban: 信访事项联合办理平台的运维命令 — the operator's command.

    The stack is told by LIANBAN_HOME (state folder, default .lianban), LIANBAN_PORT (the edge, default 8080) and
    LIANBAN_PORT_BASE (first of all other ports, default 18000).
    """


def main() -> None:
    """Run the command; troubles that a person can mend are told without a trace."""
    from deploy.local.checks import Trouble
    from deploy.local.layout import BadSetting

    # Told in the README; nobody who runs a command can do anything about it.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

    if not _serves():
        # Each failed attempt of a pool to connect; the command says once that the database is out of reach.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

    try:
        command(prog_name="lianban")
    except (Trouble, BadSetting) as trouble:
        click.secho(f"\n✗ {trouble}", err=True, fg="red")
        sys.exit(1)
    except Exception as error:
        if not _out_of_reach(error):
            raise
        click.secho(
            f"\n✗ 数据库或消息队列不可达 the database or the broker is out of reach: {_first_line(error)}\n"
            "lianban status says what runs; lianban up starts it.",
            err=True,
            fg="red",
        )
        sys.exit(1)


def _serves() -> bool:
    """Whether this process is to be a service."""
    return sys.argv[1:2] == ["serve"]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _out_of_reach(error: Exception) -> bool:
    """Whether a command failed because what it works on does not run. A service waits for it, and tells all else."""
    if _serves():
        return False
    from lianban.chassis.database import UNAVAILABLE

    return isinstance(error, (*UNAVAILABLE, ConnectionError, TimeoutError))
