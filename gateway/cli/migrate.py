"""`dues migrate`."""

import asyncio

import click

from gateway.cli.app import CommandFailed
from gateway.cli.running import prepared
from gateway.db import migrate


@click.command(name="migrate")
@click.option("--check", is_flag=True, help="Change nothing; fail when the schema is another one.")
@click.pass_context
def command(context: click.Context, *, check: bool) -> None:
    """Bring the database to the schema of this version. Running it again changes nothing."""
    url = prepared(context).database_url.reveal()
    before, wanted = asyncio.run(migrate.current(url)), migrate.head()
    if check and before != wanted:
        raise CommandFailed(f"the schema is {before or 'empty'}, this version needs {wanted}: run `dues migrate`")
    if before != wanted:
        asyncio.run(migrate.upgrade(url))
    click.echo(f"schema {before or 'empty'} → {wanted}" if before != wanted else f"schema {wanted}: nothing to do")
