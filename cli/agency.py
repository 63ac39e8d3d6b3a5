"""``lianban agency``: how each agency's system is connected, and the tokens with which it calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from cli.target import as_service
from lianban.chassis.transaction import Transaction

profile_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
label_option = click.option(
    "--label", default="system", show_default=True, help="用途 what the token is for; one token per label."
)

LANE = {"closed": "畅通 ok", "open": "已停止 stopped", "half_open": "试探中 probing"}


@click.group()
def agency() -> None:
    """部门接入 How agencies' own systems are connected: profiles and tokens."""


@agency.command("list")
def list_() -> None:
    """列出 List the agencies that have a lane: by what they are connected, what waits, what went wrong last."""
    from services.agency_gateway.store import lanes

    with _gateway() as tx:
        rows = lanes.overview(tx)
    if not rows:
        click.echo("还没有通道 no lanes yet")
        return
    table = Table()
    for column in ("agency", "名称 name", "接入 adapter", "状态 lane", "积压 backlog", "问题 last problem"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row.agency_code,
            row.agency_name,
            row.adapter,
            LANE[row.circuit.value],
            str(row.backlog),
            row.last_trouble or "",
        )
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(table)


@agency.command()
@profile_file
def check(file: Path) -> None:
    """检查 Check a profile without registering it; every problem is named with its place."""
    from services.agency_gateway.app import profile_schema

    try:
        profile = profile_schema.read(_read(file))
    except profile_schema.InvalidProfile as wrong:
        raise _told(file, wrong.problems) from wrong
    click.echo(f"✓ {profile.agency}: {profile.adapter.value}, level {profile.level}")


@agency.command()
@profile_file
@click.option("--secrets", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="YAML 文件 file with our credentials for the department, name: value; kept sealed.")  # fmt: skip
def connect(file: Path, secrets: Path | None) -> None:
    """接入 Register a profile, or its next revision. What waits for the agency goes on by the new one."""
    from lianban.chassis.time import now
    from services.agency_gateway.app import profile_schema, profiles

    document = _read(file)
    given = {str(name): str(value) for name, value in (_read(secrets) if secrets else {}).items()}
    with _gateway() as tx:
        try:
            _known(tx, profile_schema.read(document).agency)
            revision = profiles.register_profile(tx, document, secrets=given, at=now())
        except profile_schema.InvalidProfile as wrong:
            raise _told(file, wrong.problems) from wrong
    click.echo(f"✓ {document['agency']}: {document['adapter']}, revision {revision}")


@agency.command()
@click.argument("code")
def show(code: str) -> None:
    """查看 Print an agency's profile as YAML; credentials are not in it."""
    from services.agency_gateway.store import profiles

    with _gateway() as tx:
        _known(tx, code)
        found = profiles.get(tx, code)
    if found is None:
        click.echo(f"# {code}: 在工作台办理 no profile, works on the desk")
        return
    click.echo(f"# revision {found.revision}")
    click.echo(yaml.safe_dump(found.document, allow_unicode=True, sort_keys=False), nl=False)


@agency.command()
@click.argument("code")
@label_option
def token(code: str, label: str) -> None:
    """发令牌 Print a new token for the agency's system, in place of the one of that label. It is shown only here."""
    from lianban.chassis.time import now
    from services.agency_gateway.app import profiles

    with _gateway() as tx:
        _known(tx, code)
        made = profiles.issue_token(tx, code, label, at=now())
    click.echo(made)


@agency.command()
@click.argument("code")
@label_option
def revoke(code: str, label: str) -> None:
    """作废令牌 Let the agency's token of that label in no more."""
    from lianban.chassis.time import now
    from services.agency_gateway.store import profiles

    with _gateway() as tx:
        revoked = profiles.revoke_token(tx, code, label, now())
    if not revoked:
        raise click.ClickException(f"没有这个令牌 {code} has no token with the label {label}")
    click.echo(f"✓ {code}: {label}")


@contextmanager
def _gateway() -> Iterator[Transaction]:
    """A transaction on the gateway's database, with its keys."""
    from lianban.chassis import runtime

    with as_service("agency_gateway"):
        try:
            with runtime.database().transaction() as tx:
                yield tx
        finally:
            runtime.close()


def _known(tx: Transaction, code: str) -> None:
    from services.agency_gateway.store import agencies

    if code not in agencies.active(tx):
        raise click.ClickException(f"没有这个单位 no agency {code} in the register")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise click.ClickException(f"{file}: 不是 YAML no YAML: {wrong}") from wrong
    if not isinstance(found, dict):
        raise click.ClickException(f"{file}: 不是键值表 should be a mapping")
    return found


def _told(file: Path, problems: dict[str, str]) -> click.ClickException:
    lines = "\n".join(f"  {place or '.'}: {what}" for place, what in problems.items())
    return click.ClickException(f"{file}: 无法使用 cannot be used\n{lines}")
