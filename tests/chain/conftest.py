"""A real anvil per test (it starts in 0.1 s), the real contract on it, and builders with valid defaults."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest

from chain.json_rpc import JsonRpcChain
from chain.local_node import DevelopmentChain, LocalNode, NodeOptions
from chain.primitives import Address, Fees, MandateTerms, PeriodUnit, RawLog, TransactionRequest, hash32
from chain.signer import DevelopmentSigner
from chain.stage import Stage, set_stage
from chain.testing import CONTRACT, FakeChain
from tests.chain.misbehaving import Proxy, make_proxy

GENESIS = 1_700_000_000
TOKEN = Address("0x" + "70" * 20)
PAYEE = Address("0x" + "9e" * 20)


@pytest.fixture
def make_terms() -> Callable[..., MandateTerms]:
    """Valid terms of a monthly mandate over 10 USDC; name what differs."""

    def make(**changes: object) -> MandateTerms:
        terms = MandateTerms(
            payer=Address("0x" + "aa" * 20),
            payee=PAYEE,
            token=TOKEN,
            amount=10_000_000,
            unit=PeriodUnit.MONTHS,
            every=1,
            fee_bps=0,
            start=GENESIS,
            periods=0,
            arrears=1,
            deadline=GENESIS + 10 * 365 * 86_400,
            salt=1,
        )
        return replace(terms, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_log() -> Callable[..., RawLog]:
    def make(**changes: object) -> RawLog:
        log = RawLog(
            block_number=5,
            block_hash=hash32("0x" + "b1" * 32),
            transaction_hash=hash32("0x" + "71" * 32),
            log_index=0,
            address=CONTRACT,
            topics=(),
            data="0x",
        )
        return replace(log, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def operator() -> DevelopmentSigner:
    return DevelopmentSigner(b"\x01" * 32)


@pytest.fixture
def payer() -> DevelopmentSigner:
    return DevelopmentSigner(b"\x02" * 32)


@pytest.fixture
def make_request() -> Callable[..., TransactionRequest]:
    def make(**changes: object) -> TransactionRequest:
        request = TransactionRequest(
            chain_id=31_337,
            nonce=0,
            to=CONTRACT,
            data=b"",
            gas=1_000_000,
            fees=Fees(max_fee_per_gas=10 * 10**9, max_priority_fee_per_gas=10**9),
        )
        return replace(request, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def fake_chain(operator: DevelopmentSigner) -> FakeChain:
    """A fake chain with an allowed token and an operator that has gas."""
    chain = FakeChain()
    chain.deploy_token(TOKEN)
    chain.fund_native(operator.address)
    chain.world.operators.add(operator.address)
    return chain


@pytest.fixture
def node() -> Iterator[LocalNode]:
    with LocalNode.start(NodeOptions(timestamp=GENESIS)) as started:
        yield started


@pytest.fixture
async def chain(node: LocalNode) -> AsyncIterator[JsonRpcChain]:
    async with JsonRpcChain([node.url], chain_id=node.chain_id) as port:
        yield port


@pytest.fixture
async def levers(node: LocalNode) -> AsyncIterator[DevelopmentChain]:
    async with DevelopmentChain(node.url, chain_id=node.chain_id) as control:
        yield control


@pytest.fixture
def stage(node: LocalNode, chain: JsonRpcChain) -> Stage:
    return set_stage(node.url, chain, chain_id=node.chain_id)


first = pytest.fixture(make_proxy, name="first")
second = pytest.fixture(make_proxy, name="second")


@pytest.fixture
async def both(node: LocalNode, first: Proxy, second: Proxy) -> AsyncIterator[JsonRpcChain]:
    """A port over two endpoints, the first of them preferred."""
    async with JsonRpcChain([first.url, second.url], chain_id=node.chain_id, timeout_seconds=0.5) as port:
        yield port
