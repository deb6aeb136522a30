"""`dues contract tokens`: which tokens new mandates may name, each looked at before it is allowed."""

import asyncio
import json
from pathlib import Path
from typing import Final

import click
import msgspec

from chain.administration import allowed_tokens, are_tokens_allowed, token_step, verify
from chain.checksum import checksum
from chain.erc20 import token_description
from chain.errors import NotReadable
from chain.primitives import Address
from chain.token_probe import TokenReport, Verdict, probe
from gateway.cli.app import CommandFailed
from gateway.cli.contract_desk import (
    ADDRESS,
    Desk,
    Sending,
    chain_options,
    mined,
    opened_desk,
    perform,
    sending_options,
)

_COLORS: Final = {
    Verdict.FINE: "green",
    Verdict.WARNING: "yellow",
    Verdict.NOT_PROBED: "yellow",
    Verdict.UNFIT: "red",
}
_HOLDER = click.option("--holder", type=ADDRESS, help="Account that holds some, to simulate a pull from.")
_CURRENCY = click.option("--currency", default="usd", show_default=True, help="What it is pegged to 1:1.")
_RECORD = click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write what was found. [default: token-CHAIN-ADDRESS.json]",
)


@click.group(name="tokens")
def tokens() -> None:
    """Say which tokens new mandates may name; each is probed before it is allowed."""


@tokens.command(name="list")
@chain_options
@click.pass_context
def list_tokens(context: click.Context, *, chain_id: int | None, as_json: bool) -> None:
    """List every allowed token: named in the logs since `start_block`, confirmed by the contract."""

    async def run() -> None:
        async with opened_desk(context, chain_id, as_json=as_json) as desk:
            await verify(desk.chain, desk.contract)
            found = await allowed_tokens(desk.chain, desk.contract, desk.settings.start_block)
            configured = [t.address.lower() for t in desk.config.tokens if t.chain_id == desk.settings.chain_id]
            listed = [{"token": t, "symbol": await _symbol(desk, t), "configured": t in configured} for t in found]
            for entry in listed:
                marked = "" if entry["configured"] else "  (not in the settings)"
                desk.say(f"{checksum(Address(str(entry['token'])))}  {entry['symbol']}{marked}")
            if not found:
                desk.say("no token is allowed")
            desk.answer({"contract": desk.contract, "tokens": listed})

    asyncio.run(run())


@tokens.command(name="probe")
@click.argument("token", type=ADDRESS)
@_HOLDER
@_CURRENCY
@_RECORD
@chain_options
@click.pass_context
def probe_token(
    context: click.Context,
    token: Address,
    holder: Address | None,
    currency: str,
    record: Path | None,
    *,
    chain_id: int | None,
    as_json: bool,
) -> None:
    """Look at TOKEN, write down what was found, and send nothing; status 1 if it is unfit."""

    async def run() -> None:
        async with opened_desk(context, chain_id, as_json=as_json) as desk:
            report = await _probed(desk, token, holder)
            document = _report_json(report)
            _write(desk, record, token, document)
            _refuse_unfit(report)
            _show_settings(desk, report, currency)
            desk.answer(document)

    asyncio.run(run())


@tokens.command(name="add")
@click.argument("token", type=ADDRESS)
@_HOLDER
@_CURRENCY
@_RECORD
@sending_options
@chain_options
@click.pass_context
def add(
    context: click.Context,
    token: Address,
    holder: Address | None,
    currency: str,
    record: Path | None,
    *,
    sending: Sending,
    chain_id: int | None,
    as_json: bool,
) -> None:
    """Probe TOKEN, and let new mandates name it; a token that is unfit is refused."""

    async def run() -> None:
        async with opened_desk(context, chain_id, as_json=as_json) as desk:
            owner = (await verify(desk.chain, desk.contract)).owner
            report = await _probed(desk, token, holder)
            document = _report_json(report)
            _write(desk, record, token, document)
            _refuse_unfit(report)
            sent = await _set(desk, sending, token, owner, allowed=True)
            if sent is None:
                return
            _write(desk, record, token, document | sent)
            _show_settings(desk, report, currency)
            desk.answer(document | sent)

    asyncio.run(run())


