// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

bytes4 constant ERROR_STRING = 0x08c379a0; // Error(string), how TestUSDC refuses

contract ChargeTest is DuesTest {
    // ------------------------------------------------------------------------------------------------- who

    function test_anOperatorCollectsForThePayee() external {
        uint96 id = register(terms());
        expectEvent();
        emit IDuesMandates.Charged(id, 1, PRICE);
        charge(id, 1);
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE, "the payee has the money");
        vm.assertEq(usdc.balanceOf(payer), 1000e6 - PRICE, "it left the payer");
        vm.assertEq(dues.mandate(id).newestSpent, 1, "the period is spent");
    }

    function test_thePayeeItselfCollects() external {
        uint96 id = register(terms());
        vm.prank(PAYEE);
        dues.charge(id, 1, PRICE);
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE, "the payee has the money");
    }

    function test_nobodyElseCollects() external {
        uint96 id = register(terms());
        address[3] memory callers = [STRANGER, payer, OWNER];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotOperator.selector, callers[i]));
            vm.prank(callers[i]);
            dues.charge(id, 1, PRICE);
        }
    }

    function test_thePayeeOfAnotherPlanCollectsNothing() external {
        Mandate memory foreign = terms();
        foreign.payee = STRANGER;
        register(foreign);
        uint96 id = register(terms());
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotOperator.selector, STRANGER));
        vm.prank(STRANGER);
        dues.charge(id, 1, PRICE);
    }

    function test_nothingIsCollectedWhilePaused() external {
        uint96 id = register(terms());
        vm.prank(OWNER);
        dues.setPaused(true);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.IsPaused.selector));
        vm.prank(OPERATOR);
        dues.charge(id, 1, PRICE);
    }

    // ------------------------------------------------------------------------------------------------- how much

    function test_lessThanTheCapMayBeCollected() external {
        uint96 id = register(terms());
        vm.prank(OPERATOR);
        dues.charge(id, 1, 1);
        vm.assertEq(usdc.balanceOf(PAYEE), 1, "one base unit");
        chargeRejected(id, 1, PRICE - 1, Fail.AlreadyPaid);
    }

    function test_moreThanTheCapIsRefused() external {
        uint96 id = register(terms());
        chargeRejected(id, 1, PRICE + 1, Fail.AmountTooHigh);
        chargeRejected(id, 1, type(uint96).max, Fail.AmountTooHigh);
    }

    function test_zeroIsRefusedAndSpendsNothing() external {
        uint96 id = register(terms());
        chargeRejected(id, 1, 0, Fail.AmountTooHigh);
        charge(id, 1);
    }

    // ------------------------------------------------------------------------------------------------- why not

    function test_anUnknownMandateHasNoPeriods() external {
        chargeRejected(7, 1, Fail.Unknown);
    }

    function test_thereIsNoPeriodZero() external {
        Mandate memory m = termsInSeconds();
        m.arrears = 8;
        uint96 id = register(m);
        for (uint16 k = 1; k <= 12; ++k) {
            chargeRejected(id, 0, Fail.Unknown);
            charge(id, k);
            vm.warp(NOW + uint256(k) * 30 days);
        }
        chargeRejected(id, 0, Fail.Unknown);
    }

    function test_aPeriodIsCollectedOnce() external {
        uint96 id = register(terms());
        charge(id, 1);
        chargeRejected(id, 1, Fail.AlreadyPaid);
        vm.warp(NOW + 31 days);
        chargeRejected(id, 1, Fail.AlreadyPaid);
    }

    function test_aPeriodBeginsOnItsFirstSecond() external {
        uint96 id = register(termsInSeconds());
        vm.warp(NOW + 30 days - 1);
        chargeRejected(id, 2, Fail.NotDue);
        vm.warp(NOW + 30 days);
        charge(id, 2);
    }

    function test_aTrialIsNotCollectable() external {
        Mandate memory m = termsInSeconds();
        m.start = NOW + 14 days;
        uint96 id = register(m);
        chargeRejected(id, 1, Fail.NotStarted);
        chargeRejected(id, 2, Fail.NotStarted);
        vm.warp(NOW + 14 days - 1);
        chargeRejected(id, 1, Fail.NotStarted);
        vm.warp(NOW + 14 days);
        charge(id, 1);
    }

    function test_aMonthlyTrialIsNotCollectable() external {
        Mandate memory m = terms();
        m.start = NOW + 14 days;
        uint96 id = register(m);
        vm.warp(NOW + 14 days - 1);
        chargeRejected(id, 1, Fail.NotStarted);
        vm.warp(NOW + 14 days);
        charge(id, 1);
    }

    function test_aMandateEndsWithItsLastPeriod() external {
        Mandate memory m = termsInSeconds();
        m.periods = 2;
        uint96 id = register(m);
        chargeRejected(id, 3, Fail.Ended);
        vm.warp(NOW + 30 days);
        charge(id, 2);
        vm.warp(NOW + 60 days);
        chargeRejected(id, 3, Fail.Ended);
    }

    function test_aMandateWithoutEndEndsWithPeriod4094() external {
        Mandate memory m = terms();
        (m.unit, m.every) = (termsInSeconds().unit, 1 days);
        uint96 id = register(m);
        vm.warp(NOW + 4093 days);
        charge(id, 4094);
        vm.assertFalse(dues.mandate(id).canceled, "period 4,094 is not the mark of a tombstone");
        vm.warp(NOW + 4094 days);
        chargeRejected(id, 4094, Fail.AlreadyPaid);
        chargeRejected(id, 4095, Fail.Ended);
        chargeRejected(id, type(uint16).max, Fail.Ended);
    }

    function test_aCanceledMandateIsNotCollected() external {
        uint96 id = register(terms());
        vm.prank(payer);
        dues.cancel(id);
        chargeRejected(id, 1, Fail.Canceled);
    }

    function test_aRevokedMandateWithoutPlanIsNotCollected() external {
        vm.prank(payer);
        uint96 id = dues.revokeUnregistered(terms());
        chargeRejected(id, 1, Fail.Canceled);
    }

    function test_aClosedPlanIsNotCollected() external {
        uint96 id = register(terms());
        vm.prank(PAYEE);
        dues.setPlanOpen(1, false);
        chargeRejected(id, 1, Fail.PlanClosed);
        vm.prank(PAYEE);
        dues.setPlanOpen(1, true);
        charge(id, 1);
    }

    function test_aMissingAllowanceIsNamed() external {
        uint96 id = register(terms());
        vm.prank(payer);
        usdc.approve(address(dues), PRICE - 1);
        chargeRejected(id, 1, PRICE, Fail.Allowance, ERROR_STRING);
        vm.prank(payer);
        usdc.approve(address(dues), PRICE);
        charge(id, 1);
    }

    function test_aMissingBalanceIsNamed() external {
        uint96 id = register(terms());
        vm.prank(payer);
        usdc.transfer(STRANGER, 1000e6 - PRICE + 1);
        chargeRejected(id, 1, PRICE, Fail.Balance, ERROR_STRING);
        usdc.mint(payer, 1);
        charge(id, 1);
    }

    function test_aBlacklistedPayerIsTheTokensRefusal() external {
        uint96 id = register(terms());
        usdc.blacklist(payer);
        chargeRejected(id, 1, PRICE, Fail.TokenRejected, ERROR_STRING);
    }

    function test_aPausedTokenIsTheTokensRefusal() external {
        uint96 id = register(terms());
        usdc.pause();
        chargeRejected(id, 1, PRICE, Fail.TokenRejected, ERROR_STRING);
        usdc.unpause();
        charge(id, 1);
    }

    // ------------------------------------------------------------------------------------------------- arrears

    function test_aMissedPeriodIsCollectedWithinItsArrears() external {
        uint96 id = register(termsInSeconds()); // arrears 1
        vm.warp(NOW + 60 days - 1); // last second of period 2
        charge(id, 1);
        charge(id, 2);
        vm.assertEq(usdc.balanceOf(PAYEE), 2 * PRICE, "both");
    }

    function test_aMissedPeriodIsLostAfterItsArrears() external {
        uint96 id = register(termsInSeconds()); // arrears 1
        vm.warp(NOW + 60 days); // first second of period 3
        chargeRejected(id, 1, Fail.TooLate);
        charge(id, 2);
    }

    function test_withoutArrearsAMissedPeriodIsLostAtOnce() external {
        Mandate memory m = termsInSeconds();
        m.arrears = 0;
        uint96 id = register(m);
        vm.warp(NOW + 30 days);
        chargeRejected(id, 1, Fail.TooLate);
        charge(id, 2);
    }

    function test_eightArrearsReachBackEightPeriods() external {
        Mandate memory m = termsInSeconds();
        m.arrears = 8;
        uint96 id = register(m);
        vm.warp(NOW + 270 days); // period 10
        charge(id, 10);
        chargeRejected(id, 1, Fail.TooLate);
        for (uint16 k = 9; k >= 2; --k) {
            charge(id, k);
            chargeRejected(id, k, Fail.AlreadyPaid);
        }
        vm.assertEq(usdc.balanceOf(PAYEE), 9 * PRICE, "2 to 10");
    }

    /// The window against a plain map of what was collected, in a random order over a random stretch of time.
    function testFuzz_eachPeriodOnceInAnyOrder(uint8 arrears, uint256 seed) external {
        Mandate memory m = termsInSeconds();
        m.arrears = arrears % 9;
        uint96 id = register(m);
        bool[48] memory paid;
        uint256 present = 1;
        for (uint256 i = 0; i < 60; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            if (roll % 3 == 0 && present < 38) {
                present += 1 + (roll >> 8) % 3;
                vm.warp(NOW + (present - 1) * 30 days + (roll >> 16) % 30 days);
            }
            uint256 k = 1 + (roll >> 64) % (present + 1);
            vm.prank(OPERATOR);
            try dues.charge(id, uint16(k), PRICE) {
                vm.assertFalse(paid[k], "never twice");
                vm.assertLe(k, present, "never ahead of time");
                vm.assertLe(present, k + m.arrears, "never later than the arrears");
                paid[k] = true;
            } catch {
                bool collectable = !paid[k] && k <= present && present <= k + m.arrears;
                vm.assertFalse(collectable, "refused only when paid, early or too late");
            }
        }
    }

    // ------------------------------------------------------------------------------------------------- calendar months

    function test_monthsClampToShortMonthsAndNeverDrift() external {
        Mandate memory m = terms();
        m.arrears = 0;
        uint96 id = register(m); // 31 January 2027, 10:00:00
        charge(id, 1);
        uint256[4] memory starts = [uint256(1_803_808_800), 1_806_487_200, 1_809_079_200, 1_811_757_600]; // 28 Feb, 31 Mar, 30 Apr, 31 May
        for (uint16 i = 0; i < 4; ++i) {
            vm.warp(starts[i] - 1);
            chargeRejected(id, i + 2, Fail.NotDue);
            vm.warp(starts[i]);
            charge(id, i + 2);
        }
    }

    function test_everyThreeMonths() external {
        Mandate memory m = terms();
        (m.every, m.arrears) = (3, 0);
        uint96 id = register(m);
        vm.warp(1_809_079_200 - 1); // 30 April 2027, 09:59:59
        chargeRejected(id, 2, Fail.NotDue);
        charge(id, 1);
        vm.warp(1_809_079_200);
        charge(id, 2);
    }

    // ------------------------------------------------------------------------------------------------- fees

    function withFee(uint16 feeBps) private returns (uint96 id) {
        Mandate memory m = terms();
        m.feeBps = feeBps;
        return register(m);
    }

    function test_theFeeComesOutOfTheAmount() external {
        charge(withFee(250), 1);
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE - 0.25e6, "net");
        vm.assertEq(usdc.balanceOf(FEES), 0.25e6, "fee");
        vm.assertEq(usdc.balanceOf(payer), 1000e6 - PRICE, "the payer pays the amount, not more");
    }

    function test_theFeeIsRoundedDown() external {
        uint96 id = withFee(999);
        vm.prank(OPERATOR);
        dues.charge(id, 1, 19);
        vm.assertEq(usdc.balanceOf(FEES), 1, "1.8981 becomes 1");
        vm.assertEq(usdc.balanceOf(PAYEE), 18, "the rest");
    }

    function test_withoutFeeRecipientThePayeeGetsAll() external {
        uint96 id = withFee(250);
        vm.prank(OWNER);
        dues.setFeeRecipient(address(0));
        charge(id, 1);
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE, "all of it");
    }

    function test_aBlacklistedFeeRecipientDoesNotFailThePayment() external {
        uint96 id = withFee(250);
        usdc.blacklist(FEES);
        expectEvent();
        emit IDuesMandates.Charged(id, 1, PRICE);
        expectEvent();
        emit IDuesMandates.FeeSkipped(id, 1, 0.25e6);
        charge(id, 1);
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE - 0.25e6, "net");
        vm.assertEq(usdc.balanceOf(payer), 1000e6 - PRICE + 0.25e6, "the fee stays with the payer");
        chargeRejected(id, 1, Fail.AlreadyPaid);
    }

    function test_aPayerCannotKeepTheFeeByApprovingOnlyTheRest() external {
        uint96 id = withFee(250);
        vm.prank(payer);
        usdc.approve(address(dues), PRICE - 1);
        chargeRejected(id, 1, Fail.Allowance);
    }

    function test_aPayerCannotKeepTheFeeByHoldingOnlyTheRest() external {
        uint96 id = withFee(250);
        vm.prank(payer);
        usdc.transfer(STRANGER, 1000e6 - PRICE + 1);
        chargeRejected(id, 1, Fail.Balance);
    }

    function test_aRefusalOfAPlanWithFeesIsNamedToo() external {
        uint96 id = withFee(250);
        usdc.blacklist(PAYEE);
        chargeRejected(id, 1, PRICE, Fail.TokenRejected, ERROR_STRING);
        vm.assertEq(usdc.balanceOf(FEES), 0, "no fee without a payment");
    }

    function testFuzz_netAndFeeAreTheAmount(uint16 feeBps, uint96 amount) external {
        feeBps %= 1001;
        amount = 1 + amount % PRICE;
        uint96 id = withFee(feeBps);
        vm.prank(OPERATOR);
        dues.charge(id, 1, amount);
        vm.assertEq(usdc.balanceOf(FEES), uint256(amount) * feeBps / 10_000, "fee");
        vm.assertEq(usdc.balanceOf(PAYEE) + usdc.balanceOf(FEES), amount, "sum");
    }

    // ------------------------------------------------------------------------------------------------- gas
    function test_tooLittleGasRevertsInsteadOfBlamingThePayer() external {
        uint96 id = register(terms());
        uint256 refusals;
        for (uint256 gas_ = 60_000; gas_ < 400_000; gas_ += 5000) {
            vm.prank(OPERATOR);
            (bool ok, bytes memory answer) = address(dues).call{gas: gas_}(abi.encodeCall(dues.charge, (id, 1, PRICE)));
            if (ok) break;
            if (answer.length == 0) continue; // out of gas before the first token call
            vm.assertEq(bytes32(bytes4(answer)), bytes32(IDuesMandates.InsufficientGas.selector), "the only reason");
            ++refusals;
        }
        vm.assertGe(refusals, 10, "there is a floor");
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE, "in the end it was collected");
    }
}
