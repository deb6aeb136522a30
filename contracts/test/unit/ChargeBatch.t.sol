// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {Log} from "../base/Vm.sol";
import {ReentrantToken} from "../mocks/FaultTokens.sol";

contract ChargeBatchTest is DuesTest {
    bytes32 private constant CHARGE_FAILED = keccak256("ChargeFailed(uint96,uint16,uint8,bytes4)");
    bytes32 private constant CHARGED = keccak256("Charged(uint96,uint16,uint96)");

    function test_allItemsAreCollectedInFull() external {
        uint96 a = register(terms());
        uint96 b = register(otherTerms());
        vm.assertEq(batch(bytes.concat(item(a, 1), item(b, 1))), 2, "two");
        vm.assertEq(usdc.balanceOf(PAYEE), 2 * PRICE, "in full");
        vm.assertEq(dues.mandate(a).newestSpent, 1, "a");
        vm.assertEq(dues.mandate(b).newestSpent, 1, "b");
    }

    function test_eachFailureHasItsReasonAndTheRestGoesOn() external {
        uint96 good = register(terms());
        uint96 poor = register(otherTerms());
        vm.prank(other);
        usdc.approve(address(dues), 0);
        Mandate memory m = terms();
        m.salt = 2;
        uint96 canceled = register(m);
        vm.prank(payer);
        dues.cancel(canceled);
        m.salt = 3;
        vm.prank(payer);
        uint96 revoked = dues.revokeUnregistered(m);

        expectEvent();
        emit IDuesMandates.ChargeFailed(7, 1, Fail.Unknown, 0);
        expectEvent();
        emit IDuesMandates.ChargeFailed(poor, 1, Fail.Allowance, 0x08c379a0);
        expectEvent();
        emit IDuesMandates.ChargeFailed(canceled, 1, Fail.Canceled, 0);
        expectEvent();
        emit IDuesMandates.ChargeFailed(revoked, 2, Fail.Canceled, 0);
        expectEvent();
        emit IDuesMandates.ChargeFailed(good, 2, Fail.NotDue, 0);
        expectEvent();
        emit IDuesMandates.Charged(good, 1, PRICE);
        expectEvent();
        emit IDuesMandates.ChargeFailed(good, 1, Fail.AlreadyPaid, 0);
        bytes memory items = bytes.concat(item(7, 1), item(poor, 1), item(canceled, 1), item(revoked, 2));
        items = bytes.concat(items, item(good, 2), item(good, 1), item(good, 1));
        vm.assertEq(batch(items), 1, "one of seven");
        vm.assertEq(dues.mandate(poor).newestSpent, 0, "the failed period was given back");
        vm.prank(other);
        usdc.approve(address(dues), PRICE);
        charge(poor, 1);
    }

    function test_aFailedLatePeriodIsGivenBackExactly() external {
        Mandate memory m = termsInSeconds();
        m.arrears = 8;
        uint96 id = register(m);
        vm.warp(NOW + 150 days); // period 6
        charge(id, 5);
        charge(id, 2);
        bytes memory before = abi.encode(dues.mandate(id));
        usdc.blacklist(payer);
        vm.assertEq(batch(bytes.concat(item(id, 6), item(id, 3), item(id, 1))), 0, "none");
        vm.assertEq(abi.encode(dues.mandate(id)), before, "nothing is spent");
        usdc.unBlacklist(payer);
        vm.assertEq(batch(bytes.concat(item(id, 6), item(id, 3), item(id, 1), item(id, 4))), 4, "all");
        vm.assertEq(usdc.balanceOf(PAYEE), 6 * PRICE, "1 to 6, once each");
    }

    function test_plansMayAlternate() external {
        Mandate memory dear = otherTerms();
        (dear.payee, dear.amount) = (STRANGER, 3 * PRICE);
        uint96 a = register(terms());
        uint96 b = register(dear);
        Mandate memory m = terms();
        m.salt = 2;
        uint96 c = register(m);
        vm.assertEq(batch(bytes.concat(item(a, 1), item(b, 1), item(c, 1))), 3, "all");
        vm.assertEq(usdc.balanceOf(PAYEE), 2 * PRICE, "the one payee");
        vm.assertEq(usdc.balanceOf(STRANGER), 3 * PRICE, "the other");
    }

    function test_itemsOfOneWalletSeeWhatIsLeft() external {
        Mandate memory m = terms();
        uint96 a = register(m);
        m.salt = 2;
        uint96 b = register(m);
        vm.prank(payer);
        usdc.approve(address(dues), 2 * PRICE - 1);
        vm.assertEq(batch(bytes.concat(item(a, 1), item(b, 1))), 1, "the allowance sufficed once");
    }

    function test_anEmptyBatchIsNothing() external {
        vm.assertEq(batch(""), 0, "none");
    }

    function test_aBrokenLengthIsRefused() external {
        uint96 id = register(terms());
        bytes memory items = bytes.concat(item(id, 1), hex"00");
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.BadLength.selector, 15, 14));
        batch(items);
    }

    function test_onlyOperatorsSendBatches() external {
        bytes memory items = item(register(terms()), 1);
        address[4] memory callers = [STRANGER, PAYEE, payer, OWNER];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotOperator.selector, callers[i]));
            vm.prank(callers[i]);
            dues.chargeBatch(items);
        }
    }

    function test_nothingIsCollectedWhilePaused() external {
        bytes memory items = item(register(terms()), 1);
        vm.prank(OWNER);
        dues.setPaused(true);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.IsPaused.selector));
        batch(items);
    }

    function test_aFormerOperatorIsNone() external {
        bytes memory items = item(register(terms()), 1);
        vm.prank(OWNER);
        dues.setOperator(OPERATOR, false);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotOperator.selector, OPERATOR));
        batch(items);
    }

    /// Any bytes of the right length: nothing but ChargeFailed, one for each item.
    function testFuzz_garbageCollectsNothing(bytes memory items) external {
        uint256 count = items.length / 14;
        assembly {
            mstore(items, mul(count, 14))
        }
        register(terms());
        vm.recordLogs();
        vm.assertEq(batch(items), 0, "none");
        vm.assertEq(logsOf(CHARGE_FAILED).length, count, "each item has its answer");
    }

    /// Whatever happens to the payers in between: charged + failed = items, and the money fits the events.
    function testFuzz_everyItemHasOneOutcome(uint256 seed) external {
        uint256 payers = 2 + seed % 9;
        bytes memory items;
        for (uint256 i = 0; i < payers; ++i) {
            Mandate memory m = terms();
            m.payer = address(uint160(0x5000 + i));
            fund(m.payer, 1000e6);
            uint96 id = register(m);
            items = bytes.concat(items, item(id, 1));
            uint256 fate = uint256(keccak256(abi.encode(seed, i))) % 5;
            vm.prank(m.payer);
            if (fate == 0) usdc.approve(address(dues), PRICE - 1);
            else if (fate == 1) usdc.transfer(STRANGER, 1000e6);
            else if (fate == 2) dues.cancel(id);
            else usdc.approve(address(dues), PRICE);
            if (fate == 3) usdc.blacklist(m.payer);
        }
        vm.recordLogs();
        uint256 charged = batch(items);
        Log[] memory all = vm.getRecordedLogs();
        (uint256 good, uint256 bad) = (0, 0);
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i].topics[0] == CHARGED) ++good;
            if (all[i].topics[0] == CHARGE_FAILED) ++bad;
        }
        vm.assertEq(good, charged, "the answer counts the events");
        vm.assertEq(good + bad, payers, "one outcome for each item");
        vm.assertEq(usdc.balanceOf(PAYEE), good * PRICE, "and the money follows");
    }
}

