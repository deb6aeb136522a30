// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {RefusingWallet, SmartWallet} from "../mocks/Wallets.sol";

contract CancelWithSigTest is DuesTest {
    function cancelDigest(uint96 id) private view returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(keccak256("Cancel(uint96 id)"), id));
        return keccak256(abi.encodePacked(hex"1901", dues.domainSeparator(), structHash));
    }

    function refused(uint96 id, bytes memory signature_, address payer_) private {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer_));
        vm.prank(STRANGER);
        dues.cancelWithSig(id, signature_);
    }

    function test_anybodyRelaysThePayersCancel() external {
        uint96 id = register(terms());
        bytes memory signature_ = signature(cancelDigest(id), PAYER_KEY);
        expectEvent();
        emit IDuesMandates.Canceled(id, payer);
        vm.prank(STRANGER);
        dues.cancelWithSig(id, signature_);
        chargeRejected(id, 1, Fail.Canceled);
    }

    function test_onlyThePayersSignatureCounts() external {
        uint96 id = register(terms());
        refused(id, signature(cancelDigest(id), OTHER_KEY), payer);
        refused(id, "", payer);
        refused(id, signed(terms(), PAYER_KEY), payer); // the mandate's own signature cancels nothing
    }

    function test_aSignatureCancelsItsMandateOnly() external {
        uint96 id = register(terms());
        Mandate memory m = terms();
        m.salt = 2;
        uint96 second = register(m);
        refused(second, signature(cancelDigest(id), PAYER_KEY), payer);
    }

    function test_aWalletCancelsByErc1271() external {
        Mandate memory m = terms();
        m.payer = address(new SmartWallet(other));
        uint96 id = register(m);
        refused(id, signature(cancelDigest(id), PAYER_KEY), m.payer);
        dues.cancelWithSig(id, signature(cancelDigest(id), OTHER_KEY));
        vm.assertTrue(dues.mandate(id).canceled, "canceled");
    }

    function test_aRefusingWalletCancelsByCallingOnly() external {
        RefusingWallet wallet = new RefusingWallet(other);
        Mandate memory m = terms();
        m.payer = address(wallet);
        uint96 id = register(m);
        refused(id, signature(cancelDigest(id), OTHER_KEY), m.payer);
        vm.prank(other);
        wallet.execute(address(dues), 0, abi.encodeCall(dues.cancel, (id)));
        vm.assertTrue(dues.mandate(id).canceled, "canceled");
    }

    function test_whatIsUnknownCannotBeCanceled() external {
        bytes memory signature_ = signature(cancelDigest(7), PAYER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.UnknownMandate.selector, 7));
        dues.cancelWithSig(7, signature_);
    }

    function test_aSignatureServesOnceAndWhilePaused() external {
        uint96 id = register(terms());
        bytes memory signature_ = signature(cancelDigest(id), PAYER_KEY);
        vm.prank(OWNER);
        dues.setPaused(true);
        dues.cancelWithSig(id, signature_);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyCanceled.selector, id));
        dues.cancelWithSig(id, signature_);
    }
}
