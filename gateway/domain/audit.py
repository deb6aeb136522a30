"""The books against the chain: what was collected, as the contract's events say, and what is written down of it.

Nothing is repaired here. A difference means that a node lied, a row was changed by hand, or the gateway has a fault:
each of them wants a person.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from chain.primitives import Charged, LogPosition
from gateway.domain.charge import Charge
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.push import PushPayment
from gateway.domain.push import Status as PushStatus
from gateway.domain.refund import Refund


class Finding(StrEnum):
    """What is wrong.

    `missing`: money moved under one of our mandates, and no charge says so. `orphan`: a charge succeeded, and the chain
    shows no such event. `double`: two charges for one period of a mandate. `wrong_amount`: charge and event disagree.
    `unpaid`: all of an invoice was collected, and it is not paid. `unbacked`: an invoice is paid by nothing that moved.
    `orphan_refund`: a refund succeeded, and the chain shows no such transfer. `orphan_push`: the same of a payment that
    a customer sent. `divided_wrong`: what such a payment paid and credited is not what came.

    `unbilled` is no fault: payees and payers may collect a period by themselves, and nothing was billed for it yet.
    """

    MISSING = "missing"
    ORPHAN = "orphan"
    DOUBLE = "double"
    WRONG_AMOUNT = "wrong_amount"
    UNPAID = "unpaid"
    UNBACKED = "unbacked"
    ORPHAN_REFUND = "orphan_refund"
    ORPHAN_PUSH = "orphan_push"
    DIVIDED_WRONG = "divided_wrong"
    UNBILLED = "unbilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One disagreement, with what a person needs to look it up."""

    finding: Finding
    object_id: str | None
    evidence: Mapping[str, Any]

    @property
    def is_fault(self) -> bool:
        """Whether somebody has to look: anybody may collect early, and must not be able to stop a chain by that."""
        return self.finding is not Finding.UNBILLED


_COLLECTED: Final = ChargeStatus.SUCCEEDED


def compare(
    collected: Sequence[Charged],
    charges: Sequence[Charge],
    invoices: Mapping[str, Invoice],
    unbilled: Collection[LogPosition] = (),
) -> Iterator[Difference]:
    """Compare the same blocks on both sides: the events of our mandates, and the charges that were settled there.

    Args:
        collected: every `Charged` event of a mandate of ours.
        charges: every charge whose block is one of these, whatever its status; pushes are `wrong_pushes`' to judge.
        invoices: what those charges were for, by id.
        unbilled: events that we have seen, and that pay nothing yet.
    """
    booked = [charge for charge in charges if charge.status is _COLLECTED and not charge.is_push]
    events = {_where(event.at): event for event in collected}
    known = Counter((charge.block_number, charge.log_index) for charge in booked)
    for event in collected:
        if (event.at.block_number, event.at.log_index) not in known:
            finding = Finding.UNBILLED if event.at in unbilled else Finding.MISSING
            yield Difference(finding=finding, object_id=None, evidence=_of_event(event))
    for charge in booked:
        found = events.get((charge.block_number or 0, charge.log_index or 0))
        if found is None or not _is_of(found, charge):
            yield _of_charge(Finding.ORPHAN, charge)
            continue
        if found.amount != charge.token_amount:
            yield _of_charge(Finding.WRONG_AMOUNT, charge, collected=str(found.amount))
        if _is_owed_still(charge, invoices.get(charge.invoice_id)):
            yield _of_charge(Finding.UNPAID, charge, invoice=charge.invoice_id)
    yield from _doubles(booked)


def _doubles(booked: Iterable[Charge]) -> Iterator[Difference]:
    first: dict[object, Charge] = {}
    for charge in booked:
        period = (charge.onchain_mandate_id, charge.mandate_period)
        other = first.setdefault(period, charge)
        if other is not charge:
            yield _of_charge(Finding.DOUBLE, charge, other=other.id)


def unbacked(invoices: Iterable[Invoice]) -> Iterator[Difference]:
    """Paid invoices of which the books themselves show that nothing was collected for them."""
    for invoice in invoices:
        evidence = {"amount_due": invoice.amount_due, "currency": invoice.currency}
        yield Difference(finding=Finding.UNBACKED, object_id=invoice.id, evidence=evidence)


def orphan_refunds(refunds: Iterable[Refund], transferred: Mapping[tuple[int, int], int]) -> Iterator[Difference]:
    """Succeeded refunds whose transfers, by block and log index, are not there with their amount (base units)."""
    for refund in refunds:
        position = (refund.block_number or 0, refund.log_index or 0)
        if transferred.get(position) != refund.token_amount:
            evidence = {
                "transaction": refund.transaction_hash,
                "block": refund.block_number,
                "log_index": refund.log_index,
                "amount": str(refund.token_amount),
                "transferred": None if position not in transferred else str(transferred[position]),
            }
            yield Difference(finding=Finding.ORPHAN_REFUND, object_id=refund.id, evidence=evidence)


def wrong_pushes(
    pushes: Iterable[PushPayment], charges: Iterable[Charge], transferred: Mapping[tuple[int, int], int]
) -> Iterator[Difference]:
    """Payments that customers sent, against the transfers of the chain and against what the books made of them."""
    paid: Counter[str] = Counter()
    for charge in charges:
        if charge.is_push and charge.status is _COLLECTED:
            paid[charge.push_payment_id or ""] += charge.token_amount
    for push in pushes:
        position = (push.block_number, push.log_index)
        evidence: dict[str, Any] = {
            "transaction": push.transaction_hash,
            "block": push.block_number,
            "log_index": push.log_index,
        }
        evidence["amount"] = str(push.token_amount)
        if transferred.get(position) != push.token_amount:
            shown = None if position not in transferred else str(transferred[position])
            yield Difference(
                finding=Finding.ORPHAN_PUSH, object_id=push.id, evidence={**evidence, "transferred": shown}
            )
        divided = paid[push.id] + push.credited_token_amount
        if push.status is PushStatus.APPLIED and divided != push.token_amount:
            yield Difference(
                finding=Finding.DIVIDED_WRONG, object_id=push.id, evidence={**evidence, "divided": str(divided)}
            )


def _is_of(event: Charged, charge: Charge) -> bool:
    return (event.mandate_id, event.period, event.at.transaction_hash) == (
        charge.onchain_mandate_id,
        charge.mandate_period,
        charge.transaction_hash,
    )


def _is_owed_still(charge: Charge, invoice: Invoice | None) -> bool:
    """Whether an invoice that this charge covers in full waits for money all the same."""
    return invoice is not None and invoice.status is InvoiceStatus.OPEN and charge.amount >= invoice.amount_due


def _where(at: LogPosition) -> tuple[int, int]:
    return at.block_number, at.log_index


def _of_event(event: Charged) -> dict[str, Any]:
    return {
        "mandate": event.mandate_id,
        "period": event.period,
        "collected": str(event.amount),
        "transaction": event.at.transaction_hash,
        "block": event.at.block_number,
        "log_index": event.at.log_index,
    }


def _of_charge(finding: Finding, charge: Charge, **more: Any) -> Difference:
    evidence = {
        "mandate": charge.onchain_mandate_id,
        "period": charge.mandate_period,
        "booked": str(charge.token_amount),
        "transaction": charge.transaction_hash,
        "block": charge.block_number,
        "log_index": charge.log_index,
        **more,
    }
    return Difference(finding=finding, object_id=charge.id, evidence=evidence)
