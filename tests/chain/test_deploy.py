import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from chain import artifacts, erc20, mandates, views
from chain.deploy import Administrator, account_from_key
from chain.eip712 import mandate_id
from chain.errors import (
    ArtifactInvalid,
    CallReverted,
    KeystoreInvalid,
    RpcRejected,
    RpcUnavailable,
    WrongChain,
)
from chain.fees import BATCH_BASE_GAS, ITEM_GAS_WORST, gas_limit_for
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, DevelopmentChain, LocalNode
from chain.primitives import ZERO_ADDRESS, Address, FailReason, MandateTerms, PeriodUnit
from chain.signer import DevelopmentSigner
from chain.stage import Stage
from chain.testing import FakeChain
from chain.wallet import Wallet

FEE_RECIPIENT = Address("0x" + "fe" * 20)


@pytest.fixture
def administrator(node: LocalNode) -> Administrator:
    return Administrator(node.url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=node.chain_id)


async def test_a_deployed_contract_is_recognised_and_others_are_not(
    chain: JsonRpcChain, administrator: Administrator
) -> None:
    contract = administrator.deploy_mandates(fee_recipient=FEE_RECIPIENT)
    token = administrator.deploy("TestUSDC")
    await artifacts.verify_deployment(chain, contract)
    await artifacts.verify_deployment(chain, token, "TestUSDC")
    with pytest.raises(ArtifactInvalid, match="is not DuesMandates as generated"):
        await artifacts.verify_deployment(chain, token)
    with pytest.raises(ArtifactInvalid, match="no contract at 0xfefe"):
        await artifacts.verify_deployment(chain, FEE_RECIPIENT)
    administrator.close()


async def test_administration_is_seen_on_chain(chain: JsonRpcChain, administrator: Administrator) -> None:
    operator = Address("0x" + "0b" * 20)
    contract, token = administrator.deploy_mandates(), administrator.deploy("TestUSDC")
    administrator.set_operator(contract, operator)
    administrator.allow_token(contract, token)
    administrator.mint(token, administrator.address, 100)
    administrator.approve(token, contract, 60)
    receipt = administrator.transfer(token, operator, 30)
    assert await chain.receipts([receipt.transaction_hash]) == [receipt]
    answers = await chain.calls(
        [
            (ZERO_ADDRESS, contract, mandates.OWNER),
            (ZERO_ADDRESS, contract, mandates.is_operator_data(operator)),
            (ZERO_ADDRESS, contract, mandates.is_token_allowed_data(token)),
        ]
    )
    assert [int.from_bytes(answer, "big") for answer in answers if isinstance(answer, bytes)] == [
        int(administrator.address, 16),
        1,
        1,
    ]
    facts = await erc20.token_facts(chain, token, [(administrator.address, contract), (operator, contract)])
    assert facts.balances == {administrator.address: 70, operator: 30}
    assert facts.allowances[administrator.address, contract] == 60
    administrator.close()


def test_a_call_that_would_revert_is_named_and_not_sent(administrator: Administrator) -> None:
    contract = administrator.deploy_mandates()
    with pytest.raises(CallReverted, match="TokenUnfit") as reverted:
        administrator.allow_token(contract, administrator.address)
    assert reverted.value.arguments == {"token": administrator.address}
    with pytest.raises(CallReverted, match=r"UnknownMandate\(id=5\)"):
        administrator.call("DuesMandates", contract, "cancel", 5)
    administrator.close()


def test_another_chain_is_refused_before_anything_is_sent(node: LocalNode) -> None:
    with pytest.raises(WrongChain, match=r"127\.0\.0\.1 serves chain 31337, expected chain 1"):
        Administrator(node.url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=1)


def test_an_unreachable_node_is_named_by_host_only() -> None:
    with pytest.raises(RpcUnavailable, match=r"127\.0\.0\.1 is out of reach: ConnectionError") as failure:
        Administrator("http://127.0.0.1:9/k3y", account_from_key(DEVELOPMENT_KEYS[0]), chain_id=1)
    assert "k3y" not in f"{failure.value}{failure.value.__cause__}"


def test_a_bad_key_is_refused_without_repeating_it() -> None:
    with pytest.raises(KeystoreInvalid, match="not a private key"):
        account_from_key("0x1234")


