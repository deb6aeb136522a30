// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {PlainToken} from "../mocks/PlainToken.sol";

interface GasVm {
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// Gas of whole transactions (run with --isolate): an OpenZeppelin token, finite allowances, calendar months, and every
/// slot non-zero before and after, as in the n-th pull of a running subscription.
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

    function measured(string memory name) private returns (uint256) {
        return gasVm.snapshotGasLastCall("dues", name);
    }

    function subscriber(uint256 i) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode("subscriber", i))))); // as many non-zero bytes as in life
    }

    function plainTerms(uint256 i) private view returns (Mandate memory m) {
        m = terms();
        m.payer = subscriber(i);
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

    function sendBatch(string memory name) private returns (uint256 perPull) {
        bytes memory items;
        for (uint256 i = 0; i < N; ++i) {
            items = bytes.concat(items, item(ids[i], 2));
        }
        vm.prank(OPERATOR);
        dues.chargeBatch(items);
        perPull = measured(name) / N;
        gasVm.snapshotValue("dues", string.concat(name, ", per pull"), perPull);
    }

    // ------------------------------------------------------------------------------------------------- renewals

    function test_single() external {
        subscribers(1, 0, false);
        charge(ids[0], 2);
        vm.assertLe(measured("charge"), SINGLE_MAX, "single pull");
    }

    function test_batch() external {
        subscribers(N, 0, false);
        vm.assertLe(sendBatch("chargeBatch of 100"), BATCH_MAX, "batch of 100, per pull");
    }

    function test_batchWithAmounts() external {
        subscribers(N, 0, false);
        bytes memory items;
        for (uint256 i = 0; i < N; ++i) {
            items = bytes.concat(items, item(ids[i], 2, PRICE));
        }
        vm.prank(OPERATOR);
        dues.chargeBatchAmounts(items);
        gasVm.snapshotValue("dues", "chargeBatchAmounts of 100, per pull", measured("chargeBatchAmounts of 100") / N);
    }

    function test_batchWithFee() external {
        subscribers(N, 100, false);
        sendBatch("chargeBatch of 100 with a fee");
    }

    function test_batchOfPayees() external {
        subscribers(N, 0, true);
        sendBatch("chargeBatch of 100, each another payee");
    }

    function test_batchWithFailures() external {
        subscribers(N, 0, false);
        for (uint256 i = 0; i < N; i += 10) {
            vm.prank(subscriber(i));
            plain.approve(address(dues), 0);
        }
        sendBatch("chargeBatch of 100, 10 of them failing");
    }

    // ------------------------------------------------------------------------------------------------- coming and going

    /// The second subscriber of a plan, relayed: nothing is paid by the subscriber.
    function test_relayed() external {
        for (uint256 i = 0; i < 2; ++i) {
            Mandate memory m = plainTerms(0);
            (m.payer, m.salt) = (vm.addr(OTHER_KEY + i), 7);
            plain.mint(m.payer, 1000e6);
            bytes memory permit = plainPermit(OTHER_KEY + i);
            bytes memory signature_ = signed(m, OTHER_KEY + i);
            vm.prank(OPERATOR);
            dues.subscribe(m, signature_, permit, PRICE);
            measured(
                i == 0
                    ? "signature, permit and first charge, first of its plan"
                    : "signature, permit and first charge, relayed"
            );
        }
    }

    function plainPermit(uint256 key) private view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(usdc.PERMIT_TYPEHASH(), vm.addr(key), address(dues), 120e6, plain.nonces(vm.addr(key)), NOW)
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", plain.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encode(120e6, NOW, v, r, s);
    }

    function test_walletPath() external {
        subscribers(1, 0, false);
        vm.warp(NOW);
        Mandate memory m = plainTerms(1);
        plain.mint(m.payer, 1000e6);
        vm.prank(m.payer);
        plain.approve(address(dues), 120e6);
        vm.prank(m.payer);
        dues.subscribe(m, "", "", PRICE);
        measured("subscribe with first charge, by the wallet");
    }

    function test_cancel() external {
        subscribers(1, 0, false);
        vm.prank(subscriber(0));
        dues.cancel(ids[0]);
        measured("cancel");
    }

    /// What the figures stand beside: the same transfer, sent by a spender without any contract of ours.
    function test_rawTransferFrom() external {
        subscribers(1, 0, false);
        vm.prank(subscriber(0));
        plain.approve(OPERATOR, 1000e6);
        vm.prank(OPERATOR);
        plain.transferFrom(subscriber(0), PAYEE, PRICE);
        measured("raw transferFrom");
    }
}
