// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// A registered mandate in one storage word, from the lowest bit:
///
///   payer 160 | plan id 24 | anchor 40 | newest spent period 12 | spent bits 8 | last period 12
///
/// anchor       first instant of period 1: unix seconds, or a month anchor (Calendar) when the plan counts months.
/// newest       0 = none spent yet; 4,095 = canceled: a tombstone that nothing can turn back.
/// spent bits   bit i = period `newest - 1 - i` is spent. A late period can be collected in any order, and only once.
/// last period  inclusive; PERIOD_MAX for a mandate until canceled.
///
/// The zero word is "unknown": a registered mandate has a payer, and a tombstone has a payer too.
type Subscription is uint256;

using SubscriptionWord for Subscription global;

library SubscriptionWord {
    uint256 internal constant PERIOD_MAX = 4094; // 12 bits, less the mark of a tombstone
    uint256 internal constant WINDOW = 8; // periods before the newest one that are remembered

    uint256 private constant PLAN_AT = 160;
    uint256 private constant ANCHOR_AT = 184;
    uint256 private constant NEWEST_AT = 224;
    uint256 private constant BITS_AT = 236;
    uint256 private constant LAST_AT = 244;
    uint256 private constant TOMBSTONE = 0xfff;
    uint256 private constant BITS_MASK = 0xff;
    uint256 private constant SPENT_FIELDS = (TOMBSTONE | BITS_MASK << 12) << NEWEST_AT;

    /// `spentUpTo`: the mandate begins with this period, and the WINDOW before it, already spent.
    function create(address payer_, uint256 plan, uint256 anchor_, uint256 last, uint256 spentUpTo)
        internal
        pure
        returns (Subscription)
    {
        uint256 bits = spentUpTo == 0 ? 0 : BITS_MASK;
        return Subscription.wrap(
            uint256(uint160(payer_)) | plan << PLAN_AT | anchor_ << ANCHOR_AT | spentUpTo << NEWEST_AT | bits << BITS_AT
                | last << LAST_AT
        );
    }

    function isUnknown(Subscription self) internal pure returns (bool) {
        return Subscription.unwrap(self) == 0;
    }

    function isCanceled(Subscription self) internal pure returns (bool) {
        return newestSpent(self) == TOMBSTONE;
    }

    function payer(Subscription self) internal pure returns (address) {
        return address(uint160(Subscription.unwrap(self)));
    }

    function planId(Subscription self) internal pure returns (uint24) {
        return uint24(Subscription.unwrap(self) >> PLAN_AT);
    }

    function anchor(Subscription self) internal pure returns (uint256) {
        return uint40(Subscription.unwrap(self) >> ANCHOR_AT);
    }

    function newestSpent(Subscription self) internal pure returns (uint256) {
        return (Subscription.unwrap(self) >> NEWEST_AT) & TOMBSTONE;
    }

    function spentBits(Subscription self) internal pure returns (uint256) {
        return (Subscription.unwrap(self) >> BITS_AT) & BITS_MASK;
    }

    /// Last collectable period (inclusive).
    function lastPeriod(Subscription self) internal pure returns (uint256) {
        return Subscription.unwrap(self) >> LAST_AT;
    }

    /// Whether `period` is known to be spent. Older than the window is unknown, and always too late to collect.
    function isSpent(Subscription self, uint256 period) internal pure returns (bool) {
        unchecked {
            uint256 newest = newestSpent(self);
            return period <= newest && (history(self) >> (newest - period)) & 1 != 0;
        }
    }

    /// The same word with `period` spent. Only for a period that is not spent and not older than the window.
    function spend(Subscription self, uint256 period) internal pure returns (Subscription) {
        unchecked {
            uint256 newest = newestSpent(self);
            uint256 past = history(self);
            if (period > newest) {
                past = past << (period - newest) | 1;
                newest = period;
            } else {
                past |= 1 << (newest - period);
            }
            uint256 spent = newest | ((past >> 1) & BITS_MASK) << 12;
            return Subscription.wrap(Subscription.unwrap(self) & ~SPENT_FIELDS | spent << NEWEST_AT);
        }
    }

    /// The same word as a tombstone.
    function cancel(Subscription self) internal pure returns (Subscription) {
        return Subscription.wrap(Subscription.unwrap(self) | TOMBSTONE << NEWEST_AT);
    }

    /// Nine bits: bit d = period `newest - d` is spent; the newest one always is (period 0 counts as spent).
    function history(Subscription self) private pure returns (uint256) {
        return spentBits(self) << 1 | 1;
    }
}
