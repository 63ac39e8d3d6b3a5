"""``lianban verify``: proving that ledger and journals are complete and unchanged."""

from __future__ import annotations

import sys

import click
from rich.progress import track


@click.command()
def verify() -> None:
    """校验台账与交换日志 Walk every hash chain: the oversight ledger and each agency's exchange journal.

    Exit code 1 when an entry was changed, removed, added or moved; the first break of each chain is named.
    """
    from cli.target import as_service, databases
    from lianban.chassis.database import Database
    from lianban.contracts.envelope import PARTITIONS
    from services.agency_gateway.app import journaling
    from services.oversight.app import verifying

    urls = dict(databases(("oversight", "agency_gateway")))
    entries, faults = 0, []
    if "oversight" in urls:
        ledger = Database(urls["oversight"], service="oversight", size=1, statement_timeout=600)
        ledger.open()
        for partition in track(range(PARTITIONS), description="台账 ledger"):
            with ledger.transaction() as tx:
                verdict = verifying.verify(tx, partition)
            entries += verdict.entries
            if verdict.fault:
                faults.append(f"台账 ledger, partition {partition}: {verdict.fault}")
        ledger.close()
    if "agency_gateway" in urls:
        journal = Database(urls["agency_gateway"], service="agency_gateway", size=1, statement_timeout=600)
        journal.open()
        with as_service("agency_gateway"):
            with journal.transaction() as tx:
                agencies = journaling.agencies(tx)
            for agency in track(agencies, description="交换日志 journals"):
                with journal.transaction() as tx:
                    fault = journaling.verify(tx, agency)
                if fault:
                    faults.append(f"交换日志 journal: {fault}")
        journal.close()
    for fault in faults:
        click.secho(f"✗ {fault}", fg="red")
    if faults:
        sys.exit(1)
    click.secho(f"✓ 完整无改动 complete and unchanged: {entries} entries", fg="green")
