// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDuesMandates, Mandate, Registration} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

contract RevokeUnregisteredTest is DuesTest {
    function test_aRevokedSignatureRegistersNothing() external {
        bytes memory signature_ = signed(terms(), PAYER_KEY);
        uint96 id = dues.mandateId(terms());
        expectEvent();
        emit IDuesMandates.Canceled(id, payer);
        vm.prank(payer);
        vm.assertEq(dues.revokeUnregistered(terms()), id, "its id");
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyCanceled.selector, id));
        vm.prank(OPERATOR);
        dues.subscribe(terms(), signature_, "", PRICE);
    }

    function test_onlyItsPayerMay() external {
        address[3] memory callers = [STRANGER, PAYEE, OPERATOR];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotParty.selector, callers[i]));
            vm.prank(callers[i]);
            dues.revokeUnregistered(terms());
        }
    }

    function test_aRegisteredMandateIsCanceledInstead() external {
        uint96 id = register(terms());
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyRegistered.selector, id));
        vm.prank(payer);
        dues.revokeUnregistered(terms());
    }

    function test_onceIsEnough() external {
        vm.prank(payer);
        uint96 id = dues.revokeUnregistered(terms());
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyCanceled.selector, id));
        vm.prank(payer);
        dues.revokeUnregistered(terms());
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyCanceled.selector, id));
        vm.prank(payer);
        dues.cancel(id);
    }

    function test_evenTermsThatCouldNeverBeRegistered() external {
        Mandate memory m = terms();
        (m.amount, m.token) = (0, address(0));
        vm.prank(payer);
        dues.revokeUnregistered(m);
    }

    function test_theTombstoneHasAPayerAndNoPlan() external {
        vm.prank(payer);
        Registration memory r = dues.mandate(dues.revokeUnregistered(terms()));
        vm.assertEq(r.payer, payer, "payer");
        vm.assertEq(r.planId, 0, "no plan");
        vm.assertEq(r.start, 0, "no start");
        vm.assertEq(r.periods, 0, "no periods");
        vm.assertEq(r.newestSpent, 4095, "the mark of a cancel");
        vm.assertEq(r.spentBefore, 0, "nothing spent");
        vm.assertTrue(r.canceled, "canceled");
    }

    function test_leavingWorksWhilePaused() external {
        vm.prank(OWNER);
        dues.setPaused(true);
        vm.prank(payer);
        dues.revokeUnregistered(terms());
    }
}
