// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates, Mandate, Plan, Quote, Registration, Unit} from "../../src/IDuesMandates.sol";
import {TestUSDC} from "../mocks/TestUSDC.sol";
import {Log, Vm} from "./Vm.sol";

/// A running contract, one of each party, a payer who can pay, and valid terms: a test changes only what it is about.
abstract contract DuesTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// 2027-01-31 10:00:00 UTC: a month end, so that clamping is never far.
    uint40 internal constant NOW = 1_801_389_600;
    uint96 internal constant PRICE = 10e6;
    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant OTHER_KEY = 0xB0B;

    address internal constant OWNER = address(0x0123);
    address internal constant OPERATOR = address(0x0456);
    address internal constant PAYEE = address(0x0789);
    address internal constant FEES = address(0x0ABC);
    address internal constant STRANGER = address(0x0DEF);

    IDuesMandates internal dues;
    TestUSDC internal usdc;
    address internal payer;
    address internal other;

    function setUp() public virtual {
        vm.warp(NOW);
        payer = vm.addr(PAYER_KEY);
        other = vm.addr(OTHER_KEY);
        dues = deploy(OWNER, FEES);
        usdc = new TestUSDC();
        vm.startPrank(OWNER);
        dues.setOperator(OPERATOR, true);
        dues.setToken(address(usdc), true);
        vm.stopPrank();
        fund(payer, 1000e6);
        fund(other, 1000e6);
    }

    /// From the artifact, so that the tests need not be compiled the way the contract is.
    function deploy(address owner, address feeRecipient) internal returns (IDuesMandates) {
        return IDuesMandates(vm.deployCode("DuesMandates.sol:DuesMandates", abi.encode(owner, feeRecipient)));
    }

    // ------------------------------------------------------------------------------------------------- valid defaults

    /// 10 USDC on the last day of each month, until canceled, one period of arrears, no fee, starting now.
    function terms() internal view returns (Mandate memory) {
        return Mandate({
            payer: payer,
            payee: PAYEE,
            token: address(usdc),
            amount: PRICE,
            unit: Unit.Months,
            every: 1,
            feeBps: 0,
            start: NOW,
            periods: 0,
            arrears: 1,
            deadline: NOW + 1 days,
            salt: 1
        });
    }

    /// The same every 30 days, for arithmetic on seconds.
    function termsInSeconds() internal view returns (Mandate memory m) {
        m = terms();
        (m.unit, m.every) = (Unit.Seconds, 30 days);
    }

    /// The same terms for the other payer.
    function otherTerms() internal view returns (Mandate memory m) {
        m = terms();
        m.payer = other;
    }

    function fund(address account, uint256 value) internal {
        usdc.mint(account, value);
        vm.prank(account);
        usdc.approve(address(dues), value);
    }

    // ------------------------------------------------------------------------------------------------- verbs

    function register(Mandate memory m) internal returns (uint96 id) {
        vm.prank(m.payer);
        return dues.subscribe(m, "", "", 0);
    }

    function signed(Mandate memory m, uint256 key) internal view returns (bytes memory) {
        return signature(dues.hashMandate(m), key);
    }

    function signature(bytes32 digest, uint256 key) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function charge(uint96 id, uint16 period) internal {
        vm.prank(OPERATOR);
        dues.charge(id, period, PRICE);
    }

    function chargeRejected(uint96 id, uint16 period, uint96 amount, Fail reason) internal {
        chargeRejected(id, period, amount, reason, 0);
    }

    function chargeRejected(uint96 id, uint16 period, uint96 amount, Fail reason, bytes4 tokenError) internal {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.ChargeRejected.selector, id, period, reason, tokenError));
        vm.prank(OPERATOR);
        dues.charge(id, period, amount);
    }

    function chargeRejected(uint96 id, uint16 period, Fail reason) internal {
        chargeRejected(id, period, PRICE, reason, 0);
    }

    function batch(bytes memory items) internal returns (uint256 charged) {
        vm.prank(OPERATOR);
        return dues.chargeBatch(items);
    }

    function item(uint96 id, uint16 period) internal pure returns (bytes memory) {
        return abi.encodePacked(id, period);
    }

    function item(uint96 id, uint16 period, uint96 amount) internal pure returns (bytes memory) {
        return abi.encodePacked(id, period, amount);
    }

    function permitFor(uint256 key, uint256 value, uint256 deadline) internal view returns (bytes memory) {
        address owner = vm.addr(key);
        bytes32 structHash =
            keccak256(abi.encode(usdc.PERMIT_TYPEHASH(), owner, address(dues), value, usdc.nonces(owner), deadline));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", usdc.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encode(value, deadline, v, r, s);
    }

    // ------------------------------------------------------------------------------------------------- expectations

    function expectEvent() internal {
        vm.expectEmit(true, true, true, true, address(dues));
    }

    /// The next call comes from `caller`, who is not the owner.
    function expectNotOwner(address caller) internal {
        expectNotOwner(caller, OWNER);
    }

    function expectNotOwner(address caller, address owner) internal {
        vm.expectRevert(abi.encodeWithSelector(IDuesMandates.NotOwner.selector, caller, owner));
        vm.prank(caller);
    }

    /// Logs of our contract with this first topic since the last recordLogs.
    function logsOf(bytes32 topic) internal returns (Log[] memory found) {
        Log[] memory all = vm.getRecordedLogs();
        uint256 count;
        found = new Log[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            if (all[i].emitter == address(dues) && all[i].topics[0] == topic) found[count++] = all[i];
        }
        assembly {
            mstore(found, count)
        }
    }
}
