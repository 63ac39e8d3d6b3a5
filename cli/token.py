"""``lianban token``: an access token for scripts, made with the key of routing, which issues all access tokens."""

from __future__ import annotations

import click

from cli.target import as_service
from lianban.contracts.codes import StaffRole

MAXIMUM_MINUTES = 7 * 24 * 60


@click.command()
@click.option("--role", "roles", required=True, multiple=True, type=click.Choice([role.value for role in StaffRole]),
              help="角色，可重复 role; may be repeated.")  # fmt: skip
@click.option("--agency", help="所属单位代码 code of the agency that the token speaks for, such as city-ecology.")
@click.option("--territory", help="辖区代码 12-digit code of the region that it is bound to.")
@click.option("--name", default="lianban token", show_default=True, help="名称 name, shown in access logs.")
@click.option("--subject", help="标识 stable id in access logs. Default: made of role and agency.")
@click.option("--minutes", type=click.IntRange(1, MAXIMUM_MINUTES), default=15, show_default=True,
              help="有效分钟数 minutes that it counts.")  # fmt: skip
def token(
    roles: tuple[str, ...], agency: str | None, territory: str | None, name: str, subject: str | None, minutes: int
) -> None:
    """签发访问令牌 Print an access token for the header "Authorization: Bearer …".

    \b
    curl -H "Authorization: Bearer $(lianban token --role officer)" http://127.0.0.1:8080/api/v1/triage
    """
    given = frozenset(StaffRole(role) for role in roles)
    if StaffRole.AGENCY in given and not agency:
        raise click.UsageError("--role agency needs --agency CODE")
    with as_service("routing"):
        from lianban.chassis.auth import Kind, Principal, issue_access
        from lianban.chassis.time import now

        kind: Kind = "channel" if given == {StaffRole.CHANNEL} else "staff"
        who = Principal(
            kind=kind,
            subject=subject or ":".join(("cli", *sorted(roles), *([agency] if agency else []))),
            name=name,
            roles=given,
            agency=agency,
            territory=territory,
        )
        click.echo(issue_access(who, at=now(), seconds=minutes * 60))
