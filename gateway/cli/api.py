"""`dues api`: the HTTP API under uvicorn."""

import asyncio
from functools import partial
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import click
import uvicorn

from gateway import clock, redis_limits
from gateway.api.app import create_app
from gateway.cli.app import CommandFailed
from gateway.cli.running import prepared, refuse_unfit
from gateway.composition import opened, startup_problems
from gateway.config import Config
from gateway.domain.rate_limit import Limits
from gateway.web import pages
from workers import bells

_CHECK_SECONDS: Final = 5.0
_SHUTDOWN_SECONDS: Final = 10  # pages that wait for a payment hold a stream open; they ask again by themselves


@click.command(name="api")
@click.option("--host", help="Address to listen on. [default: from the settings]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on. [default: from the settings]")
@click.option(
    "--check", is_flag=True, help="Serve nothing; fail unless an API on this machine answers that it is ready."
)
@click.pass_context
def command(context: click.Context, host: str | None, port: int | None, *, check: bool) -> None:
    """Serve the HTTP API until it is told to stop.

    Several may run at once on the same database. Behind a reverse proxy that ends TLS, 127.0.0.1 is the right address.
    """
    config = prepared(context)
    if check:
        _check(port or config.api.port)
        return
    asyncio.run(_serve(config, host or config.api.host, port or config.api.port))


def _check(port: int) -> None:
    url = f"http://127.0.0.1:{port}/readyz"
    try:
        with urlopen(url, timeout=_CHECK_SECONDS):
            click.echo(f"{url}: ready")
    except URLError as error:
        raise CommandFailed(f"{url}: {error.reason}") from None


async def _serve(config: Config, host: str, port: int) -> None:
    redis_url = config.redis_url.reveal()
    limits = Limits(reads_per_second=config.api.reads_per_second, writes_per_second=config.api.writes_per_second)
    async with (
        opened(config) as house,
        bells.opened(redis_url) as wake,
        redis_limits.opened(redis_url, limits) as limiter,
    ):
        await refuse_unfit(house)
        app = create_app(
            house.gateway,
            chains=house.chains,
            clock=clock.now,
            pepper=config.pepper.reveal().encode(),
            local_chains=house.local_chains,
            allow_private_webhooks=config.allow_private_webhooks,
            ready=partial(startup_problems, house),
            wake=wake,
            pages=pages.handlers,
            limiter=limiter,
        )
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
        )
        await server.serve()