async def test_an_account_without_gas_is_refused_by_the_node(node: LocalNode, chain: JsonRpcChain) -> None:
    poor = Administrator(node.url, account_from_key(b"\x09" * 32), chain_id=node.chain_id)
    with pytest.raises(RpcRejected, match="nsufficient funds"):
        poor.deploy("TestUSDC")
    poor.close()
    with pytest.raises(RpcRejected, match="insufficient_funds"):
        await Wallet(chain, DevelopmentSigner(b"\x09" * 32)).send(FEE_RECIPIENT, b"")


async def test_a_wallet_that_gets_no_receipt_says_what_it_sent(operator: DevelopmentSigner) -> None:
    chain = FakeChain()
    chain.fund_native(operator.address)
    with pytest.raises(RpcUnavailable, match=r"no receipt of 0x[0-9a-f]{64} within 0.05 s \(accepted"):
        await Wallet(chain, operator).send(FEE_RECIPIENT, b"", wait_seconds=0.05)


def test_nobody_else_imports_web3() -> None:
    modules = [f"chain.{name}" for name in ("json_rpc", "testing", "local_node", "stage", "wallet", "signer")]
    script = f"import sys, {', '.join(modules)}; sys.exit('web3' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603  (our own interpreter)


async def test_the_views_tell_what_was_registered(
    chain: JsonRpcChain, stage: Stage, levers: DevelopmentChain, make_terms: Callable[..., MandateTerms]
) -> None:
    start = await levers.head_time()
    terms = make_terms(payer=stage.payer.address, token=stage.token, start=start, periods=12, arrears=2)
    mandate = mandate_id(terms, chain.chain_id, stage.contract)
    requests = [mandates.mandate_data(mandate), mandates.plan_data(1), mandates.quote_data(mandate, 1)]

    async def read() -> list[bytes]:
        answers = await chain.calls([(ZERO_ADDRESS, stage.contract, data) for data in requests])
        return [answer for answer in answers if isinstance(answer, bytes)]

    before = await read()
    assert views.decode_mandate(before[0]) is None
    assert views.decode_plan(before[1]) is None
    assert views.decode_quote(before[2]).reason is FailReason.UNKNOWN
    await stage.operator.send(stage.contract, mandates.subscribe_data(terms, signature=stage.sign(terms)))
    registered, plan, quote = await read()
    assert views.decode_mandate(registered) == views.Registration(
        payer=stage.payer.address,
        plan_id=1,
        start=start,
        newest_spent=0,
        spent_before=0,
        periods=12,
        canceled=False,
    )
    found = views.decode_plan(plan)
    assert found == views.RegisteredPlan(
        payee=terms.payee,
        amount=terms.amount,
        token=stage.token,
        every=1,
        fee_bps=0,
        unit=PeriodUnit.MONTHS,
        arrears=2,
        is_open=True,
    )
    quoted = views.decode_quote(quote)
    assert (quoted.reason, quoted.period_now, quoted.amount, quoted.starts_at) == (
        FailReason.NONE,
        1,
        10_000_000,
        start,
    )


def test_a_spent_period_is_read_from_the_window() -> None:
    registration = views.Registration(
        payer=FEE_RECIPIENT, plan_id=1, start=0, newest_spent=10, spent_before=0b101, periods=0, canceled=False
    )
    assert [period for period in range(13) if registration.is_spent(period)] == [7, 9, 10]


async def test_the_gas_formula_covers_the_dearest_honest_batch(
    chain: JsonRpcChain, stage: Stage, levers: DevelopmentChain, make_terms: Callable[..., MandateTerms]
) -> None:
    """Every item with its own new payee and a fee: all storage cold, every balance slot new."""
    await stage.owner.send(stage.contract, mandates.set_fee_recipient_data(FEE_RECIPIENT))
    await stage.payer.send(stage.token, erc20.mint_data(stage.payer.address, 10**12))
    await stage.payer.send(stage.token, erc20.approve_data(stage.contract, 10**12))
    terms = make_terms(
        payer=stage.payer.address, token=stage.token, start=await levers.head_time(), fee_bps=1000, amount=10_000
    )
    each = [replace(terms, payee=Address(f"0x{0xFACE + number:040x}")) for number in range(30)]
    for one in each:
        await stage.operator.send(stage.contract, mandates.subscribe_data(one, signature=stage.sign(one)))
    items = [(mandate_id(one, chain.chain_id, stage.contract), 1) for one in each]
    limit = gas_limit_for(len(items))
    receipt = await stage.operator.send(stage.contract, mandates.charge_batch_data(items), gas=limit)
    assert receipt.succeeded
    assert receipt.gas_used < BATCH_BASE_GAS + len(items) * ITEM_GAS_WORST
