// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

contract ChargeTest is DuesTest {
    function test_anOperatorCollectsThePresentPeriodForThePayee() external {
        uint96 id = register(terms());
        expectEvent();
        emit IDuesMandates.Charged(id, 1, PRICE);
        charge(id, 1);
        vm.assertEq(received(PAYEE), PRICE, "the payee has the money");
        vm.assertEq(received(payer), 1000e6 - PRICE, "it left the payer");
    }

    function test_thePayeeItselfMayCollect() external {
        uint96 id = register(terms());
        vm.prank(PAYEE);
        dues.charge(id, 1, PRICE);
        vm.assertEq(received(PAYEE), PRICE, "the payee has the money");
    }

    function test_aPeriodIsCollectedOnce() external {
        uint96 id = register(terms());
        charge(id, 1);
        chargeRejected(id, 1, Fail.AlreadyPaid);
    }

    function test_aFuturePeriodIsNotDue() external {
        uint96 id = register(terms());
        chargeRejected(id, 2, Fail.NotDue);
    }

    function test_aBatchGoesOnAfterAFailingPayer() external {
        Mandate memory poor = terms();
        poor.payer = other;
        uint96 first = register(poor);
        uint96 second = register(terms());
        vm.prank(other);
        usdc.approve(address(dues), 0);
        expectEvent();
        emit IDuesMandates.ChargeFailed(first, 1, Fail.Allowance, 0x08c379a0);
        uint256 charged = batch(bytes.concat(item(first, 1), item(second, 1)));
        vm.assertEq(charged, 1, "one of two");
        vm.assertEq(received(PAYEE), PRICE, "the other one paid");
    }

    function test_simulateTellsEachItemsFateFromAddressZero() external {
        Mandate memory poor = terms();
        poor.payer = other;
        uint96 first = register(poor);
        uint96 second = register(terms());
        vm.prank(other);
        usdc.approve(address(dues), 0);
        vm.prank(address(0));
        bytes memory outcomes = dues.simulate(bytes.concat(item(first, 1, PRICE), item(second, 1, PRICE)));
        vm.assertEq(outcomes, hex"0908c379a00000000000", "allowance, then success");
    }
}
