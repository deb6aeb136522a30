"""`DuesMandates` as `FakeChain` executes it: the same checks in the same order, the same events and errors.

A second writing of rules that Solidity owns, so it is only as good as its proof: `tests/chain` runs one script of
operations against this and against the real contract on a real node, and compares events, reverts and simulations.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from chain import fake_world, logs, mandates
from chain.eip712 import DOMAIN_NAME, DOMAIN_VERSION, cancel_digest, domain_separator, id_of_digest, mandate_digest
from chain.errors import CallReverted
from chain.fake_rules import (
    HISTORY_MASK,
    PERIOD_MAX,
    check_plan,
    check_times,
    known,
    need_new,
    need_running,
    need_signature,
    read_id,
    read_items,
    read_terms,
    refusal,
    revert,
    spend,
)
from chain.fake_world import Emitted, Entry, Plan, World
from chain.periods import period_at
from chain.primitives import (
    ZERO_ADDRESS,
    Address,
    FailReason,
    MandateId,
    MandateTerms,
    Permit,
    SimulatedOutcome,
)
from chain.words import address_word, bool_word, read_address, read_bytes, read_uint, uint_word

_BPS: Final = 10_000
_MANDATE_WORDS: Final = 12
_PERMIT_BYTES: Final = 160
_NO_ERROR: Final = bytes(4)


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, with what, when."""

    caller: Address
    data: bytes
    timestamp: int


