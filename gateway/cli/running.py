"""What long-running commands share: settings, logs, start-up checks. Entry points only."""

import logging
from typing import Final

import click

from gateway import log
from gateway.cli.app import CommandFailed, Invocation
from gateway.composition import House, facts_of
from gateway.config import Config
from gateway.startup import problems_of_facts, problems_of_settings, warnings_of_facts

_log: Final = logging.getLogger(__name__)


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
    """End a start that would not be safe; what is only worth knowing is logged.

    Raises:
        CommandFailed: all reasons, in one line.
    """
    facts = await facts_of(house)
    problems = problems_of_settings(house.config) + problems_of_facts(house.config, facts)
    for warning in warnings_of_facts(facts):
        _log.warning("%s", warning)
    if problems:
        raise CommandFailed(f"refusing to start in {house.config.mode} mode: {'; '.join(problems)}.")
