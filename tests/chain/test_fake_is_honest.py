"""One script of operations, played to `FakeChain` and to the real contract on a real node: no difference is seen."""

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from chain import eip712, erc20, logs, mandates
from chain.errors import CallReverted
from chain.fees import TRANSACTION_GAS_MAX
from chain.json_rpc import JsonRpcChain
from chain.keccak import selector
from chain.local_node import DEVELOPMENT_KEYS, DevelopmentChain
from chain.periods import period_at
from chain.primitives import (
    ZERO_ADDRESS,
    Address,
    BlockTag,
    Charged,
    ChargeFailed,
    ChargeItem,
    FailReason,
    Fees,
    Hash32,
    LogFilter,
    MandateId,
    MandateTerms,
    PeriodUnit,
    Permit,
    SendResult,
    TransactionRequest,
)
from chain.signer import DevelopmentSigner
from chain.stage import Stage
from chain.testing import FakeChain

DAY = 86_400
FEES = Fees(max_fee_per_gas=100 * 10**9, max_priority_fee_per_gas=10**9)
GAS = TRANSACTION_GAS_MAX // 4
FEE_RECIPIENT = Address("0x" + "fe" * 20)


@dataclass
class Pair:
    """The same accounts, contract and token on both chains."""

    real: JsonRpcChain
    fake: FakeChain
    levers: DevelopmentChain
    stage: Stage
    signers: list[DevelopmentSigner]
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def contract(self) -> Address:
        return self.stage.contract

    @property
    def token(self) -> Address:
        return self.stage.token

    async def play(self, signer: DevelopmentSigner, to: Address, data: bytes, *, after_seconds: int = 12) -> bool:
        """Send the same bytes to both, mine them at the same second, and compare all that can be seen."""
        await self.compare_calls([(signer.address, to, data)])
        nonce = await self.real.nonce(signer.address, BlockTag.LATEST)
        request = TransactionRequest(chain_id=self.real.chain_id, nonce=nonce, to=to, data=data, gas=GAS, fees=FEES)
        signed = signer.sign(request)
        taken = [(await chain.send([signed.raw]))[0][0] for chain in (self.real, self.fake)]
        assert taken == [SendResult.ACCEPTED, SendResult.ACCEPTED]
        at = self.fake.head_timestamp + after_seconds
        await self.levers.set_time(at)
        self.fake.mine(timestamp=at)
        return await self.compare_outcome(signed.hash)

    async def compare_outcome(self, sent: Hash32) -> bool:
        [real_receipt], [fake_receipt] = await self.real.receipts([sent]), await self.fake.receipts([sent])
        assert real_receipt is not None
        assert fake_receipt is not None
        assert real_receipt.succeeded == fake_receipt.succeeded
        seen = []
        for chain, block in ((self.real, real_receipt.block), (self.fake, fake_receipt.block)):
            [ours] = await chain.logs_of_blocks([block.hash], self.watched())
            seen.append([(log.address, log.topics, log.data) for log in ours])
        assert seen[0] == seen[1]
        return real_receipt.succeeded

    def watched(self) -> LogFilter:
        """Everything that the gateway reads: our contract's events but the owner's, and the token's two."""
        topics = (
            logs.SUBSCRIBED,
            logs.CHARGED,
            logs.CHARGE_FAILED,
            logs.CANCELED,
            logs.PLAN_CREATED,
            logs.PLAN_OPENED,
            logs.FEE_SKIPPED,
            logs.TRANSFER,
            logs.APPROVAL,
        )
        return LogFilter(addresses=(self.contract, self.token), topics=(topics,))

    async def compare_calls(self, requests: list[tuple[Address, Address, bytes]]) -> list[bytes]:
        answers = [
            [
                (found.name, found.arguments) if isinstance(found, CallReverted) else found
                for found in await chain.calls(requests)
            ]
            for chain in (self.real, self.fake)
        ]
        for request, real, fake in zip(requests, *answers, strict=True):
            self.seen.update([real[0]] if isinstance(real, tuple) else [])
            if isinstance(real, tuple) or request[0] == ZERO_ADDRESS:
                assert fake == real
            else:
                assert isinstance(fake, bytes)  # what a function that changes state returns is of no use to anybody
        return [answer for answer in answers[0] if isinstance(answer, bytes)]

    async def compare_views(self, items: list[ChargeItem]) -> None:
        owners = [signer.address for signer in self.signers] + [FEE_RECIPIENT]
        reads = [erc20.balance_of_data(owner) for owner in owners]
        reads += [erc20.allowance_data(owner, self.contract) for owner in owners]
        reads += [erc20.nonces_data(owner) for owner in owners]
        requests = [(ZERO_ADDRESS, self.token, data) for data in reads]
        requests += [(ZERO_ADDRESS, self.contract, data) for data in (mandates.PAUSED, mandates.OWNER)]
        await self.compare_calls(requests)
        for answer in await self.compare_calls([(ZERO_ADDRESS, self.contract, mandates.simulate_data(items))]):
            self.seen.update(outcome.reason.name for outcome in mandates.decode_simulation(answer, len(items)))

    def sign_mandate(self, signer: DevelopmentSigner, terms: MandateTerms) -> bytes:
        return signer.sign_digest(eip712.mandate_digest(terms, self.real.chain_id, self.contract))

    def id_of(self, terms: MandateTerms) -> MandateId:
        return eip712.mandate_id(terms, self.real.chain_id, self.contract)


