from collections.abc import Callable

import pytest

from chain import erc20, logs, mandates
from chain.eip712 import mandate_digest, mandate_id
from chain.errors import RpcRejected, RpcUnavailable
from chain.fees import bump
from chain.port import ChainPort
from chain.primitives import (
    ZERO_ADDRESS,
    Address,
    BlockTag,
    Charged,
    ChargeItem,
    FailReason,
    Fees,
    MandateTerms,
    SendResult,
    TransactionRequest,
    hash32,
)
from chain.signer import DevelopmentSigner
from chain.testing import CONTRACT, GWEI, FakeChain

MakeRequest = Callable[..., TransactionRequest]
TOKEN = Address("0x" + "70" * 20)
FEES = Fees(max_fee_per_gas=10 * GWEI, max_priority_fee_per_gas=GWEI)


def test_it_is_a_port() -> None:
    port: ChainPort = FakeChain()
    assert port.chain_id == 31_337


async def test_blocks_are_a_chain_of_hashes_in_growing_time(fake_chain: FakeChain) -> None:
    fake_chain.mine(3, timestamp=fake_chain.head_timestamp + 100)
    headers = [header for header in await fake_chain.headers(range(5)) if header]
    assert [header.number for header in headers] == [0, 1, 2, 3]
    assert [child.parent_hash for child in headers[1:]] == [header.hash for header in headers[:-1]]
    assert [child.timestamp - headers[0].timestamp for child in headers[1:]] == [100, 112, 124]
    with pytest.raises(ValueError, match="block time must grow"):
        fake_chain.mine(timestamp=fake_chain.head_timestamp)


async def test_a_transaction_waits_in_the_pool_until_it_is_mined(
    fake_chain: FakeChain, operator: DevelopmentSigner, make_request: MakeRequest
) -> None:
    signed = operator.sign(make_request(to=operator.address, gas=21_000))
    assert await fake_chain.send([signed.raw]) == [(SendResult.ACCEPTED, "")]
    assert await fake_chain.send([signed.raw]) == [(SendResult.ALREADY_KNOWN, "already known")]
    assert await fake_chain.receipts([signed.hash]) == [None]
    header = fake_chain.mine()
    [receipt] = await fake_chain.receipts([signed.hash])
    assert receipt is not None
    assert (receipt.block, receipt.succeeded) == (header.ref, True)
    assert await fake_chain.send([signed.raw]) == [(SendResult.NONCE_TOO_LOW, "nonce too low")]
    assert await fake_chain.nonce(operator.address, BlockTag.LATEST) == 1
    assert await fake_chain.nonce(operator.address, BlockTag.FINALIZED) == 0
    fake_chain.mine(2)
    assert await fake_chain.nonce(operator.address, BlockTag.FINALIZED) == 1
    [left] = await fake_chain.balances([operator.address])
    assert left == 100 * 10**18 - receipt.gas_used * receipt.gas_price


async def test_a_gap_and_a_low_fee_wait_instead_of_being_lost(
    fake_chain: FakeChain, operator: DevelopmentSigner, make_request: MakeRequest
) -> None:
    low = Fees(max_fee_per_gas=GWEI - 1, max_priority_fee_per_gas=1)
    later = operator.sign(make_request(nonce=1, to=operator.address))
    cheap = operator.sign(make_request(nonce=0, to=operator.address, fees=low))
    await fake_chain.send([later.raw, cheap.raw])
    fake_chain.mine()
    assert await fake_chain.receipts([later.hash, cheap.hash]) == [None, None]
    fake_chain.base_fee = GWEI // 2
    fake_chain.mine()
    assert None not in await fake_chain.receipts([later.hash, cheap.hash])


async def test_a_replacement_must_outbid_by_a_tenth_on_both_fees(
    fake_chain: FakeChain, operator: DevelopmentSigner, make_request: MakeRequest
) -> None:
    one_field = Fees(max_fee_per_gas=20 * GWEI, max_priority_fee_per_gas=GWEI)
    signed = [operator.sign(make_request(to=operator.address, fees=fees)) for fees in (FEES, one_field, bump(FEES))]
    results = [result for result, _ in await fake_chain.send([each.raw for each in signed])]
    assert results == [SendResult.ACCEPTED, SendResult.REPLACEMENT_UNDERPRICED, SendResult.ACCEPTED]
    fake_chain.mine()
    mined = await fake_chain.receipts([each.hash for each in signed])
    assert [receipt is not None for receipt in mined] == [False, False, True]


