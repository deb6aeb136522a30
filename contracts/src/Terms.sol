// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Calendar, Clock} from "./Calendar.sol";
import {Mandate, Plan, Unit} from "./IDuesMandates.sol";

/// A plan in two storage words, from the lowest bit:
///
///   first    payee 160 | amount 96
///   second   token 160 | every 32 | fee in basis points 16 | unit 8 | arrears 8 | open 8
struct PlanWords {
    uint256 first;
    uint256 second;
}

/// The same words in memory, with the number of the plan that they were read from; 0 = none yet.
struct Terms {
    uint256 planId;
    uint256 first;
    uint256 second;
}

using TermsWords for Terms global;

library TermsWords {
    uint256 private constant AMOUNT_AT = 160;
    uint256 private constant EVERY_AT = 160;
    uint256 private constant FEE_AT = 192;
    uint256 private constant UNIT_AT = 208;
    uint256 private constant ARREARS_AT = 216;
    uint256 private constant OPEN_AT = 224;

    /// The shared part of a mandate, as a plan that is open.
    function create(Mandate calldata m) internal pure returns (PlanWords memory) {
        return PlanWords({
            first: uint256(uint160(m.payee)) | uint256(m.amount) << AMOUNT_AT,
            second: uint256(uint160(m.token)) | uint256(m.every) << EVERY_AT | uint256(m.feeBps) << FEE_AT
                | uint256(m.unit) << UNIT_AT | uint256(m.arrears) << ARREARS_AT | 1 << OPEN_AT
        });
    }

    /// Makes `self` the terms of another plan.
    function read(Terms memory self, PlanWords storage words, uint256 planId) internal view {
        self.planId = planId;
        self.first = words.first;
        self.second = words.second;
    }

    function unpack(Terms memory self) internal pure returns (Plan memory) {
        return Plan({
            payee: payee(self),
            amount: uint96(amount(self)),
            token: token(self),
            every: uint32(every(self)),
            feeBps: uint16(feeBps(self)),
            unit: inMonths(self) ? Unit.Months : Unit.Seconds,
            arrears: uint8(arrears(self)),
            open: isOpen(self)
        });
    }

    function payee(Terms memory self) internal pure returns (address) {
        return address(uint160(self.first));
    }

    function amount(Terms memory self) internal pure returns (uint256) {
        return self.first >> AMOUNT_AT;
    }

    function token(Terms memory self) internal pure returns (address) {
        return address(uint160(self.second));
    }

    function every(Terms memory self) internal pure returns (uint256) {
        return uint32(self.second >> EVERY_AT);
    }

    function feeBps(Terms memory self) internal pure returns (uint256) {
        return uint16(self.second >> FEE_AT);
    }

    function inMonths(Terms memory self) internal pure returns (bool) {
        return uint8(self.second >> UNIT_AT) == uint8(Unit.Months);
    }

    function arrears(Terms memory self) internal pure returns (uint256) {
        return uint8(self.second >> ARREARS_AT);
    }

    function isOpen(Terms memory self) internal pure returns (bool) {
        return self.second >> OPEN_AT != 0;
    }

    /// What a mandate on this plan keeps of its start: the second itself, or a month anchor.
    function anchorOf(Terms memory self, uint256 start) internal pure returns (uint256) {
        return inMonths(self) ? Calendar.monthAnchor(Calendar.read(start)) : start;
    }

    /// Number of the period that the clock stands in; 0 before the start.
    function periodAt(Terms memory self, Clock memory clock, uint256 anchor) internal pure returns (uint256) {
        unchecked {
            uint256 begun; // seconds or months of the mandate, the one that has just begun included
            if (inMonths(self)) begun = Calendar.monthsBegun(anchor, clock);
            else if (clock.time >= anchor) begun = clock.time - anchor + 1;
            uint256 length = every(self);
            return (begun + length - 1) / length;
        }
    }

    /// First instant of `period` (from 1 on), unix seconds.
    function startOf(Terms memory self, uint256 period, uint256 anchor) internal pure returns (uint256) {
        uint256 elapsed = (period - 1) * every(self);
        return inMonths(self) ? Calendar.addMonths(anchor, elapsed) : anchor + elapsed;
    }

    /// The second word with another `open`.
    function withOpen(Terms memory self, bool open) internal pure returns (uint256) {
        return self.second & ((1 << OPEN_AT) - 1) | (open ? 1 << OPEN_AT : 0);
    }
}
