// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDuesMandates, Mandate, Unit} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

/// Which terms can be registered: each limit from both sides.
contract SubscribeTermsTest is DuesTest {
    function refused(Mandate memory m, bytes memory expected) private {
        vm.expectRevert(expected);
        register(m);
        vm.assertEq(dues.mandate(dues.mandateId(m)).payer, address(0), "nothing was registered");
    }

    function test_theTokenMustBeAllowed() external {
        Mandate memory m = terms();
        m.token = address(0xDEAD);
        refused(m, abi.encodeWithSelector(IDuesMandates.TokenNotAllowed.selector, m.token));
    }

    function test_aTokenForbiddenLaterTakesNoNewMandatesButKeepsTheOld() external {
        uint96 id = register(terms());
        vm.prank(OWNER);
        dues.setToken(address(usdc), false);
        Mandate memory m = terms();
        m.salt = 2;
        refused(m, abi.encodeWithSelector(IDuesMandates.TokenNotAllowed.selector, address(usdc)));
        charge(id, 1);
    }

    function test_thePayeeIsSomebodyElse() external {
        Mandate memory m = terms();
        m.payee = address(0);
        refused(m, abi.encodeWithSelector(IDuesMandates.ZeroAddress.selector));
        m.payee = address(dues);
        refused(m, abi.encodeWithSelector(IDuesMandates.SelfAddress.selector, address(dues)));
    }

    function test_theAmountIsNotZero() external {
        Mandate memory m = terms();
        m.amount = 0;
        refused(m, abi.encodeWithSelector(IDuesMandates.AmountZero.selector));
        m.amount = 1;
        register(m);
    }

    function test_monthlyPeriodsAreOneTo120Months() external {
        Mandate memory m = terms();
        m.every = 0;
        refused(m, abi.encodeWithSelector(IDuesMandates.EveryOutOfRange.selector, 0, 1, 120));
        m.every = 121;
        refused(m, abi.encodeWithSelector(IDuesMandates.EveryOutOfRange.selector, 121, 1, 120));
        m.every = 120;
        register(m);
    }

    function test_periodsInSecondsAreOneDayTo3660Days() external {
        Mandate memory m = terms();
        m.unit = Unit.Seconds;
        m.every = 1 days - 1;
        refused(m, abi.encodeWithSelector(IDuesMandates.EveryOutOfRange.selector, m.every, 1 days, 3660 days));
        m.every = 3660 days + 1;
        refused(m, abi.encodeWithSelector(IDuesMandates.EveryOutOfRange.selector, m.every, 1 days, 3660 days));
        m.every = 1 days;
        register(m);
        m.every = 3660 days;
        register(m);
    }

    function test_theFeeIsAtMostATenth() external {
        Mandate memory m = terms();
        m.feeBps = 1001;
        refused(m, abi.encodeWithSelector(IDuesMandates.FeeTooHigh.selector, 1001, 1000));
        m.feeBps = 1000;
        register(m);
    }

    function test_arrearsAreAtMostEight() external {
        Mandate memory m = terms();
        m.arrears = 9;
        refused(m, abi.encodeWithSelector(IDuesMandates.ArrearsTooHigh.selector, 9, 8));
        m.arrears = 8;
        register(m);
    }

    function test_thereAreAtMost4093Periods() external {
        Mandate memory m = terms();
        m.periods = 4094;
        refused(m, abi.encodeWithSelector(IDuesMandates.TooManyPeriods.selector, 4094, 4093));
        m.periods = 4093;
        vm.assertEq(dues.mandate(register(m)).periods, 4093, "as signed");
    }

    function test_theStartLiesAtMost3660DaysBack() external {
        Mandate memory m = terms();
        m.start = NOW - 3660 days - 1;
        refused(m, abi.encodeWithSelector(IDuesMandates.StartTooEarly.selector, m.start, NOW - 3660 days));
        m.start = NOW - 3660 days;
        register(m);
    }

    function test_theStartLiesAtMost731DaysAhead() external {
        Mandate memory m = terms();
        m.start = NOW + 731 days + 1;
        refused(m, abi.encodeWithSelector(IDuesMandates.StartTooLate.selector, m.start, NOW + 731 days));
        m.start = NOW + 731 days;
        register(m);
    }

    function test_aMandateThatIsOverIsNotRegistered() external {
        Mandate memory m = termsInSeconds();
        (m.start, m.periods) = (NOW - 60 days, 2); // now is the first second of period 3
        refused(m, abi.encodeWithSelector(IDuesMandates.AlreadyOver.selector, 2, 3));
        m.periods = 3;
        charge(register(m), 3);
    }

    function test_aClosedPlanTakesNoNewMandates() external {
        register(terms());
        vm.prank(PAYEE);
        dues.setPlanOpen(1, false);
        Mandate memory m = terms();
        m.salt = 2;
        refused(m, abi.encodeWithSelector(IDuesMandates.PlanNotOpen.selector, 1));
        vm.prank(PAYEE);
        dues.setPlanOpen(1, true);
        register(m);
    }

    function test_planNumbersEnd() external {
        vm.store(address(dues), bytes32(uint256(5)), bytes32(uint256(type(uint24).max - 1))); // planCount, see docs/contract.md
        vm.assertEq(dues.planCount(), type(uint24).max - 1, "the slot is the right one");
        register(terms());
        Mandate memory m = terms();
        m.every = 2;
        refused(m, abi.encodeWithSelector(IDuesMandates.TooManyPlans.selector, type(uint24).max));
        m.every = 1;
        m.salt = 2;
        register(m); // plans that exist go on
    }
}
