// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Mandate, Unit} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {PlainToken} from "../mocks/PlainToken.sol";

interface GasVm {
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// Gas of whole transactions (run with --isolate): an OpenZeppelin token, finite allowances, calendar months, and every
/// slot non-zero before and after, as in the n-th pull of a running subscription. Limits: CONTRACT figures in docs/contract.md.
contract GasTest is DuesTest {
    GasVm private constant gasVm = GasVm(address(vm));

    uint256 private constant SINGLE_MAX = 61_900;
    uint256 private constant BATCH_MAX = 22_900;
    uint256 private constant N = 100;

    PlainToken private plain;
    uint96[] private ids;

    function setUp() public override {
        super.setUp();
        plain = new PlainToken();
        vm.prank(OWNER);
        dues.setToken(address(plain), true);
    }

    function plainTerms(uint256 i) private view returns (Mandate memory m) {
        m = terms();
        m.payer = address(uint160(0x1000 + i));
        m.token = address(plain);
    }

    /// `n` payers that have paid period 1, at a time when period 2 is due.
    function subscribers(uint256 n, uint16 feeBps, bool manyPayees) private {
        for (uint256 i = 0; i < n; ++i) {
            Mandate memory m = plainTerms(i);
            m.feeBps = feeBps;
            if (manyPayees) m.payee = address(uint160(0x9000 + i));
            plain.mint(m.payer, 1000e6);
            vm.prank(m.payer);
            plain.approve(address(dues), 1000e6);
            ids.push(register(m));
            vm.prank(OPERATOR);
            dues.charge(ids[i], 1, PRICE);
        }
        vm.warp(NOW + 40 days);
    }

    function items(uint256 n) private view returns (bytes memory all) {
        for (uint256 i = 0; i < n; ++i) all = bytes.concat(all, item(ids[i], 2));
    }

    function test_single() external {
        subscribers(1, 0, false);
        charge(ids[0], 2);
        vm.assertLe(gasVm.snapshotGasLastCall("dues", "charge"), SINGLE_MAX, "single pull");
    }

    /// What the figures stand beside: the same transfer, sent by a spender without any contract of ours.
    function test_rawTransferFrom() external {
        subscribers(1, 0, false);
        address from = address(uint160(0x1000));
        vm.prank(from);
        plain.approve(OPERATOR, 1000e6);
        vm.prank(OPERATOR);
        plain.transferFrom(from, PAYEE, PRICE);
        gasVm.snapshotGasLastCall("dues", "raw transferFrom");
    }

    function test_batchOf100() external {
        subscribers(N, 0, false);
        bytes memory all = items(N);
        vm.prank(OPERATOR);
        dues.chargeBatch(all);
        uint256 used = gasVm.snapshotGasLastCall("dues", "chargeBatch of 100");
        gasVm.snapshotValue("dues", "chargeBatch of 100, per pull", used / N);
        vm.assertLe(used / N, BATCH_MAX, "batch of 100, per pull");
    }

    function test_batchOf100WithFee() external {
        subscribers(N, 100, false);
        bytes memory all = items(N);
        vm.prank(OPERATOR);
        dues.chargeBatch(all);
        uint256 used = gasVm.snapshotGasLastCall("dues", "chargeBatch of 100 with a fee");
        gasVm.snapshotValue("dues", "chargeBatch of 100 with a fee, per pull", used / N);
    }

    function test_batchOf100Payees() external {
        subscribers(N, 0, true);
        bytes memory all = items(N);
        vm.prank(OPERATOR);
        dues.chargeBatch(all);
        uint256 used = gasVm.snapshotGasLastCall("dues", "chargeBatch of 100, each another plan");
        gasVm.snapshotValue("dues", "chargeBatch of 100, each another plan, per pull", used / N);
    }
}
