"""`dues audit-log`: who made, changed and ended keys, signing secrets, settings and halts."""

import asyncio
from datetime import timedelta

import click
import msgspec

from gateway import clock
from gateway.cli.durations import SPAN
from gateway.cli.running import prepared
from gateway.composition import gateway_of
from gateway.config import Config
from gateway.db import acts
from gateway.domain.act import Act


@click.command(name="audit-log")
@click.option("--account", "account_id", help="Only what touched this account. [default: all]")
@click.option("--since", type=SPAN, help="Only the last while, as in 7d.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
@click.pass_context
def command(
    context: click.Context, account_id: str | None, since: timedelta | None, limit: int, *, as_json: bool
) -> None:
    """Show privileged acts, newest first: when, who, what, and what it was before. No secret stands in it."""
    found = asyncio.run(_read(prepared(context), account_id, since, limit))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for act in found:
        details = msgspec.json.encode(act.details).decode() if act.details else ""
        whose = f"  {act.account_id}" if act.account_id is not None else ""
        click.echo(
            f"{act.at:%Y-%m-%d %H:%M:%S} UTC  {act.actor}  {act.kind}  {act.object_id}{whose}  {details}".rstrip()
        )


async def _read(config: Config, account_id: str | None, since: timedelta | None, limit: int) -> list[Act]:
    books = gateway_of(config).books
    try:
        async with books.read() as conn:
            newest = None if since is None else clock.now() - since
            return await acts.newest(conn, limit=limit, account_id=account_id, since=newest)
    finally:
        await books.close()
