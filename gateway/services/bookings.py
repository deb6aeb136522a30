"""Writing down that money moved under a mandate: as the payment that it is, or as one that nothing asked for.

Deciding which of the two it is belongs to `gateway.services.settlement` and `gateway.services.collection`.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from chain.primitives import Address, Charged, ContractEvent
from gateway.domain import charge as charge_domain
from gateway.domain import outcome
from gateway.domain.charge import Charge
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.ids import new_id
from gateway.domain.mandate import Mandate
from gateway.domain.money import Token, to_minor_units
from gateway.domain.transition import Action, StatusReason
from gateway.services.changes import Changes

_log: Final = logging.getLogger(__name__)


def where(event: ContractEvent) -> dict[str, Any]:
    """The place of an event on the chain, as evidence."""
    return {"transaction": event.at.transaction_hash, "block": event.at.block_number}


def record_collection(
    owed: outcome.Owed, latest: Charge | None, mandate: Mandate, event: Charged, *, now: datetime, changes: Changes
) -> None:
    """Book a final `Charged` event: on the attempt under way (`latest`), else on a new charge for what was seen."""
    block = (event.at.block_number, event.at.block_hash)
    latest = None if latest is None else changes.current(latest)
    if latest is not None and latest.status is charge_domain.Status.PENDING:
        moved = charge_domain.succeed(latest, event.at.transaction_hash, block, event.at.log_index, now)
        charge = changes.update(moved)
    else:
        charge = changes.insert(charge_domain.observe(_observed(owed.intent, mandate, event, now)))
    evidence = {**where(event), "amount": str(event.amount), "token": mandate.terms.token}
    changes.take(outcome.collected(owed, charge.id, evidence, now))


def unexpected(
    intent: ChargeIntent,
    mandate: Mandate,
    event: Charged,
    tokens: Mapping[tuple[int, Address], Token],
    *,
    now: datetime,
    changes: Changes,
) -> None:
    """Money moved under our mandate that pays nothing: it is in the books, can be refunded, and moves nothing else.

    The period was given up, or paid otherwise, or less than what is owed was taken. Only payees and payers do that.
    """
    token = tokens.get((mandate.chain_id, mandate.terms.token))
    worth = intent.amount if token is None else to_minor_units(event.amount, intent.currency, token)
    evidence = {**where(event), "amount": str(event.amount), "owed": str(intent.token_amount)}
    reason = StatusReason("unexpected_collection", Action.CUSTOMER_ACTION, evidence)
    charge = replace(_observed(intent, mandate, event, now), amount=worth, reason=reason)
    changes.insert(charge_domain.observe(charge))
    facts = {"chain_id": mandate.chain_id, "charge": charge.id, "transaction": event.at.transaction_hash}
    _log.error("a collection under a mandate pays nothing that is owed", extra=facts)


def _observed(intent: ChargeIntent, mandate: Mandate, event: Charged, now: datetime) -> Charge:
    return Charge(
        id=new_id("ch", now),
        scope=intent.scope,
        charge_intent_id=intent.id,
        invoice_id=intent.invoice_id,
        customer_id=intent.customer_id,
        subscription_id=intent.subscription_id,
        payment_method_id=mandate.payment_method_id,
        status=charge_domain.Status.SUCCEEDED,
        reason=StatusReason("observed_on_chain", Action.SUCCESS),
        created_at=now,
        amount=intent.amount,
        currency=intent.currency,
        chain_id=mandate.chain_id,
        token=mandate.terms.token,
        token_amount=event.amount,
        onchain_mandate_id=mandate.onchain_id,
        mandate_period=event.period,
        transaction_hash=event.at.transaction_hash,
        block_number=event.at.block_number,
        block_hash=event.at.block_hash,
        log_index=event.at.log_index,
        settled_at=now,
    )
