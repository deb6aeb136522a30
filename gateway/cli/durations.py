"""Spans of time as people write them on the command line: `30m`, `48h`, `90d`."""

import re
from datetime import timedelta
from typing import Any, Final

import click

_FORM: Final = re.compile(r"([1-9]\d{0,5})(m|h|d)|0")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class Span(click.ParamType[timedelta]):
    """`30m`, `48h`, `90d`, or 0."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        match = _FORM.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no span of time: write 30m, 48h or 90d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match[2] else timedelta(0)


SPAN: Final = Span()
