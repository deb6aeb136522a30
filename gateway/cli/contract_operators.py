"""`dues contract operators`: which accounts may charge."""

import asyncio

import click

from chain.administration import are_operators, operator_step, verify
from chain.administration import operators as operators_of
from chain.checksum import checksum
from chain.primitives import Address
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


@click.group(name="operators")
def operators() -> None:
    """Say which accounts may charge, within what payers signed."""


@operators.command(name="list")
@chain_options
@click.pass_context
def list_operators(context: click.Context, *, chain_id: int | None, as_json: bool) -> None:
    """List every account that may charge: named in the logs since `start_block`, confirmed by the contract."""

    async def run() -> None:
        async with opened_desk(context, chain_id, as_json=as_json) as desk:
            await verify(desk.chain, desk.contract)
            found = await operators_of(desk.chain, desk.contract, desk.settings.start_block)
            for account in found:
                desk.say(checksum(account))
            if not found:
                desk.say("nobody may charge")
            desk.answer({"contract": desk.contract, "operators": found})

    asyncio.run(run())


@operators.command(name="add")
@click.argument("account", type=ADDRESS)
@sending_options
@chain_options
@click.pass_context
def add(
    context: click.Context,
    account: Address,
    *,
    sending: Sending,
    chain_id: int | None,
    as_json: bool,
) -> None:
    """Let ACCOUNT charge. It is a hot key: the gateway's signer, never the owner."""
    _change(context, sending, account, chain_id, allowed=True, as_json=as_json)


@operators.command(name="remove")
@click.argument("account", type=ADDRESS)
@sending_options
@chain_options
@click.pass_context
def remove(
    context: click.Context,
    account: Address,
    *,
    sending: Sending,
    chain_id: int | None,
    as_json: bool,
) -> None:
    """Stop ACCOUNT from charging, at once; what it charged before stays."""
    _change(context, sending, account, chain_id, allowed=False, as_json=as_json)


def _change(
    context: click.Context,
    sending: Sending,
    account: Address,
    chain_id: int | None,
    *,
    allowed: bool,
    as_json: bool,
) -> None:
    async def run() -> None:
        async with opened_desk(context, chain_id, as_json=as_json) as desk:
            await _set(desk, sending, account, allowed=allowed)

    asyncio.run(run())


async def _set(desk: Desk, sending: Sending, account: Address, *, allowed: bool) -> None:
    contract = desk.contract
    state = await verify(desk.chain, contract)
    words = "may charge" if allowed else "may not charge"
    if await are_operators(desk.chain, contract, [account]) == [allowed]:
        desk.say(f"{checksum(account)} {words} already; nothing is sent.")
        desk.answer({"contract": contract, "operator": account, "allowed": allowed, "sent": False})
        return
    receipt = await perform(desk, sending, operator_step(contract, account, allowed=allowed), owner=state.owner)
    if receipt is None:
        return
    if await are_operators(desk.chain, contract, [account]) != [allowed]:
        raise CommandFailed(f"{checksum(account)}: mined, but the contract does not say so yet; ask with `list`")
    desk.tell("now", f"{checksum(account)} {words}")
    desk.answer({"contract": contract, "operator": account, "allowed": allowed, "sent": True, **mined(receipt)})
