"""What the page of an invoice shows in each stage: how to pay it, how that goes, the receipt."""

from typing import Any, Final

from chain import erc20
from chain.checksum import checksum
from chain.port import ChainPort
from gateway.web import bill_recovery, codes
from gateway.web.bill_parts import is_overdue, script_for
from gateway.web.bills import Bill, Option
from gateway.web.screens import Asked, Screen, chain_facts, transaction
from gateway.web.screens_after import progress_bar, progress_text
from gateway.web.shown import LIVE, Stage
from gateway.web.words import Words

_PLAIN: Final = frozenset({Stage.VOID, Stage.WRITTEN_OFF, Stage.HELD, Stage.CLOSED})
"""Stages that say one thing and ask for nothing."""


async def screen_of(chain: ChainPort | None, bill: Bill, asked: Asked, stage: Stage, choice: int) -> Screen:
    """The screen of a stage. `choice` is the token that was picked to pay with."""
    if stage in bill_recovery.STAGES:
        return await bill_recovery.screen_of(chain, bill, asked, stage)
    match stage:
        case Stage.TRANSFER:
            return transfer(bill, asked, choice)
        case Stage.PAID:
            return paid(bill, asked)
        case _ if stage in _PLAIN:
            return _plain(bill, asked, stage)
        case _:
            return progress(bill, asked, stage)


def _plain(bill: Bill, asked: Asked, stage: Stage) -> Screen:
    w = asked.words
    return Screen(
        title=w(f"bill.{stage}.title"),
        template="expired",
        context={"text": w(f"bill.{stage}.text", merchant=bill.merchant)},
    )


def progress(bill: Bill, asked: Asked, stage: Stage) -> Screen:
    """It goes on by itself."""
    w = asked.words
    i, of = progress_bar(bill, stage)
    title = {
        Stage.WAITING: "progress.wait_title",
        Stage.ARRIVING: "bill.arriving.title",
        Stage.SETTING_UP: "progress.title_setup",
    }.get(stage, "bill.progress.title")
    return Screen(
        title=w(title),
        template="progress",
        context={"text": live_text(bill, stage, w), "i": i, "of": of},
        script=script_for(bill, asked, stage),
    )


def transfer(bill: Bill, asked: Asked, choice: int) -> Screen:
    """Pay by a transfer of one's own: from the wallet of this browser, by its code, or from anywhere (PM-01)."""
    w, invoice = asked.words, bill.invoice
    overdue = None
    if invoice.due_at is not None and is_overdue(invoice, asked.now):
        overdue = w("bill.overdue", date=w.date(invoice.due_at))
    title = w("bill.transfer.title", amount=w.money(invoice.amount_remaining, invoice.currency))
    if not bill.options or invoice.payee is None:
        text = w("wallet.no_token", currency=invoice.currency.upper(), merchant=bill.merchant)
        return Screen(title=title, template="expired", context={"text": text})
    picked = bill.options[choice] if 0 <= choice < len(bill.options) else bill.options[0]
    token, network = picked.token, picked.network
    uri = codes.transfer_uri(token, invoice.payee, picked.amount)
    texts = w.for_script(
        chain=network.name, id=network.chain_id, address="", native=w("native"), merchant=bill.merchant, name="{name}"
    ) | {
        "looking": w("wallet.looking"),
        "browser": w("wallet.browser"),
        "connect": w("bill.transfer.pay_with", name="{name}"),
        "approving": w("bill.transfer.sent", chain=network.name),
        "reverted": w("bill.transfer.reverted"),
        "slow": w("bill.transfer.slow"),
        "rejected": w("bill.rejected"),
    }
    script = script_for(bill, asked, Stage.TRANSFER) | {
        "t": texts,
        "tx": f"/transaction/{network.chain_id}/",
        "transfer": {
            "chain": chain_facts(network, w),
            "to": token.address,
            "data": "0x" + erc20.transfer_data(invoice.payee, picked.amount).hex(),
        },
    }
    return Screen(
        title=title,
        template="transfer",
        context={
            "overdue": overdue,
            "options": [_option(one, index, w) | {"picked": one is picked} for index, one in enumerate(bill.options)],
            "amount": w.decimal(picked.amount, token.decimals, digits_min=2),
            "exact": picked.is_named,
            "symbol": token.symbol,
            "network": network.name,
            "chain_id": network.chain_id,
            "token": checksum(token.address),
            "payee": checksum(invoice.payee),
            "uri": uri,
            "code": codes.square(uri),
        },
        script=script,
    )


def _option(option: Option, index: int, w: Words) -> dict[str, Any]:
    return {"label": w("wallet.option", symbol=option.token.symbol, chain=option.network.name), "index": index}


def paid(bill: Bill, asked: Asked) -> Screen:
    """The money is final: the receipt, with what shows it on the chain."""
    w, invoice = asked.words, bill.invoice
    receipts = []
    for payment in bill.payments:
        amount = w.decimal(payment.token_amount, payment.decimals, digits_min=2)
        rows = [
            (w("done.amount"), f"{amount} {payment.symbol}", False),
            (w("done.to"), payment.payee, True),
            (w("done.from"), payment.payer, True),
            (w("done.network"), f"{payment.chain} ({payment.chain_id})", False),
            (w("done.transaction"), transaction(payment.transaction_hash, bill.explorers.get(payment.chain_id)), True),
            (w("done.when"), w.moment(payment.paid_at), False),
        ]
        receipts.append([row for row in rows if row[1] is not None])
    text = w("bill.paid.text", date=w.date(invoice.paid_at)) if invoice.paid_at else ""
    return Screen(
        title=w("bill.paid.title"),
        template="paid",
        context={"text": text, "receipts": receipts, "refunded": _refunded(bill, w)},
        script=script_for(bill, asked, Stage.PAID),
    )


def _refunded(bill: Bill, w: Words) -> str | None:
    amount = sum(charge.amount_refunded for charge in bill.charges)
    return w("bill.refunded", amount=w.money(amount, bill.invoice.currency)) if amount else None


def live_text(bill: Bill, stage: Stage, w: Words) -> str:
    """What a page that waits is told."""
    if stage in {Stage.SUBMITTED, Stage.SETTING_UP}:
        return w("bill.prepared")
    return progress_text(bill, stage, w) if stage in LIVE or stage is Stage.ARRIVING else ""
