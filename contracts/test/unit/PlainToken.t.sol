// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Mandate} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {PlainToken} from "../mocks/PlainToken.sol";

/// OpenZeppelin's token, apart from the other tokens so that coverage can be measured without its sources.
contract PlainTokenTest is DuesTest {
    function test_plainTokenWithPermit() external {
        PlainToken plain = new PlainToken();
        plain.mint(payer, 100e6);
        vm.prank(OWNER);
        dues.setToken(address(plain), true);
        bytes32 structHash = keccak256(abi.encode(usdc.PERMIT_TYPEHASH(), payer, address(dues), PRICE, 0, NOW));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", plain.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digest);
        Mandate memory m = terms();
        m.token = address(plain);
        vm.prank(payer);
        dues.subscribe(m, "", abi.encode(uint256(PRICE), uint256(NOW), v, r, s), PRICE);
        vm.assertEq(plain.balanceOf(PAYEE), PRICE, "collected");
        vm.assertEq(plain.allowance(payer, address(dues)), 0, "to the last unit");
    }
}