@tokens.command(name="remove")
@click.argument("token", type=ADDRESS)
@sending_options
@chain_options
@click.pass_context
def remove(
    context: click.Context,
    token: Address,
    *,
    sending: Sending,
    chain_id: int | None,
    as_json: bool,
) -> None:
    """Let no new mandate name TOKEN; those that are registered go on."""

    async def run() -> None:
        async with opened_desk(context, chain_id, as_json=as_json) as desk:
            owner = (await verify(desk.chain, desk.contract)).owner
            sent = await _set(desk, sending, token, owner, allowed=False)
            if sent is not None:
                desk.answer(sent)

    asyncio.run(run())


async def _set(
    desk: Desk, sending: Sending, token: Address, owner: Address, *, allowed: bool
) -> dict[str, object] | None:
    """Allow or forbid, and read it back; None if it was only to be shown."""
    contract = desk.contract
    words = "is allowed" if allowed else "is not allowed"
    result: dict[str, object] = {"contract": contract, "token": token, "allowed": allowed}
    if await are_tokens_allowed(desk.chain, contract, [token]) == [allowed]:
        desk.say(f"{checksum(token)} {words} already; nothing is sent.")
        return result | {"sent": False}
    receipt = await perform(desk, sending, token_step(contract, token, allowed=allowed), owner=owner)
    if receipt is None:
        return None
    if await are_tokens_allowed(desk.chain, contract, [token]) != [allowed]:
        raise CommandFailed(f"{checksum(token)}: mined, but the contract does not say so yet; ask with `list`")
    desk.tell("now", f"{checksum(token)} {words}")
    return result | {"sent": True, **mined(receipt)}


async def _probed(desk: Desk, token: Address, holder: Address | None) -> TokenReport:
    report = await probe(desk.chain, desk.inspection, token, holder=holder)
    desk.say(f"What {checksum(token)} does today:")
    for finding in report.findings:
        mark = click.style(f"{finding.verdict:<11}", fg=_COLORS[finding.verdict])
        desk.say(f"  {mark}{finding.what:<15}{finding.found}")
    return report


def _refuse_unfit(report: TokenReport) -> None:
    if report.unfit:
        reasons = "; ".join(f"{finding.what}: {finding.found}" for finding in report.unfit)
        raise CommandFailed(f"{checksum(report.token)} is unfit, nothing was sent. {reasons}")


async def _symbol(desk: Desk, token: Address) -> str:
    try:
        return (await token_description(desk.chain, token)).symbol
    except NotReadable:
        return "?"


def _report_json(report: TokenReport) -> dict[str, object]:
    return {
        "token": report.token,
        "code_hash": report.code_hash,
        "description": None if report.description is None else msgspec.to_builtins(report.description),
        "findings": msgspec.to_builtins(report.findings),
    }


def _write(desk: Desk, record: Path | None, token: Address, document: dict[str, object]) -> None:
    path = record or Path(f"token-{desk.settings.chain_id}-{token}.json")
    whole = msgspec.json.encode({"chain_id": desk.settings.chain_id, **document})
    try:
        path.write_bytes(msgspec.json.format(whole, indent=2) + b"\n")
    except OSError as error:
        raise CommandFailed(f"--record: {path} cannot be written ({error.strerror})") from None
    desk.tell("record", str(path))


def _show_settings(desk: Desk, report: TokenReport, currency: str) -> None:
    """Lines for the settings. JSON strings are TOML strings; the names come from a stranger's contract."""
    if report.description is None:
        return
    description = report.description
    lines = {
        "chain_id": desk.settings.chain_id,
        "address": checksum(report.token),
        "symbol": description.symbol,
        "decimals": description.decimals,
        "currency": currency,
    }
    if description.permit_version:
        lines |= {"permit_name": description.name, "permit_version": description.permit_version}
    desk.say("\n[[tokens]]")
    for key, value in lines.items():
        desk.say(f"{key} = {json.dumps(value)}")
