// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates} from "../../src/IDuesMandates.sol";
import {Vm} from "../base/Vm.sol";
import {Handler, IAnyToken, Track} from "./Handler.sol";

/// What is true after any sequence of calls by anybody, as sentences.
contract Invariants {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Handler private handler;
    IDuesMandates private dues;

    function setUp() external {
        vm.warp(1_801_389_600);
        dues =
            IDuesMandates(vm.deployCode("DuesMandates.sol:DuesMandates", abi.encode(address(0x0123), address(0x0ABC))));
        handler = new Handler(dues);
    }

    /// forge asks which contracts to call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// One campaign for all of them: a run costs the same whether one sentence is read at its end or all are.
    function invariant_everySentenceHolds() external view {
        aPeriodOfAMandateIsChargedAtMostOnce();
        noChargeIsAboveTheSignedAmount();
        onlyPeriodsThatHaveBegunAreChargedAndOnlyWithinTheirArrears();
        onlyRegisteredMandatesAreCharged();
        cancelingIsForEver();
        payeesAndFeeRecipientGetExactlyWhatWasChargedForThem();
        payersLoseExactlyWhatWasChargedToThem();
        theContractHoldsNothing();
        termsNeverChange();
        aBatchNeverRevertsForWhatIsInIt();
        aFailedItemChangesNothing();
        aStrangerChangesNothingAndLeavesNoEvent();
        theOwnerMovesNothing();
        aPeriodIsSpentExactlyWhenItWasChargedOrEndedBeforeTheRegistration();
    }

    function aPeriodOfAMandateIsChargedAtMostOnce() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            Track memory t = handler.track(i);
            uint256 present = handler.present(t.terms);
            for (uint256 k = 0; k <= present + 1; ++k) {
                vm.assertLe(handler.timesCharged(t.id, k), 1, "once for each period");
            }
        }
    }

    function noChargeIsAboveTheSignedAmount() public view {
        vm.assertEq(handler.chargedAboveCap(), 0, "the cap holds");
    }

    function onlyPeriodsThatHaveBegunAreChargedAndOnlyWithinTheirArrears() public view {
        vm.assertEq(handler.chargedOutOfTime(), 0, "neither early, nor late, nor from before the registration");
    }

    function onlyRegisteredMandatesAreCharged() public view {
        vm.assertEq(handler.chargedUnknown(), 0, "no mandate, no charge");
    }

    function cancelingIsForEver() public view {
        vm.assertEq(handler.chargedAfterCancel(), 0, "no charge after it");
        for (uint256 i = 0; i < handler.count(); ++i) {
            Track memory t = handler.track(i);
            vm.assertEq(dues.mandate(t.id).canceled, t.canceled, "and no way back");
        }
        for (uint256 i = 0; i < handler.revokedCount(); ++i) {
            vm.assertTrue(dues.mandate(handler.revoked(i)).canceled, "revoked ones included");
        }
    }

    function payeesAndFeeRecipientGetExactlyWhatWasChargedForThem() public view {
        for (uint256 t = 0; t < handler.HONEST(); ++t) {
            address token = handler.tokens(t);
            for (uint256 p = 0; p < 3; ++p) {
                address payee = handler.payees(p);
                vm.assertEq(IAnyToken(token).balanceOf(payee), handler.due(token, payee), "never another payee");
            }
            vm.assertEq(IAnyToken(token).balanceOf(handler.FEES()), handler.due(token, handler.FEES()), "fees once");
        }
    }

    function payersLoseExactlyWhatWasChargedToThem() public view {
        for (uint256 t = 0; t < handler.HONEST(); ++t) {
            address token = handler.tokens(t);
            for (uint256 p = 0; p < 4; ++p) {
                address payer = handler.payers(p);
                vm.assertEq(1000 - IAnyToken(token).balanceOf(payer), handler.paid(token, payer), "no more, no less");
            }
        }
    }

    function theContractHoldsNothing() public view {
        for (uint256 t = 0; t < handler.HONEST(); ++t) {
            vm.assertEq(IAnyToken(handler.tokens(t)).balanceOf(address(dues)), 0, "never a balance");
        }
    }

    function termsNeverChange() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            Track memory t = handler.track(i);
            vm.assertEq(handler.fingerprint(t.id), t.fingerprint, "as on the first day");
        }
    }

    function aBatchNeverRevertsForWhatIsInIt() public view {
        vm.assertEq(handler.batchesReverted(), 0, "whatever payers and tokens do");
    }

    function aFailedItemChangesNothing() public view {
        vm.assertEq(handler.failuresThatChanged(), 0, "the period is given back, the money stays");
    }

    function aStrangerChangesNothingAndLeavesNoEvent() public view {
        vm.assertEq(handler.strangersHeard(), 0, "not even a ChargeFailed");
    }

    function theOwnerMovesNothing() public view {
        vm.assertEq(handler.ownerMoved(), 0, "no balance changed by an owner's call");
    }

    function aPeriodIsSpentExactlyWhenItWasChargedOrEndedBeforeTheRegistration() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            Track memory t = handler.track(i);
            if (t.canceled) continue;
            uint256 present = handler.present(t.terms);
            uint256 oldest = present > 8 ? present - 8 : 1; // what the window must remember
            for (uint256 k = oldest; k <= present + 1; ++k) {
                bool spent = dues.quote(t.id, uint16(k)).reason == Fail.AlreadyPaid;
                bool known = handler.timesCharged(t.id, k) != 0 || k < t.firstPeriod;
                vm.assertEq(spent, known, "the bits are the truth");
            }
        }
    }
}
