"""Values of `gateway.db` itself, valid and with little to say."""

from dataclasses import replace
from typing import Any

from chain.primitives import Fees, SignedTransaction, TransactionRequest
from gateway.db.events import EventDraft
from gateway.db.transactions import ChainTransaction, Purpose, TransactionAttempt
from gateway.domain.catalog import Scope
from gateway.domain.events import EventType
from tests import factories as f

SIGNER = f.some_address("signer")
FEES = Fees(max_fee_per_gas=2**96, max_priority_fee_per_gas=1)


def planned(number: int, *, nonce: int, chain_id: int = f.CHAIN_ID) -> tuple[ChainTransaction, TransactionAttempt]:
    """A transaction with its first attempt, not sent."""
    request = TransactionRequest(chain_id=chain_id, nonce=nonce, to=f.CONTRACT, data=b"\x01\x02", gas=90_000, fees=FEES)
    transaction = ChainTransaction.planned(
        f.numbered("tx", number), SIGNER, request, purpose=Purpose.CHARGE_BATCH, created_at=f.NOW
    )
    signed = SignedTransaction(raw=b"\x02" + bytes([number]), hash=f.some_hash(("attempt", number)))
    return transaction, TransactionAttempt.of(transaction, signed, FEES, made_at_block=5)


def draft(scope: Scope = f.SCOPE, object_id: str = f.SUBSCRIPTION_ID, **changes: Any) -> EventDraft:
    made = EventDraft(
        scope=scope,
        type=EventType.SUBSCRIPTION_UPDATED,
        object_kind="subscription",
        object_id=object_id,
        at=f.NOW,
        snapshot=b'{"id": "sub_1"}',
        previous=b"{}",
        request_id="req_1",
    )

    return replace(made, **changes)
