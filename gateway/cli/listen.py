"""`dues listen`: the account's events as they happen, forwarded to a server on this machine as webhooks."""

import http.client
import json
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import click

from gateway.cli import remote
from gateway.cli.app import CommandFailed
from gateway.cli.remote import Message, Remote, Unreachable
from gateway.domain import signatures

AGAIN_SECONDS: Final = 1.0
AGAIN_MAX_SECONDS: Final = 15.0
FORWARD_SECONDS: Final = 30.0  # somebody may be looking at a breakpoint
_SECRET_BYTES: Final = 32


@dataclass(slots=True)
class _Listener:
    """What was asked for, and how far it has come."""

    forward_to: str | None
    secret: str
    as_json: bool
    left: int | None

    def hear(self, message: Message) -> None:
        """Forward an event and print a line about it."""
        if message.event is None:
            return
        status = None if self.forward_to is None else self._forward(message.event)
        event = json.loads(message.event)
        if self.as_json:
            click.echo(json.dumps({"forwarded": status, "event": event}))
        else:
            at = datetime.fromtimestamp(event["created"], UTC)
            told = "" if status is None else f"  → {status}"
            click.echo(f"{at:%Y-%m-%d %H:%M:%S}  {message.sequence:>6}  {message.type}  {event['id']}{told}")
        if self.left is not None:
            self.left -= 1

    def _forward(self, body: bytes) -> str:
        event_id = json.loads(body)["id"]
        signed = signatures.headers(message_id=event_id, timestamp=int(time.time()), body=body, secrets=[self.secret])
        parts = urlsplit(self.forward_to or "")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=FORWARD_SECONDS)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", path, body, {**signed, "Content-Type": "application/json; charset=utf-8"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return f"no answer ({error or type(error).__name__})"
        finally:
            connection.close()
        return str(answer.status)


@click.command(name="listen")
@click.option("--forward-to", help="URL that gets each event as a signed POST. [default: print only]")
@click.option("--event", "types", multiple=True, help="Only these types; `invoice.*` stands for all that begin so.")
@click.option("--secret", help="Signing secret, whsec_…. [default: a new one, which is printed]")
@click.option(
    "--profile", type=click.Choice(["default", "stripe"]), default="default", show_default=True, help="Names."
)
@click.option("--after", type=click.IntRange(min=0), help="Begin after this sequence. [default: now]")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many events. [default: never]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for each event.")
@remote.options
def command(  # noqa: PLR0917 - what the command takes
    api: str | None,
    key: str | None,
    forward_to: str | None,
    types: tuple[str, ...],
    secret: str | None,
    profile: str,
    after: int | None,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    """Print events as they happen; with --forward-to, POST each to a server here, signed as a webhook is.

    A connection that breaks is opened again where it was: nothing is lost, nothing comes twice.
    """
    if forward_to is not None and urlsplit(forward_to).scheme not in {"http", "https"}:
        raise CommandFailed(f"--forward-to: {forward_to} is not an http(s) URL")
    signing = _checked(secret) if secret is not None else signatures.new_secret(secrets.token_bytes(_SECRET_BYTES))
    found = remote.found(api, key)
    if forward_to is not None and secret is None:
        click.echo(f"signing secret: {signing}", err=True)
    listener = _Listener(forward_to, signing, as_json, limit)
    _listen(found, listener, after=after, types=list(types) or None, profile=profile)


def _checked(secret: str) -> str:
    try:
        signatures.secret_key(secret)
    except ValueError as error:
        raise CommandFailed(f"--secret: {error}") from None
    return secret


def _listen(found: Remote, listener: _Listener, *, after: int | None, types: list[str] | None, profile: str) -> None:
    is_open, wait = False, AGAIN_SECONDS
    while True:
        try:
            for message in found.follow(after=after, types=types, profile=profile):
                if not is_open:
                    is_open, wait = True, AGAIN_SECONDS
                    click.echo(f"listening at {found.url}, after event {message.sequence}", err=True)
                after = message.sequence
                listener.hear(message)
                if listener.left == 0:
                    return
        except Unreachable:
            if after is None:
                raise
        if is_open:
            click.echo("the connection broke; opening it again …", err=True)
        is_open = False
        time.sleep(wait)
        wait = min(wait * 2, AGAIN_MAX_SECONDS)