@pytest.fixture
async def pair(chain: JsonRpcChain, levers: DevelopmentChain, stage: Stage) -> Pair:
    now = await levers.head_time() + 1000
    await levers.set_time(now)
    await levers.set_automine(enabled=False)
    fake = FakeChain(chain_id=chain.chain_id, contract=stage.contract, timestamp=now)
    signers = [DevelopmentSigner(key) for key in DEVELOPMENT_KEYS[:7]]
    fake.world.owner = stage.owner.address
    fake.world.operators.add(stage.operator.address)
    fake.deploy_token(stage.token)
    for signer in signers:
        fake.fund_native(signer.address, 10_000 * 10**18)
        fake.world.nonces[signer.address] = await chain.nonce(signer.address, BlockTag.LATEST)
    return Pair(chain, fake, levers, stage, signers)


class Script:
    """A seeded stream of plausible, careless and hostile operations."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.pair = pair
        self.random = Random(seed)  # noqa: S311  (a replayable script, not a secret)
        self.owner, self.operator, *self.payers, self.payee, self.stranger = pair.signers
        self.known: list[tuple[DevelopmentSigner, MandateTerms]] = []

    def anyone(self) -> DevelopmentSigner:
        return self.random.choice([self.operator] * 3 + [*self.payers, self.payee, self.stranger, self.owner])

    def mostly(self, usual: list[int], rare: list[int]) -> int:
        return self.random.choice(rare if self.random.random() < 0.04 else usual)

    def terms(self) -> tuple[DevelopmentSigner, MandateTerms]:
        pick = self.random
        payer = pick.choice(self.payers)
        now = self.pair.fake.head_timestamp
        unit = pick.choice(list(PeriodUnit))
        is_monthly = unit is PeriodUnit.MONTHS
        return payer, MandateTerms(
            payer=payer.address,
            payee=pick.choice([self.payee.address] * 40 + [ZERO_ADDRESS, self.pair.contract]),
            token=pick.choice([self.pair.token] * 40 + [self.payee.address]),
            amount=self.mostly([100, 250], [0]),
            unit=unit,
            every=self.mostly([1, 1, 3], [0, 121]) if is_monthly else self.mostly([7, 30], [0, 3661]) * DAY,
            fee_bps=self.mostly([0, 0, 100, 1000], [1001]),
            start=now + self.mostly([0, 1, -1, 5, -40, -95], [-4000, 800]) * DAY,
            periods=self.mostly([0, 0, 2, 5], [4094]),
            arrears=self.mostly([0, 1, 1, 3, 8], [9]),
            deadline=now + self.mostly([40 * DAY], [12, 11, -1]),
            salt=pick.randrange(100),
        )

    def items(self) -> list[ChargeItem]:
        pick = self.random
        found = []
        for _ in range(pick.choice([0, 1, 2, 5])):
            terms = pick.choice(self.known)[1] if self.known and pick.random() < 0.97 else self.terms()[1]
            present = period_at(terms.start, terms.unit, max(terms.every, 1), self.pair.fake.head_timestamp)
            period = min(max(present + pick.choice([-9, -3, -2, -1, -1, 0, 0, 0, 0, 1]), 0), 2**16 - 1)
            period = self.mostly([period], [0, 1, 4094, 4095])
            found.append(ChargeItem(self.pair.id_of(terms), period, self.mostly([100, 100, 1, 99], [0, 251])))
        return found

    async def step(self) -> bool:
        operation = self.random.choice(
            [self.subscribe] * 6
            + [self.charge_batch] * 6
            + [self.charge] * 3
            + [self.use_token] * 5
            + [self.leave]
            + [self.administer] * 2
        )
        succeeded = await operation()
        await self.pair.compare_views(self.items())
        return succeeded

    async def play(self, signer: DevelopmentSigner, data: bytes) -> bool:
        wait = self.random.choice([1, 12, 12, DAY, 7 * DAY, 20 * DAY])
        return await self.pair.play(signer, self.pair.contract, data, after_seconds=wait)

    async def subscribe(self) -> bool:
        pick = self.random
        payer, terms = pick.choice(self.known) if self.known and pick.random() < 0.1 else self.terms()
        sender = pick.choice([self.operator, self.operator, payer, self.payee, self.stranger])
        by_signature = sender is not payer or pick.random() < 0.5
        signer = payer if pick.random() < 0.95 else self.stranger
        signature = self.pair.sign_mandate(signer, terms) if by_signature and pick.random() < 0.98 else b""
        permit = self.permit(payer) if pick.random() < 0.5 else None
        amount = pick.choice([0, 0, 0, 100, 1, 251])
        done = await self.play(
            sender, mandates.subscribe_data(terms, signature=signature, permit=permit, first_amount=amount)
        )
        if done or pick.random() < 0.05:
            self.known.append((payer, terms))
        return done

    def permit(self, payer: DevelopmentSigner) -> Permit:
        world = self.pair.fake.world
        deadline = world_deadline = self.pair.fake.head_timestamp + self.random.choice([30 * DAY, 30 * DAY, -1])
        digest = eip712.permit_digest(
            separator=eip712.domain_separator("USD Coin", "2", self.pair.real.chain_id, self.pair.token),
            owner=payer.address,
            spender=self.pair.contract,
            value=600,
            nonce=world.permit_nonces.get((self.pair.token, payer.address), 0) + self.random.choice([0, 0, 1]),
            deadline=deadline,
        )
        signature = payer.sign_digest(digest)
        return Permit(value=600, deadline=world_deadline, v=signature[64], r=signature[:32], s=signature[32:64])

    async def charge_batch(self) -> bool:
        items = self.items()
        if self.random.random() < 0.5:
            data = mandates.charge_batch_data([(item.mandate_id, item.period) for item in items])
        else:
            data = mandates.charge_batch_amounts_data(items)
        if self.random.random() < 0.05:
            data = mandates.CHARGE_BATCH + data[4:67] + b"\x03" + data[68:]
        return await self.play(self.random.choice([self.operator] * 8 + [self.stranger]), data)

    async def charge(self) -> bool:
        items = self.items()
        return await self.play(self.anyone(), mandates.charge_data(items[0])) if items else True

    async def use_token(self) -> bool:
        pick = self.random
        payer = pick.choice(self.payers)
        other = pick.choice([*self.payers, self.payee]).address
        fault = selector(pick.choice(["blacklist(address)", "unBlacklist(address)", "unBlacklist(address)"]))
        data = pick.choice(
            [
                erc20.mint_data(payer.address, pick.choice([50, 500, 5000])),
                erc20.mint_data(payer.address, 5000),
                erc20.approve_data(self.pair.contract, pick.choice([0, 90, 300, 10_000, 2**256 - 1])),
                erc20.approve_data(self.pair.contract, 10_000),
                erc20.transfer_data(other, pick.choice([0, 30, 400])),
                fault + bytes(12) + bytes.fromhex(other[2:]),
                selector("pause()" if pick.random() < 0.1 else "unpause()"),
            ]
        )
        return await self.pair.play(payer, self.pair.token, data)

    async def leave(self) -> bool:
        pick = self.random
        payer, terms = pick.choice(self.known) if self.known and pick.random() < 0.8 else self.terms()
        mandate = self.pair.id_of(terms)
        signature = payer.sign_digest(eip712.cancel_digest(mandate, self.pair.real.chain_id, self.pair.contract))
        data = pick.choice(
            [
                mandates.cancel_data(mandate),
                mandates.cancel_with_signature_data(mandate, signature if pick.random() < 0.7 else bytes(65)),
                mandates.revoke_unregistered_data(terms),
            ]
        )
        return await self.play(pick.choice([payer, payer, self.payee, self.stranger]), data)

    async def administer(self) -> bool:
        pick = self.random
        data = pick.choice(
            [
                mandates.set_plan_open_data(pick.randrange(4), is_open=pick.random() < 0.6),
                mandates.set_paused_data(paused=pick.random() < 0.1),
                mandates.set_fee_recipient_data(pick.choice([FEE_RECIPIENT, ZERO_ADDRESS, self.payee.address])),
                mandates.set_paused_data(paused=False),
                mandates.set_operator_data(self.operator.address, allowed=pick.random() < 0.9),
            ]
        )
        is_plan = data[:4] == mandates.SET_PLAN_OPEN
        return await self.play(self.payee if is_plan else pick.choice([self.owner, self.owner, self.stranger]), data)


@pytest.mark.parametrize("seed", [1, 4])
async def test_no_operation_tells_the_fake_from_the_real_contract(pair: Pair, seed: int) -> None:
    script = Script(pair, seed)
    for payer in script.payers:
        assert await pair.play(payer, pair.token, erc20.mint_data(payer.address, 5000))
        assert await pair.play(payer, pair.token, erc20.approve_data(pair.contract, 10_000))
    outcomes = [await script.step() for _ in range(300)]
    # A script that nearly always fails, or meets few rules, would prove little.
    assert 100 < sum(outcomes) < 280
    assert {"NONE", "UNKNOWN", "ALREADY_PAID", "TOO_LATE", "ENDED", "NOT_DUE", "CANCELED"} <= set(pair.seen)
    assert len(pair.seen) >= 20


@pytest.mark.parametrize(
    ("balance", "allowance", "reason"), [(1000, 150, FailReason.ALLOWANCE), (150, 1000, FailReason.BALANCE)]
)
async def test_items_of_one_batch_share_what_the_payer_has(
    pair: Pair, balance: int, allowance: int, reason: FailReason
) -> None:
    script = Script(pair, 0)
    payer, terms = script.terms()
    start = pair.fake.head_timestamp
    valid = replace(
        terms,
        payee=script.payee.address,
        token=pair.token,
        amount=100,
        unit=PeriodUnit.SECONDS,
        every=7 * DAY,
        fee_bps=0,
        start=start,
        periods=0,
        arrears=2,
        deadline=start + DAY,
    )
    both = [replace(valid, salt=salt) for salt in (1, 2)]
    for each in both:
        data = mandates.subscribe_data(each, signature=pair.sign_mandate(payer, each))
        assert await pair.play(script.operator, pair.contract, data)
    assert await pair.play(payer, pair.token, erc20.mint_data(payer.address, balance))
    assert await pair.play(payer, pair.token, erc20.approve_data(pair.contract, allowance))
    items = [ChargeItem(pair.id_of(each), 1, 100) for each in both]
    await pair.compare_views(items)
    assert await pair.play(script.operator, pair.contract, mandates.charge_batch_amounts_data(items))
    paid, failed = logs.decode_logs(pair.fake.blocks[-1].logs)
    assert (type(paid), type(failed)) == (Charged, ChargeFailed)
    assert isinstance(failed, ChargeFailed)
    assert failed.reason is reason
