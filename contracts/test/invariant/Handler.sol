// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Calendar} from "../../src/Calendar.sol";
import {Fail, IDuesMandates, Mandate, Plan, Registration, Unit} from "../../src/IDuesMandates.sol";
import {Log, Vm} from "../base/Vm.sol";
import {FalseToken, HostileToken, NoReturnToken} from "../mocks/FaultTokens.sol";
import {TestUSDC} from "../mocks/TestUSDC.sol";

interface IAnyToken {
    function mint(address to, uint256 value) external;
    function approve(address spender, uint256 value) external;
    function balanceOf(address account) external view returns (uint256);
}

/// What one registered mandate has been through, written down from the events alone.
struct Track {
    Mandate terms;
    uint96 id;
    uint256 firstPeriod; // the period that the registration fell into; 1 for a trial
    bool canceled;
    bytes32 fingerprint; // of everything that may never change
}

/// Acts as everybody, in any order, with faults in between; the invariants look at what it wrote down.
contract Handler {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bytes32 private constant CHARGED = keccak256("Charged(uint96,uint16,uint96)");
    bytes32 private constant CHARGE_FAILED = keccak256("ChargeFailed(uint96,uint16,uint8,bytes4)");
    bytes32 private constant FEE_SKIPPED = keccak256("FeeSkipped(uint96,uint16,uint96)");

    address public constant OWNER = address(0x0123);
    address public constant OPERATOR = address(0x0456);
    address public constant FEES = address(0x0ABC);
    address public constant STRANGER = address(0x0DEF);
    uint256 public constant HONEST = 3; // tokens 0 to 2 keep honest books, the last one answers anything

    IDuesMandates public immutable dues;
    address[4] public tokens;
    address[4] public payers;
    address[3] public payees = [address(0x0701), address(0x0702), address(0x0703)];

    Track[] private tracks;
    mapping(uint96 id => uint256) private trackOf; // index + 1
    mapping(uint96 id => mapping(uint256 period => uint256)) public timesCharged;
    mapping(address token => mapping(address account => uint256)) public paid; // by payers, from events
    mapping(address token => mapping(address account => uint256)) public due; // to payees and fee recipient, from events
    uint96[] public revoked;

    // Each counts what must never happen.
    uint256 public chargedAboveCap;
    uint256 public chargedOutOfTime;
    uint256 public chargedAfterCancel;
    uint256 public chargedUnknown;
    uint256 public batchesReverted;
    uint256 public strangersHeard;
    uint256 public ownerMoved;
    uint256 public failuresThatChanged;

    constructor(IDuesMandates dues_) {
        dues = dues_;
        tokens = [
            address(new TestUSDC()),
            address(new NoReturnToken()),
            address(new FalseToken()),
            address(new HostileToken())
        ];
        HostileToken(tokens[3]).answer(0xdd62ed3e, false, false, abi.encode(uint256(0)));
        vm.startPrank(OWNER);
        dues.setOperator(OPERATOR, true);
        for (uint256 t = 0; t < 4; ++t) {
            dues.setToken(tokens[t], true);
        }
        vm.stopPrank();
        for (uint256 p = 0; p < 4; ++p) {
            payers[p] = vm.addr(p + 1);
            for (uint256 t = 0; t < HONEST; ++t) {
                IAnyToken(tokens[t]).mint(payers[p], 1000);
                vm.prank(payers[p]);
                IAnyToken(tokens[t]).approve(address(dues), 500);
            }
        }
        // So that there is something to charge from the first call on.
        for (uint256 i = 0; i < 6; ++i) {
            subscribe(i);
        }
    }

    // ------------------------------------------------------------------------------------------------- actions

    function subscribe(uint256 seed) public {
        if (tracks.length == 12) return;
        seed = uint256(keccak256(abi.encode(seed))); // small numbers are as good a seed as large ones
        Mandate memory m;
        m.payer = payers[seed % 4];
        m.payee = payees[(seed >> 8) % 3];
        m.token = tokens[(seed >> 16) % 4];
        m.amount = uint96(1 + (seed >> 24) % 3 * 49);
        m.unit = (seed >> 32) % 3 == 0 ? Unit.Months : Unit.Seconds;
        m.every = m.unit == Unit.Months ? 1 : uint32(1 + (seed >> 40) % 3) * 1 days;
        m.feeBps = uint16((seed >> 48) % 3 * 500);
        m.start = uint40(block.timestamp + (seed >> 56) % 25 days - 20 days);
        m.periods = uint16((seed >> 96) % 2 * ((seed >> 100) % 40));
        m.arrears = uint8((seed >> 104) % 9);
        m.deadline = type(uint64).max;
        m.salt = seed;
        uint96 firstAmount = (seed >> 112) % 3 == 0 ? m.amount : 0;
        bytes memory signature;
        if ((seed >> 120) % 2 == 0) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(seed % 4 + 1, dues.hashMandate(m));
            signature = abi.encodePacked(r, s, v);
        }
        if ((seed >> 128) % 16 == 0) {
            vm.prank(m.payer);
            try dues.revokeUnregistered(m) returns (uint96 id) {
                revoked.push(id);
            } catch {}
        }
        _register(m, signature, firstAmount);
    }

    function charge(uint256 index, uint256 back, uint96 amount, bool byPayee) external {
        Track storage t = tracks[index % tracks.length];
        vm.recordLogs();
        vm.prank(byPayee ? t.terms.payee : OPERATOR);
        if (amount % 4 != 0) amount = t.terms.amount;
        try dues.charge(t.id, _named(t, back), amount % (t.terms.amount + 2)) {} catch {}
        _note();
    }

    /// What a gateway does all day: everybody's present period, in one batch.
    function chargeEverybody(uint256 back) external {
        bytes memory items;
        for (uint256 i = 0; i < tracks.length; ++i) {
            items = bytes.concat(items, abi.encodePacked(tracks[i].id, _named(tracks[i], 1 + back % 3)));
        }
        _batch(abi.encodeCall(dues.chargeBatch, (items)));
    }

    /// Any mandates, periods and amounts, some of them nonsense, in any order, some of them twice.
    function chargeBatch(uint256 seed, bool withAmounts) external {
        bytes memory items;
        for (uint256 i = 0; i < 1 + seed % 6; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            uint96 id = uint96(roll);
            uint16 period = uint16(roll >> 96);
            uint96 amount = uint96((roll >> 144) % 120);
            if (roll >> 248 > 16) {
                Track storage t = tracks[roll % tracks.length];
                (id, period) = (t.id, _named(t, roll >> 128));
                if (roll >> 252 > 3) amount = t.terms.amount;
            }
            items = withAmounts
                ? bytes.concat(items, abi.encodePacked(id, period, amount))
                : bytes.concat(items, abi.encodePacked(id, period));
        }
        _batch(
            withAmounts ? abi.encodeCall(dues.chargeBatchAmounts, (items)) : abi.encodeCall(dues.chargeBatch, (items))
        );
    }

    function _batch(bytes memory call_) private {
        bool paused = dues.paused();
        bytes32 before = _state();
        vm.recordLogs();
        vm.prank(OPERATOR);
        (bool ok, bytes memory answer) = address(dues).call(call_);
        if (!ok && !paused) ++batchesReverted;
        _note();
        if (ok && abi.decode(answer, (uint256)) == 0 && before != _state()) ++failuresThatChanged;
    }

    function cancel(uint256 index, bool byPayee) external {
        Track storage t = tracks[index % tracks.length];
        if (uint256(keccak256(abi.encode(index))) % 2 == 0) return; // or hardly anything would stay alive
        vm.prank(byPayee ? t.terms.payee : t.terms.payer);
        try dues.cancel(t.id) {
            t.canceled = true;
        } catch {}
    }

    function openOrClose(uint256 seed, bool open) external {
        if (dues.planCount() == 0) return;
        uint24 planId = uint24(1 + seed % dues.planCount());
        vm.prank(dues.plan(planId).payee);
        dues.setPlanOpen(planId, open || seed % 3 != 0);
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + time % 3 days); // the shortest period is a day
    }

    function approve(uint256 payer, uint256 token, uint256 value) external {
        address from = payers[payer % 4];
        vm.startPrank(from);
        try IAnyToken(tokens[token % HONEST]).approve(address(dues), 0) {
            IAnyToken(tokens[token % HONEST]).approve(address(dues), 50 + value % 1000);
        } catch {} // blacklisted, or the token is paused
        vm.stopPrank();
    }

    function fault(uint256 seed, bytes calldata answer) external {
        address[5] memory anybody = [payers[0], payers[1], payees[0], FEES, address(dues)];
        address account = anybody[(seed >> 8) % 5];
        TestUSDC usdc = TestUSDC(tokens[0]);
        seed = uint256(keccak256(abi.encode(seed)));
        uint256 kind = seed % 6;
        bool mend = (seed >> 64) % 2 == 0;
        if (kind < 2 && mend) usdc.unBlacklist(account);
        if (kind == 0 && !mend) usdc.blacklist(account);
        if (kind == 2 && usdc.paused()) usdc.unpause();
        else if (kind == 2 && !mend) usdc.pause();
        if (kind == 3) FalseToken(tokens[2]).setRefusing((seed >> 8) % 2 == 0);
        bytes4[3] memory selectors = [bytes4(0x23b872dd), 0xdd62ed3e, 0x70a08231];
        if (kind == 4) {
            HostileToken(tokens[3])
                .answer(selectors[(seed >> 8) % 3], (seed >> 16) % 2 == 0, (seed >> 24) % 4 == 0, answer);
        }
        if (kind == 5) HostileToken(tokens[3]).answer(selectors[0], false, false, abi.encode(uint256(1)));
    }

    /// Everything that an owner can do, with honest and with bad intent.
    function ownerActs(uint256 seed) external {
        bytes32 before = _balances();
        seed = uint256(keccak256(abi.encode(seed)));
        vm.startPrank(OWNER);
        uint256 kind = dues.paused() ? 1 : seed % 8;
        if (kind < 2) dues.setPaused(kind == 0);
        if (kind == 2) dues.setToken(tokens[(seed >> 8) % HONEST], (seed >> 16) % 4 != 0);
        if (kind == 3) dues.setFeeRecipient((seed >> 8) % 2 == 0 ? FEES : address(0));
        if (kind == 4) dues.setOperator(STRANGER, false);
        if (kind == 5) dues.transferOwnership(address(uint160(seed)));
        if (kind == 6) {
            Track storage t = tracks[seed % tracks.length];
            try dues.charge(t.id, _named(t, 0), 1) {} catch {}
            try dues.cancel(t.id) {} catch {}
        }
        if (kind == 7) try dues.setPlanOpen(1, false) {} catch {}
        vm.stopPrank();
        if (before != _balances()) ++ownerMoved;
    }

    /// Everything that somebody without a role can try.
    function strangerActs(uint256 seed) external {
        seed = uint256(keccak256(abi.encode(seed)));
        Track storage t = tracks[seed % tracks.length];
        (uint96 id, uint16 period, Mandate memory m) = (t.id, _named(t, 0), t.terms);
        bytes[12] memory calls = [
            abi.encodeCall(dues.charge, (id, period, 1)),
            abi.encodeCall(dues.chargeBatch, (abi.encodePacked(id, period))),
            abi.encodeCall(dues.chargeBatchAmounts, (abi.encodePacked(id, period, uint96(1)))),
            abi.encodeCall(dues.simulate, (abi.encodePacked(id, period, uint96(1)))),
            abi.encodeCall(dues.cancel, (id)),
            abi.encodeCall(dues.cancelWithSig, (id, new bytes(65))),
            abi.encodeCall(dues.revokeUnregistered, (m)),
            abi.encodeCall(dues.subscribe, (m, "", "", 0)),
            abi.encodeCall(dues.setPlanOpen, (uint24(1), false)),
            abi.encodeCall(dues.setPaused, (false)),
            abi.encodeCall(dues.setOperator, (STRANGER, true)),
            abi.encodeCall(dues.transferOwnership, (STRANGER))
        ];
        vm.recordLogs();
        vm.prank(STRANGER);
        (bool ok,) = address(dues).call(calls[(seed >> 128) % 12]);
        if (ok || vm.getRecordedLogs().length != 0) ++strangersHeard;
    }

    // ------------------------------------------------------------------------------------------------- bookkeeping

    function count() external view returns (uint256) {
        return tracks.length;
    }

    function track(uint256 index) external view returns (Track memory) {
        return tracks[index];
    }

    function revokedCount() external view returns (uint256) {
        return revoked.length;
    }

    /// Everything about a mandate and its plan that no call may change.
    function fingerprint(uint96 id) public view returns (bytes32) {
        Registration memory r = dues.mandate(id);
        Plan memory p = dues.plan(r.planId);
        p.open = true;
        return keccak256(abi.encode(r.payer, r.planId, r.start, r.periods, p));
    }

    /// The period that now lies in, from the terms and the calendar that is held against Python's.
    function present(Mandate memory m) public view returns (uint256) {
        if (block.timestamp < m.start) return 0;
        if (m.unit == Unit.Seconds) return 1 + (block.timestamp - m.start) / m.every;
        uint256 anchor = Calendar.monthAnchor(Calendar.read(m.start));
        return (Calendar.monthsBegun(anchor, Calendar.read(block.timestamp)) + m.every - 1) / m.every;
    }

    function _register(Mandate memory m, bytes memory signature, uint96 firstAmount) private {
        Track memory t;
        t.terms = m;
        t.id = dues.mandateId(m);
        if (trackOf[t.id] != 0) return; // the same call in the same second
        t.firstPeriod = present(m) == 0 ? 1 : present(m);
        tracks.push(t);
        trackOf[t.id] = tracks.length;
        vm.recordLogs();
        vm.prank(signature.length == 0 ? m.payer : OPERATOR);
        try dues.subscribe(m, signature, "", firstAmount) {
            _note();
            tracks[tracks.length - 1].fingerprint = fingerprint(t.id);
        } catch {
            tracks.pop();
            trackOf[t.id] = 0;
        }
    }

    /// A period near the present one: from one ahead to ten back.
    function _named(Track storage t, uint256 back) private view returns (uint16) {
        uint256 ahead = present(t.terms) + 1;
        back = back % 3 == 0 ? back / 3 % 12 : 1 + back % 2; // mostly the present one and the one before
        return uint16(back > ahead ? 0 : ahead - back);
    }

    /// Reads the events of the last action into the books.
    function _note() private {
        Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter != address(dues)) continue;
            if (logs[i].topics[0] == CHARGED) _noteCharged(logs[i]);
            if (logs[i].topics[0] == FEE_SKIPPED) _noteSkipped(logs[i]);
        }
    }

    function _noteCharged(Log memory entry) private {
        uint96 id = uint96(uint256(entry.topics[1]));
        (uint256 period, uint256 amount) = abi.decode(entry.data, (uint256, uint256));
        if (trackOf[id] == 0) {
            ++chargedUnknown;
            return;
        }
        Track storage t = tracks[trackOf[id] - 1];
        uint256 now_ = present(t.terms);
        if (amount > t.terms.amount) ++chargedAboveCap;
        bool inTime = period <= now_ && now_ <= period + t.terms.arrears && period >= t.firstPeriod
            && (t.terms.periods == 0 || period <= t.terms.periods);
        if (!inTime) ++chargedOutOfTime;
        if (t.canceled) ++chargedAfterCancel;
        ++timesCharged[id][period];
        uint256 fee = dues.feeRecipient() == address(0) ? 0 : amount * t.terms.feeBps / 10_000;
        paid[t.terms.token][t.terms.payer] += amount;
        due[t.terms.token][t.terms.payee] += amount - fee;
        due[t.terms.token][FEES] += fee;
    }

    function _noteSkipped(Log memory entry) private {
        (, uint256 fee) = abi.decode(entry.data, (uint256, uint256));
        Track storage t = tracks[trackOf[uint96(uint256(entry.topics[1]))] - 1];
        paid[t.terms.token][t.terms.payer] -= fee;
        due[t.terms.token][FEES] -= fee;
    }

    /// Everything that a failed charge must leave alone.
    function _state() private view returns (bytes32 state) {
        state = _balances();
        for (uint256 i = 0; i < tracks.length; ++i) {
            state = keccak256(abi.encode(state, dues.mandate(tracks[i].id)));
        }
    }

    function _balances() private view returns (bytes32 state) {
        for (uint256 t = 0; t < HONEST; ++t) {
            for (uint256 p = 0; p < 4; ++p) {
                state = keccak256(abi.encode(state, IAnyToken(tokens[t]).balanceOf(payers[p])));
            }
        }
    }
}
