"""`dues keys`: API keys are made here, shown once, and kept as hashes only."""

import asyncio
from datetime import datetime

import click

from chain.primitives import Address, address
from gateway import clock
from gateway.cli.app import CommandFailed
from gateway.cli.running import prepared
from gateway.composition import gateway_of
from gateway.config import Config
from gateway.db import accounts
from gateway.db.engine import Books
from gateway.domain.api_key import KeyKind
from gateway.domain.catalog import Account
from gateway.domain.ids import new_id
from gateway.services import api_keys


@click.group(name="keys")
def command() -> None:
    """Create API keys."""


@command.command(name="create")
@click.option("--account", "account_id", help="An account that exists.")
@click.option("--new-account", "name", help="Name of an account to create with this key.")
@click.option("--payout-address", help="Wallet that the new account's payments go to.")
@click.option("--live", is_flag=True, help="A key for real money. [default: a test key]")
@click.option("--publishable", is_flag=True, help="A key that may be shown in a browser. [default: a secret key]")
@click.pass_context
def create(
    context: click.Context,
    account_id: str | None,
    name: str | None,
    payout_address: str | None,
    *,
    live: bool,
    publishable: bool,
) -> None:
    """Create a key for an account, and the account too if it is new. The key is shown once and never again."""
    if (account_id is None) == (name is None):
        raise click.UsageError("Give either --account or --new-account.")
    if (name is None) != (payout_address is None):
        raise click.UsageError("--new-account and --payout-address belong together.")
    config = prepared(context)
    if live and config.mode != "live":
        raise CommandFailed("--live: this installation is in test mode; set mode = 'live' first")
    payout = None if payout_address is None else _address(payout_address)
    kind = KeyKind.PUBLISHABLE if publishable else KeyKind.SECRET
    account, key = asyncio.run(_create(config, account_id, name, payout, kind=kind, livemode=live))
    click.echo(f"account {account}", err=True)
    click.echo(key)


async def _create(
    config: Config, account_id: str | None, name: str | None, payout: Address | None, *, kind: KeyKind, livemode: bool
) -> tuple[str, str]:
    books = gateway_of(config).books
    now = clock.now()
    pepper = config.pepper.reveal().encode()
    try:
        if name is not None and payout is not None:
            account_id = await add_account(books, name=name, payout=payout, now=now)
        async with books.write() as conn:
            if account_id is None or await accounts.get(conn, account_id) is None:
                raise CommandFailed(f"--account: there is no account {account_id}")
            _, key = await api_keys.mint(
                conn, account_id=account_id, livemode=livemode, pepper=pepper, now=now, kind=kind
            )
        return account_id, key
    finally:
        await books.close()


async def add_account(books: Books, *, name: str, payout: Address, now: datetime) -> str:
    """Write down a new merchant, and return its id."""
    account = Account(id=new_id("acct", now), name=name, payout_address=payout, created_at=now)
    async with books.write() as conn:
        await accounts.add(conn, account)
    return account.id


def _address(text: str) -> Address:
    try:
        return address(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--payout-address") from None
