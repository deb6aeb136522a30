"""`dues worker`: everything that happens without a request."""

import asyncio

import click
from redis.exceptions import RedisError

from gateway import failpoints
from gateway.cli.app import CommandFailed
from gateway.cli.running import prepared, refuse_unfit
from gateway.composition import opened
from gateway.config import Config
from workers.health import living_roles
from workers.run import run
from workers.settings import ROLES


@click.command(name="worker")
@click.option("--roles", default=",".join(ROLES), show_default=True, help="Which ones, separated by commas.")
@click.option("--check", is_flag=True, help="Run nothing; fail unless a worker of each role is alive.")
@click.option("--failpoint", hidden=True, help="Kill this process at a named point: NAME or NAME:NTH. Never live.")
@click.pass_context
def command(context: click.Context, roles: str, failpoint: str | None, *, check: bool) -> None:
    """Run one, several or all of the roles that renew, collect, watch the chain and deliver webhooks.

    Several workers may share a role. Killing one at any moment is safe: the next one takes up what it left.
    """
    chosen = [role.strip() for role in roles.split(",") if role.strip()]
    unknown = sorted(set(chosen) - set(ROLES))
    if unknown or not chosen:
        raise click.BadParameter(
            f"{', '.join(unknown) or 'nothing'}; known are {', '.join(ROLES)}", param_hint="--roles"
        )
    config = prepared(context)
    if check:
        asyncio.run(_check(config, chosen))
        return
    if failpoint is not None:
        _arm(failpoint, config)
    asyncio.run(_work(config, chosen))


def _arm(failpoint: str, config: Config) -> None:
    if config.mode == "live":
        raise CommandFailed("--failpoint: not in live mode")
    try:
        failpoints.arm_from(failpoint)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--failpoint") from None


async def _check(config: Config, roles: list[str]) -> None:
    try:
        alive = await living_roles(config.redis_url.reveal())
    except (RedisError, OSError) as error:
        raise CommandFailed(
            f"Redis does not answer ({type(error).__name__}), so nothing is known of the workers; they run without it"
        ) from None
    missing = [role for role in roles if role not in alive]
    if missing:
        raise CommandFailed(f"no worker is alive for: {', '.join(missing)}")
    click.echo(f"alive: {', '.join(roles)}")


async def _work(config: Config, roles: list[str]) -> None:
    async with opened(config, with_signers=True) as house:
        await refuse_unfit(house)
        await run(house, roles)
