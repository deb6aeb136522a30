// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, Mandate, Plan, Quote, Registration} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

contract MandateViewTest is DuesTest {
    function test_nothingKnownIsAllZero() external view {
        Registration memory none;
        vm.assertEq(abi.encode(dues.mandate(7)), abi.encode(none), "mandate");
        Plan memory noPlan;
        vm.assertEq(abi.encode(dues.plan(7)), abi.encode(noPlan), "plan");
    }

    function test_itShowsWhatIsSpent() external {
        Mandate memory m = termsInSeconds();
        m.arrears = 8;
        uint96 id = register(m);
        vm.warp(NOW + 150 days);
        charge(id, 6);
        charge(id, 3);
        Registration memory r = dues.mandate(id);
        vm.assertEq(r.newestSpent, 6, "newest");
        vm.assertEq(r.spentBefore, 4 + 32, "3 and, as the zeroth, 0"); // bit 2 = 6-1-2, bit 5 = 6-1-5
    }

    function test_itShowsHowManyPeriodsWereAgreedAndZeroForAMandateWithoutEnd() external {
        Mandate memory m = terms();
        vm.assertEq(dues.mandate(register(m)).periods, 0, "without end");
        (m.periods, m.salt) = (12, m.salt + 1);
        vm.assertEq(dues.mandate(register(m)).periods, 12, "a year of months");
    }

    function testFuzz_theStartIsShownAsSigned(uint40 shift, bool months) external {
        Mandate memory m = months ? terms() : termsInSeconds();
        m.start = NOW - 3660 days + shift % (3660 days + 731 days + 1);
        vm.assertEq(dues.mandate(register(m)).start, m.start, "to the second");
    }
}

