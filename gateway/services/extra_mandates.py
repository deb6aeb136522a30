"""An invoice above what the wallet has signed: a mandate for this one payment, beside the one that goes on.

Extra items, prorations or a debt on the balance may raise a single invoice above the cap. It is then not attempted,
which would fail for sure, but asks the wallet: for one pull of just this amount, within 90 days. A larger cap for good
would let the payee take as much every period, for something that was bought once.
"""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from chain import eip712
from chain.primitives import PeriodUnit
from gateway.domain import mandate as domain
from gateway.domain.errors import InvalidRequest
from gateway.domain.ids import new_id
from gateway.domain.invoice import Invoice
from gateway.domain.mandate import Mandate, Status
from gateway.domain.money import to_base_units
from gateway.domain.period import to_unix
from gateway.domain.transition import Action, Moved, StatusReason
from gateway.services.gateway import Gateway

WINDOW: Final = timedelta(days=90)
"""How long the mandate of a single payment may be signed and collected."""

_SALT_BITS: Final = 256


def for_invoice(gateway: Gateway, invoice: Invoice, mandate: Mandate, at: datetime) -> Moved[Mandate] | None:
    """A mandate for an invoice that is above the cap of the one that is to pay it; None where it is not."""
    if mandate.status is Status.REVOKED:
        return None
    try:
        token = gateway.token(mandate.chain_id, mandate.terms.token)
        amount = to_base_units(invoice.amount_due, invoice.currency, token)
    except InvalidRequest:
        return None  # the token is not accepted any more; its intent says so
    if amount <= mandate.terms.amount:
        return None
    start = at.replace(microsecond=0)
    terms = replace(
        mandate.terms,
        amount=amount,
        unit=PeriodUnit.SECONDS,
        every=WINDOW // timedelta(seconds=1),
        start=to_unix(start),
        periods=1,
        deadline=to_unix(start + WINDOW),
        salt=secrets.randbits(_SALT_BITS),
    )
    return domain.prepare(
        replace(
            mandate,
            id=new_id("mandate", at),
            status=Status.PENDING,
            reason=StatusReason(
                "amount_above_mandate",
                Action.CUSTOMER_ACTION,
                {"invoice": invoice.id, "mandate": mandate.id, "cap": str(mandate.terms.amount), "due": str(amount)},
            ),
            created_at=at,
            onchain_id=eip712.mandate_id(terms, mandate.chain_id, mandate.contract),
            terms=terms,
            signature=None,
            permit=None,
            signed_at=None,
            registered_at=None,
        )
    )
