"""`dues keys`: API keys are made here, shown once, and kept as hashes only."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click
import msgspec

from chain.primitives import Address, address
from gateway import clock
from gateway.cli.app import CommandFailed
from gateway.cli.durations import SPAN
from gateway.cli.running import prepared
from gateway.composition import gateway_of
from gateway.config import Config
from gateway.db import accounts
from gateway.db.engine import Books, Connection
from gateway.domain import permission
from gateway.domain.api_key import KeyKind
from gateway.domain.catalog import Account, ApiKey
from gateway.domain.errors import DomainError
from gateway.domain.ids import new_id
from gateway.domain.permission import NOTHING, Permissions, Resource
from gateway.services import api_keys

T = TypeVar("T")

_as_json = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")


@click.group(name="keys")
def command() -> None:
    """Create, list, rotate and revoke API keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What a key is to be."""

    kind: KeyKind
    livemode: bool
    name: str | None
    permissions: Permissions
    expires_after: timedelta | None


@command.command(name="create", epilog=f"Resources for --allow: {', '.join(Resource)}.")
@click.option("--account", "account_id", help="An account that exists.")
@click.option("--new-account", "account_name", help="Name of an account to create with this key.")
@click.option("--payout-address", help="Wallet that the new account's payments go to.")
@click.option("--live", is_flag=True, help="A key for real money. [default: a test key]")
@click.option("--publishable", is_flag=True, help="A key that may be shown in a browser. [default: a secret key]")
@click.option("--restricted", is_flag=True, help="A key that may do only what --allow says.")
@click.option("--allow", multiple=True, metavar="RESOURCE:LEVEL", help="read or write, as in invoices:read. Repeat it.")
@click.option("--name", help="What it is for; shown by `dues keys list`.")
@click.option("--expires-after", type=SPAN, help="Let it end by itself, as in 90d.")
@_as_json
@click.pass_context
def create(
    context: click.Context,
    *,
    account_id: str | None,
    account_name: str | None,
    payout_address: str | None,
    allow: tuple[str, ...],
    name: str | None,
    expires_after: timedelta | None,
    live: bool,
    publishable: bool,
    restricted: bool,
    as_json: bool,
) -> None:
    """Create a key for an account, and the account too if it is new. The key is shown once and never again."""
    if (account_id is None) == (account_name is None):
        raise click.UsageError("Give either --account or --new-account.")
    if (account_name is None) != (payout_address is None):
        raise click.UsageError("--new-account and --payout-address belong together.")
    wanted = _Wanted(
        kind=_kind(publishable=publishable, restricted=restricted),
        livemode=live,
        name=name,
        permissions=_permissions(allow, restricted=restricted),
        expires_after=expires_after,
    )
    config = prepared(context)
    if live and config.mode != "live":
        raise CommandFailed("--live: this installation is in test mode; set mode = 'live' first")
    payout = None if payout_address is None else _address(payout_address)
    stored, key = asyncio.run(_create(config, account_id, account_name, payout, wanted))
    if as_json:
        _print({**_document(stored, stored.created_at), "key": key})
        return
    click.echo(f"account {stored.account_id}", err=True)
    click.echo(key)


def _kind(*, publishable: bool, restricted: bool) -> KeyKind:
    if publishable and restricted:
        raise click.UsageError("A key is either --publishable or --restricted.")
    return KeyKind.PUBLISHABLE if publishable else KeyKind.RESTRICTED if restricted else KeyKind.SECRET


def _permissions(allow: Sequence[str], *, restricted: bool) -> Permissions:
    if not restricted:
        if allow:
            raise click.UsageError("--allow goes with --restricted.")
        return NOTHING
    try:
        permissions = permission.parse(allow)
    except DomainError as error:
        raise click.BadParameter(error.message, param_hint="--allow") from None
    if not permissions:
        raise click.UsageError("A restricted key needs at least one --allow, as in --allow invoices:read.")
    return permissions


async def _create(
    config: Config, account_id: str | None, name: str | None, payout: Address | None, wanted: _Wanted
) -> tuple[ApiKey, str]:
    books = gateway_of(config).books
    now = clock.now()
    try:
        if name is not None and payout is not None:
            account_id = await add_account(books, name=name, payout=payout, now=now)
        async with books.write() as conn:
            if account_id is None or await accounts.get(conn, account_id) is None:
                raise CommandFailed(f"--account: there is no account {account_id}")
            return await api_keys.mint(
                conn,
                account_id=account_id,
                livemode=wanted.livemode,
                pepper=config.pepper.reveal().encode(),
                now=now,
                kind=wanted.kind,
                permissions=wanted.permissions,
                name=wanted.name,
                expires_at=None if wanted.expires_after is None else now + wanted.expires_after,
            )
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


@command.command(name="list")
@click.option("--account", "account_id", help="Only this account's. [default: all]")
@_as_json
@click.pass_context
def listed(context: click.Context, account_id: str | None, *, as_json: bool) -> None:
    """List keys: what they may do, when they were used last, and when they end. The keys themselves are not known."""

    async def read(conn: Connection) -> list[ApiKey]:
        return await (accounts.all_keys(conn) if account_id is None else accounts.keys_of(conn, account_id))

    found, now = _in_books(prepared(context), read), clock.now()
    if as_json:
        _print([_document(stored, now) for stored in found])
        return
    for stored in found:
        click.echo(_line(_document(stored, now)))


@command.command(name="rotate")
@click.argument("key_id")
@click.option("--overlap", type=SPAN, default="24h", show_default=True, help="How long the old key goes on; up to 30d.")
@_as_json
@click.pass_context
def rotate(context: click.Context, key_id: str, overlap: timedelta, *, as_json: bool) -> None:
    """Make a key that may do what KEY_ID may do. Both are good until the overlap ends; then only the new one."""
    config, now = prepared(context), clock.now()

    async def change(conn: Connection) -> tuple[ApiKey, ApiKey, str]:
        return await api_keys.rotate(conn, key_id, overlap=overlap, pepper=config.pepper.reveal().encode(), now=now)

    old, fresh, key = _in_books(config, change)
    if as_json:
        _print({"old": _document(old, now), "new": {**_document(fresh, now), "key": key}})
        return
    click.echo(f"{old.id} is valid until {_moment(old.expires_at)}; {fresh.id} replaces it", err=True)
    click.echo(key)


@command.command(name="expire")
@click.argument("key_id")
@click.option("--after", type=SPAN, required=True, help="From now, as in 48h.")
@_as_json
@click.pass_context
def expire(context: click.Context, key_id: str, after: timedelta, *, as_json: bool) -> None:
    """Let KEY_ID end by itself at a moment to come."""
    now = clock.now()
    ended = _in_books(prepared(context), lambda conn: api_keys.expire(conn, key_id, at=now + after, now=now))
    _tell(ended, now, f"{ended.id} is valid until {_moment(ended.expires_at)}", as_json=as_json)


@command.command(name="revoke")
@click.argument("key_id")
@_as_json
@click.pass_context
def revoke(context: click.Context, key_id: str, *, as_json: bool) -> None:
    """End KEY_ID now, for good. To change a key without an interruption, rotate it."""
    now = clock.now()
    ended = _in_books(prepared(context), lambda conn: api_keys.revoke(conn, key_id, now=now))
    _tell(ended, now, f"{ended.id} is revoked", as_json=as_json)


def _in_books(config: Config, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do something in one transaction; what the rules refuse is one line."""

    async def run() -> T:
        books = gateway_of(config).books
        try:
            async with books.write() as conn:
                return await work(conn)
        except DomainError as error:
            raise CommandFailed(error.message) from None
        finally:
            await books.close()

    return asyncio.run(run())