contract ChargeBatchAmountsTest is DuesTest {
    function amounts(bytes memory items) private returns (uint256) {
        vm.prank(OPERATOR);
        return dues.chargeBatchAmounts(items);
    }

    function test_eachItemCollectsItsAmount() external {
        uint96 a = register(terms());
        uint96 b = register(otherTerms());
        expectEvent();
        emit IDuesMandates.Charged(a, 1, 1);
        expectEvent();
        emit IDuesMandates.Charged(b, 1, PRICE);
        vm.assertEq(amounts(bytes.concat(item(a, 1, 1), item(b, 1, PRICE))), 2, "two");
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE + 1, "as named");
    }

    function test_amountsOutsideTheCapFailTheirItemOnly() external {
        uint96 a = register(terms());
        uint96 b = register(otherTerms());
        expectEvent();
        emit IDuesMandates.ChargeFailed(a, 1, Fail.AmountTooHigh, 0);
        expectEvent();
        emit IDuesMandates.ChargeFailed(a, 1, Fail.AmountTooHigh, 0);
        vm.assertEq(amounts(bytes.concat(item(a, 1, PRICE + 1), item(a, 1, 0), item(b, 1, PRICE))), 1, "one of three");
        vm.assertEq(dues.mandate(a).newestSpent, 0, "nothing spent");
    }

    function test_theGreatestAmountIsNotTheMarkOfAFullOne() external {
        uint96 id = register(terms());
        expectEvent();
        emit IDuesMandates.ChargeFailed(id, 1, Fail.AmountTooHigh, 0);
        amounts(item(id, 1, type(uint96).max));
    }

    function test_aBrokenLengthIsRefused() external {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.BadLength.selector, 28, 26));
        amounts(new bytes(28));
    }

    function test_onlyOperatorsSendBatches() external {
        bytes memory items = item(register(terms()), 1, PRICE);
        address[3] memory callers = [STRANGER, PAYEE, payer];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotOperator.selector, callers[i]));
            vm.prank(callers[i]);
            dues.chargeBatchAmounts(items);
        }
    }

    function test_nothingIsCollectedWhilePaused() external {
        bytes memory items = item(register(terms()), 1, PRICE);
        vm.prank(OWNER);
        dues.setPaused(true);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.IsPaused.selector));
        amounts(items);
    }
}
