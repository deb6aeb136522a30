// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

contract SimulateTest is DuesTest {
    function simulate(bytes memory items) private returns (bytes memory outcomes) {
        uint256 state = vm.snapshotState();
        vm.prank(address(0));
        outcomes = dues.simulate(items);
        vm.revertToState(state); // as after an eth_call
    }

    function test_eachItemHasFiveBytes() external {
        uint96 good = register(terms());
        uint96 poor = register(otherTerms());
        vm.prank(other);
        usdc.approve(address(dues), 0);
        bytes memory items = bytes.concat(item(poor, 1, PRICE), item(good, 1, PRICE), item(7, 1, 1));
        vm.assertEq(simulate(items), hex"0908c379a000000000000100000000", "allowance, collected, unknown");
    }

    function test_itemsSeeWhatOthersTakeFromASharedAllowance() external {
        Mandate memory m = terms();
        uint96 a = register(m);
        m.salt = 2;
        uint96 b = register(m);
        vm.prank(payer);
        usdc.approve(address(dues), 2 * PRICE - 1);
        vm.assertEq(simulate(bytes.concat(item(a, 1, PRICE), item(b, 1, PRICE))), hex"00000000000908c379a0", "once");
        vm.assertEq(simulate(bytes.concat(item(a, 1, PRICE), item(b, 1, PRICE - 1))), new bytes(10), "both");
    }

    function test_nothingOnAnEmptyList() external {
        vm.assertEq(simulate("").length, 0, "nothing");
    }

    function test_nobodyCanMakeItATransaction() external {
        bytes memory items = item(register(terms()), 1, PRICE);
        address[5] memory callers = [OPERATOR, OWNER, PAYEE, payer, address(dues)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.SimulationOnly.selector, callers[i]));
            vm.prank(callers[i]);
            dues.simulate(items);
        }
    }

    function test_aBrokenLengthIsRefused() external {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.BadLength.selector, 25, 26));
        vm.prank(address(0));
        dues.simulate(new bytes(25));
    }

    function test_itTellsOfAPause() external {
        vm.prank(OWNER);
        dues.setPaused(true);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.IsPaused.selector));
        vm.prank(address(0));
        dues.simulate("");
    }

    /// What is foretold is what happens.
    function testFuzz_theBatchDoesWhatWasSimulated(uint256 seed) external {
        bytes memory items;
        uint256 payers = 1 + seed % 8;
        for (uint256 i = 0; i < payers; ++i) {
            uint256 roll = uint256(keccak256(abi.encode(seed, i)));
            Mandate memory m = terms();
            (m.payer, m.salt) = (address(uint160(0x5000 + roll % 3)), i); // shared allowances
            (m.periods, m.start) = (uint16(roll >> 8) % 3, NOW + uint40(roll >> 16) % 2);
            usdc.mint(m.payer, 15e6);
            vm.prank(m.payer);
            usdc.approve(address(dues), 25e6);
            items = bytes.concat(items, item(register(m), uint16(1 + (roll >> 64) % 2), uint96((roll >> 128) % 12e6)));
        }
        bytes memory outcomes = simulate(items);
        uint256 foretold;
        for (uint256 i = 0; i < payers; ++i) {
            if (outcomes[5 * i] == 0) ++foretold;
        }
        vm.prank(OPERATOR);
        vm.assertEq(dues.chargeBatchAmounts(items), foretold, "as many as foretold");
    }
}
