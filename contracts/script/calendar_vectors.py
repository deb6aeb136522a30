#!/usr/bin/env python3
"""Digest what Python's calendar says about 1970 to 2200, for the contract's calendar to agree with.

Each digest is a chain of SHA-256 over answers; test/unit/Calendar.t.sol computes the same chain with the contract's own
functions, so that one equal digest means tens of thousands of equal answers. `calendar_vectors.py` writes
test/unit/CalendarVectors.sol, `--check` fails when the file differs.
"""

# ruff: noqa: T201 - what a script finds out, it prints
from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "test" / "unit" / "CalendarVectors.sol"

DAY = 86_400
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
END = int((dt.datetime(2201, 1, 1, tzinfo=dt.UTC) - EPOCH).total_seconds())
SAMPLES = 20_000
SHIPPED_SAMPLES = 1_000


def moment(time: int) -> dt.datetime:
    """Return the UTC datetime of these unix seconds."""
    return EPOCH + dt.timedelta(seconds=time)


def unix(when: dt.datetime) -> int:
    """Return the unix seconds of a UTC datetime."""
    return int((when - EPOCH).total_seconds())


def month_index(when: dt.datetime) -> int:
    """Return the whole months since January 1970."""
    return (when.year - 1970) * 12 + when.month - 1


def add_months(time: int, months: int) -> int:
    """Return the instant `months` calendar months later, the day clamped to that month."""
    when = moment(time)
    year, month = divmod(month_index(when) + months, 12)
    year, month = year + 1970, month + 1
    day = min(when.day, calendar.monthrange(year, month)[1])
    return unix(when.replace(year=year, month=month, day=day))


def months_begun(anchor: int, now: int) -> int:
    """Return how many months, counted from the anchor, have begun at `now`; 0 before the anchor."""
    if now < anchor:
        return 0
    months = month_index(moment(now)) - month_index(moment(anchor))
    return months + 1 if add_months(anchor, months) <= now else months


def draw(name: str, index: int) -> Callable[[int], int]:
    """Return the numbered samples' source of numbers: each call takes four bytes of one hash and reduces them."""
    state = iter(hashlib.sha256(name.encode() + index.to_bytes(4, "big")).digest()[i : i + 4] for i in range(0, 32, 4))
    return lambda limit: int.from_bytes(next(state), "big") % limit


def draw_time(number: Callable[[int], int]) -> int:
    """Return any second from 1970 to 2200."""
    return number(END // DAY) * DAY + number(DAY)


def digest_days() -> bytes:
    """Chain every day of the range, read at a second that the chain itself picks."""
    chain = bytes(32)
    for day in range(END // DAY):
        time = day * DAY + int.from_bytes(chain[:4], "big") % DAY
        when = moment(time)
        last_day = calendar.monthrange(when.year, when.month)[1]
        day_time = when.day << 17 | time % DAY
        answer = (time << 72 | month_index(when) << 40 | day_time << 8 | last_day).to_bytes(32, "big")
        chain = hashlib.sha256(chain + answer).digest()
    return chain


def digest_added() -> bytes:
    """Chain the starts of periods: anchor plus up to 4,094 months."""
    chain = bytes(32)
    for index in range(SAMPLES):
        number = draw("added", index)
        anchor = draw_time(number)
        chain = hashlib.sha256(chain + add_months(anchor, number(4095)).to_bytes(32, "big")).digest()
    return chain


def digest_begun() -> bytes:
    """Chain the count of months begun; every second sample stands within a second of an edge."""
    chain = bytes(32)
    for index in range(SAMPLES):
        number = draw("begun", index)
        anchor = draw_time(number)
        now = draw_time(number) if index % 2 else add_months(anchor, number(600)) + number(3)
        now = now if index % 2 else max(now - 1, 0)
        chain = hashlib.sha256(chain + months_begun(anchor, now).to_bytes(32, "big")).digest()
    return chain


def digest_shipped() -> bytes:
    """Chain what `quote` answers on the deployed bytecode: the present period and the start of a named one."""
    chain = bytes(32)
    for index in range(SHIPPED_SAMPLES):
        number = draw("shipped", index)
        anchor = draw_time(number)
        every = 1 + number(24)
        period = 1 + number(200)
        now = add_months(anchor, number(900)) + number(3)
        present = (months_begun(anchor, now) + every - 1) // every
        answer = present << 64 | add_months(anchor, (period - 1) * every)
        chain = hashlib.sha256(chain + answer.to_bytes(32, "big")).digest()
    return chain


def render() -> str:
    """Return the Solidity file."""
    return f"""// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// Written by script/calendar_vectors.py from Python's calendar. Do not edit.
uint256 constant END = {END}; // 2201-01-01
uint256 constant SAMPLES = {SAMPLES};
uint256 constant SHIPPED_SAMPLES = {SHIPPED_SAMPLES};
bytes32 constant DAYS_DIGEST = 0x{digest_days().hex()};
bytes32 constant ADDED_DIGEST = 0x{digest_added().hex()};
bytes32 constant BEGUN_DIGEST = 0x{digest_begun().hex()};
bytes32 constant SHIPPED_DIGEST = 0x{digest_shipped().hex()};
"""


def main() -> int:
    """Write the file, or with --check compare it; return the exit status."""
    text = render()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text)
        return 0
    if TARGET.exists() and TARGET.read_text() == text:
        print("the calendar vectors are those of Python's calendar")
        return 0
    print("stale: test/unit/CalendarVectors.sol (run contracts/script/calendar_vectors.py)")
    return 1


if __name__ == "__main__":
    sys.exit(main())
