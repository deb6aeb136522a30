"""The command line: which commands there are, and how their errors look. Each command is a module of its own.

Modules of commands are imported when their command runs, so that `dues --help` stays fast (TRUST U11); that is why the
one-line help of each stands here.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from gateway.config import Config

_COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sandbox": "Show the whole gateway at work on a local chain, then stay up.",
        "api": "Serve the HTTP API.",
        "worker": "Renew, collect, watch the chain and deliver webhooks.",
        "migrate": "Bring the database to the schema of this version.",
        "keys": "Create, list, rotate and revoke API keys.",
        "audit-log": "Show who changed keys, secrets, settings and halts.",
        "listen": "Print events as they happen, and forward them to a server here.",
        "trigger": "Make an event happen in the sandbox, on its chain.",
        "events": "Read the log of events, and send parts of it again.",
        "clock": "Create test clocks and advance them.",
        "explain": "Say why each payment of a subscription was collected or not.",
        "contract": "Deploy and verify our contract; say who may charge, and which tokens.",
        "chain": "See where chains stand, and start again what has halted.",
        "audit": "Compare the books with what the chain says was paid.",
        "doctor": "Check the whole set-up and say what to do.",
        "openapi": "Print the API's description (OpenAPI 3.1).",
        "version": "Print the version.",
    }
)

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130


class CommandFailed(Exception):
    """A command cannot do what it was asked for: one line that says what, where, and what to do."""


@dataclass(slots=True)
class Invocation:
    """What was given before the name of the command."""

    config_path: Path | None
    debug: bool

    def config(self) -> "Config":
        """Read the settings.

        Raises:
            gateway.config.ConfigInvalid: they cannot be read.
        """
        from gateway.config import load  # noqa: PLC0415 - keeps `dues --help` fast

        return load(self.config_path, os.environ)


class _Commands(click.Group):
    """A group whose commands are loaded one by one, when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        found = importlib.import_module(f"gateway.cli.{cmd_name.replace('-', '_')}").command
        if not isinstance(found, click.Command):
            raise TypeError(f"gateway.cli.{cmd_name}.command is not a command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Settings file. [default: $DUES_CONFIG, else dues.toml]",
)
@click.option("--debug", is_flag=True, help="Show the whole trace of an error.")
@click.pass_context
def _dues(context: click.Context, config_path: Path | None, *, debug: bool) -> None:
    """Dues collects recurring ERC-20 payments that subscribers allow once, from their own wallets."""
    context.obj = Invocation(config_path, debug)


def main() -> NoReturn:
    """Run one command. Every error ends in one line on standard error and a status that is not 0."""
    debug = "--debug" in sys.argv[1:]
    try:
        code = _dues.main(prog_name="dues", standalone_mode=False)
    except click.exceptions.Exit as done:
        code = done.exit_code
    except click.ClickException as error:
        click.echo(f"dues: {_usage(error)}", err=True)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except Exception as error:
        if debug:
            raise
        click.echo(f"dues: {one_line(error)}", err=True)
        code = EXIT_FAILED
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message}. See `{context.command_path} --help`." if context is not None else f"{message}."


def one_line(error: BaseException) -> str:
    """What went wrong, in one line without secrets; errors that nobody foresaw are named by their kind."""
    from gateway.config import ConfigInvalid  # noqa: PLC0415 - keeps `dues --help` fast
    from gateway.log import Redactor  # noqa: PLC0415 - same

    text = Redactor().text(" ".join(str(error).split()))
    if isinstance(error, CommandFailed | ConfigInvalid):
        return text
    where = type(error).__module__.partition(".")[0]
    if where in {"chain", "gateway", "workers"} and text:
        return text
    return f"unexpected {type(error).__name__}{': ' if text else ''}{text}. Run it with --debug to see where."