contract QuoteTest is DuesTest {
    function test_aDuePeriodIsOnlyTheTokensToRefuse() external {
        Mandate memory m = termsInSeconds();
        m.feeBps = 100;
        uint96 id = register(m);
        vm.warp(NOW + 31 days);
        Quote memory q = dues.quote(id, 1);
        vm.assertTrue(q.reason == Fail.None, "late, but within its arrears");
        vm.assertEq(q.periodNow, 2, "now");
        vm.assertEq(q.amount, PRICE, "amount");
        vm.assertEq(q.fee, PRICE / 100, "fee");
        vm.assertEq(q.startsAt, NOW, "start");
        vm.assertEq(q.endsAt, NOW + 30 days, "end");
        vm.assertEq(q.collectableUntil, NOW + 60 days, "arrears 1");
    }

    function test_monthsAreCalendarMonths() external {
        Quote memory q = dues.quote(register(terms()), 2);
        vm.assertTrue(q.reason == Fail.NotDue, "not yet");
        vm.assertEq(q.periodNow, 1, "now");
        vm.assertEq(q.startsAt, 1_803_808_800, "28 February");
        vm.assertEq(q.endsAt, 1_806_487_200, "31 March");
        vm.assertEq(q.collectableUntil, 1_809_079_200, "30 April");
        vm.assertEq(q.fee, 0, "no fee");
    }

    function test_reasonsAreThoseOfACharge() external {
        Mandate memory m = termsInSeconds();
        (m.arrears, m.periods) = (0, 3);
        uint96 id = register(m);
        charge(id, 1);
        vm.assertTrue(dues.quote(id, 1).reason == Fail.AlreadyPaid, "paid");
        vm.assertTrue(dues.quote(id, 2).reason == Fail.NotDue, "not due");
        vm.assertTrue(dues.quote(id, 4).reason == Fail.Ended, "ended");
        vm.assertTrue(dues.quote(7, 1).reason == Fail.Unknown, "unknown");
        vm.assertTrue(dues.quote(id, 0).reason == Fail.Unknown, "no such period");
        vm.assertEq(dues.quote(id, 0).amount, 0, "and nothing else");
        vm.warp(NOW + 60 days);
        vm.assertTrue(dues.quote(id, 2).reason == Fail.TooLate, "too late");
        vm.prank(PAYEE);
        dues.setPlanOpen(1, false);
        vm.assertTrue(dues.quote(id, 3).reason == Fail.PlanClosed, "closed");
        vm.prank(payer);
        dues.cancel(id);
        Quote memory q = dues.quote(id, 3);
        vm.assertTrue(q.reason == Fail.Canceled, "canceled");
        vm.assertEq(q.startsAt, NOW + 60 days, "a canceled mandate keeps its calendar");
    }

    function test_aTrialIsQuotedAsNotStarted() external {
        Mandate memory m = terms();
        m.start = NOW + 1;
        Quote memory q = dues.quote(register(m), 1);
        vm.assertTrue(q.reason == Fail.NotStarted, "trial");
        vm.assertEq(q.periodNow, 0, "before the first");
    }

    function test_aRevokedMandateHasOnlyItsReason() external {
        vm.prank(payer);
        uint96 id = dues.revokeUnregistered(terms());
        Quote memory only;
        only.reason = Fail.Canceled;
        vm.assertEq(abi.encode(dues.quote(id, 1)), abi.encode(only), "canceled, and zeros");
    }

    function test_withoutFeeRecipientThereIsNoFee() external {
        Mandate memory m = terms();
        m.feeBps = 100;
        uint96 id = register(m);
        vm.prank(OWNER);
        dues.setFeeRecipient(address(0));
        vm.assertEq(dues.quote(id, 1).fee, 0, "none");
    }

    function test_thePresentPeriodStopsAtTheGreatestNumber() external {
        Mandate memory m = termsInSeconds();
        m.every = 1 days;
        uint96 id = register(m);
        vm.warp(NOW + 65_534 days);
        vm.assertEq(dues.quote(id, 1).periodNow, 65_535, "exact");
        vm.warp(NOW + 65_535 days);
        vm.assertEq(dues.quote(id, 1).periodNow, 65_535, "and no wrap");
    }

    /// A quote of None means that a charge goes through, any other that it fails with that reason.
    function testFuzz_theQuoteIsWhatAChargeMeets(
        uint40 later,
        uint16 period,
        uint8 arrears,
        uint16 periods,
        bool months
    ) external {
        Mandate memory m = months ? terms() : termsInSeconds();
        (m.arrears, m.periods) = (arrears % 9, periods % 30);
        uint96 id = register(m);
        vm.warp(NOW + later % 800 days);
        period %= 32;
        Fail reason = dues.quote(id, period).reason;
        if (reason == Fail.None) charge(id, period);
        else chargeRejected(id, period, reason);
    }

    /// Each period is collectable from its start to the end of its arrears, on neither side a second more.
    function testFuzz_theQuotedTimesAreTheEdges(uint40 start, uint16 period, uint8 arrears, uint8 every) external {
        Mandate memory m = terms();
        m.start = NOW + start % 700 days;
        (m.arrears, m.every) = (arrears % 9, 1 + every % 24);
        uint96 id = register(m);
        period = 1 + period % 200;
        Quote memory q = dues.quote(id, period);
        vm.warp(q.startsAt - 1);
        Fail early = dues.quote(id, period).reason;
        vm.assertTrue(early == Fail.NotDue || early == Fail.NotStarted, "one second before");
        vm.warp(q.startsAt);
        vm.assertTrue(dues.quote(id, period).reason == Fail.None, "on the first second");
        vm.assertEq(dues.quote(id, period).periodNow, period, "it is the present one");
        vm.warp(q.endsAt);
        vm.assertEq(dues.quote(id, period).periodNow, period + 1, "the next begins where it ends");
        vm.warp(q.collectableUntil - 1);
        vm.assertTrue(dues.quote(id, period).reason == Fail.None, "on the last second of its arrears");
        vm.warp(q.collectableUntil);
        vm.assertTrue(dues.quote(id, period).reason == Fail.TooLate, "one second later");
    }
}

contract HashMandateTest is DuesTest {
    /// Spelled out here, so that a change of a type string cannot hide.
    string private constant TYPE =
        "Mandate(address payer,address payee,address token,uint96 amount,uint8 unit,uint32 every,uint16 feeBps,uint40 start,uint16 periods,uint8 arrears,uint64 deadline,uint256 salt)";

    function domain(uint256 chain) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Dues Mandates"),
                keccak256("1"),
                chain,
                address(dues)
            )
        );
    }

    function test_theDigestIsThatOfEip712() external view {
        Mandate memory m = terms();
        bytes32 structHash = keccak256(
            abi.encodePacked(
                abi.encode(keccak256(bytes(TYPE)), m.payer, m.payee, m.token),
                abi.encode(m.amount, m.unit, m.every, m.feeBps),
                abi.encode(m.start, m.periods, m.arrears, m.deadline),
                m.salt
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain(block.chainid), structHash));
        vm.assertEq(dues.domainSeparator(), domain(block.chainid), "domain");
        vm.assertEq(dues.hashMandate(m), digest, "digest");
        vm.assertEq(dues.mandateId(m), uint96(bytes12(digest)), "the id is its first 12 bytes");
    }

    function test_aForkHasAnotherDomain() external {
        bytes32 before = dues.hashMandate(terms());
        vm.chainId(4242);
        vm.assertEq(dues.domainSeparator(), domain(4242), "domain of the fork");
        vm.assertNotEq(dues.hashMandate(terms()), before, "digest of the fork");
    }
}
