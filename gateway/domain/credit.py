"""The customer's balance: credit that pays invoices first, debt that the next one collects (ST-73)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from gateway.domain.catalog import Customer, Scope
from gateway.domain.errors import InvalidRequest
from gateway.domain.ids import new_id
from gateway.domain.money import AMOUNT_MAX


class TransactionType(StrEnum):
    """Why a balance changed."""

    ADJUSTMENT = "adjustment"
    APPLIED_TO_INVOICE = "applied_to_invoice"
    UNAPPLIED_FROM_INVOICE = "unapplied_from_invoice"
    INVOICE_OVERPAID = "invoice_overpaid"


BALANCE_MAX: Final = AMOUNT_MAX
"""Most credit or debt of one customer, in minor units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTransaction:
    """One change of a customer's balance; their sum is the balance. Negative amounts give credit."""

    id: str
    scope: Scope
    created_at: datetime
    customer_id: str
    amount: int
    currency: str
    ending_balance: int
    type: TransactionType
    invoice_id: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def book(
    customer: Customer,
    amount: int,
    currency: str,
    kind: TransactionType,
    now: datetime,
    *,
    invoice_id: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> tuple[Customer, BalanceTransaction]:
    """Change a customer's balance by `amount`; return the customer afterwards, and the record of it.

    Raises:
        InvalidRequest: the balance is in another currency, or would leave its bounds.
    """
    if customer.balance and customer.balance_currency not in (None, currency):
        raise InvalidRequest(
            f"The balance of customer '{customer.id}' is in {customer.balance_currency}, not {currency}.",
            code="balance_currency_mismatch",
            param="currency",
        )
    balance = customer.balance + amount
    if abs(balance) > BALANCE_MAX:
        raise InvalidRequest(
            f"The balance of customer '{customer.id}' would be {balance}; it is at most {BALANCE_MAX} either way.",
            code="invalid_amount",
            param="amount",
        )
    after = replace(customer, balance=balance, balance_currency=currency)
    return after, BalanceTransaction(
        id=new_id("cbtxn", now),
        scope=customer.scope,
        created_at=now,
        customer_id=customer.id,
        amount=amount,
        currency=currency,
        ending_balance=balance,
        type=kind,
        invoice_id=invoice_id,
        description=description,
        metadata=dict(metadata or {}),
    )
