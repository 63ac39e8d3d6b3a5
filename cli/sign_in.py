"""``lianban sign-in``: how staff sign in here, and whether the identity providers answer as they should."""

from __future__ import annotations

import sys

import click

from cli.target import as_service


@click.command("sign-in")
def sign_in() -> None:
    """检查登录方式 Check the ways to sign in: the policy, what each provider answers, the addresses to register there.

    Ends with exit code 1 when something is wrong.
    """
    with as_service("routing"):
        from services.routing.app import openid, sign_in_policy, single_sign_on
        from services.routing.app.policy import BadPolicy

        try:
            policy = sign_in_policy.policy()
        except BadPolicy as error:
            raise click.ClickException(str(error)) from error
        click.echo(f"本地账号 local accounts: {'on' if policy.local_accounts else 'off'}")
        if not policy.providers:
            click.echo("没有配置统一身份认证 no identity provider")
        well = True
        for provider in policy.providers:
            click.echo(f"\n{provider.name}  {provider.title}  {provider.issuer}")
            click.echo(f"  redirect URI             {single_sign_on.redirect_uri(provider)}")
            click.echo(f"  post-logout redirect URI {single_sign_on.after_sign_out()}")
            try:
                told = openid.metadata(provider)
                keys = openid.key_count(provider)
            except openid.OpenIdError as error:
                well = False
                click.secho(f"  ✗ {type(error).__name__}: {error}", fg="red")
                continue
            ends = "yes" if provider.sign_out and told.get("end_session_endpoint") else "no"
            client = "confidential" if provider.client_secret_file else "public"
            click.echo(f"  client                   {provider.client_id} ({client})")
            click.echo(f"  sign-out at the provider {ends}")
            click.secho(f"  {'✓' if keys else '✗'} signing keys: {keys}", fg="green" if keys else "red")
            well = well and keys > 0
    sys.exit(0 if well else 1)
