// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Administered} from "./Administered.sol";
import {Calendar, Clock} from "./Calendar.sol";
import {Fail, Mandate, Plan, Quote, Registration, Unit} from "./IDuesMandates.sol";
import {Outcome, Outcomes} from "./Outcome.sol";
import {Signatures} from "./Signatures.sol";
import {Subscription, SubscriptionWord} from "./Subscription.sol";
import {PlanWords, Terms, TermsWords} from "./Terms.sol";
import {TokenCalls} from "./TokenCalls.sol";
import {TypedData} from "./TypedData.sol";

/// @title DuesMandates: recurring ERC-20 payments without custody
///
/// The worst that a stolen operator key, a broken gateway or a hostile merchant can do is to collect, from a payer to the
/// payee named in that payer's signed mandate, at most the signed amount, at most once for each period that has begun.
///
/// A payer approves this contract at the token and agrees to a mandate. Periods are numbered from 1 and half-open: period k
/// is [start + (k-1) · every, start + k · every). Whoever collects names the period, so bytes that are sent again, or late,
/// can only ever collect what was decided on. Nothing here can be upgraded, and nothing is ever held.
contract DuesMandates is Administered, TypedData {
    uint256 private constant EVERY_SECONDS_MIN = 1 days;
    uint256 private constant EVERY_SECONDS_MAX = 3660 days;
    uint256 private constant EVERY_MONTHS_MAX = 120;
    uint256 private constant FEE_BPS_MAX = 1000;
    /// What the window of spent bits can remember.
    uint256 private constant ARREARS_MAX = SubscriptionWord.WINDOW;
    /// What the word can count to: where a mandate without end ends, after 11 years of days.
    uint256 private constant PERIOD_MAX = SubscriptionWord.PERIOD_MAX;
    uint256 private constant PERIODS_MAX = PERIOD_MAX - 1;
    /// Days, so counted, stay below PERIOD_MAX: a mandate always has periods left when it is registered.
    uint256 private constant START_PAST_MAX = 3660 days;
    /// The longest trial.
    uint256 private constant START_FUTURE_MAX = 731 days;
    /// Stands for the plan's amount where an item names none.
    uint256 private constant FULL_AMOUNT = type(uint256).max;
    uint256 private constant BPS = 10_000;

    /// Bytes of an item: id 12 | period 2, and for the longer form | amount 12.
    uint256 private constant ITEM = 14;
    uint256 private constant ITEM_WITH_AMOUNT = 26;

    /// One word, in a struct so that a storage pointer can be kept while the token is called.
    struct Entry {
        Subscription word;
    }

    /// Plans that exist are numbered 1 to planCount.
    uint24 public planCount;
    mapping(bytes32 termsHash => uint24 planId) private _planIds;
    mapping(uint256 planId => PlanWords) private _plans;
    mapping(uint256 id => Entry) private _entries;

    /// Shared by everything that writes a subscription word: while a token is called, no word can change, so that a period
    /// given back never overwrites a cancel.
    uint256 private transient _locked; // 1 = yes; a whole word, because a bool is read again before it is written

    modifier lock() {
        if (_locked != 0) revert Locked();
        _locked = 1;
        _;
        _locked = 0;
    }

    constructor(address owner_, address feeRecipient_) Administered(owner_, feeRecipient_) {}

    // ================================================================================================= registering
    /// Registers a mandate, and collects a first amount if asked to.
    ///
    /// `signature`: the payer's, and then anybody may relay it; empty = the caller is the payer, and `deadline` does not
    /// matter. `permit`: abi.encode(value, deadline, v, r, s) of EIP-2612 for this contract, or empty; that it fails is
    /// ignored, the allowance decides. `firstAmount`: 0 = only register; else this much is collected for the period that now
    /// lies in, or everything reverts. Only payer, payee and operators may ask for that.
    ///
    /// Periods that ended before the registration count as spent: arrears never reach back over it.
    function subscribe(Mandate calldata m, bytes calldata signature, bytes calldata permit, uint96 firstAmount)
        external
        whenRunning
        lock
        returns (uint96 id)
    {
        // check
        bytes32 digest = hashMandate(m);
        id = _idOf(digest);
        _requireNew(id);
        if (signature.length == 0) {
            if (msg.sender != m.payer) revert WrongSigner(m.payer);
        } else {
            if (block.timestamp > m.deadline) revert SignatureExpired(m.deadline, block.timestamp);
            if (!Signatures.isFrom(m.payer, digest, signature)) revert WrongSigner(m.payer);
        }
        bool mayCollect = msg.sender == m.payer || msg.sender == m.payee || operators[msg.sender];
        if (firstAmount != 0 && !mayCollect) revert NotParty(msg.sender);

        // effect, event
        Clock memory clock = Calendar.read(block.timestamp);
        Terms memory terms;
        uint256 period = _register(clock, terms, m, id);

        // interaction
        if (permit.length != 0) TokenCalls.tryPermit(m.token, m.payer, permit);
        if (firstAmount != 0) {
            if (period == 0) period = 1; // so that the reason is NotStarted
            _collectOrRevert(clock, terms, id, uint16(period), firstAmount);
        }
    }

    /// Writes the word of a new mandate. Returns the period that now lies in, 0 before the start.
    function _register(Clock memory clock, Terms memory terms, Mandate calldata m, uint96 id)
        private
        returns (uint256 period)
    {
        if (m.periods > PERIODS_MAX) revert TooManyPeriods(m.periods, PERIODS_MAX);
        if (m.start + START_PAST_MAX < block.timestamp) {
            revert StartTooEarly(m.start, block.timestamp - START_PAST_MAX);
        }
        if (m.start > block.timestamp + START_FUTURE_MAX) {
            revert StartTooLate(m.start, block.timestamp + START_FUTURE_MAX);
        }
        uint24 planId = _internPlan(m);
        terms.read(_plans[planId], planId);
        if (!terms.isOpen()) revert PlanNotOpen(planId);

        uint256 anchor = terms.anchorOf(m.start);
        period = terms.periodAt(clock, anchor);
        uint256 last = m.periods == 0 ? PERIOD_MAX : m.periods;
        if (period > last) revert AlreadyOver(last, period);

        uint256 spentUpTo = period == 0 ? 0 : period - 1;
        _entries[id].word = SubscriptionWord.create(m.payer, planId, anchor, last, spentUpTo);
        emit Subscribed(id, m.payer, planId, m.start, m.periods);
    }

    /// The plan of these terms, created and checked if it is the first of its kind.
    function _internPlan(Mandate calldata m) private returns (uint24 planId) {
        if (!tokens[m.token]) revert TokenNotAllowed(m.token);
        bytes32 terms = keccak256(abi.encode(m.payee, m.token, m.amount, m.unit, m.every, m.feeBps, m.arrears));
        planId = _planIds[terms];
        if (planId != 0) return planId;

        if (m.payee == address(0)) revert ZeroAddress();
        if (m.payee == address(this)) revert SelfAddress(m.payee); // nothing could ever leave again
        if (m.amount == 0) revert AmountZero();
        (uint256 min, uint256 max) =
            m.unit == Unit.Months ? (1, EVERY_MONTHS_MAX) : (EVERY_SECONDS_MIN, EVERY_SECONDS_MAX);
        if (m.every < min || m.every > max) revert EveryOutOfRange(m.every, min, max);
        if (m.feeBps > FEE_BPS_MAX) revert FeeTooHigh(m.feeBps, FEE_BPS_MAX);
        if (m.arrears > ARREARS_MAX) revert ArrearsTooHigh(m.arrears, ARREARS_MAX);
        if (planCount == type(uint24).max) revert TooManyPlans(type(uint24).max);

        planId = ++planCount;
        _planIds[terms] = planId;
        _plans[planId] = TermsWords.create(m);
        emit PlanCreated(planId, m.payee, m.token, m.amount, m.unit, m.every, m.feeBps, m.arrears);
    }

    /// Closes a plan, so that nothing is collected or registered on it, or opens it again. Only its payee may.
    function setPlanOpen(uint24 planId, bool open) external {
        Terms memory terms;
        terms.read(_plans[planId], planId);
        if (msg.sender != terms.payee()) revert NotParty(msg.sender);
        _plans[planId].second = terms.withOpen(open);
        emit PlanOpened(planId, open);
    }

    // ================================================================================================= leaving
    // None of these looks at `paused`.

    /// Ends a mandate for ever. The payer or the payee; not operators: a stolen key must not be able to end every mandate.
    function cancel(uint96 id) external lock {
        Entry storage entry = _entries[id];
        Subscription sub = entry.word;
        if (sub.isUnknown()) revert UnknownMandate(id);
        if (msg.sender != sub.payer() && msg.sender != _payeeOf(sub)) revert NotParty(msg.sender);
        _cancel(entry, sub, id, msg.sender);
    }

    /// The same, by the payer's signature over Cancel(id), relayed by anybody.
    function cancelWithSig(uint96 id, bytes calldata signature) external lock {
        Entry storage entry = _entries[id];
        Subscription sub = entry.word;
        if (sub.isUnknown()) revert UnknownMandate(id);
        bytes32 digest = _hashCancel(id);
        if (!Signatures.isFrom(sub.payer(), digest, signature)) revert WrongSigner(sub.payer());
        _cancel(entry, sub, id, sub.payer());
    }

    /// Makes a signed mandate unusable before anybody has registered it. Only its payer.
    function revokeUnregistered(Mandate calldata m) external lock returns (uint96 id) {
        if (msg.sender != m.payer) revert NotParty(msg.sender);
        id = mandateId(m);
        _requireNew(id);
        _cancel(_entries[id], SubscriptionWord.create(m.payer, 0, 0, 0, 0), id, msg.sender);
    }

    function _cancel(Entry storage entry, Subscription sub, uint96 id, address by) private {
        if (sub.isCanceled()) revert AlreadyCanceled(id);
        entry.word = sub.cancel();
        emit Canceled(id, by);
    }

    function _payeeOf(Subscription sub) private view returns (address) {
        return address(uint160(_plans[sub.planId()].first));
    }

    function _requireNew(uint96 id) private view {
        Subscription sub = _entries[id].word;
        if (sub.isUnknown()) return;
        if (sub.isCanceled()) revert AlreadyCanceled(id);
        revert AlreadyRegistered(id);
    }

    // ================================================================================================= collecting
    /// Collects `amount` for one named period, or reverts with the reason. By an operator, or by the payee itself, so that a
    /// merchant never depends on the operator being up.
    function charge(uint96 id, uint16 period, uint96 amount) external whenRunning lock {
        if (!operators[msg.sender] && msg.sender != _payeeOf(_entries[id].word)) revert NotOperator(msg.sender);
        Terms memory terms;
        _collectOrRevert(Calendar.read(block.timestamp), terms, id, period, amount);
    }

    /// Collects the full amount of each item, 14 bytes each: id 12 | period 2. A failing item emits ChargeFailed and the
    /// rest goes on. Cheapest when items of one plan stand together.
    function chargeBatch(bytes calldata items) external whenRunning lock returns (uint256 charged) {
        return _chargeItems(items, ITEM);
    }

    /// The same with an amount, 26 bytes each: id 12 | period 2 | amount 12. For discounts, proration, metering.
    function chargeBatchAmounts(bytes calldata items) external whenRunning lock returns (uint256 charged) {
        return _chargeItems(items, ITEM_WITH_AMOUNT);
    }

    /// What chargeBatchAmounts would do to each item, by doing it: five bytes each, reason 1 | tokenError 4. Items see what
    /// those before them took from a shared allowance. Callable only from address zero, whose key nobody has: by eth_call,
    /// never by a transaction.
    function simulate(bytes calldata items) external whenRunning lock returns (bytes memory outcomes) {
        if (msg.sender != address(0)) revert SimulationOnly(msg.sender);
        if (items.length % ITEM_WITH_AMOUNT != 0) revert BadLength(items.length, ITEM_WITH_AMOUNT);
        Clock memory clock = Calendar.read(block.timestamp);
        Terms memory terms;
        for (uint256 offset = 0; offset < items.length; offset += ITEM_WITH_AMOUNT) {
            (uint96 id, uint16 period, uint256 amount) = _itemAt(items, offset, ITEM_WITH_AMOUNT);
            outcomes = bytes.concat(outcomes, _attempt(clock, terms, id, period, amount).toBytes());
        }
    }

    function _chargeItems(bytes calldata items, uint256 size) private returns (uint256 charged) {
        if (!operators[msg.sender]) revert NotOperator(msg.sender);
        if (items.length % size != 0) revert BadLength(items.length, size);
        Clock memory clock = Calendar.read(block.timestamp);
        Terms memory terms;
        unchecked {
            for (uint256 offset = 0; offset < items.length; offset += size) {
                (uint96 id, uint16 period, uint256 amount) = _itemAt(items, offset, size);
                Outcome outcome = _attempt(clock, terms, id, period, amount);
                if (outcome.isCollected()) ++charged;
                else emit ChargeFailed(id, period, outcome.reason(), outcome.tokenError());
            }
        }
    }

    function _itemAt(bytes calldata items, uint256 offset, uint256 size)
        private
        pure
        returns (uint96 id, uint16 period, uint256 amount)
    {
        uint256 item;
        // A slice costs about 150 gas an item for bounds that the caller's length check already implies.
        assembly ("memory-safe") {
            item := calldataload(add(items.offset, offset))
        }
        id = uint96(item >> 160);
        period = uint16(item >> 144);
        amount = size == ITEM ? FULL_AMOUNT : uint96(item >> 48);
    }

    function _collectOrRevert(Clock memory clock, Terms memory terms, uint96 id, uint16 period, uint256 amount)
        private
    {
        Outcome outcome = _attempt(clock, terms, id, period, amount);
        if (!outcome.isCollected()) revert ChargeRejected(id, period, outcome.reason(), outcome.tokenError());
    }

    /// The one path by which money moves. Everything that calls it holds the lock. `terms` are those of the item before, so
    /// that a run of items on one plan reads it once.
    function _attempt(Clock memory clock, Terms memory terms, uint96 id, uint16 period, uint256 amount)
        private
        returns (Outcome outcome)
    {
        // check
        Entry storage entry = _entries[id];
        Subscription sub = entry.word;
        if (sub.isUnknown()) return Outcomes.failed(Fail.Unknown);
        if (sub.isCanceled()) return Outcomes.failed(Fail.Canceled); // before the plan: a tombstone may have none
        uint256 planId = sub.planId();
        if (terms.planId != planId) terms.read(_plans[planId], planId);
        outcome = _refusal(clock, terms, sub, period);
        if (!outcome.isCollected()) return outcome;
        uint256 cap = terms.amount();
        if (amount == FULL_AMOUNT) amount = cap;
        else if (amount == 0 || amount > cap) return Outcomes.failed(Fail.AmountTooHigh);

        // effect
        entry.word = sub.spend(period);

        // interaction, event
        outcome = _pull(terms, sub.payer(), id, period, amount);
        if (!outcome.isCollected()) entry.word = sub; // give the period back; the lock has kept the word as it was
    }

    /// Why this period cannot be collected at this time, whatever the amount and before the token is asked.
    function _refusal(Clock memory clock, Terms memory terms, Subscription sub, uint256 period)
        private
        pure
        returns (Outcome)
    {
        unchecked {
            if (sub.isSpent(period)) return Outcomes.failed(period == 0 ? Fail.Unknown : Fail.AlreadyPaid);
            if (!terms.isOpen()) return Outcomes.failed(Fail.PlanClosed);
            if (period > sub.lastPeriod()) return Outcomes.failed(Fail.Ended);
            uint256 present = terms.periodAt(clock, sub.anchor());
            // The difference wraps around, to more than any arrears, for a period to come.
            if (present - period <= terms.arrears()) return Outcomes.COLLECTED;
            if (period == 0) return Outcomes.failed(Fail.Unknown);
            if (present == 0) return Outcomes.failed(Fail.NotStarted);
            return Outcomes.failed(period > present ? Fail.NotDue : Fail.TooLate);
        }
    }

    /// Moves the money: to the payee, then the fee. The events follow the calls, because a failed call must leave none.
    function _pull(Terms memory terms, address payer, uint96 id, uint16 period, uint256 amount)
        private
        returns (Outcome outcome)
    {
        unchecked {
            uint256 fee = terms.feeBps() == 0 ? 0 : _feeOf(terms, amount);
            if (fee != 0) {
                // Two pulls: a payer who has only the payee's share ready must not get away without the fee.
                Fail missing = TokenCalls.shortfall(terms.token(), payer, amount);
                if (missing != Fail.None) return Outcomes.failed(missing);
            }
            outcome = TokenCalls.pull(terms.token(), payer, terms.payee(), amount - fee);
            if (!outcome.isCollected()) {
                Fail missing = TokenCalls.shortfall(terms.token(), payer, amount);
                return missing == Fail.None ? outcome : Outcomes.failed(missing, outcome.tokenError());
            }
            emit Charged(id, period, uint96(amount));
            if (fee != 0 && !TokenCalls.pull(terms.token(), payer, feeRecipient, fee).isCollected()) {
                emit FeeSkipped(id, period, uint96(fee)); // the payee has been paid, so the period stays spent
            }
        }
    }

    function _feeOf(Terms memory terms, uint256 amount) private view returns (uint256) {
        return feeRecipient == address(0) ? 0 : amount * terms.feeBps() / BPS;
    }

    // ================================================================================================= views
    /// The registered mandate; all zero if there is none. While a token is being called its period already shows as spent.
    function mandate(uint96 id) external view returns (Registration memory r) {
        Subscription sub = _entries[id].word;
        r.payer = sub.payer();
        r.planId = sub.planId();
        Terms memory terms;
        terms.read(_plans[r.planId], r.planId);
        r.start = uint40(terms.startOf(1, sub.anchor())); // 0 where there is no plan
        r.newestSpent = uint16(sub.newestSpent());
        r.spentBefore = uint8(sub.spentBits());
        r.periods = sub.lastPeriod() == PERIOD_MAX ? 0 : uint16(sub.lastPeriod());
        r.canceled = sub.isCanceled();
    }

    /// The plan; all zero if there is none.
    function plan(uint24 id) external view returns (Plan memory) {
        Terms memory terms;
        terms.read(_plans[id], id);
        return terms.unpack();
    }

    /// What collecting the full amount of `period` now would meet, before the token is asked. Looks at neither `paused` nor
    /// the token. Without a registered mandate, or for period 0, everything but the reason is zero.
    function quote(uint96 id, uint16 period) external view returns (Quote memory q) {
        Subscription sub = _entries[id].word;
        q.reason = sub.isUnknown() || period == 0 ? Fail.Unknown : Fail.Canceled;
        if (period == 0 || sub.planId() == 0) return q; // unknown, or revoked before it was registered
        Clock memory clock = Calendar.read(block.timestamp);
        Terms memory terms;
        terms.read(_plans[sub.planId()], sub.planId());
        if (!sub.isCanceled()) q.reason = _refusal(clock, terms, sub, period).reason();

        uint256 present = terms.periodAt(clock, sub.anchor());
        q.periodNow = uint16(present > type(uint16).max ? type(uint16).max : present);
        q.amount = uint96(terms.amount());
        q.fee = uint96(_feeOf(terms, terms.amount()));
        q.startsAt = uint64(terms.startOf(period, sub.anchor()));
        q.endsAt = uint64(terms.startOf(uint256(period) + 1, sub.anchor()));
        q.collectableUntil = uint64(terms.startOf(uint256(period) + 1 + terms.arrears(), sub.anchor()));
    }
}