class FakeContract:
    """The rules; all state is in the `World` that each method is given."""

    def __init__(self, address: Address, chain_id: int) -> None:
        self.address: Final = address
        self._chain_id = chain_id

    def execute(self, world: World, call: Call) -> list[Emitted]:
        """Run a transaction's call, changing `world`; the caller throws the world away when this raises.

        Raises:
            CallReverted: as the contract reverts.
        """
        functions: dict[bytes, Callable[[World, Call, bytes], list[Emitted]]] = {
            mandates.SUBSCRIBE: self._subscribe,
            mandates.CHARGE: self._charge,
            mandates.CHARGE_BATCH: self._charge_batch,
            mandates.CHARGE_BATCH_AMOUNTS: self._charge_batch,
            mandates.CANCEL: self._cancel,
            mandates.CANCEL_WITH_SIGNATURE: self._cancel_with_signature,
            mandates.REVOKE_UNREGISTERED: self._revoke_unregistered,
            mandates.SET_PLAN_OPEN: self._set_plan_open,
            mandates.SET_OPERATOR: self._administer,
            mandates.SET_TOKEN: self._administer,
            mandates.SET_PAUSED: self._administer,
            mandates.SET_FEE_RECIPIENT: self._administer,
        }
        function = functions.get(call.data[:4])
        if function is None:
            raise CallReverted(b"")
        try:
            return function(world, call, call.data[4:])
        except ValueError:  # calldata that Solidity cannot decode reverts without a word
            raise CallReverted(b"") from None

    def view(self, world: World, call: Call) -> bytes:
        """Answer an `eth_call`; `world` may be changed and must be thrown away.

        Raises:
            CallReverted: as the contract reverts, or a view that this fake does not have.
        """
        arguments = call.data[4:]
        views: dict[bytes, Callable[[], bytes]] = {
            mandates.SIMULATE: lambda: self._simulate(world, call, arguments),
            mandates.OWNER: lambda: address_word(world.owner),
            mandates.OPERATORS: lambda: bool_word(read_address(arguments, 0) in world.operators),
            mandates.TOKENS: lambda: bool_word(read_address(arguments, 0) in world.allowed_tokens),
            mandates.PAUSED: lambda: bool_word(world.is_paused),
            mandates.DOMAIN_SEPARATOR: lambda: domain_separator(
                DOMAIN_NAME, DOMAIN_VERSION, self._chain_id, self.address
            ),
        }
        if call.data[:4] in views:
            try:
                return views[call.data[:4]]()
            except ValueError:
                raise CallReverted(b"") from None
        self.execute(world, call)
        return b""

    # ------------------------------------------------------------------------------------------------ registering

    def _subscribe(self, world: World, call: Call, arguments: bytes) -> list[Emitted]:
        need_running(world)
        terms = read_terms(arguments)
        signature = read_bytes(arguments, _MANDATE_WORDS)
        permit = read_bytes(arguments, _MANDATE_WORDS + 1)
        first_amount = read_uint(arguments, _MANDATE_WORDS + 2)
        digest = mandate_digest(terms, self._chain_id, self.address)
        mandate = id_of_digest(digest)
        need_new(world, mandate)
        if not signature:
            if call.caller != terms.payer:
                raise revert("WrongSigner(address)", address_word(terms.payer))
        else:
            if call.timestamp > terms.deadline:
                raise revert("SignatureExpired(uint256,uint256)", uint_word(terms.deadline), uint_word(call.timestamp))
            need_signature(world, terms.payer, digest, signature)
        if first_amount and call.caller not in (terms.payer, terms.payee, *world.operators):
            raise revert("NotParty(address)", address_word(call.caller))
        emitted, period = self._register(world, call, terms, mandate)
        if permit:
            emitted += self._try_permit(world, call, terms, permit)
        if first_amount:
            emitted += self._collect_or_revert(world, call, mandate, max(period, 1), first_amount)
        return emitted

    def _register(self, world: World, call: Call, terms: MandateTerms, mandate: MandateId) -> tuple[list[Emitted], int]:
        check_times(terms, call.timestamp)
        emitted, plan_id = self._intern_plan(world, terms)
        if not world.plans[plan_id].is_open:
            raise revert("PlanNotOpen(uint24)", uint_word(plan_id))
        period = period_at(terms.start, terms.unit, terms.every, call.timestamp)
        last = terms.periods or PERIOD_MAX
        if period > last:
            raise revert("AlreadyOver(uint256,uint256)", uint_word(last), uint_word(period))
        spent_up_to = max(period - 1, 0)
        spent = HISTORY_MASK if spent_up_to else 1
        world.entries[mandate] = Entry(terms.payer, plan_id, terms.start, last, spent_up_to, spent)
        topics = (
            logs.SUBSCRIBED,
            logs.id_topic(mandate),
            logs.address_topic(terms.payer),
            "0x" + uint_word(plan_id).hex(),
        )
        emitted.append(Emitted(self.address, topics, uint_word(terms.start) + uint_word(terms.periods)))
        return emitted, period

    def _intern_plan(self, world: World, terms: MandateTerms) -> tuple[list[Emitted], int]:
        if terms.token not in world.allowed_tokens:
            raise revert("TokenNotAllowed(address)", address_word(terms.token))
        plan = Plan(terms.payee, terms.token, terms.amount, terms.unit, terms.every, terms.fee_bps, terms.arrears)
        if plan in world.plan_ids:
            return [], world.plan_ids[plan]
        check_plan(plan, self.address)
        plan_id = len(world.plans) + 1
        world.plans[plan_id] = plan
        world.plan_ids[plan] = plan_id
        topics = (
            logs.PLAN_CREATED,
            "0x" + uint_word(plan_id).hex(),
            logs.address_topic(plan.payee),
            logs.address_topic(plan.token),
        )
        words = (plan.amount, plan.unit, plan.every, plan.fee_bps, plan.arrears)
        return [Emitted(self.address, topics, b"".join(uint_word(word) for word in words))], plan_id

    def _try_permit(self, world: World, call: Call, terms: MandateTerms, permit: bytes) -> list[Emitted]:
        if len(permit) != _PERMIT_BYTES:
            raise revert("BadLength(uint256,uint256)", uint_word(len(permit)), uint_word(_PERMIT_BYTES))
        value, deadline, v = (read_uint(permit, index) for index in range(3))
        signed = Permit(value=value, deadline=deadline, v=v & 0xFF, r=permit[96:128], s=permit[128:160])
        try:
            at = (self._chain_id, call.timestamp)
            return [fake_world.permit(world, terms.token, terms.payer, self.address, signed, at=at)]
        except CallReverted:
            return []

    # ------------------------------------------------------------------------------------------------ collecting

    def _charge(self, world: World, call: Call, arguments: bytes) -> list[Emitted]:
        need_running(world)
        mandate = read_id(arguments)
        entry = world.entries.get(mandate)
        payee = world.plans[entry.plan_id].payee if entry and entry.plan_id else ZERO_ADDRESS
        if call.caller not in (*world.operators, payee):
            raise revert("NotOperator(address)", address_word(call.caller))
        return self._collect_or_revert(world, call, mandate, read_uint(arguments, 1), read_uint(arguments, 2))

    def _charge_batch(self, world: World, call: Call, arguments: bytes) -> list[Emitted]:
        need_running(world)
        if call.caller not in world.operators:
            raise revert("NotOperator(address)", address_word(call.caller))
        has_amounts = call.data[:4] == mandates.CHARGE_BATCH_AMOUNTS
        size = mandates.ITEM_WITH_AMOUNT_BYTES if has_amounts else mandates.ITEM_BYTES
        emitted: list[Emitted] = []
        for mandate, period, amount in read_items(read_bytes(arguments, 0), size):
            reason, error = self._attempt(world, call, (mandate, period, amount), emitted)
            if reason is not FailReason.NONE:
                words = uint_word(period) + uint_word(reason) + error.ljust(32, b"\0")
                emitted.append(Emitted(self.address, (logs.CHARGE_FAILED, logs.id_topic(mandate)), words))
        return emitted

    def _simulate(self, world: World, call: Call, arguments: bytes) -> bytes:
        need_running(world)
        if call.caller != ZERO_ADDRESS:
            raise revert("SimulationOnly(address)", address_word(call.caller))
        items = read_items(read_bytes(arguments, 0), mandates.ITEM_WITH_AMOUNT_BYTES)
        outcomes = [SimulatedOutcome(*self._attempt(world, call, item, [])) for item in items]
        return mandates.encode_simulation(outcomes)

    def _collect_or_revert(
        self, world: World, call: Call, mandate: MandateId, period: int, amount: int
    ) -> list[Emitted]:
        emitted: list[Emitted] = []
        reason, error = self._attempt(world, call, (mandate, period, amount), emitted)
        if reason is not FailReason.NONE:
            words = uint_word(int(mandate, 16)), uint_word(period), uint_word(reason), error.ljust(32, b"\0")
            raise revert("ChargeRejected(uint96,uint16,uint8,bytes4)", *words)
        return emitted

    def _attempt(
        self, world: World, call: Call, item: tuple[MandateId, int, int | None], emitted: list[Emitted]
    ) -> tuple[FailReason, bytes]:
        mandate, period, named_amount = item
        entry = world.entries.get(mandate)
        if entry is None:
            return FailReason.UNKNOWN, _NO_ERROR
        if entry.is_canceled:
            return FailReason.CANCELED, _NO_ERROR
        plan = world.plans[entry.plan_id]
        amount = plan.amount if named_amount is None else named_amount
        reason = refusal(entry, plan, period, amount, call.timestamp)
        if reason is not FailReason.NONE:
            return reason, _NO_ERROR
        reason, error = self._pull(world, plan, (entry.payer, mandate, period, amount), emitted)
        if reason is FailReason.NONE:
            world.entries[mandate] = spend(entry, period)
        return reason, error

    def _pull(
        self, world: World, plan: Plan, item: tuple[Address, MandateId, int, int], emitted: list[Emitted]
    ) -> tuple[FailReason, bytes]:
        payer, mandate, period, amount = item
        recipient = world.fee_recipient if plan.fee_bps else ZERO_ADDRESS
        fee = 0 if recipient == ZERO_ADDRESS else amount * plan.fee_bps // _BPS
        if fee and (short := self._shortfall(world, plan.token, payer, amount)) is not FailReason.NONE:
            return short, _NO_ERROR
        try:
            emitted.append(
                fake_world.pull(
                    world, plan.token, self.address, sender=payer, recipient=plan.payee, amount=amount - fee
                )
            )
        except CallReverted as error:
            short = self._shortfall(world, plan.token, payer, amount)
            return (FailReason.TOKEN_REJECTED if short is FailReason.NONE else short), error.data[:4]
        topic = logs.id_topic(mandate)
        emitted.append(Emitted(self.address, (logs.CHARGED, topic), uint_word(period) + uint_word(amount)))
        if fee:
            try:
                emitted.append(
                    fake_world.pull(world, plan.token, self.address, sender=payer, recipient=recipient, amount=fee)
                )
            except CallReverted:
                words = uint_word(period) + uint_word(fee)
                emitted.append(Emitted(self.address, (logs.FEE_SKIPPED, topic), words))
        return FailReason.NONE, _NO_ERROR

    def _shortfall(self, world: World, token: Address, payer: Address, amount: int) -> FailReason:
        if world.allowances.get((token, payer, self.address), 0) < amount:
            return FailReason.ALLOWANCE
        if world.balances.get((token, payer), 0) < amount:
            return FailReason.BALANCE
        return FailReason.NONE

    # ------------------------------------------------------------------------------------------------ leaving, owner

    def _cancel(self, world: World, call: Call, arguments: bytes) -> list[Emitted]:
        mandate = read_id(arguments)
        entry = known(world, mandate)
        payee = world.plans[entry.plan_id].payee if entry.plan_id else ZERO_ADDRESS
        if call.caller not in (entry.payer, payee):
            raise revert("NotParty(address)", address_word(call.caller))
        return [self._end(world, mandate, entry, call.caller)]

    def _cancel_with_signature(self, world: World, _: Call, arguments: bytes) -> list[Emitted]:
        mandate = read_id(arguments)
        entry = known(world, mandate)
        digest = cancel_digest(mandate, self._chain_id, self.address)
        need_signature(world, entry.payer, digest, read_bytes(arguments, 1))
        return [self._end(world, mandate, entry, entry.payer)]

    def _revoke_unregistered(self, world: World, call: Call, arguments: bytes) -> list[Emitted]:
        terms = read_terms(arguments)
        if call.caller != terms.payer:
            raise revert("NotParty(address)", address_word(call.caller))
        mandate = id_of_digest(mandate_digest(terms, self._chain_id, self.address))
        need_new(world, mandate)
        return [self._end(world, mandate, Entry(terms.payer, 0, 0, 0, 0, 1), call.caller)]

    def _end(self, world: World, mandate: MandateId, entry: Entry, by: Address) -> Emitted:
        if entry.is_canceled:
            raise revert("AlreadyCanceled(uint96)", uint_word(int(mandate, 16)))
        world.entries[mandate] = replace(entry, is_canceled=True)
        return Emitted(self.address, (logs.CANCELED, logs.id_topic(mandate), logs.address_topic(by)), b"")

    def _set_plan_open(self, world: World, call: Call, arguments: bytes) -> list[Emitted]:
        plan_id, is_open = read_uint(arguments, 0), read_uint(arguments, 1) != 0
        plan = world.plans.get(plan_id)
        if plan is None or call.caller != plan.payee:
            raise revert("NotParty(address)", address_word(call.caller))
        world.plans[plan_id] = replace(plan, is_open=is_open)
        topics = (logs.PLAN_OPENED, "0x" + uint_word(plan_id).hex())
        return [Emitted(self.address, topics, bool_word(is_open))]

    def _administer(self, world: World, call: Call, arguments: bytes) -> list[Emitted]:
        """The owner's functions; their events are of no use to anybody here and are left out."""
        if call.caller != world.owner:
            raise revert("NotOwner(address,address)", address_word(call.caller), address_word(world.owner))
        match call.data[:4]:
            case mandates.SET_PAUSED:
                world.is_paused = read_uint(arguments, 0) != 0
            case mandates.SET_FEE_RECIPIENT:
                world.fee_recipient = read_address(arguments, 0)
            case function:
                members = world.operators if function == mandates.SET_OPERATOR else world.allowed_tokens
                (members.add if read_uint(arguments, 1) else members.discard)(read_address(arguments, 0))
        return []
