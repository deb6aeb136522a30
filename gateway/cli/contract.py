"""`dues contract`: deploy our contract, verify it, and say who may charge and what may be charged."""

import asyncio
from typing import Any

import click

from chain.administration import ContractState, check_proxy, deploy_step, verify
from chain.checksum import checksum
from chain.create2 import MandatesDeployment
from chain.primitives import ZERO_ADDRESS, Address
from gateway.cli.app import CommandFailed
from gateway.cli.contract_desk import (
    ADDRESS,
    Desk,
    Sending,
    chain_options,
    mined,
    open_key,
    opened_desk,
    perform,
    sending_options,
)
from gateway.cli.contract_operators import operators
from gateway.cli.contract_tokens import tokens


class _Salt(click.ParamType[int]):
    """A number below 2^256, decimal or hex."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(str(value), 0)
        except ValueError:
            number = -1
        if number < 0 or number.bit_length() > 256:  # noqa: PLR2004  (a word)
            self.fail(f"{value!r} is not a number below 2^256", param, ctx)
        return number


_SALT = click.option("--salt", type=_Salt(), default=0, show_default=True, help="Another one gives another address.")
_FEE_RECIPIENT = click.option(
    "--fee-recipient",
    type=ADDRESS,
    default=ZERO_ADDRESS,
    help="Who gets the fee of plans that have one. [default: none]",
)


@click.group(name="contract")
def command() -> None:
    """Deploy our contract, verify it, and say who may charge and what may be charged.

    Everything that sends a transaction shows it first, asks, and reads the result back from the chain.
    """


command.add_command(tokens)
command.add_command(operators)


@command.command(name="address")
@click.option("--owner", type=ADDRESS, required=True, help="Account that will own it.")
@_FEE_RECIPIENT
@_SALT
def show_address(owner: Address, fee_recipient: Address, salt: int) -> None:
    """Compute where the contract would stand, on every chain; needs no settings and no connection."""
    click.echo(checksum(MandatesDeployment(owner=owner, fee_recipient=fee_recipient, salt=salt).address))


@command.command(name="deploy")
@click.option("--owner", type=ADDRESS, help="Account that will own it. [default: the sender]")
@_FEE_RECIPIENT
@_SALT
@sending_options
@chain_options
@click.pass_context
def deploy(
    context: click.Context,
    owner: Address | None,
    fee_recipient: Address,
    salt: int,
    *,
    sending: Sending,
    chain_id: int | None,
    as_json: bool,
) -> None:
    """Deploy it at the address that follows from its code, its owner, its fee recipient and the salt.

    Doing it again does nothing. Anybody may send the transaction: the owner is the one that is named.
    """

    async def run() -> None:
        async with opened_desk(context, chain_id, as_json=as_json) as desk:
            await _deploy(desk, sending, owner, fee_recipient, salt)

    asyncio.run(run())


@command.command(name="verify")
@click.option("--address", "contract", type=ADDRESS, help="Where. [default: the configured contract]")
@chain_options
@click.pass_context
def verify_command(context: click.Context, contract: Address | None, *, chain_id: int | None, as_json: bool) -> None:
    """Compare the code on the chain with this version's, and say who owns the contract; status 0 if it is ours."""

    async def run() -> None:
        async with opened_desk(context, chain_id, as_json=as_json) as desk:
            chosen = contract or desk.contract
            state = await verify(desk.chain, chosen)
            _show_state(desk, chosen, state)
            desk.answer({"contract": chosen, "verified": True, **_state_json(state)})

    asyncio.run(run())


async def _deploy(desk: Desk, sending: Sending, owner: Address | None, fee_recipient: Address, salt: int) -> None:
    if sending.calldata and owner is None:
        raise click.UsageError("--calldata needs --owner.")
    await check_proxy(desk.chain)
    signer = None if sending.calldata else open_key(desk, sending)
    owner = owner or (signer.address if signer is not None else ZERO_ADDRESS)
    if owner == ZERO_ADDRESS:
        raise CommandFailed("--owner: the zero address cannot own it")
    deployment = MandatesDeployment(owner=owner, fee_recipient=fee_recipient, salt=salt)
    contract = deployment.address
    desk.tell("contract", f"{checksum(contract)}, whoever sends it, on every chain")
    desk.tell("owner", checksum(owner))
    desk.tell("fees to", _or_nobody(fee_recipient))
    result: dict[str, object] = {"contract": contract, "salt": str(salt)}
    if await desk.chain.code(contract):
        desk.say("It stands there already; nothing is sent.")
        result["sent"] = False
    else:
        receipt = await perform(desk, sending, deploy_step(deployment), signer=signer)
        if receipt is None:
            return
        result |= {"sent": True, **mined(receipt)}
        desk.say(f'Write into [[chains]]: contract = "{checksum(contract)}", start_block = {receipt.block.number}')
    state = await verify(desk.chain, contract)
    _show_state(desk, contract, state)
    desk.answer({**result, "verified": True, **_state_json(state)})


def _show_state(desk: Desk, contract: Address, state: ContractState) -> None:
    desk.tell("verified", f"{checksum(contract)} is DuesMandates of this version, made for this chain and address")
    desk.tell("owner", checksum(state.owner))
    if state.pending_owner != ZERO_ADDRESS:
        desk.tell("offered to", checksum(state.pending_owner))
    desk.tell("fees to", _or_nobody(state.fee_recipient))
    desk.tell("paused", "yes: nothing is registered or collected; leaving works" if state.paused else "no")


def _state_json(state: ContractState) -> dict[str, object]:
    return {
        "owner": state.owner,
        "pending_owner": None if state.pending_owner == ZERO_ADDRESS else state.pending_owner,
        "fee_recipient": None if state.fee_recipient == ZERO_ADDRESS else state.fee_recipient,
        "paused": state.paused,
    }


def _or_nobody(account: Address) -> str:
    return "nobody" if account == ZERO_ADDRESS else checksum(account)
