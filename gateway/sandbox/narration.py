"""How the story looks: one block per step, with its evidence, its claims and its time. Plain text without a terminal.

A claim that does not hold ends the story.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.status import Status
from rich.text import Text

from gateway.sandbox.errors import StoryBroken

WAIT_SECONDS: Final = 40.0
"""Longest wait for one thing to become true; on an idle machine each takes about a second."""

_POLL_SECONDS: Final = 0.1
_WIDTH_MAX: Final = 112
"""A transaction hash beside its label fits; wider lines are harder to read."""

_LABEL_WIDTH: Final = 17


class Step:
    """One step: collects evidence and claims, and waits with a word about what for."""

    def __init__(self, status: Status | None, check: Callable[[], None]) -> None:
        self.lines: list[tuple[str, str, str]] = []
        self.claims = 0
        self._status = status
        self._check = check

    def show(self, label: str, value: object) -> None:
        """A fact that can be looked up: an id, a hash, a status, an amount."""
        self.lines.append(("", label, str(value)))

    def claim(self, text: str, *, holds: bool, found: object = "") -> None:
        """Something that must be true.

        Raises:
            StoryBroken: it is not.
        """
        if not holds:
            raise StoryBroken(f"{text}: this did not come true{f' (found {found})' if found != '' else ''}")
        self.claims += 1
        self.lines.append(("✓", "", text))

    def wait(self, what: str, until: Callable[[], bool], *, found: Callable[[], object] = lambda: "") -> None:
        """Ask until it is true.

        Raises:
            StoryBroken: not within `WAIT_SECONDS`.
            SandboxFailed: a child process died meanwhile.
        """
        if self._status is not None:
            self._status.update(f"[dim]waiting until {what} …[/dim]")
        deadline = time.monotonic() + WAIT_SECONDS
        while not until():
            self._check()
            if time.monotonic() > deadline:
                raise StoryBroken(f"waited {WAIT_SECONDS:g} s until {what}, in vain (found {found()})")
            time.sleep(_POLL_SECONDS)


class Narrator:
    """Prints steps as they end, and counts."""

    def __init__(self, console: Console | None = None, check: Callable[[], None] = lambda: None) -> None:
        """`check` is asked while waiting; it raises when it is pointless to wait on."""
        self.console = console or _console()
        self.check = check
        self.steps = 0
        self.claims = 0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return time.monotonic() - self._started

    def begin(self) -> None:
        """The story begins now."""
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """One line beside the steps."""
        self.console.print(text, style="dim", markup=False)

    def heading(self, text: str) -> None:
        """A line that stands out."""
        self.console.print()
        self.console.print(Text(text, style="bold"))

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Tell one step; it is printed when it ends, also when it fails."""
        self.steps += 1
        began = time.monotonic()
        status = self.console.status(f"[dim]{title} …[/dim]") if self.console.is_terminal else None
        step = Step(status, self.check)
        if status is not None:
            status.start()
        mark, style = "✗", "bold red"
        try:
            yield step
            mark, style = f"{self.steps:>2}", "bold cyan"
        finally:
            if status is not None:
                status.stop()
            self.claims += step.claims
            self._print(mark, style, title, time.monotonic() - began, step)

    def _print(self, mark: str, style: str, title: str, seconds: float, step: Step) -> None:
        took = f"{seconds:.1f} s"
        gap = " " * max(self.console.width - len(mark) - len(title) - len(took) - 2, 1)
        head = [(f"{mark} ", style), (title, "bold"), (gap, ""), (took, "dim")]
        self.console.print(Text.assemble(*head), soft_wrap=True)
        for tick, label, value in step.lines:
            row = Text.assemble(
                (f"   {label:<{_LABEL_WIDTH}} ", "dim"), (f"{tick} {value}" if tick else value, "green" if tick else "")
            )
            self.console.print(row, soft_wrap=True)
        self.console.print()


def _console() -> Console:
    """The terminal as it is, but not wider than a person reads; files and pipes get the full width."""
    console = Console(highlight=False)
    console.width = min(console.width, _WIDTH_MAX) if console.is_terminal else _WIDTH_MAX
    return console
