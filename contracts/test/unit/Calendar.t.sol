// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Calendar, Clock} from "../../src/Calendar.sol";
import {Mandate, Quote} from "../../src/IDuesMandates.sol";
import {DuesTest} from "../base/DuesTest.sol";
import {
    ADDED_DIGEST,
    BEGUN_DIGEST,
    DAYS_DIGEST,
    END,
    SAMPLES,
    SHIPPED_DIGEST,
    SHIPPED_SAMPLES
} from "./CalendarVectors.sol";

/// The contract's calendar against Python's, 1970 to 2200. Equal digests mean equal answers to all samples; the samples are
/// drawn on both sides in the same way (script/calendar_vectors.py).
contract CalendarTest is DuesTest {
    uint256 private drawn; // the hash that numbers are taken from, four bytes at a time

    function draw(string memory name, uint256 index) private {
        drawn = uint256(sha256(abi.encodePacked(name, uint32(index))));
    }

    function number(uint256 limit) private returns (uint256 value) {
        value = (drawn >> 224) % limit;
        drawn <<= 32;
    }

    function drawTime() private returns (uint256) {
        uint256 day = number(END / 1 days);
        return day * 1 days + number(1 days);
    }

    function anchorOf(uint256 time) private pure returns (uint256) {
        return Calendar.monthAnchor(Calendar.read(time));
    }

    function test_everyDayIsThatOfPython() external pure {
        bytes32 chain;
        uint256 free;
        assembly {
            free := mload(0x40)
        }
        for (uint256 day = 0; day < END / 1 days; ++day) {
            assembly ("memory-safe") {
                mstore(0x40, free) // 84,371 clocks would cost more memory than there is gas
            }
            uint256 time = day * 1 days + uint32(bytes4(chain)) % 1 days;
            Clock memory clock = Calendar.read(time);
            chain = sha256(abi.encode(chain, time << 72 | clock.month << 40 | clock.dayTime << 8 | clock.lastDay));
        }
        vm.assertEq(chain, DAYS_DIGEST, "84,371 days");
    }

    function test_addedMonthsAreThoseOfPython() external {
        bytes32 chain;
        for (uint256 i = 0; i < SAMPLES; ++i) {
            draw("added", i);
            uint256 anchor = anchorOf(drawTime());
            chain = sha256(abi.encode(chain, Calendar.addMonths(anchor, number(4095))));
        }
        vm.assertEq(chain, ADDED_DIGEST, "starts of periods");
    }

    function test_begunMonthsAreThoseOfPython() external {
        bytes32 chain;
        for (uint256 i = 0; i < SAMPLES; ++i) {
            draw("begun", i);
            uint256 anchor = anchorOf(drawTime());
            uint256 time;
            if (i % 2 == 1) {
                time = drawTime();
            } else {
                time = Calendar.addMonths(anchor, number(600));
                time += number(3);
                if (time > 0) --time;
            }
            chain = sha256(abi.encode(chain, Calendar.monthsBegun(anchor, Calendar.read(time))));
        }
        vm.assertEq(chain, BEGUN_DIGEST, "months begun, every second sample on an edge");
    }

    function test_theDeployedCodeCountsLikePython() external {
        bytes32 chain;
        Mandate memory m = terms();
        for (uint256 i = 0; i < SHIPPED_SAMPLES; ++i) {
            draw("shipped", i);
            uint256 time = drawTime();
            (m.start, m.every, m.salt) = (uint40(time), uint32(1 + number(24)), i);
            uint16 period = uint16(1 + number(200));
            vm.warp(time);
            uint96 id = register(m);
            time = Calendar.addMonths(anchorOf(time), number(900));
            vm.warp(time + number(3));
            Quote memory q = dues.quote(id, period);
            chain = sha256(abi.encode(chain, uint256(q.periodNow) << 64 | q.startsAt));
        }
        vm.assertEq(chain, SHIPPED_DIGEST, "periods of mandates");
    }

    function testFuzz_secondsCountLikeADivision(uint40 start, uint32 every, uint40 later, uint16 period) external {
        Mandate memory m = termsInSeconds();
        m.every = 1 days + every % (3659 days);
        m.start = NOW - 3660 days + start % (3660 days + 731 days);
        uint96 id = register(m);
        uint256 time = uint256(NOW) + later;
        vm.warp(time);
        period = 1 + period % 4094;
        Quote memory q = dues.quote(id, period);
        uint256 present = time < m.start ? 0 : 1 + (time - m.start) / m.every;
        vm.assertEq(q.periodNow, present > 65_535 ? 65_535 : present, "present period");
        vm.assertEq(q.startsAt, uint256(m.start) + uint256(period - 1) * m.every, "start");
        vm.assertEq(q.endsAt, uint256(q.startsAt) + m.every, "end");
    }
}
