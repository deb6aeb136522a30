"""`dues api`: the HTTP API under uvicorn."""

import asyncio

import click
import uvicorn

from gateway import clock
from gateway.api.app import create_app
from gateway.cli.running import prepared, refuse_unfit
from gateway.composition import opened
from gateway.config import Config
from workers import bells


@click.command(name="api")
@click.option("--host", help="Address to listen on. [default: from the settings]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on. [default: from the settings]")
@click.pass_context
def command(context: click.Context, host: str | None, port: int | None) -> None:
    """Serve the HTTP API until it is told to stop.

    Several may run at once on the same database. Behind a reverse proxy that ends TLS, 127.0.0.1 is the right address.
    """
    config = prepared(context)
    asyncio.run(_serve(config, host or config.api.host, port or config.api.port))


async def _serve(config: Config, host: str, port: int) -> None:
    async with opened(config) as house, bells.opened(config.redis_url.reveal()) as ring:
        await refuse_unfit(house)
        app = create_app(
            house.gateway,
            chains=house.chains,
            clock=clock.now,
            pepper=config.pepper.reveal().encode(),
            ring=ring,
            allow_private_webhooks=config.allow_private_webhooks,
        )
        server = uvicorn.Server(
            uvicorn.Config(
                app, host=host, port=port, log_config=None, access_log=False, server_header=False, lifespan="on"
            )
        )
        await server.serve()
