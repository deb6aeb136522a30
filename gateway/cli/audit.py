"""`dues audit`: everything that the chain's events say was paid, against everything that the books say."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click
import msgspec

from gateway.cli.app import CommandFailed
from gateway.cli.running import prepared
from gateway.composition import House, opened
from gateway.config import Config
from gateway.domain.audit import Difference
from gateway.services import reconciliation


@dataclass(slots=True)
class _Found:
    """What an audit has come to so far."""

    blocks: int = 0
    events: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)
    faults: int = 0

    def take(self, differences: Sequence[Difference], chain_id: int | None) -> None:
        """Add differences, of a chain or of the books themselves."""
        for difference in differences:
            self.faults += difference.is_fault
            self.differences.append(
                {
                    "finding": difference.finding.value,
                    "object": difference.object_id,
                    "chain_id": chain_id,
                    **difference.evidence,
                }
            )


@click.command(name="audit")
@click.option("--chain", "chain_id", type=int, help="Chain id. [default: every configured chain]")
@click.option("--from-block", "first", type=click.IntRange(min=0), help="Where to begin. [default: start_block]")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
@click.pass_context
def command(context: click.Context, *, chain_id: int | None, first: int | None, as_json: bool) -> None:
    """Read every event of the contract again and compare it with the books; status 1 if anything differs.

    Nothing is changed. Blocks that are not final or not settled yet are left out. The workers do the same behind the
    newest blocks all the time, and stop charging on a chain where they find a difference. `unbilled` is none: somebody
    collected a period by itself before it was billed.
    """
    config = prepared(context)
    if chain_id is not None and chain_id not in {chain.chain_id for chain in config.chains}:
        configured = ", ".join(str(chain.chain_id) for chain in config.chains)
        raise CommandFailed(f"--chain: {chain_id} is not configured (configured: {configured})")
    if first is not None and chain_id is None and len(config.chains) > 1:
        raise CommandFailed("--from-block: several chains are configured; say which one with --chain")
    found = asyncio.run(_audit(config, chain_id, first))
    if as_json:
        document = {"blocks": found.blocks, "events": found.events, "differences": found.differences}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        _show(found)
    if found.faults:
        raise CommandFailed(f"{found.faults} differences between books and chain: nothing was changed")


async def _audit(config: Config, chain_id: int | None, first: int | None) -> _Found:
    found = _Found()
    async with opened(config) as house:
        for known in sorted(house.chains):
            if chain_id in (None, known):
                await _audit_chain(house, known, first, found)
        async for page in reconciliation.unbacked(house.gateway):
            found.take(page, None)
    return found


async def _audit_chain(house: House, chain_id: int, first: int | None, found: _Found) -> None:
    async for stretch in reconciliation.audit(house.gateway, house.chains[chain_id], first=first):
        found.blocks += stretch.last - stretch.first + 1
        found.events += stretch.events
        found.take(stretch.differences, chain_id)
        click.echo(f"chain {chain_id}: compared up to block {stretch.last}", err=True)


def _show(found: _Found) -> None:
    for difference in found.differences:
        facts = ", ".join(
            f"{name} {value}" for name, value in difference.items() if value is not None and name != "finding"
        )
        click.echo(f"{click.style(difference['finding'], fg='red')}: {facts}")
    click.echo(f"{found.events} collections in {found.blocks} blocks, {found.faults} differences")
