"""`dues openapi`: the description of the API, as it is generated from the code."""

import json
from pathlib import Path

import click

from gateway.api.openapi import document
from gateway.cli.app import CommandFailed


@click.command(name="openapi")
@click.option("--output", type=click.Path(path_type=Path), help="Write it to this file instead.")
@click.option("--check", type=click.Path(path_type=Path), help="Fail when this file says something else.")
def command(output: Path | None, check: Path | None) -> None:
    """Print the description of the API (OpenAPI 3.1, JSON). Needs no settings and no database."""
    text = described()
    if check is not None:
        if not check.is_file() or check.read_text(encoding="utf-8") != text:
            raise CommandFailed(f"{check} is not what the API says: run `make openapi` and commit it")
        click.echo(f"{check} is up to date")
    elif output is not None:
        output.write_text(text, encoding="utf-8")
        click.echo(f"{output}: {len(text):,} characters")
    else:
        click.echo(text, nl=False)


def described() -> str:
    """The document, with sorted keys so that a change is readable in a diff."""
    return json.dumps(document(server="/"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
