"""`dues sandbox`: the whole gateway at work on a local chain."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.app import CommandFailed
from gateway.sandbox.errors import SandboxFailed
from gateway.sandbox.folder import DEFAULT
from gateway.sandbox.interruptions import interruptions

if TYPE_CHECKING:
    from gateway.sandbox.narration import Narrator
    from gateway.sandbox.world import World

_CHECK_SECONDS = 0.5


@click.command(name="sandbox")
@click.option("--once", is_flag=True, help="End after the story: status 0 if every step came true.")
@click.option("--port", type=click.IntRange(1024, 65535), help="Port of the API. [default: 8321, else a free one]")
@click.option("--data-dir", type=click.Path(path_type=Path), default=DEFAULT, show_default=True, help="Its folder.")
@click.option("--fresh", is_flag=True, help="Delete what the last sandbox left instead of keeping it in previous/.")
@click.option(
    "--beside",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A Python program of a merchant's: run it instead of the story. It is told SHOP_API_URL, _API_KEY and _PORT.",
)
def command(*, once: bool, port: int | None, data_dir: Path, fresh: bool, beside: Path | None) -> None:
    """Start a local chain, Redis, API and workers, show the main job on them, and stay up.

    Every start is a new chain, and therefore a new database: the books of one chain say nothing about another. What the
    last run left is kept in previous/ for a look.
    """
    try:
        from gateway.sandbox.narration import Narrator  # noqa: PLC0415 - the extra may be missing
        from gateway.sandbox.story import Story  # noqa: PLC0415 - same
        from gateway.sandbox.world import Options, opened  # noqa: PLC0415 - same
    except ModuleNotFoundError as error:
        raise CommandFailed(f"the sandbox needs more packages ({error.name} is missing): `make sandbox`") from None
    interruptions.install()
    narrator = Narrator()
    options = Options(data_dir=data_dir, fresh=fresh, port=port, beside=beside)
    try:
        narrator.heading("Dues sandbox")
        began = time.monotonic()
        with opened(options, narrator.say) as world:
            narrator.check = world.children.check
            narrator.say(f"chain, contract, Redis, API and workers are up after {time.monotonic() - began:.1f} s")
            narrator.console.print()
            if beside is None:
                Story(world, narrator).tell()
                _sum_up(world, narrator)
            if not once:
                _stay(world, narrator, beside=beside is not None)
    except SandboxFailed as error:
        first, _, rest = str(error).partition("\n")
        if rest:
            click.echo(rest, err=True)
        raise CommandFailed(f"sandbox: {first} Logs are in {data_dir / 'logs'}.") from None


def _sum_up(world: "World", narrator: "Narrator") -> None:
    narrator.heading(
        f"The story came true: {narrator.steps} steps, {narrator.claims} claims, {narrator.seconds:.1f} s."
    )
    restarts = world.worker.restarts
    narrator.say(
        f"worker restarts {restarts}, webhooks delivered {len(world.consumer.heard())}, logs in {world.folder.logs}"
    )


def _stay(world: "World", narrator: "Narrator", *, beside: bool) -> None:
    narrator.heading("It stays up until Ctrl-C.")
    shop = (("shop", world.shop_url), ("wallet", f"key {world.purse_key}")) if beside else ()
    for label, value in (
        *shop,
        ("API", world.api_url),
        ("key", world.merchant.key),
        ("chain", f"{world.chain_url} (chain id {world.chain.chain_id})"),
        ("contract", world.deployed.contract),
        ("token", world.deployed.token),
        ("settings", f"dues --config {world.folder.settings} doctor"),
        ("try", f"curl -s {world.api_url}/v1/subscriptions?status=all -u {world.merchant.key}:"),
    ):
        narrator.console.print(f"  {label:<9} {value}", markup=False, soft_wrap=True)
    try:
        while True:
            world.children.check()
            time.sleep(_CHECK_SECONDS)
    except KeyboardInterrupt:
        narrator.console.print()
        narrator.say("stopping …")
