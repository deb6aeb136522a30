"""`dues version`."""

import platform
from importlib.metadata import version

import click


@click.command(name="version")
def command() -> None:
    """Print the version of Dues and of the Python that runs it."""
    click.echo(f"dues {version('dues')} (Python {platform.python_version()})")
