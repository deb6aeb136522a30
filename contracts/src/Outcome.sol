// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Fail} from "./IDuesMandates.sol";

/// How an attempt to collect ended, in the five bytes that `simulate` returns for it: reason 1 | token error 4.
/// All zero = collected.
type Outcome is uint256;

using Outcomes for Outcome global;

library Outcomes {
    Outcome internal constant COLLECTED = Outcome.wrap(0);

    function failed(Fail reason_) internal pure returns (Outcome) {
        return Outcome.wrap(uint256(reason_) << 32);
    }

    function failed(Fail reason_, bytes4 tokenError_) internal pure returns (Outcome) {
        return Outcome.wrap(uint256(reason_) << 32 | uint32(tokenError_));
    }

    function isCollected(Outcome self) internal pure returns (bool) {
        return Outcome.unwrap(self) == 0;
    }

    function reason(Outcome self) internal pure returns (Fail) {
        return Fail(Outcome.unwrap(self) >> 32);
    }

    function tokenError(Outcome self) internal pure returns (bytes4) {
        return bytes4(uint32(Outcome.unwrap(self)));
    }

    function toBytes(Outcome self) internal pure returns (bytes5) {
        return bytes5(uint40(Outcome.unwrap(self)));
    }
}
