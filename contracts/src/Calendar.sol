// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// One instant, read both ways that periods are counted in. Computed once per transaction.
struct Clock {
    uint256 time; // unix seconds
    uint256 month; // whole months since January 1970, UTC
    uint256 dayTime; // day of the month (1 to 31) << 17 | second of the day
    uint256 lastDay; // last day of that month, 28 to 31
}

/// The proleptic Gregorian calendar in UTC, for unix seconds from 1970 on. No leap seconds, as everywhere in unix time.
///
/// A *month anchor* is an instant packed as month << 22 | day << 17 | second of the day. Keeping the day itself, not an
/// instant, is what stops drift: the 31st clamps to the last day of each short month and is the 31st again in the next
/// long one.
library Calendar {
    uint256 private constant DAY = 1 days;
    uint256 private constant SECOND_BITS = 17; // 86,400 < 2^17
    uint256 private constant SECOND_MASK = (1 << 17) - 1;
    uint256 private constant DAY_TIME_BITS = 22; // and 5 bits for the day
    uint256 private constant DAY_TIME_MASK = (1 << 22) - 1;

    // The algorithms count days from 1 March of year 0: leap days then stand at the end of a year, and an *era* of 400
    // years has always 146,097 days.
    uint256 private constant DAYS_TO_1970 = 719_468; // 0000-03-01 to 1970-01-01
    uint256 private constant DAYS_PER_ERA = 146_097;
    uint256 private constant MONTHS_TO_1970 = 1970 * 12;

    function read(uint256 time) internal pure returns (Clock memory clock) {
        unchecked {
            uint256 day = time / DAY + DAYS_TO_1970;
            uint256 era = day / DAYS_PER_ERA;
            uint256 dayOfEra = day - era * DAYS_PER_ERA; // 0 to 146,096
            uint256 yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365; // 0 to 399
            uint256 dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100); // 0 = 1 March
            uint256 march = (5 * dayOfYear + 2) / 153; // 0 = March … 11 = February
            uint256 dayOfMonth = dayOfYear - (153 * march + 2) / 5 + 1;

            // March of year y is month 12·y + 2 counted from January of year 0.
            uint256 month = (era * 400 + yearOfEra) * 12 + march + 2 - MONTHS_TO_1970;
            clock.time = time;
            clock.month = month;
            clock.dayTime = dayOfMonth << SECOND_BITS | time % DAY;
            clock.lastDay = lastDayOf(month);
        }
    }

    /// Last day of the month that lies `month` months after January 1970.
    function lastDayOf(uint256 month) internal pure returns (uint256) {
        unchecked {
            uint256 monthOfYear = month % 12; // 0 = January
            if (monthOfYear != 1) return 30 + ((0xAD5 >> monthOfYear) & 1); // bit m is set when month m has 31 days
            uint256 year = 1970 + month / 12;
            return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
        }
    }

    function monthAnchor(Clock memory clock) internal pure returns (uint256 anchor) {
        return clock.month << DAY_TIME_BITS | clock.dayTime;
    }

    /// How many months, counted from the anchor, have begun: 1 in the first one, 0 before the anchor.
    function monthsBegun(uint256 anchor, Clock memory clock) internal pure returns (uint256) {
        unchecked {
            uint256 dayTime = anchor & DAY_TIME_MASK;
            if (dayTime >> SECOND_BITS > clock.lastDay) {
                dayTime = clock.lastDay << SECOND_BITS | dayTime & SECOND_MASK;
            }
            // The clock's own month counts once the (clamped) day and second of the anchor have come.
            uint256 end = clock.dayTime < dayTime ? clock.month : clock.month + 1;
            uint256 anchorMonth = anchor >> DAY_TIME_BITS;
            return end > anchorMonth ? end - anchorMonth : 0;
        }
    }

    /// Unix seconds of the instant `months` months after the anchor, its day clamped to that month.
    function addMonths(uint256 anchor, uint256 months) internal pure returns (uint256 time) {
        unchecked {
            uint256 month = (anchor >> DAY_TIME_BITS) + months;
            uint256 day = (anchor & DAY_TIME_MASK) >> SECOND_BITS;
            uint256 lastDay = lastDayOf(month);
            if (day > lastDay) day = lastDay;

            uint256 sinceMarch = month + MONTHS_TO_1970 - 2; // months since March of year 0
            uint256 year = sinceMarch / 12;
            uint256 march = sinceMarch % 12;
            uint256 days_ = 365 * year + year / 4 - year / 100 + year / 400 + (153 * march + 2) / 5 + day - 1;
            return (days_ - DAYS_TO_1970) * DAY + (anchor & SECOND_MASK);
        }
    }
}
