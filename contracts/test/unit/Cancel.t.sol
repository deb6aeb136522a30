// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Registration} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

contract CancelTest is DuesTest {
    function test_payerAndPayeeMayCancel() external {
        address[2] memory parties = [payer, PAYEE];
        for (uint256 i = 0; i < parties.length; ++i) {
            uint256 state = vm.snapshotState();
            uint96 id = register(terms());
            expectEvent();
            emit IDuesMandates.Canceled(id, parties[i]);
            vm.prank(parties[i]);
            dues.cancel(id);
            vm.assertTrue(dues.mandate(id).canceled, "canceled");
            vm.revertToState(state);
        }
    }

    function test_nobodyElseMay() external {
        uint96 id = register(terms());
        address[3] memory callers = [STRANGER, OPERATOR, OWNER];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotParty.selector, callers[i]));
            vm.prank(callers[i]);
            dues.cancel(id);
        }
    }

    function test_cancelingIsForEver() external {
        uint96 id = register(terms());
        charge(id, 1);
        vm.prank(payer);
        dues.cancel(id);
        vm.warp(NOW + 3650 days);
        for (uint16 k = 1; k < 130; ++k) {
            chargeRejected(id, k, Fail.Canceled);
        }
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyCanceled.selector, id));
        vm.prank(payer);
        dues.cancel(id);
    }

    function test_theTombstoneStillTellsWhoAndWhat() external {
        uint96 id = register(terms());
        vm.prank(PAYEE);
        dues.cancel(id);
        Registration memory r = dues.mandate(id);
        vm.assertEq(r.payer, payer, "payer");
        vm.assertEq(r.planId, 1, "plan");
        vm.assertEq(r.start, NOW, "start");
    }

    function test_whatIsUnknownCannotBeCanceled() external {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.UnknownMandate.selector, 7));
        vm.prank(payer);
        dues.cancel(7);
    }

    function test_leavingWorksWhilePaused() external {
        uint96 id = register(terms());
        vm.prank(OWNER);
        dues.setPaused(true);
        vm.prank(payer);
        dues.cancel(id);
        vm.assertTrue(dues.mandate(id).canceled, "canceled");
    }

    function test_oneCancelLeavesTheOthers() external {
        uint96 id = register(terms());
        uint96 second = register(otherTerms());
        vm.prank(payer);
        dues.cancel(id);
        charge(second, 1);
    }
}
