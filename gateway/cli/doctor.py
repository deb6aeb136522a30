"""`dues doctor`: looks at everything that a gateway stands on, changes nothing, and says what to do."""

import asyncio
import smtplib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import click
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chain.artifacts import verify_deployment
from chain.checksum import checksum
from chain.errors import ArtifactInvalid, ChainError, WrongChain
from chain.json_rpc import JsonRpcChain
from chain.mandates import is_operator_data, is_token_allowed_data
from chain.primitives import ZERO_ADDRESS, Address
from chain.words import read_uint
from gateway import clock, mail_post
from gateway.cli.app import CommandFailed
from gateway.cli.running import prepared
from gateway.composition import House, opened
from gateway.config import Config
from gateway.db import migrate
from gateway.db.errors import BooksError
from gateway.services import fuel
from gateway.startup import problems_of_settings
from workers.health import living_roles
from workers.settings import ROLES

_REDIS_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `todo` is empty when it is fine."""

    what: str
    found: str
    todo: str = ""


@click.command(name="doctor")
@click.pass_context
def command(context: click.Context) -> None:
    """Check settings, database, Redis, chains, contract, tokens and signers; status 0 if all is fine."""
    config = prepared(context)
    findings = asyncio.run(_examined(config))
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = click.style("ok", fg="green") if not finding.todo else click.style("!!", fg="red")
        click.echo(f"{mark}  {finding.what:<{width}}  {finding.found}")
        if finding.todo:
            click.echo(f"    {'':<{width}}  → {finding.todo}")
    wrong = sum(bool(finding.todo) for finding in findings)
    if wrong:
        raise CommandFailed(f"{wrong} of {len(findings)} checks need attention")


async def _examined(config: Config) -> list[Finding]:
    findings = [_settings(config)]
    async with opened(config, with_signers=True) as house:
        findings.append(await _database(config))
        redis = await _redis(config)
        findings.append(redis)
        if not redis.todo:
            findings.append(await _workers(config))
        findings.append(await _mail(config))
        for chain_id, chain in house.chains.items():
            findings += await _chain(house, chain_id, chain)
    return findings


def _settings(config: Config) -> Finding:
    problems = problems_of_settings(config)
    counted = (
        f"{config.mode} mode, {len(config.chains)} chains, {len(config.tokens)} tokens, {len(config.signers)} signers"
    )
    return Finding("settings", counted, "; ".join(problems))


async def _database(config: Config) -> Finding:
    wanted = migrate.head()
    try:
        found = await migrate.current(config.database_url.reveal())
    except BooksError as error:
        return Finding("database", str(error), "make it reachable, then run `dues migrate`")
    return Finding(
        "database", f"schema {found or 'empty'}", "" if found == wanted else f"run `dues migrate` (to {wanted})"
    )


async def _redis(config: Config) -> Finding:
    client = Redis.from_url(
        config.redis_url.reveal(), socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
    )
    try:
        version = (await client.info("server"))["redis_version"]
    except (RedisError, OSError) as error:
        return Finding(
            "redis", f"no answer ({type(error).__name__})", "start it; until then everything runs, but later"
        )
    finally:
        await client.aclose()
    return Finding("redis", f"version {version}")


async def _workers(config: Config) -> Finding:
    alive = await living_roles(config.redis_url.reveal())
    missing = [role for role in ROLES if role not in alive]
    todo = f"start one with `dues worker --roles {','.join(missing)}`" if missing else ""
    return Finding("workers", f"{len(alive)} of {len(ROLES)} roles are alive", todo)


async def _mail(config: Config) -> Finding:
    post = mail_post.of(config)
    if post is None:
        return Finding("mail", "off: nobody is written to")
    try:
        found = await asyncio.to_thread(post.check)
    except (OSError, smtplib.SMTPException) as error:
        return Finding("mail", mail_post.said(error), "correct [smtp] or [mail]; mails wait meanwhile, payments do not")
    return Finding("mail", found)


async def _chain(house: House, chain_id: int, chain: JsonRpcChain) -> list[Finding]:
    network = house.gateway.networks[chain_id]
    name = f"chain {chain_id}"
    try:
        head = await chain.head()
    except WrongChain as error:
        return [Finding(name, str(error), "correct rpc_urls or chain_id")]
    except ChainError as error:
        return [Finding(name, str(error), "check rpc_urls; nothing is collected there meanwhile")]
    findings = [Finding(name, f"{network.name}, block {head.number}")]
    findings.append(await _asked(f"{name} contract", partial(_contract, chain, network.contract)))
    findings += [
        await _asked(f"{name} {token.symbol}", partial(_token, chain, network.contract, token.address))
        for token in house.gateway.tokens.values()
        if token.chain_id == chain_id
    ]
    findings += [
        await _asked(f"{name} signer", partial(_signer, house, chain, signer.address))
        for signer in house.signers.get(chain_id, ())
    ]
    return findings


async def _asked(what: str, ask: Callable[[], Awaitable[tuple[str, str]]]) -> Finding:
    try:
        return Finding(what, *(await ask()))
    except ChainError as error:
        return Finding(what, str(error), "the endpoint did not answer this; try again")
    except BooksError as error:
        return Finding(what, str(error), "see what is said of the database")


async def _contract(chain: JsonRpcChain, contract: Address) -> tuple[str, str]:
    try:
        await verify_deployment(chain, contract)
    except ArtifactInvalid as error:
        return str(error), "deploy this version's with `dues contract deploy`, or correct `contract`"
    return f"{contract} is DuesMandates of this version", ""


async def _token(chain: JsonRpcChain, contract: Address, token: Address) -> tuple[str, str]:
    allowed = await _truth(chain, contract, is_token_allowed_data(token))
    return (
        f"{token}",
        "" if allowed else f"the contract's owner allows it with `dues contract tokens add {checksum(token)}`",
    )


async def _signer(house: House, chain: JsonRpcChain, account: Address) -> tuple[str, str]:
    todo = (
        []
        if await _truth(chain, house.gateway.networks[chain.chain_id].contract, is_operator_data(account))
        else [f"the contract's owner lets it charge with `dues contract operators add {checksum(account)}`"]
    )
    async with house.gateway.books.read() as conn:
        held = await fuel.left(conn, house.gateway, chain, account, now=clock.now())
    if held.is_low:
        todo.append("send it some of the native coin for gas")
    lasts = "" if held.days_left is None else f", enough for {held.days_left} days"
    return f"{account} holds {held.wei / 10**18:.6f}{lasts}", "; ".join(todo)


async def _truth(chain: JsonRpcChain, contract: Address, question: bytes) -> bool:
    [answer] = await chain.calls([(ZERO_ADDRESS, contract, question)])
    return isinstance(answer, bytes) and bool(answer) and read_uint(answer, 0) == 1
