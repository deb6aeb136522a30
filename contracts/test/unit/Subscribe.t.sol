// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate, Plan, Registration, Unit} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {RefusingWallet, SmartWallet} from "../mocks/Wallets.sol";

contract SubscribeTest is DuesTest {
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function relay(address by, Mandate memory m, bytes memory signature_) private returns (uint96) {
        vm.prank(by);
        return dues.subscribe(m, signature_, "", 0);
    }

    // ------------------------------------------------------------------------------------------------- what is written

    function test_registeringKeepsTheTermsAndSaysSo() external {
        Mandate memory m = terms();
        (m.periods, m.feeBps, m.arrears, m.every) = (12, 250, 3, 6);
        uint96 id = dues.mandateId(m);
        expectEvent();
        emit IDuesMandates.PlanCreated(1, PAYEE, address(usdc), PRICE, Unit.Months, 6, 250, 3);
        expectEvent();
        emit IDuesMandates.Subscribed(id, payer, 1, NOW, 12);
        vm.assertEq(register(m), id, "the id is known before");

        Registration memory r = dues.mandate(id);
        vm.assertEq(r.payer, payer, "payer");
        vm.assertEq(r.planId, 1, "plan");
        vm.assertEq(r.start, NOW, "start as signed");
        vm.assertEq(r.newestSpent, 0, "nothing spent");
        vm.assertEq(r.spentBefore, 0, "nor before");
        vm.assertEq(r.periods, 12, "periods");
        vm.assertFalse(r.canceled, "alive");

        Plan memory p = dues.plan(1);
        vm.assertEq(p.payee, PAYEE, "payee");
        vm.assertEq(p.amount, PRICE, "amount");
        vm.assertEq(p.token, address(usdc), "token");
        vm.assertEq(p.every, 6, "every");
        vm.assertEq(p.feeBps, 250, "fee");
        vm.assertTrue(p.unit == Unit.Months, "unit");
        vm.assertEq(p.arrears, 3, "arrears");
        vm.assertTrue(p.open, "open");
        vm.assertEq(usdc.balanceOf(PAYEE), 0, "nothing collected");
    }

    function test_equalTermsShareAPlan() external {
        Mandate memory second = terms();
        (second.payer, second.salt) = (other, 2);
        register(terms());
        uint96 id = register(second);
        vm.assertEq(dues.planCount(), 1, "one plan");
        vm.assertEq(dues.mandate(id).planId, 1, "the same");
    }

    function test_eachSharedTermMakesAnotherPlan() external {
        Mandate[7] memory variants;
        for (uint256 i = 0; i < 7; ++i) {
            variants[i] = terms();
        }
        variants[0].payee = STRANGER;
        variants[1].amount = PRICE + 1;
        variants[2].every = 2;
        variants[3].feeBps = 1;
        variants[4].arrears = 2;
        (variants[5].unit, variants[5].every) = (Unit.Seconds, 86_400);
        (variants[6].unit, variants[6].every) = (Unit.Seconds, 86_401);
        register(terms());
        for (uint256 i = 0; i < 7; ++i) {
            vm.assertEq(dues.mandate(register(variants[i])).planId, i + 2, "a new plan");
        }
    }

    function test_equalSaltedTermsAreTwoMandates() external {
        Mandate memory second = terms();
        second.salt = 2;
        uint96 a = register(terms());
        uint96 b = register(second);
        vm.assertNotEq(a, b, "two ids");
        charge(a, 1);
        charge(b, 1);
    }

    function test_theSameTermsAreRegisteredOnce() external {
        uint96 id = register(terms());
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyRegistered.selector, id));
        register(terms());
    }

    function test_aCanceledMandateNeverComesBack() external {
        uint96 id = register(terms());
        vm.prank(payer);
        dues.cancel(id);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.AlreadyCanceled.selector, id));
        register(terms());
    }

    function test_nothingIsRegisteredWhilePaused() external {
        vm.prank(OWNER);
        dues.setPaused(true);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.IsPaused.selector));
        register(terms());
    }

    // ------------------------------------------------------------------------------------------------- consent

    function test_anybodyMayRelayASignedMandate() external {
        uint96 id = relay(STRANGER, terms(), signed(terms(), PAYER_KEY));
        vm.assertEq(dues.mandate(id).payer, payer, "the payer's mandate");
    }

    function test_withoutSignatureOnlyThePayerRegisters() external {
        address[4] memory callers = [STRANGER, PAYEE, OPERATOR, OWNER];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
            relay(callers[i], terms(), "");
        }
    }

    function test_anotherKeysSignatureCountsNothing() external {
        bytes memory wrong = signed(terms(), OTHER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
        relay(STRANGER, terms(), wrong);
    }

    function test_aSignatureIsGoodForItsTermsOnly() external {
        Mandate memory m = terms();
        bytes memory signature_ = signed(m, PAYER_KEY);
        Mandate[11] memory changed;
        for (uint256 i = 0; i < 11; ++i) {
            changed[i] = terms();
        }
        changed[0].payee = STRANGER;
        changed[1].token = address(dues);
        changed[2].amount = PRICE + 1;
        (changed[3].unit, changed[3].every) = (Unit.Seconds, 1 days);
        changed[4].every = 2;
        changed[5].feeBps = 1;
        changed[6].start = NOW - 1;
        changed[7].periods = 1;
        changed[8].arrears = 2;
        changed[9].deadline = NOW + 2 days;
        changed[10].salt = 2;
        for (uint256 i = 0; i < 11; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
            relay(STRANGER, changed[i], signature_);
        }
        relay(STRANGER, m, signature_);
    }

    function test_aSignatureServesUntilItsDeadline() external {
        Mandate memory m = terms();
        bytes memory signature_ = signed(m, PAYER_KEY);
        vm.warp(m.deadline + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IDuesMandates.SignatureExpired.selector, m.deadline, uint256(m.deadline) + 1)
        );
        relay(STRANGER, m, signature_);
        vm.warp(m.deadline);
        relay(STRANGER, m, signature_);
    }

    function test_theDeadlineDoesNotBindThePayerItself() external {
        vm.warp(NOW + 2 days);
        register(terms());
    }

    function test_theMirrorOfASignatureIsRefused() external {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, dues.hashMandate(terms()));
        bytes memory mirror = abi.encodePacked(r, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
        relay(STRANGER, terms(), mirror);
    }

    function test_signaturesOfOtherShapesAreRefused() external {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, dues.hashMandate(terms()));
        bytes32 compact = v == 28 ? bytes32(uint256(s) | 1 << 255) : s; // EIP-2098
        bytes[4] memory shapes = [
            abi.encodePacked(r, s),
            abi.encodePacked(r, compact),
            abi.encodePacked(r, s, v, uint8(0)),
            abi.encodePacked(r, s, v - 27)
        ];
        for (uint256 i = 0; i < shapes.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, payer));
            relay(STRANGER, terms(), shapes[i]);
        }
    }

    function test_nobodySignsForAddressZero() external {
        Mandate memory m = terms();
        m.payer = address(0);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, address(0)));
        relay(STRANGER, m, new bytes(65)); // ecrecover answers zero
    }

    function test_aKeyWithDelegatedCodeStillSignsAsAKey() external {
        vm.etch(payer, hex"fe"); // an EIP-7702 account whose code answers nothing
        relay(STRANGER, terms(), signed(terms(), PAYER_KEY));
    }

    function test_aContractWalletSignsByErc1271() external {
        Mandate memory m = terms();
        m.payer = address(new SmartWallet(other));
        bytes memory wrong = signed(m, PAYER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, m.payer));
        relay(STRANGER, m, wrong);
        uint96 id = relay(STRANGER, m, signed(m, OTHER_KEY));
        vm.assertEq(dues.mandate(id).payer, m.payer, "the wallet's mandate");
    }

    function test_aContractWalletCallsByItself() external {
        SmartWallet wallet = new SmartWallet(other);
        Mandate memory m = terms();
        m.payer = address(wallet);
        vm.prank(other);
        wallet.execute(address(dues), 0, abi.encodeCall(dues.subscribe, (m, "", "", 0)));
        vm.assertEq(dues.mandate(dues.mandateId(m)).payer, address(wallet), "the wallet's mandate");
    }

    function test_aRefusingWalletRegistersNothing() external {
        Mandate memory m = terms();
        m.payer = address(new RefusingWallet(other));
        bytes memory signature_ = signed(m, OTHER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, m.payer));
        relay(STRANGER, m, signature_);
    }

    function test_walletsThatAnswerNonsenseRegisterNothing() external {
        Mandate memory m = terms();
        m.payer = address(0x1271);
        bytes memory signature_ = signed(m, OTHER_KEY);
        // answers: nothing; four bytes of the magic value and no more; the magic value with dirt; a revert with it
        bytes[4] memory codes = [
            bytes(hex"00"),
            hex"631626ba7e60e01b5f5260045ff3",
            hex"7f1626ba7e000000000000000000000000000000000000000000000000000000015f5260205ff3",
            hex"7f1626ba7e000000000000000000000000000000000000000000000000000000005f5260205ffd"
        ];
        for (uint256 i = 0; i < codes.length; ++i) {
            vm.etch(m.payer, codes[i]);
            vm.expectRevert(abi.encodeWithSelector(IDuesMandates.WrongSigner.selector, m.payer));
            relay(STRANGER, m, signature_);
        }
        vm.etch(m.payer, hex"7f1626ba7e000000000000000000000000000000000000000000000000000000005f5260205ff3");
        relay(STRANGER, m, signature_);
    }

    // ------------------------------------------------------------------------------------------------- permit

    function test_signaturePermitAndFirstChargeInOneTransaction() external {
        vm.prank(payer);
        usdc.approve(address(dues), 0);
        bytes memory permit = permitFor(PAYER_KEY, 12 * PRICE, NOW + 1 hours);
        bytes memory signature_ = signed(terms(), PAYER_KEY);
        vm.prank(OPERATOR);
        dues.subscribe(terms(), signature_, permit, PRICE);
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE, "collected");
        vm.assertEq(usdc.allowance(payer, address(dues)), 11 * PRICE, "the rest of the permit");
    }

    function test_aPermitThatFailsLeavesTheAllowanceToDecide() external {
        bytes memory permit = permitFor(PAYER_KEY, 12 * PRICE, NOW - 1); // expired
        vm.prank(payer);
        dues.subscribe(terms(), "", permit, PRICE);
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE, "the approval of before sufficed");
    }

    function test_aPermitOfAnotherLengthIsTheCallersMistake() external {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.BadLength.selector, 159, 160));
        vm.prank(payer);
        dues.subscribe(terms(), "", new bytes(159), 0);
    }

    // ------------------------------------------------------------------------------------------------- first amount

    function test_payerPayeeAndOperatorMayCollectAtOnce() external {
        address[3] memory callers = [payer, PAYEE, OPERATOR];
        for (uint256 i = 0; i < callers.length; ++i) {
            Mandate memory m = terms();
            m.salt = 100 + i;
            bytes memory signature_ = signed(m, PAYER_KEY);
            vm.prank(callers[i]);
            uint96 id = dues.subscribe(m, signature_, "", PRICE);
            vm.assertEq(dues.mandate(id).newestSpent, 1, "period 1 is spent");
        }
        vm.assertEq(usdc.balanceOf(PAYEE), 3 * PRICE, "three times");
    }

    function test_aStrangerMayRelayButNotCollect() external {
        bytes memory signature_ = signed(terms(), PAYER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotParty.selector, STRANGER));
        vm.prank(STRANGER);
        dues.subscribe(terms(), signature_, "", 1);
    }

    function test_theFirstAmountMayBeLess() external {
        vm.prank(payer);
        dues.subscribe(terms(), "", "", 1);
        vm.assertEq(usdc.balanceOf(PAYEE), 1, "one base unit");
    }

    function firstRejected(Mandate memory m, uint96 amount, uint16 period, Fail reason, bytes4 tokenError) private {
        uint96 id = dues.mandateId(m);
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.ChargeRejected.selector, id, period, reason, tokenError));
        vm.prank(payer);
        dues.subscribe(m, "", "", amount);
        vm.assertEq(dues.mandate(id).payer, address(0), "nothing was registered");
    }

    function test_aFirstAmountAboveTheCapRegistersNothing() external {
        firstRejected(terms(), PRICE + 1, 1, Fail.AmountTooHigh, 0);
    }

    function test_aFirstAmountThatCannotBePulledRegistersNothing() external {
        vm.prank(payer);
        usdc.approve(address(dues), 0);
        firstRejected(terms(), PRICE, 1, Fail.Allowance, 0x08c379a0);
    }

    function test_aTrialHasNoFirstAmount() external {
        Mandate memory m = terms();
        m.start = NOW + 1;
        firstRejected(m, PRICE, 1, Fail.NotStarted, 0);
    }

    // ------------------------------------------------------------------------------------------------- a start in the past

    function test_whatEndedBeforeTheRegistrationCanNeverBeCollected() external {
        Mandate memory m = termsInSeconds();
        m.arrears = 8;
        m.start = NOW - 100 days; // now is in period 4
        uint96 id = register(m);
        vm.assertEq(dues.mandate(id).start, NOW - 100 days, "the start stays as signed");
        for (uint16 k = 0; k < 4; ++k) {
            chargeRejected(id, k, k == 0 ? Fail.Unknown : Fail.AlreadyPaid);
        }
        charge(id, 4);
        vm.warp(NOW + 20 days); // period 5 begins at start + 120 days
        charge(id, 5);
        vm.assertEq(usdc.balanceOf(PAYEE), 2 * PRICE, "the two periods since");
    }

    function test_theFirstAmountIsThatOfThePresentPeriod() external {
        Mandate memory m = termsInSeconds();
        m.start = NOW - 100 days;
        uint96 id = dues.mandateId(m);
        expectEvent();
        emit IDuesMandates.Charged(id, 4, PRICE);
        vm.prank(payer);
        dues.subscribe(m, "", "", PRICE);
    }

    function test_thePeriodBeforeTheRegistrationIsSpentOnItsLastSecond() external {
        Mandate memory m = termsInSeconds();
        m.start = NOW - 30 days;
        uint96 id = register(m); // first second of period 2
        chargeRejected(id, 1, Fail.AlreadyPaid);
        m.start = NOW - 30 days + 1;
        uint96 later = register(m); // last second of period 1
        charge(later, 1);
    }

    function testFuzz_arrearsNeverReachOverTheRegistration(uint40 age, uint8 arrears, uint16 period) external {
        Mandate memory m = termsInSeconds();
        m.every = 1 days;
        m.arrears = arrears % 9;
        m.start = NOW - age % uint40(3660 days);
        uint96 id = register(m);
        uint256 present = 1 + (NOW - m.start) / 1 days;
        vm.warp(NOW + 3 days);
        if (period >= present) return;
        vm.prank(OPERATOR);
        vm.expectPartialRevert(IDuesMandates.ChargeRejected.selector);
        dues.charge(id, period, PRICE);
    }
}