def _state(stored: ApiKey, now: datetime) -> str:
    if stored.revoked_at is not None and stored.revoked_at <= now:
        return "revoked"
    return "active" if api_keys.is_open(stored, now) else "expired"


def _document(stored: ApiKey, now: datetime) -> dict[str, Any]:
    return {
        "id": stored.id,
        "account": stored.account_id,
        "kind": stored.kind,
        "mode": "live" if stored.livemode else "test",
        "last4": stored.last4,
        "name": stored.name,
        "state": _state(stored, now),
        "permissions": [permission.name(*allowed) for allowed in sorted(stored.permissions.items())],
        "created_at": stored.created_at,
        "last_used_at": stored.used_at,
        "expires_at": stored.expires_at,
        "revoked_at": stored.revoked_at,
        "replaced_by": stored.replaced_by,
    }


def _line(shown: Mapping[str, Any]) -> str:
    parts = [
        f"{shown['id']}  {shown['account']}  {shown['kind']}_{shown['mode']}_****{shown['last4']}  {shown['state']}",
        f"used {_moment(shown['last_used_at'])}",
        *([f"until {_moment(shown['expires_at'])}"] if shown["expires_at"] is not None else []),
        *([f"replaced by {shown['replaced_by']}"] if shown["replaced_by"] is not None else []),
        *([" ".join(shown["permissions"])] if shown["permissions"] else []),
        *([repr(shown["name"])] if shown["name"] else []),
    ]
    return "  ".join(parts)


def _moment(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _tell(stored: ApiKey, now: datetime, words: str, *, as_json: bool) -> None:
    if as_json:
        _print(_document(stored, now))
    else:
        click.echo(words)


def _print(document: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
