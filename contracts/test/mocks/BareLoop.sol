// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

interface IPulled {
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// The least that a batch of pulls can cost: no rights, no limits, no record, 20 bytes a payer. Whoever calls it takes
/// everything that was approved, which is why it is a yardstick and nothing else.
contract BareLoop {
    function pull(IPulled token, address payee, uint256 amount, bytes calldata payers) external {
        unchecked {
            for (uint256 offset = 0; offset < payers.length; offset += 20) {
                address payer;
                assembly ("memory-safe") {
                    payer := shr(96, calldataload(add(payers.offset, offset)))
                }
                token.transferFrom(payer, payee, amount);
            }
        }
    }
}
