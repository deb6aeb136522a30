"""What the page of an invoice shows in every stage: its lines, its history, what its script is told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.invoice import Invoice, InvoiceLine, Status
from gateway.letters.occasions import line_words
from gateway.letters.page import one_line
from gateway.web import rendering
from gateway.web.bills import Bill
from gateway.web.screens import Asked, short
from gateway.web.shown import WATCHED, Stage, followed
from gateway.web.words import Words

_TOTALS: Final = {Status.OPEN: "bill.to_pay", Status.PAID: "bill.paid"}


def path_of(invoice: Invoice) -> str:
    """The address of an invoice's page, below the gateway's own."""
    return f"/i/{invoice.id}/{invoice.access_token}"


def base_context(bill: Bill, asked: Asked) -> dict[str, Any]:
    """What the page of an invoice shows in every stage."""
    invoice, w = bill.invoice, asked.words
    base = path_of(invoice)
    return {
        "merchant": bill.merchant,
        "brand": rendering.brand(bill.account),
        "is_test": not invoice.scope.livemode,
        "languages": True,
        "base": base,
        "query": asked.query,
        "and_lang": f"&lang={asked.lang}" if asked.lang else "",
        "pdf": f"{base}/pdf",
        "bill": _summary(bill, asked),
        "history": _history(bill, w),
        "support": bill.account.settings.branding.support_email,
    }


def _summary(bill: Bill, asked: Asked) -> dict[str, Any]:
    invoice, w = bill.invoice, asked.words
    currency = invoice.currency
    taxes = {part.rate_id: 0 for line in invoice.lines for part in line.tax_amounts if not part.inclusive}
    for part in (part for line in invoice.lines for part in line.tax_amounts if not part.inclusive):
        taxes[part.rate_id] += part.amount
    discount = sum(line.discount_amount for line in invoice.lines)
    credit = invoice.total - invoice.amount_due
    dates = [w("bill.issued", date=w.date(invoice.finalized_at or invoice.created_at))]
    if invoice.due_at is not None:
        dates.append(w("bill.due", date=w.date(invoice.due_at)))
    return {
        "number": w("bill.number", number=invoice.number or invoice.id),
        "status": w(f"bill.status.{'overdue' if is_overdue(invoice, asked.now) else invoice.status.value}"),
        "lines": [
            {"name": _line_name(line, bill.names), "amount": w.money(line.amount, currency)} for line in invoice.lines
        ],
        "discount": w.money(discount, currency) if discount else None,
        "taxes": [
            {"name": bill.rates[key].display_name if key in bill.rates else w("tax"), "amount": w.money(sum_, currency)}
            for key, sum_ in taxes.items()
        ],
        "credit": w.money(credit, currency) if credit > 0 else None,
        "paid": w.money(invoice.amount_paid, currency) if 0 < invoice.amount_paid < invoice.amount_due else None,
        "total": w.money(invoice.amount_remaining or invoice.amount_due, currency),
        "total_words": w(_TOTALS.get(invoice.status, "bill.total")),
        "dates": " · ".join(dates),
        "for": _name(bill),
    }


def _name(bill: Bill) -> str | None:
    customer = bill.customer
    return None if customer is None else one_line(customer.name or customer.email or "") or None


def _line_name(line: InvoiceLine, names: Mapping[str, str]) -> str:
    described = {"description": line.description, "price": {"id": line.price_id}}
    return line_words(described, names)


def is_overdue(invoice: Invoice, now: datetime) -> bool:
    """Whether a sent invoice should have been paid by now."""
    return invoice.status is Status.OPEN and invoice.due_at is not None and invoice.due_at < now


def _history(bill: Bill, w: Words) -> list[str]:
    """What happened to it, newest last."""
    invoice = bill.invoice
    told = [(invoice.created_at, w("bill.history.made"))]
    if invoice.finalized_at is not None:
        told.append((invoice.finalized_at, w("bill.history.opened")))
    for charge in bill.charges:
        if charge.status is ChargeStatus.FAILED:
            told.append((charge.created_at, w("bill.history.failed", why=reason_words(charge.reason.code, w))))
        elif charge.status is ChargeStatus.SUCCEEDED:
            amount = w.money(charge.amount, charge.currency)
            told.append((charge.settled_at or charge.created_at, w("bill.history.received", amount=amount)))
    if invoice.paid_at is not None:
        told.append((invoice.paid_at, w("bill.history.paid")))
    if invoice.voided_at is not None:
        told.append((invoice.voided_at, w("bill.history.void")))
    return [f"{w.moment(at)}: {text}" for at, text in sorted(told, key=lambda one: one[0])]


def reason_words(code: str, w: Words) -> str:
    """Why a payment failed, for the payer; what is our own trouble is not told in detail."""
    key = f"bill.reason.{code}"
    return w(key) if w.has(key) else w("bill.reason.other")


def script_for(bill: Bill, asked: Asked, stage: Stage, **facts: Any) -> dict[str, Any]:
    """What the script of a stage is given."""
    w, network, mandate = asked.words, bill.network, bill.mandate
    values = {
        "chain": network.name if network is not None else "",
        "id": network.chain_id if network is not None else "",
        "address": short(mandate.terms.payer) if mandate is not None else "",
        "native": w("native"),
        "merchant": bill.merchant,
        "name": "{name}",
    }
    return {
        "stage": followed(stage),
        "base": path_of(bill.invoice),
        "query": asked.query,
        "t": w.for_script(**values),
        "live": stage in WATCHED,
        **facts,
    }
