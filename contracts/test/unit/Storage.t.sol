// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Mandate, Plan, Registration, Unit} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

/// The words as docs/contract.md draws them: whoever reads storage from outside relies on it.
contract StorageTest is DuesTest {
    function slot(uint256 key, uint256 mapping_) private pure returns (bytes32) {
        return keccak256(abi.encode(key, mapping_));
    }

    function word(bytes32 at_) private view returns (uint256) {
        return uint256(vm.load(address(dues), at_));
    }

    function planWords(uint256 planId) private view returns (uint256 first, uint256 second) {
        first = word(slot(planId, 7));
        second = word(bytes32(uint256(slot(planId, 7)) + 1));
    }

    function test_aPlanIsTwoWords() external {
        Mandate memory m = terms();
        (m.every, m.feeBps, m.arrears) = (120, 1000, 8);
        register(m);
        (uint256 first, uint256 second) = planWords(1);
        vm.assertEq(first, uint256(uint160(PAYEE)) | uint256(PRICE) << 160, "payee, amount");
        uint256 expected = uint256(uint160(address(usdc))) | 120 << 160 | 1000 << 192 | 1 << 208 | 8 << 216 | 1 << 224;
        vm.assertEq(second, expected, "token, every, fee, unit, arrears, open");
        vm.prank(PAYEE);
        dues.setPlanOpen(1, false);
        (, second) = planWords(1);
        vm.assertEq(second, expected - (1 << 224), "closed");
        vm.prank(PAYEE);
        dues.setPlanOpen(1, true);
        (, second) = planWords(1);
        vm.assertEq(second, expected, "open again");
    }

    function test_aMandateIsOneWord() external {
        Mandate memory m = termsInSeconds();
        (m.periods, m.arrears) = (4093, 8);
        uint96 id = register(m);
        uint256 terms_ = uint256(uint160(payer)) | 1 << 160 | uint256(NOW) << 184 | 4093 << 244;
        vm.assertEq(word(slot(id, 8)), terms_, "payer, plan, anchor, last");
        vm.warp(NOW + 150 days);
        charge(id, 6);
        charge(id, 3);
        uint256 spent = 6 << 224 | (1 << 2 | 1 << 5) << 236; // 3 = 6-1-2, and period 0 = 6-1-5
        vm.assertEq(word(slot(id, 8)), terms_ | spent, "newest, and the bits before it");
        vm.prank(payer);
        dues.cancel(id);
        vm.assertEq(word(slot(id, 8)), terms_ | spent | 0xfff << 224, "a tombstone");
    }

    function test_aMonthAnchorIsMonthDayAndSecond() external {
        uint96 id = register(terms()); // 31 January 2027, 10:00:00
        uint256 anchor = uint256(57 * 12) << 22 | 31 << 17 | 36_000;
        vm.assertEq(uint40(word(slot(id, 8)) >> 184), anchor, "months since 1970, day, second");
        vm.assertEq(word(slot(id, 8)) >> 244, 4094, "until canceled");
    }

    function test_aLateRegistrationBeginsWithItsPastSpent() external {
        Mandate memory m = termsInSeconds();
        m.start = NOW - 100 days; // now is in period 4
        uint96 id = register(m);
        vm.assertEq(uint24(word(slot(id, 8)) >> 224) & 0xfffff, 3 | 0xff << 12, "3 is the newest, and all before it");
    }

    function test_theGreatestValuesFit() external {
        vm.store(address(dues), bytes32(uint256(5)), bytes32(uint256(type(uint24).max - 1))); // planCount
        Mandate memory m = terms();
        m.payer = address(type(uint160).max);
        m.payee = address(type(uint160).max - 1);
        (m.amount, m.unit, m.every) = (type(uint96).max, Unit.Seconds, 3660 days);
        (m.feeBps, m.arrears, m.periods, m.start) = (1000, 8, 4093, NOW + 731 days);
        uint96 id = register(m);
        Registration memory r = dues.mandate(id);
        Plan memory p = dues.plan(type(uint24).max);
        vm.assertEq(r.payer, m.payer, "payer");
        vm.assertEq(r.planId, type(uint24).max, "plan");
        vm.assertEq(r.start, m.start, "start");
        vm.assertEq(r.periods, 4093, "periods");
        vm.assertEq(p.payee, m.payee, "payee");
        vm.assertEq(p.amount, m.amount, "amount");
        vm.assertEq(p.every, m.every, "every");
        usdc.mint(m.payer, type(uint96).max);
        vm.prank(m.payer);
        usdc.approve(address(dues), type(uint96).max);
        vm.warp(m.start);
        vm.prank(OPERATOR);
        dues.charge(id, 1, type(uint96).max);
        uint256 fee = uint256(type(uint96).max) / 10;
        vm.assertEq(usdc.balanceOf(m.payee), type(uint96).max - fee, "all of it, less a tenth");
    }
}