async def test_who_cannot_pay_the_gas_is_refused(
    fake_chain: FakeChain, payer: DevelopmentSigner, make_request: MakeRequest
) -> None:
    [(result, _)] = await fake_chain.send([payer.sign(make_request()).raw])
    assert result is SendResult.INSUFFICIENT_FUNDS


@pytest.mark.parametrize("raw", [b"", b"\x02\x01", b"\xf8" + bytes(50)])
async def test_what_is_no_transaction_is_unknown(fake_chain: FakeChain, raw: bytes) -> None:
    assert (await fake_chain.send([raw]))[0][0] is SendResult.UNKNOWN


async def test_a_transaction_of_another_chain_is_unknown(
    fake_chain: FakeChain, operator: DevelopmentSigner, make_request: MakeRequest
) -> None:
    assert (await fake_chain.send([operator.sign(make_request(chain_id=1)).raw]))[0][0] is SendResult.UNKNOWN


async def test_scripted_failures_come_once_and_in_order(fake_chain: FakeChain) -> None:
    fake_chain.fail_next("head", times=2)
    fake_chain.fail_next("head", RpcRejected(1, "no"))
    for expected in (RpcUnavailable, RpcUnavailable, RpcRejected):
        with pytest.raises(expected):
            await fake_chain.head()
    assert (await fake_chain.head()).number == 0
    assert fake_chain.call_counts["head"] == 4


async def test_a_send_can_fail_lie_or_lose_its_answer(
    fake_chain: FakeChain, operator: DevelopmentSigner, make_request: MakeRequest
) -> None:
    raw = operator.sign(make_request(to=operator.address)).raw
    fake_chain.fail_next("send")
    assert (await fake_chain.send([raw]))[0][0] is SendResult.UNKNOWN
    fake_chain.drop_next_send()
    assert (await fake_chain.send([raw]))[0][0] is SendResult.ACCEPTED
    assert not fake_chain.pool.waiting
    fake_chain.hide_next_send()
    assert (await fake_chain.send([raw]))[0][0] is SendResult.UNKNOWN
    assert len(fake_chain.pool.waiting) == 1
    assert (await fake_chain.send([raw]))[0][0] is SendResult.ALREADY_KNOWN


async def registered(
    chain: FakeChain, operator: DevelopmentSigner, terms: MandateTerms, payer: DevelopmentSigner
) -> ChargeItem:
    signature = payer.sign_digest(mandate_digest(terms, chain.chain_id, CONTRACT))
    chain.execute(operator.address, mandates.subscribe_data(terms, signature=signature))
    return ChargeItem(mandate_id(terms, chain.chain_id, CONTRACT), 1, terms.amount)


async def test_a_charge_moves_money_once_and_a_reorg_takes_it_back(
    fake_chain: FakeChain,
    operator: DevelopmentSigner,
    payer: DevelopmentSigner,
    make_terms: Callable[..., MandateTerms],
    make_request: MakeRequest,
) -> None:
    terms = make_terms(payer=payer.address, start=fake_chain.head_timestamp)
    fake_chain.fund(TOKEN, payer.address, 25_000_000)
    item = await registered(fake_chain, operator, terms, payer)
    signed = operator.sign(make_request(data=mandates.charge_batch_data([(item.mandate_id, 1)])))

    async def simulated() -> FailReason:
        data = mandates.simulate_data([item])
        [answer] = await fake_chain.calls([(ZERO_ADDRESS, CONTRACT, data)])
        assert isinstance(answer, bytes)
        return mandates.decode_simulation(answer, 1)[0].reason

    async def balance() -> int:
        return (await erc20.token_facts(fake_chain, TOKEN, [(payer.address, CONTRACT)])).balances[payer.address]

    assert await simulated() is FailReason.NONE
    await fake_chain.send([signed.raw])
    block = fake_chain.mine()
    assert (await simulated(), await balance()) == (FailReason.ALREADY_PAID, 15_000_000)
    [found] = await fake_chain.logs_of_blocks([block.hash], logs.contract_logs(CONTRACT))
    [charged] = logs.decode_logs(found)
    assert isinstance(charged, Charged)
    assert (charged.mandate_id, charged.period, charged.amount) == (item.mandate_id, 1, 10_000_000)
    fake_chain.reorg(1)
    assert (await simulated(), await balance()) == (FailReason.NONE, 25_000_000)
    assert await fake_chain.receipts([signed.hash]) == [None]
    with pytest.raises(RpcRejected, match="unknown block"):
        await fake_chain.logs_of_blocks([block.hash], logs.contract_logs(CONTRACT))
    fake_chain.mine()
    [receipt] = await fake_chain.receipts([signed.hash])
    assert receipt is not None
    assert receipt.block.hash != block.hash


