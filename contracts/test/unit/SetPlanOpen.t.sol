// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDuesMandates, Mandate, Plan} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

contract SetPlanOpenTest is DuesTest {
    function test_thePayeeClosesAndOpens() external {
        register(terms());
        expectEvent();
        emit IDuesMandates.PlanOpened(1, false);
        vm.prank(PAYEE);
        dues.setPlanOpen(1, false);
        vm.assertFalse(dues.plan(1).open, "closed");
        expectEvent();
        emit IDuesMandates.PlanOpened(1, true);
        vm.prank(PAYEE);
        dues.setPlanOpen(1, true);
        vm.assertTrue(dues.plan(1).open, "open");
    }

    function test_nothingElseOfThePlanChanges() external {
        Mandate memory m = terms();
        (m.feeBps, m.arrears, m.every) = (1000, 8, 120);
        register(m);
        bytes memory before = abi.encode(dues.plan(1));
        vm.prank(PAYEE);
        dues.setPlanOpen(1, false);
        Plan memory closed = dues.plan(1);
        closed.open = true;
        vm.assertEq(abi.encode(closed), before, "only `open`");
        vm.prank(PAYEE);
        dues.setPlanOpen(1, true);
        vm.assertEq(abi.encode(dues.plan(1)), before, "and back");
    }

    function test_nobodyElseMay() external {
        register(terms());
        address[4] memory callers = [STRANGER, payer, OPERATOR, OWNER];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotParty.selector, callers[i]));
            vm.prank(callers[i]);
            dues.setPlanOpen(1, false);
        }
    }

    function test_aPlanThatDoesNotExistHasNoPayee() external {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotParty.selector, PAYEE));
        vm.prank(PAYEE);
        dues.setPlanOpen(1, true);
    }
}
