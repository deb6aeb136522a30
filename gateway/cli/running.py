"""What long-running commands share: settings, logs, start-up checks. Entry points only."""

import click

from gateway import log
from gateway.cli.app import CommandFailed, Invocation
from gateway.composition import House, startup_problems
from gateway.config import Config


def prepared(context: click.Context) -> Config:
    """Read the settings and send the logs where they belong.

    Raises:
        ConfigInvalid: the settings cannot be read.
    """
    invocation = context.find_object(Invocation)
    if invocation is None:
        raise CommandFailed("this command runs as `dues …` only")
    config = invocation.config()
    level = "debug" if invocation.debug else config.log.level
    log.configure(form=config.log.format, level=level, secrets=config.secrets())
    return config


async def refuse_unfit(house: House) -> None:
    """End a start that would not be safe.

    Raises:
        CommandFailed: all reasons, in one line.
    """
    problems = await startup_problems(house)
    if problems:
        raise CommandFailed(f"refusing to start in {house.config.mode} mode: {'; '.join(problems)}.")
