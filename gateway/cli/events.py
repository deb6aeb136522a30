"""`dues events`: the log of what happened, and sending parts of it to an endpoint again."""

import json
from datetime import UTC, datetime
from typing import Any

import click

from gateway.cli import remote
from gateway.cli.app import CommandFailed


@click.group(name="events")
def command() -> None:
    """Read the log of events, and send parts of it again."""


@command.command(name="list")
@click.option("--after", type=click.IntRange(min=0), default=0, show_default=True, help="Sequence to begin after.")
@click.option("--event", "types", multiple=True, help="Only these types; `invoice.*` stands for all that begin so.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many. [default: all]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document for each event.")
@remote.options
def listed(
    api: str | None, key: str | None, after: int, types: tuple[str, ...], limit: int | None, *, as_json: bool
) -> None:
    """List events in the order in which they happened."""
    found, shown, more = remote.found(api, key), 0, True
    while more and (limit is None or shown < limit):
        size = 100 if limit is None else min(100, limit - shown)
        page = found.get("/v1/events", after_sequence=after, limit=size, types=list(types))
        for event in page["data"]:
            click.echo(json.dumps(event) if as_json else _line(event))
            after = event["sequence"]
        shown, more = shown + len(page["data"]), page["has_more"]


@command.command(name="replay")
@click.argument("event_ids", nargs=-1)
@click.option("--endpoint", required=True, help="Webhook endpoint that shall get them, we_….")
@click.option("--after", type=click.IntRange(min=0), help="From the sequence that follows this one.")
@click.option("--up-to", type=click.IntRange(min=1), help="To this sequence.")
@click.option("--delivered", is_flag=True, help="Also what the endpoint has accepted before.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
@remote.options
def replay(  # noqa: PLR0917 - what the command takes
    api: str | None,
    key: str | None,
    event_ids: tuple[str, ...],
    endpoint: str,
    after: int | None,
    up_to: int | None,
    *,
    delivered: bool,
    as_json: bool,
) -> None:
    """Send EVENT_IDS to an endpoint again, or a range, or (with neither) all that it has missed."""
    if event_ids and (after is not None or up_to is not None):
        raise CommandFailed("give event ids or a range, not both")
    found, path = remote.found(api, key), f"/v1/webhook_endpoints/{endpoint}/replay"
    if event_ids:
        total = int(found.post(path, events=list(event_ids))["queued"])
    else:
        total, position = 0, after or 0
        while True:
            done = found.post(path, after_sequence=position, up_to_sequence=up_to, delivered=delivered)
            total += int(done["queued"])
            if not done["has_more"]:
                break
            position = int(done["last_sequence"])
            click.echo(f"up to event {position}: {total} queued", err=True)
    click.echo(
        json.dumps({"webhook_endpoint": endpoint, "queued": total})
        if as_json
        else f"{total} events are on their way to {endpoint}"
    )


def _line(event: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(event["created"], UTC)
    about = event["data"]["object"].get("id", "")
    return f"{at:%Y-%m-%d %H:%M:%S}  {event['sequence']:>6}  {event['type']}  {event['id']}  {about}"
