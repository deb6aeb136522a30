"""`dues chain`: where each chain stands, and taking a halt back."""

import asyncio
import sys
from dataclasses import dataclass

import click
import msgspec

from chain.checksum import checksum
from chain.errors import ChainError
from chain.json_rpc import JsonRpcChain
from gateway import clock
from gateway.cli.app import CommandFailed
from gateway.cli.running import prepared
from gateway.composition import House, opened
from gateway.config import Config
from gateway.domain.errors import Conflict
from gateway.services import halts
from gateway.services.halts import Standing

_COIN = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A chain as the books have it, and what its endpoint says: head and gas balances, or why it says nothing."""

    standing: Standing
    head: int | None
    balances: tuple[int, ...]
    problem: str | None


@click.group(name="chain")
def command() -> None:
    """See where chains stand, and start again what has halted."""


@command.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> None:
    """Show what is indexed of each chain, its lanes and their gas; status 1 if anything is halted."""
    seen = asyncio.run(_look(prepared(context)))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode([_document(chain) for chain in seen]), indent=2).decode())
    else:
        for chain in seen:
            _show(chain)
    stopped = sum(len(chain.standing.reasons) for chain in seen)
    if stopped:
        raise CommandFailed(f"{stopped} halted: look into it, then `dues chain resume`")


@command.command(name="resume")
@click.argument("chain_id", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def resume(context: click.Context, chain_id: int, *, yes: bool) -> None:
    """Take back the halts of CHAIN_ID and its lanes, after you have found out why they were.

    A lane that stands behind the chain is moved to the account's next free nonce. Nothing can be charged twice by that:
    the contract collects each period once. Charges in blocks that were final and are gone are reversed: what they paid
    is owed again, and comes back by itself where the chain still has it.
    """
    config = prepared(context)

    async def run() -> None:
        async with opened(config) as house:
            standing = await _named(house, chain_id)
            for reason in standing.reasons:
                click.echo(f"halted: {reason}")
            if not standing.reasons:
                click.echo(f"nothing of chain {chain_id} is halted")
                return
            _agree(yes=yes)
            try:
                done = await halts.resume(house.gateway, house.chains[chain_id], standing, now=clock.now())
            except Conflict as error:
                raise CommandFailed(str(error)) from None
            if done.reversal is not None:
                click.echo(
                    f"blocks above {done.reversal.ancestor} are gone: {done.reversal.charges} charges were reversed, "
                    f"{done.reversal.reopened} transactions are sent again"
                )
            for signer, count in done.skipped.items():
                if count:
                    click.echo(f"lane {signer} gave up {count} nonces that the chain has seen used")
            click.echo(f"chain {chain_id} goes on")

    asyncio.run(run())


def _agree(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed("nobody is there to be asked: pass --yes if the reason is understood and mended")
    click.confirm("Is the reason understood and mended?", abort=True)


async def _named(house: House, chain_id: int) -> Standing:
    for standing in await halts.standings(house.gateway):
        if standing.cursor.chain_id == chain_id:
            return standing
    configured = ", ".join(str(known) for known in sorted(house.chains))
    raise CommandFailed(f"CHAIN_ID: {chain_id} is not configured (configured: {configured})")


async def _look(config: Config) -> list[_Seen]:
    async with opened(config) as house:
        return [await _ask(house.chains[s.cursor.chain_id], s) for s in await halts.standings(house.gateway)]


async def _ask(chain: JsonRpcChain, standing: Standing) -> _Seen:
    try:
        head = await chain.head()
        balances = await chain.balances([lane.signer for lane in standing.lanes])
    except ChainError as error:
        return _Seen(standing=standing, head=None, balances=(), problem=str(error))
    return _Seen(standing=standing, head=head.number, balances=tuple(balances), problem=None)


def _show(seen: _Seen) -> None:
    cursor = seen.standing.cursor
    indexed = "nothing" if cursor.head is None else f"block {cursor.head.number}"
    final = "none" if cursor.final_number is None else str(cursor.final_number)
    node = f"no answer ({seen.problem})" if seen.head is None else f"block {seen.head}"
    click.echo(f"chain {cursor.chain_id}: indexed {indexed}, final {final}, node at {node}")
    if cursor.halted_reason is not None:
        click.echo(f"  {click.style('halted', fg='red')}: {cursor.halted_reason}")
    for number, lane in enumerate(seen.standing.lanes):
        gas = f", gas balance {seen.balances[number] / _COIN:.6f}" if seen.balances else ""
        click.echo(f"  lane {checksum(lane.signer)}: next nonce {lane.next_nonce}{gas}")
        if lane.halted_reason is not None:
            click.echo(f"    {click.style('halted', fg='red')}: {lane.halted_reason}")


def _document(seen: _Seen) -> dict[str, object]:
    cursor = seen.standing.cursor
    return {
        "chain_id": cursor.chain_id,
        "indexed": None if cursor.head is None else cursor.head.number,
        "final": cursor.final_number,
        "node_head": seen.head,
        "problem": seen.problem,
        "halted": cursor.halted_reason,
        "lanes": [
            {
                "signer": lane.signer,
                "next_nonce": lane.next_nonce,
                "balance_wei": str(seen.balances[number]) if seen.balances else None,
                "halted": lane.halted_reason,
            }
            for number, lane in enumerate(seen.standing.lanes)
        ],
    }
