from dataclasses import replace

import pytest

from chain.lifecycle import (
    AlertCapReached,
    Attempt,
    Broadcast,
    Decision,
    Finalized,
    LifecyclePolicy,
    Lost,
    Mined,
    Replace,
    ReplaceByNoop,
    Resend,
    TransactionFacts,
    Wait,
    WaitReason,
    next_step,
)
from chain.primitives import BlockRef, Fees, Receipt, SendResult, hash32

GWEI = 10**9
POLICY = LifecyclePolicy(resend_every=3, replace_after=8, lost_after=10)
HASH = hash32("0x" + "11" * 32)


def of(fee: float, tip: float = 1) -> Fees:
    return Fees(max_fee_per_gas=int(fee * GWEI), max_priority_fee_per_gas=int(tip * GWEI))


SENT = Attempt(hash=HASH, fees=of(20), made_block=100, sent_block=100, last_result=SendResult.ACCEPTED)
UNSENT = replace(SENT, sent_block=None, last_result=None)
NOOP = replace(SENT, is_noop=True)
BUMPED = of(22.5, 1.125)


def mined_in(number: int) -> Receipt:
    return Receipt(transaction_hash=HASH, block=BlockRef(number, HASH), succeeded=True, gas_used=21_000, gas_price=GWEI)


def facts(*attempts: Attempt, **changes: object) -> TransactionFacts:
    """A transaction at nonce 5, sent at block 100, head 101, cheap market, high cap; name what differs."""
    valid = TransactionFacts(
        nonce=5,
        attempts=attempts or (SENT,),
        receipt=None,
        head=101,
        finalized=99,
        finalized_nonce=5,
        used_since=None,
        base_fee=8 * GWEI,
        market=of(17),
        fee_cap=100 * GWEI,
        wanted=True,
    )
    return replace(valid, **changes)  # type: ignore[arg-type]


CASES: dict[str, tuple[TransactionFacts, Decision]] = {
    "a receipt in a final block ends it": (facts(receipt=mined_in(99)), Finalized(mined_in(99))),
    "a receipt above finality is mined, its own block counts": (facts(receipt=mined_in(100)), Mined(mined_in(100), 2)),
    "a receipt above a head that went back has no confirmations": (
        facts(receipt=mined_in(103)),
        Mined(mined_in(103), 0),
    ),
    "a receipt counts even when nobody wants it": (facts(receipt=mined_in(99), wanted=False), Finalized(mined_in(99))),
    "a receipt counts more than a used nonce": (
        facts(receipt=mined_in(99), finalized_nonce=6, used_since=1),
        Finalized(mined_in(99)),
    ),
    "a used nonce without receipt is waited for": (facts(finalized_nonce=6), Wait(WaitReason.RECEIPT_MISSING)),
    "and waited for": (facts(finalized_nonce=6, used_since=92), Wait(WaitReason.RECEIPT_MISSING)),
    "and then lost": (facts(finalized_nonce=6, used_since=91), Lost(5)),
    "bytes that never left are sent": (facts(UNSENT), Broadcast(UNSENT)),
    "the newest attempt is what is sent": (facts(SENT, UNSENT), Broadcast(UNSENT)),
    "bytes just sent are left alone": (facts(), Wait(WaitReason.IN_POOL)),
    "bytes sent a while ago are sent again": (facts(head=103), Resend(SENT)),
    "a head that went back is no reason to send": (facts(head=50), Wait(WaitReason.IN_POOL)),
    "slow bytes are replaced by the larger of bump and market": (facts(head=108), Replace(BUMPED)),
    "at the market if that is larger": (facts(head=108, market=of(60, 3)), Replace(of(60, 3))),
    "never above the cap": (facts(head=108, market=of(600, 3)), Replace(of(100, 3))),
    "at the cap they are kept, resent and reported": (facts(head=108, fee_cap=22 * GWEI), AlertCapReached(SENT)),
    "at the cap they are not resent with every step": (
        facts(replace(SENT, sent_block=107), head=108, fee_cap=22 * GWEI),
        AlertCapReached(None),
    ),
    "a fee below the base fee is replaced after one block": (
        facts(base_fee=21 * GWEI, market=of(43)),
        Replace(of(43, 1.125)),
    ),
    "but not within the block that it was made in": (
        facts(head=100, base_fee=21 * GWEI, market=of(43)),
        Wait(WaitReason.IN_POOL),
    ),
    "a refused fee cap is replaced after one block": (
        facts(replace(SENT, last_result=SendResult.FEE_CAP_TOO_LOW)),
        Replace(BUMPED),
    ),
    "an underpriced replacement outbids at once": (
        facts(replace(SENT, last_result=SendResult.REPLACEMENT_UNDERPRICED), head=100),
        Replace(BUMPED),
    ),
    "a gap below waits for the lower nonce": (
        facts(replace(SENT, last_result=SendResult.NONCE_TOO_HIGH)),
        Wait(WaitReason.LOWER_NONCE_FIRST),
    ),
    "and is sent again instead of made dearer": (
        facts(replace(SENT, last_result=SendResult.NONCE_TOO_HIGH), head=120),
        Resend(replace(SENT, last_result=SendResult.NONCE_TOO_HIGH)),
    ),
    "an empty purse waits for money": (
        facts(replace(SENT, last_result=SendResult.INSUFFICIENT_FUNDS)),
        Wait(WaitReason.UNFUNDED),
    ),
    "and is sent again when there may be some": (
        facts(replace(SENT, last_result=SendResult.INSUFFICIENT_FUNDS), head=120),
        Resend(replace(SENT, last_result=SendResult.INSUFFICIENT_FUNDS)),
    ),
    "a lost answer is sent again": (
        facts(replace(SENT, last_result=SendResult.UNKNOWN), head=103),
        Resend(replace(SENT, last_result=SendResult.UNKNOWN)),
    ),
    "nonce too low decides nothing": (
        facts(replace(SENT, last_result=SendResult.NONCE_TOO_LOW)),
        Wait(WaitReason.IN_POOL),
    ),
    "what nobody wants becomes a no-op": (facts(wanted=False), ReplaceByNoop(BUMPED)),
    "even if it never left, because a crash may hide that it did": (
        facts(UNSENT, wanted=False),
        ReplaceByNoop(BUMPED),
    ),
    "a no-op is sent like anything else": (
        facts(SENT, replace(UNSENT, is_noop=True), wanted=False),
        Broadcast(replace(UNSENT, is_noop=True)),
    ),
    "and replaced by a dearer no-op": (facts(SENT, NOOP, wanted=False, head=108), ReplaceByNoop(BUMPED)),
    "a call that nobody wants is not sent only because the cap forbids its no-op": (
        facts(UNSENT, wanted=False, fee_cap=20 * GWEI),
        AlertCapReached(None),
    ),
}


@pytest.mark.parametrize("claim", CASES)
def test_one_step(claim: str) -> None:
    given, expected = CASES[claim]
    assert next_step(given, POLICY) == expected


def test_a_policy_given_is_the_policy_kept() -> None:
    patient = LifecyclePolicy(resend_every=100, replace_after=100)
    assert next_step(facts(head=150), patient) == Wait(WaitReason.IN_POOL)
    assert next_step(facts(head=107)) == Resend(SENT)
    assert next_step(facts(head=108)) == Replace(BUMPED)


def test_a_nonce_without_bytes_does_not_exist() -> None:
    with pytest.raises(ValueError, match="nonce 5 has no attempt"):
        facts(attempts=())