async def test_a_batch_with_too_little_gas_collects_nothing_and_burns_it_all(
    fake_chain: FakeChain,
    operator: DevelopmentSigner,
    payer: DevelopmentSigner,
    make_terms: Callable[..., MandateTerms],
    make_request: MakeRequest,
) -> None:
    terms = make_terms(payer=payer.address, start=fake_chain.head_timestamp)
    fake_chain.fund(TOKEN, payer.address, 25_000_000)
    item = await registered(fake_chain, operator, terms, payer)
    data = mandates.charge_batch_data([(item.mandate_id, 1)] * 10)
    signed = operator.sign(make_request(data=data, gas=200_000))
    await fake_chain.send([signed.raw])
    fake_chain.mine()
    [receipt] = await fake_chain.receipts([signed.hash])
    assert receipt is not None
    assert (receipt.succeeded, receipt.gas_used, fake_chain.blocks[-1].logs) == (False, 200_000, ())


async def test_a_reorg_can_lose_its_transactions(
    fake_chain: FakeChain, operator: DevelopmentSigner, make_request: MakeRequest
) -> None:
    signed = operator.sign(make_request(to=operator.address))
    await fake_chain.send([signed.raw])
    fake_chain.mine(3)
    fake_chain.reorg(3, keep_transactions=False)
    fake_chain.mine()
    assert await fake_chain.receipts([signed.hash]) == [None]
    assert await fake_chain.nonce(operator.address, BlockTag.LATEST) == 0
    with pytest.raises(ValueError, match="does not fit a chain of"):
        fake_chain.reorg(len(fake_chain.blocks))


async def test_a_dropped_transaction_is_gone(
    fake_chain: FakeChain, operator: DevelopmentSigner, make_request: MakeRequest
) -> None:
    signed = operator.sign(make_request(to=operator.address))
    await fake_chain.send([signed.raw])
    fake_chain.drop(signed.hash)
    fake_chain.mine()
    assert await fake_chain.receipts([signed.hash]) == [None]
    with pytest.raises(KeyError):
        fake_chain.drop(signed.hash)


async def test_a_top_up_can_be_seen_in_the_logs(fake_chain: FakeChain, payer: DevelopmentSigner) -> None:
    fake_chain.mint(TOKEN, payer.address, 5)
    fake_chain.approve(TOKEN, payer.address, 6)
    fake_chain.transfer(TOKEN, payer.address, CONTRACT, 4)
    head = (await fake_chain.head()).number
    for query, amount in (
        (logs.incoming_transfers([TOKEN], [payer.address]), 5),
        (logs.approvals([TOKEN], [payer.address], CONTRACT), 6),
        (logs.outgoing_transfers([TOKEN], [payer.address]), 4),
    ):
        [event] = logs.decode_token_logs(await fake_chain.logs_in_range(0, head, query))
        assert event.amount == amount
    with pytest.raises(RpcUnavailable, match="has not reached"):
        await fake_chain.logs_in_range(0, head + 1, logs.contract_logs(CONTRACT))
    with pytest.raises(RpcRejected):
        await fake_chain.logs_of_blocks([hash32("0x" + "00" * 32)], logs.contract_logs(CONTRACT))
