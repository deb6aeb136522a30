// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {
    FalseToken,
    FeeOnTransferToken,
    GasGuzzlerToken,
    HostileToken,
    NoReturnToken,
    ReentrantToken,
    ReturnBombToken,
    TokenProxy
} from "../mocks/FaultTokens.sol";
import {TestUSDC} from "../mocks/TestUSDC.sol";

interface IToken {
    function mint(address to, uint256 value) external;
    function approve(address spender, uint256 value) external;
    function balanceOf(address account) external view returns (uint256);
}

/// Every odd token that we know of: harmless, and never more than its own item's trouble.
contract TokensTest is DuesTest {
    bytes4 private constant TRANSFER_FROM = 0x23b872dd;
    bytes4 private constant ALLOWANCE = 0xdd62ed3e;
    bytes4 private constant BALANCE_OF = 0x70a08231;
    bytes4 private constant PERMIT = 0xd505accf;

    /// A mandate of `payer` in this token, funded and approved; and one in USDC of the other payer, to stand beside it.
    function beside(address token) private returns (uint96 odd, uint96 sound) {
        vm.prank(OWNER);
        dues.setToken(token, true);
        Mandate memory m = terms();
        m.token = token;
        odd = register(m);
        sound = register(otherTerms());
    }

    function funded(address token) private returns (uint96 odd, uint96 sound) {
        IToken(token).mint(payer, 100e6);
        vm.prank(payer);
        IToken(token).approve(address(dues), 100e6);
        return beside(token);
    }

    // ------------------------------------------------------------------------------------------------- sound ones

    function test_aTokenThatReturnsNothing() external {
        NoReturnToken token = new NoReturnToken();
        (uint96 odd, uint96 sound) = funded(address(token));
        vm.assertEq(batch(bytes.concat(item(odd, 1), item(sound, 1))), 2, "both");
        vm.assertEq(token.balanceOf(PAYEE), PRICE, "collected");
    }

    function test_aTokenBehindAProxyThatChanges() external {
        TokenProxy proxy = new TokenProxy(address(new TestUSDC()));
        (uint96 odd, uint96 sound) = funded(address(proxy));
        proxy.upgradeTo(address(new GasGuzzlerToken()));
        vm.assertEq(batch(bytes.concat(item(odd, 1), item(sound, 1))), 2, "another code, the same storage");
        vm.assertEq(IToken(address(proxy)).balanceOf(PAYEE), PRICE, "collected");
    }

    // ------------------------------------------------------------------------------------------------- false

    function test_aTokenThatAnswersFalse() external {
        FalseToken token = new FalseToken();
        (uint96 odd, uint96 sound) = funded(address(token));
        token.setRefusing(true);
        expectEvent();
        emit IDuesMandates.ChargeFailed(odd, 1, Fail.TokenFalse, 0);
        vm.assertEq(batch(bytes.concat(item(odd, 1), item(sound, 1))), 1, "the other one");
        token.setRefusing(false);
        charge(odd, 1);
    }

    function test_falseForWantOfMoneyIsNamedSo() external {
        FalseToken token = new FalseToken();
        (uint96 odd,) = beside(address(token));
        chargeRejected(odd, 1, Fail.Allowance);
        vm.prank(payer);
        token.approve(address(dues), PRICE);
        chargeRejected(odd, 1, Fail.Balance);
        token.mint(payer, PRICE);
        charge(odd, 1);
    }

    // ------------------------------------------------------------------------------------------------- less than named

    function test_aFeeOnTransferHarmsOnlyThePayee() external {
        FeeOnTransferToken token = new FeeOnTransferToken();
        (uint96 odd,) = funded(address(token));
        charge(odd, 1);
        vm.assertEq(token.balanceOf(payer), 90e6, "the payer paid the amount");
        vm.assertEq(token.balanceOf(PAYEE), PRICE - PRICE / 100, "the payee got less");
        vm.assertEq(token.balanceOf(address(dues)), 0, "nothing sticks");
        chargeRejected(odd, 1, Fail.AlreadyPaid);
    }

    /// What no caller can see: the proxy answers like USDT, and nothing moved. The payer is not harmed; the watcher
    /// compares Charged with Transfer.
    function test_aProxyThatLostItsCodeMovesNothing() external {
        TokenProxy proxy = new TokenProxy(address(new TestUSDC()));
        (uint96 odd,) = funded(address(proxy));
        address sound = address(new TestUSDC());
        proxy.upgradeTo(address(0xDEAD));
        charge(odd, 1);
        proxy.upgradeTo(sound);
        vm.assertEq(IToken(address(proxy)).balanceOf(PAYEE), 0, "nothing");
    }

    function test_aTokenWithoutCodeFails() external {
        NoReturnToken token = new NoReturnToken();
        (uint96 odd, uint96 sound) = funded(address(token));
        vm.etch(address(token), "");
        expectEvent();
        emit IDuesMandates.ChargeFailed(odd, 1, Fail.TokenFalse, 0);
        vm.assertEq(batch(bytes.concat(item(odd, 1), item(sound, 1))), 1, "the other one");
    }

    // ------------------------------------------------------------------------------------------------- attackers

    function test_aReturnBombCostsLittle() external {
        ReturnBombToken token = new ReturnBombToken();
        (uint96 odd, uint96 sound) = funded(address(token));
        bytes memory items = bytes.concat(item(odd, 1), item(sound, 1));
        for (uint256 i = 0; i < 2; ++i) {
            uint256 state = vm.snapshotState();
            token.arm(250_000, i == 0); // as a revert, then as an answer
            uint256 before = gasleft();
            vm.assertEq(batch(items), 1, "the other one");
            vm.assertLe(before - gasleft(), 350_000, "one stipend, and no copy of the bomb");
            vm.assertEq(dues.mandate(odd).newestSpent, 0, "given back");
            vm.revertToState(state);
        }
    }

    function test_aGasBurnerCostsOneStipend() external {
        GasGuzzlerToken token = new GasGuzzlerToken();
        (uint96 odd, uint96 sound) = funded(address(token));
        token.arm(true);
        expectEvent();
        emit IDuesMandates.ChargeFailed(odd, 1, Fail.TokenRejected, 0);
        uint256 before = gasleft();
        vm.assertEq(batch(bytes.concat(item(odd, 1), item(sound, 1))), 1, "the other one");
        vm.assertLe(before - gasleft(), 350_000, "250,000 and what the rest costs");
    }

    /// Both floors show themselves: at the pull, and at the questions after a pull that burned what it got.
    function test_theFloorsAreTheOnesThatAreWrittenDown() external {
        GasGuzzlerToken token = new GasGuzzlerToken();
        (uint96 odd,) = funded(address(token));
        token.arm(true);
        (uint256 atPull, uint256 atQuestion) = (0, 0);
        for (uint256 gas_ = 150_000; gas_ < 500_000; gas_ += 5000) {
            vm.prank(OPERATOR);
            (bool ok, bytes memory answer) = address(dues).call{gas: gas_}(abi.encodeCall(dues.charge, (odd, 1, PRICE)));
            vm.assertFalse(ok, "never collected");
            if (answer.length != 68 || bytes4(answer) != IDuesMandates.InsufficientGas.selector) continue;
            uint256 needed;
            assembly {
                needed := mload(add(answer, 0x44))
            }
            if (needed == 265_000) ++atPull;
            else if (needed == 60_000) ++atQuestion;
            else vm.assertFalse(true, "there are two floors");
        }
        vm.assertGe(atPull, 5, "at the pull");
        vm.assertGe(atQuestion, 5, "at the questions");
    }

    /// The token itself holds every role, so that only the lock stands between it and each function.
    function test_noFunctionThatWritesAMandateCanBeEntered() external {
        ReentrantToken token = new ReentrantToken();
        vm.startPrank(OWNER);
        dues.setOperator(address(token), true);
        dues.setToken(address(token), true);
        vm.stopPrank();
        Mandate memory m = terms();
        (m.payer, m.payee, m.token) = (address(token), address(token), address(token));
        token.mint(address(token), 100e6);
        uint96 id = register(m);
        m.salt = 2;
        bytes[8] memory attacks = [
            abi.encodeCall(dues.charge, (id, 1, PRICE)),
            abi.encodeCall(dues.chargeBatch, (item(id, 1))),
            abi.encodeCall(dues.chargeBatchAmounts, (item(id, 1, PRICE))),
            abi.encodeCall(dues.simulate, (item(id, 1, PRICE))),
            abi.encodeCall(dues.subscribe, (m, "", "", PRICE)),
            abi.encodeCall(dues.cancel, (id)),
            abi.encodeCall(dues.cancelWithSig, (id, "")),
            abi.encodeCall(dues.revokeUnregistered, (m))
        ];
        vm.prank(address(token));
        token.approve(address(dues), 100e6);
        for (uint256 i = 0; i < attacks.length; ++i) {
            uint256 state = vm.snapshotState();
            token.arm(address(dues), attacks[i]);
            charge(id, 1);
            vm.assertTrue(token.tried(), "it tried");
            vm.assertFalse(token.succeeded(), "it failed");
            vm.assertEq(token.answer(), abi.encodeWithSelector(IDuesMandates.Locked.selector), "because of the lock");
            vm.revertToState(state);
        }
    }

    function test_theLockOpensAgainInTheSameTransaction() external {
        uint96 id = register(terms());
        charge(id, 1);
        vm.prank(payer);
        dues.cancel(id);
    }

    function test_aHostilePermitStopsNothing() external {
        HostileToken token = new HostileToken();
        token.answer(ALLOWANCE, false, false, abi.encode(uint256(0)));
        token.answer(PERMIT, false, true, ""); // burns all that it gets
        vm.prank(OWNER);
        dues.setToken(address(token), true);
        Mandate memory m = terms();
        m.token = address(token);
        uint256 before = gasleft();
        vm.prank(payer);
        dues.subscribe(m, "", new bytes(160), 0);
        vm.assertLe(before - gasleft(), 500_000, "one stipend");
    }

    /// Any answers to any of our calls: its own item gets an outcome, the neighbour is collected, and the period is
    /// spent exactly when the answer meant success.
    function testFuzz_hostileAnswers(uint8 mode, bytes calldata pulled, bytes calldata allowed, bytes calldata held)
        external
    {
        HostileToken token = new HostileToken();
        token.answer(ALLOWANCE, false, false, abi.encode(uint256(PRICE)));
        (uint96 odd, uint96 sound) = beside(address(token));
        token.answer(TRANSFER_FROM, mode & 1 != 0, mode & 2 != 0, pulled);
        token.answer(ALLOWANCE, mode & 4 != 0, mode & 8 != 0, allowed);
        token.answer(BALANCE_OF, mode & 16 != 0, mode & 32 != 0, held);
        uint256 charged = batch(bytes.concat(item(odd, 1), item(sound, 1)));
        bool success = mode & 3 == 0 && (pulled.length == 0 || (pulled.length >= 32 && uint256(bytes32(pulled)) == 1));
        vm.assertEq(charged, success ? 2 : 1, "an outcome for its item only");
        vm.assertEq(dues.mandate(odd).newestSpent, success ? 1 : 0, "spent when it said so");
        vm.assertEq(usdc.balanceOf(PAYEE), PRICE, "the neighbour was collected");
    }

    /// The reason follows from the answers alone.
    function testFuzz_hostileReasons(uint8 mode, uint256 allowed, uint256 held, bytes4 tokenError) external {
        HostileToken token = new HostileToken();
        token.answer(ALLOWANCE, false, false, abi.encode(uint256(PRICE)));
        (uint96 odd,) = beside(address(token));
        (allowed, held) = (allowed % (2 * PRICE), held % (2 * PRICE));
        bool reverts = mode & 1 == 0;
        token.answer(TRANSFER_FROM, reverts, false, reverts ? abi.encodePacked(tokenError) : abi.encode(uint256(2)));
        token.answer(ALLOWANCE, mode & 2 != 0, false, mode & 4 != 0 ? bytes("short") : abi.encode(allowed));
        token.answer(BALANCE_OF, mode & 8 != 0, false, mode & 16 != 0 ? bytes("short") : abi.encode(held));
        Fail reason = reverts ? Fail.TokenRejected : Fail.TokenFalse;
        if (mode & 24 == 0 && held < PRICE) reason = Fail.Balance;
        if (mode & 6 == 0 && allowed < PRICE) reason = Fail.Allowance;
        chargeRejected(odd, 1, PRICE, reason, reverts ? tokenError : bytes4(0));
    }

    function test_anErrorShorterThanASelectorIsNone() external {
        HostileToken token = new HostileToken();
        token.answer(ALLOWANCE, false, false, abi.encode(uint256(PRICE)));
        (uint96 odd,) = beside(address(token));
        token.answer(TRANSFER_FROM, true, false, hex"aabbcc");
        chargeRejected(odd, 1, PRICE, Fail.TokenRejected, 0);
        token.answer(TRANSFER_FROM, true, false, hex"aabbccdd");
        chargeRejected(odd, 1, PRICE, Fail.TokenRejected, 0xaabbccdd);
    }
}
