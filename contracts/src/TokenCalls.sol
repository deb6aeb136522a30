// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail, IDuesMandates} from "./IDuesMandates.sol";
import {Outcome, Outcomes} from "./Outcome.sol";

/// How this contract talks to tokens: as to strangers. Every call gets the same gas whatever the caller sent, at most 32
/// bytes of the answer are read, and no answer makes this side revert. Assembly, because Solidity's own calls copy the whole
/// answer into memory (a token could make that cost millions of gas) and revert when it does not decode.
library TokenCalls {
    /// Gas of a call that moves tokens. USDC through its proxy needs about 45,000; fixed, so that the outcome of an item
    /// never depends on the gas sent, and a token that burns gas costs a bounded amount.
    uint256 internal constant CALL_GAS = 250_000;
    /// Gas of `allowance` and `balanceOf`.
    uint256 internal constant READ_GAS = 50_000;

    // A call may pass on 63/64 of what is left (EIP-150). Below these floors it could get less than its due, and running
    // out of gas would look like a refusal: the whole transaction reverts instead.
    uint256 internal constant CALL_FLOOR = 265_000; // > 250,000 · 64/63 + 2,600 for a cold address
    uint256 internal constant READ_FLOOR = 60_000; // > 50,000 · 64/63 + 2,600

    bytes4 private constant ALLOWANCE = 0xdd62ed3e; // allowance(address,address)
    bytes4 private constant BALANCE_OF = 0x70a08231; // balanceOf(address)
    bytes4 private constant PERMIT = 0xd505accf; // permit(address,address,uint256,uint256,uint8,bytes32,bytes32)

    /// token.transferFrom(from, to, amount). No data back counts as success if the token has code (USDT and its like);
    /// otherwise exactly `true` does. A revert returns the first four bytes of its data.
    function pull(address token, address from, address to, uint256 amount) internal returns (Outcome) {
        _needGas(CALL_FLOOR);
        bytes4 tokenError;
        bool returned; // the call did not revert
        bool agreed; // and its answer means success
        assembly ("memory-safe") {
            let input := mload(0x40) // scratch beyond the free pointer; nothing is kept there
            mstore(input, shl(224, 0x23b872dd)) // transferFrom(address,address,uint256)
            mstore(add(input, 0x04), shr(96, shl(96, from))) // assembly sees whatever stands above an address's 160 bits
            mstore(add(input, 0x24), shr(96, shl(96, to)))
            mstore(add(input, 0x44), amount)
            returned := call(CALL_GAS, token, 0, input, 0x64, 0x00, 0x20)
            let size := returndatasize()
            switch returned
            case 0 {
                if gt(size, 3) { tokenError := and(mload(0x00), shl(224, 0xffffffff)) }
            }
            default {
                switch size
                case 0 { agreed := gt(extcodesize(token), 0) }
                default { agreed := and(gt(size, 31), eq(mload(0x00), 1)) }
            }
        }
        if (agreed) return Outcomes.COLLECTED;
        return Outcomes.failed(returned ? Fail.TokenFalse : Fail.TokenRejected, tokenError);
    }

    /// Whether the payer's allowance for this contract, or else its balance, is below `amount`. A token that does not answer
    /// gets the benefit of the doubt: the pull itself decides.
    function shortfall(address token, address payer, uint256 amount) internal view returns (Fail) {
        (bool known, uint256 value) = _read(token, abi.encodeWithSelector(ALLOWANCE, payer, address(this)));
        if (known && value < amount) return Fail.Allowance;
        (known, value) = _read(token, abi.encodeWithSelector(BALANCE_OF, payer));
        if (known && value < amount) return Fail.Balance;
        return Fail.None;
    }

    /// Whether `token` answers `allowance` like an ERC-20. An ERC-721, which shares the selector of transferFrom, does not.
    function looksLikeToken(address token) internal view returns (bool known) {
        (known,) = _read(token, abi.encodeWithSelector(ALLOWANCE, address(this), address(this)));
    }

    /// token.permit(payer, this, …), EIP-2612. `permit` = abi.encode(value, deadline, v, r, s). Its failure is not looked at:
    /// anybody may have used the permit before, and the allowance is what decides.
    function tryPermit(address token, address payer, bytes calldata permit) internal {
        if (permit.length != 160) revert IDuesMandates.BadLength(permit.length, 160);
        _needGas(CALL_FLOOR);
        bytes memory input = bytes.concat(PERMIT, abi.encode(payer, address(this)), permit);
        assembly ("memory-safe") {
            pop(call(CALL_GAS, token, 0, add(input, 0x20), mload(input), 0x00, 0x00))
        }
    }

    /// A view that answers one word. `known` is false if it reverted or answered less.
    function _read(address token, bytes memory input) private view returns (bool known, uint256 value) {
        _needGas(READ_FLOOR);
        assembly ("memory-safe") {
            known := staticcall(READ_GAS, token, add(input, 0x20), mload(input), 0x00, 0x20)
            known := and(known, gt(returndatasize(), 31))
            value := mload(0x00)
        }
    }

    function _needGas(uint256 floor) private view {
        if (gasleft() < floor) revert IDuesMandates.InsufficientGas(gasleft(), floor);
    }
}
