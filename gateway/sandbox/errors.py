"""What can go wrong in the sandbox."""

from pathlib import Path
from typing import Final

_TAIL_LINES: Final = 12


class SandboxFailed(Exception):
    """The sandbox cannot go on; the message says what and what to do."""


class StoryBroken(SandboxFailed):
    """A step of the story claimed something that did not come true."""


def with_tail(message: str, log: Path) -> str:
    """`message`, followed by the last lines of a log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
    except OSError:
        lines = []
    return message if not lines else "\n".join([message, f"The end of {log}:", *(f"    {line}" for line in lines)])
