// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {Log} from "../base/Vm.sol";
import {NoReturnToken, ReentrantToken} from "../mocks/FaultTokens.sol";

/// What went wrong in other contracts of this kind, tried on this one.
contract PeerHolesTest is DuesTest {
    bytes32 private constant CHARGE_FAILED = keccak256("ChargeFailed(uint96,uint16,uint8,bytes4)");

    function test_skippedPeriodsAreNotCollectedBackToBack() external {
        uint96 id = register(termsInSeconds()); // arrears 1
        vm.warp(NOW + 299 days); // period 10, nothing collected so far
        bytes memory items;
        for (uint16 k = 0; k <= 12; ++k) {
            items = bytes.concat(items, item(id, k));
        }
        vm.assertEq(batch(bytes.concat(items, items)), 2, "the present one and one of arrears");
        vm.assertEq(usdc.balanceOf(PAYEE), 2 * PRICE, "no more");
    }

    function test_aStrangerEndsNothing() external {
        uint96 id = register(terms());
        bytes32 structHash = keccak256(abi.encode(keccak256("Cancel(uint96 id)"), id));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", dues.domainSeparator(), structHash));
        bytes memory strange = signature(digest, OTHER_KEY);
        vm.startPrank(other);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotParty.selector, other));
        dues.cancel(id);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
        dues.cancelWithSig(id, strange);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotParty.selector, other));
        dues.revokeUnregistered(terms());
        vm.stopPrank();
        charge(id, 1);
    }

    function test_aFeeIsClaimedOnce() external {
        Mandate memory m = terms();
        m.feeBps = 1000;
        uint96 id = register(m);
        vm.assertEq(batch(bytes.concat(item(id, 1), item(id, 1), item(id, 1))), 1, "once");
        chargeRejected(id, 1, Fail.AlreadyPaid);
        vm.assertEq(usdc.balanceOf(FEES), PRICE / 10, "one fee");
        vm.assertEq(usdc.balanceOf(payer), 1000e6 - PRICE, "one payment");
    }

    function test_aSkippedFeeIsNotClaimedLater() external {
        Mandate memory m = terms();
        m.feeBps = 1000;
        uint96 id = register(m);
        usdc.blacklist(FEES);
        charge(id, 1);
        usdc.unBlacklist(FEES);
        chargeRejected(id, 1, Fail.AlreadyPaid);
        vm.assertEq(usdc.balanceOf(FEES), 0, "skipped for good");
    }

    function test_aTokenWithoutReturnValueDoesNotRevertABatch() external {
        NoReturnToken token = new NoReturnToken();
        vm.prank(OWNER);
        dues.setToken(address(token), true);
        Mandate memory m = terms();
        m.token = address(token);
        uint96 poor = register(m); // no balance, no allowance
        uint96 sound = register(otherTerms());
        vm.assertEq(batch(bytes.concat(item(poor, 1), item(sound, 1))), 1, "the other one");
    }

    /// However little gas is sent: either the transaction reverts as a whole, or every item had all the gas it needs. No
    /// ChargeFailed is ever written for lack of gas.
    function test_starvingABatchBlamesNobody() external {
        bytes memory items;
        for (uint256 i = 0; i < 6; ++i) {
            Mandate memory m = terms();
            (m.salt, m.feeBps) = (i, i < 3 ? 100 : 0);
            items = bytes.concat(items, item(register(m), 1));
        }
        bytes memory call_ = abi.encodeCall(dues.chargeBatch, (items));
        uint256 finished;
        for (uint256 gas_ = 100_000; gas_ < 900_000; gas_ += 10_007) {
            uint256 state = vm.snapshotState();
            vm.recordLogs();
            vm.prank(OPERATOR);
            (bool ok,) = address(dues).call{gas: gas_}(call_);
            if (ok) {
                ++finished;
                vm.assertEq(usdc.balanceOf(PAYEE) + usdc.balanceOf(FEES), 6 * PRICE, "all or nothing");
            }
            vm.assertEq(logsOf(CHARGE_FAILED).length, 0, "nobody is blamed");
            vm.revertToState(state);
        }
        vm.assertGe(finished, 1, "enough gas is enough");
    }

    function test_nobodyChangesTheTermsUnderASignature() external {
        Mandate memory m = terms();
        m.feeBps = 100;
        bytes memory signature_ = signed(m, PAYER_KEY);
        uint96 id = register(m);
        bytes memory plan_ = abi.encode(dues.plan(1));
        vm.startPrank(OWNER);
        dues.setFeeRecipient(STRANGER);
        dues.setToken(address(usdc), false);
        dues.setPaused(true);
        dues.setPaused(false);
        vm.stopPrank();
        vm.startPrank(PAYEE);
        dues.setPlanOpen(1, false);
        dues.setPlanOpen(1, true);
        vm.stopPrank();
        vm.assertEq(abi.encode(dues.plan(1)), plan_, "the plan stands as signed");
        m.amount = PRICE + 1;
        vm.prank(OWNER);
        dues.setToken(address(usdc), true);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
        vm.prank(OPERATOR);
        dues.subscribe(m, signature_, "", 0); // no update by the old signature
        charge(id, 1);
        vm.assertEq(usdc.balanceOf(payer), 1000e6 - PRICE, "the amount of before");
    }

    /// The payer is a contract that cancels while its own payment is pulled, and the pull then fails: giving the period
    /// back must not bring the mandate back.
    function test_givingBackDoesNotReviveACancel() external {
        ReentrantToken token = new ReentrantToken();
        vm.prank(OWNER);
        dues.setToken(address(token), true);
        Mandate memory m = terms();
        (m.payer, m.token) = (address(token), address(token));
        uint96 id = register(m); // nothing minted: the pull fails after the hook
        token.arm(address(dues), abi.encodeCall(dues.cancel, (id)));
        chargeRejected(id, 1, PRICE, Fail.Allowance, 0x08c379a0);
        vm.assertFalse(dues.mandate(id).canceled, "the cancel met the lock and had no effect");
        vm.prank(address(token));
        dues.cancel(id);
        chargeRejected(id, 1, Fail.Canceled);
    }

    function test_aRevocationIsNotRevivedByTheSignature() external {
        bytes memory signature_ = signed(terms(), PAYER_KEY);
        vm.prank(payer);
        uint96 id = dues.revokeUnregistered(terms());
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyCanceled.selector, id));
        vm.prank(OPERATOR);
        dues.subscribe(terms(), signature_, "", 0);
    }

    function test_frontRunningAPermitStopsNothing() external {
        vm.prank(payer);
        usdc.approve(address(dues), 0);
        bytes memory permit = permitFor(PAYER_KEY, PRICE, NOW);
        bytes memory signature_ = signed(terms(), PAYER_KEY);
        (uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) =
            abi.decode(permit, (uint256, uint256, uint8, bytes32, bytes32));
        vm.prank(STRANGER);
        usdc.permit(payer, address(dues), value, deadline, v, r, s);
        vm.prank(OPERATOR);
        dues.subscribe(terms(), signature_, permit, PRICE);
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE, "collected");
    }

    function test_frontRunningARegistrationCollectsNothingAndStopsNoCharge() external {
        bytes memory signature_ = signed(terms(), PAYER_KEY);
        vm.prank(STRANGER);
        uint96 id = dues.subscribe(terms(), signature_, "", 0);
        charge(id, 1);
    }

    function test_theMirrorOfACancelSignatureCancelsNothing() external {
        uint96 id = register(terms());
        bytes32 structHash = keccak256(abi.encode(keccak256("Cancel(uint96 id)"), id));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", dues.domainSeparator(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digest);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes memory mirror = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
        dues.cancelWithSig(id, mirror);
    }

    function test_aSignatureDoesNotCountOnAFork() external {
        bytes memory signature_ = signed(terms(), PAYER_KEY);
        vm.chainId(4242);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
        vm.prank(OPERATOR);
        dues.subscribe(terms(), signature_, "", 0);
        bytes memory forks = signed(terms(), PAYER_KEY);
        vm.prank(OPERATOR);
        dues.subscribe(terms(), forks, "", 0);
    }

    function test_aSignatureDoesNotCountAtAnotherDeployment() external {
        bytes memory signature_ = signed(terms(), PAYER_KEY);
        IDuesMandates second = deploy(OWNER, FEES);
        vm.prank(OWNER);
        second.setToken(address(usdc), true);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
        second.subscribe(terms(), signature_, "", 0);
    }
}
