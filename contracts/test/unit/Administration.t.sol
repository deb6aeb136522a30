// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDuesMandates} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";

contract Nft {
    function ownerOf(uint256) external pure returns (address) {
        return address(1);
    }

    function transferFrom(address, address, uint256) external {}
}

contract ConstructorTest is DuesTest {
    function test_itBeginsWithAnOwnerAndAFeeRecipient() external {
        vm.expectEmit(true, true, true, true);
        emit IDuesMandates.OwnershipTransferred(address(0), OWNER);
        vm.expectEmit(true, true, true, true);
        emit IDuesMandates.FeeRecipientSet(FEES);
        IDuesMandates fresh = deploy(OWNER, FEES);
        vm.assertEq(fresh.owner(), OWNER, "owner");
        vm.assertEq(fresh.feeRecipient(), FEES, "fee recipient");
        vm.assertEq(fresh.pendingOwner(), address(0), "nobody waits");
        vm.assertFalse(fresh.paused(), "it runs");
        vm.assertEq(fresh.planCount(), 0, "no plans");
    }

    function test_itNeedsAnOwner() external {
        (bool ok,) = address(this).call(abi.encodeCall(this.deployWithoutOwner, ()));
        vm.assertFalse(ok, "refused");
    }

    function deployWithoutOwner() external {
        deploy(address(0), FEES);
    }
}

contract SetOperatorTest is DuesTest {
    function test_theOwnerAllowsAndForbids() external {
        expectEvent();
        emit IDuesMandates.OperatorSet(STRANGER, true);
        vm.prank(OWNER);
        dues.setOperator(STRANGER, true);
        vm.assertTrue(dues.operators(STRANGER), "allowed");
        expectEvent();
        emit IDuesMandates.OperatorSet(STRANGER, false);
        vm.prank(OWNER);
        dues.setOperator(STRANGER, false);
        vm.assertFalse(dues.operators(STRANGER), "forbidden");
    }

    function test_nobodyElse() external {
        expectNotOwner(STRANGER);
        dues.setOperator(STRANGER, true);
        expectNotOwner(OPERATOR);
        dues.setOperator(STRANGER, true);
    }
}

contract SetTokenTest is DuesTest {
    function test_theOwnerAllowsAndForbids() external {
        vm.assertTrue(dues.tokens(address(usdc)), "allowed in setUp");
        expectEvent();
        emit IDuesMandates.TokenSet(address(usdc), false);
        vm.prank(OWNER);
        dues.setToken(address(usdc), false);
        vm.assertFalse(dues.tokens(address(usdc)), "forbidden");
        expectEvent();
        emit IDuesMandates.TokenSet(address(usdc), true);
        vm.prank(OWNER);
        dues.setToken(address(usdc), true);
        vm.assertTrue(dues.tokens(address(usdc)), "allowed");
    }

    function test_whatDoesNotAnswerLikeATokenIsRefused() external {
        address[3] memory unfit = [STRANGER, address(new Nft()), address(dues)];
        for (uint256 i = 0; i < unfit.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.TokenUnfit.selector, unfit[i]));
            vm.prank(OWNER);
            dues.setToken(unfit[i], true);
            vm.prank(OWNER);
            dues.setToken(unfit[i], false); // forbidding needs no answer
        }
    }

    function test_nobodyElse() external {
        expectNotOwner(OPERATOR);
        dues.setToken(address(usdc), false);
    }
}

contract SetPausedTest is DuesTest {
    function test_theOwnerStopsAndStarts() external {
        uint96 id = register(terms());
        expectEvent();
        emit IDuesMandates.PausedSet(true);
        vm.prank(OWNER);
        dues.setPaused(true);
        vm.assertTrue(dues.paused(), "stopped");
        expectEvent();
        emit IDuesMandates.PausedSet(false);
        vm.prank(OWNER);
        dues.setPaused(false);
        charge(id, 1);
    }

    function test_nobodyElse() external {
        expectNotOwner(OPERATOR);
        dues.setPaused(true);
    }
}

contract SetFeeRecipientTest is DuesTest {
    function test_theOwnerNamesTheFeeRecipient() external {
        expectEvent();
        emit IDuesMandates.FeeRecipientSet(STRANGER);
        vm.prank(OWNER);
        dues.setFeeRecipient(STRANGER);
        vm.assertEq(dues.feeRecipient(), STRANGER, "set");
    }

    function test_notTheContractItself() external {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.SelfAddress.selector, address(dues)));
        vm.prank(OWNER);
        dues.setFeeRecipient(address(dues));
    }

    function test_nobodyElse() external {
        expectNotOwner(FEES);
        dues.setFeeRecipient(STRANGER);
    }
}

contract OwnershipTest is DuesTest {
    function test_ownershipMovesInTwoSteps() external {
        expectEvent();
        emit IDuesMandates.OwnershipTransferStarted(OWNER, STRANGER);
        vm.prank(OWNER);
        dues.transferOwnership(STRANGER);
        vm.assertEq(dues.owner(), OWNER, "not yet");
        vm.assertEq(dues.pendingOwner(), STRANGER, "waiting");
        expectEvent();
        emit IDuesMandates.OwnershipTransferred(OWNER, STRANGER);
        vm.prank(STRANGER);
        dues.acceptOwnership();
        vm.assertEq(dues.owner(), STRANGER, "now");
        vm.assertEq(dues.pendingOwner(), address(0), "nobody waits");
        expectNotOwner(OWNER, STRANGER);
        dues.setPaused(true);
        vm.prank(STRANGER);
        dues.setPaused(true);
    }

    function test_onlyTheOneWhoWasNamedAccepts() external {
        vm.prank(OWNER);
        dues.transferOwnership(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotPendingOwner.selector, OPERATOR, STRANGER));
        vm.prank(OPERATOR);
        dues.acceptOwnership();
    }

    function test_anOfferCanBeWithdrawn() external {
        vm.startPrank(OWNER);
        dues.transferOwnership(STRANGER);
        dues.transferOwnership(address(0));
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotPendingOwner.selector, STRANGER, address(0)));
        vm.prank(STRANGER);
        dues.acceptOwnership();
    }

    function test_nobodyElseOffers() external {
        expectNotOwner(STRANGER);
        dues.transferOwnership(STRANGER);
    }
}
