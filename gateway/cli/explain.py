"""`dues explain`: why each payment of a subscription was collected or not, and what will become of the next ones."""

import json
from datetime import UTC, datetime
from typing import Any, Final

import click

from gateway.cli import remote
from gateway.cli.app import CommandFailed
from gateway.cli.remote import Json, Remote

_ACTIONS: Final = {
    "none": "",
    "customer_action": "the customer has to act",
    "new_payment_method": "another payment method is needed",
    "wait": "nobody has to act; it goes on by itself",
    "retry": "it is tried again",
    "success": "",
}
_EVIDENCE_MAX: Final = 6


@click.command(name="explain")
@click.argument("subscription_id")
@click.option("--renewals", type=click.IntRange(1, 60), default=3, show_default=True, help="Coming pulls to look at.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
@remote.options
def command(api: str | None, key: str | None, subscription_id: str, renewals: int, *, as_json: bool) -> None:
    """Say why SUBSCRIPTION_ID is what it is: every charge and every one that was not made, with reason and evidence."""
    found = remote.found(api, key)
    path = f"/v1/subscriptions/{subscription_id}"
    facts: Json = {
        "subscription": found.get(path),
        "invoices": list(found.pages("/v1/invoices", subscription=subscription_id))[::-1],
        "history": list(found.pages(f"{path}/timeline"))[::-1],
        "forecast": _forecast(found, path, renewals),
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for line in _told(facts):
        click.echo(line)


def _forecast(found: Remote, path: str, renewals: int) -> Any:
    try:
        return found.get(f"{path}/forecast", limit=renewals)
    except CommandFailed as error:  # no wallet yet, or its chain is away: the rest is worth saying
        return {"data": [], "message": str(error)}


def _told(facts: Json) -> list[str]:
    subscription = facts["subscription"]
    lines = [
        f"{subscription['id']} is {subscription['status']}: {_reason(subscription['status_reason'])}",
        f"  period {_day(subscription['current_period_start'])} to {_day(subscription['current_period_end'])}",
    ]
    for invoice in facts["invoices"]:
        lines += ["", *_invoice(invoice, facts["history"])]
    lines += ["", "What comes:"]
    lines += [f"  {entry['message']}" for entry in facts["forecast"]["data"]]
    if not facts["forecast"]["data"]:
        lines.append(f"  {facts['forecast'].get('message', 'nothing more is due.')}")
    return lines


def _invoice(invoice: Json, history: list[Json]) -> list[str]:
    """An invoice, and everything that was tried to collect it."""
    line = invoice["lines"]["data"][0] if invoice["lines"]["data"] else None
    period = "" if line is None else f", {_day(line['period']['start'])} to {_day(line['period']['end'])}"
    amount = f"{invoice['amount_due'] / 100:.2f} {invoice['currency'].upper()}"
    told = [f"{invoice['number'] or invoice['id']}: {amount}, {invoice['status']}{period}"]
    intent = invoice["charge_intent"]
    if intent is None:
        return [
            *told,
            "  nothing had to be collected" if not invoice["amount_due"] else "  not finalised: nothing was tried",
        ]
    charges = {each["subject"] for each in history if each["reason"]["evidence"].get("charge_intent") == intent}
    about = {invoice["id"], intent, *charges}
    lines = [each for each in history if each["subject"] in about]
    return told + [
        f"  {_moment(each['created'])}  {each['subject_type']} {each['from'] or 'new'} → {each['to']}: "
        + _reason(each["reason"])
        for each in lines
    ]


def _reason(reason: Json) -> str:
    evidence = ", ".join(f"{name} {value}" for name, value in list(reason["evidence"].items())[:_EVIDENCE_MAX])
    action = _ACTIONS.get(reason["action"], reason["action"])
    words: str = reason["code"].replace("_", " ")
    return words + (f" ({evidence})" if evidence else "") + (f"; {action}" if action else "")


def _day(unix: int) -> str:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d}"


def _moment(unix: int) -> str:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S}"
