"""How long `dues --help` takes, from the start of the process to its end: what a person waits for (U11).

python -m benchmarks.start
"""

import statistics
import subprocess
import sys
import time
from typing import Final

RUNS: Final = 15
COMMANDS: Final = ((), ("listen",), ("trigger",), ("events",), ("explain",), ("clock",))


def seconds(command: tuple[str, ...]) -> float:
    """One run."""
    began = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "gateway", *command, "--help"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - began


def main() -> None:
    """Measure and print, beside the start of Python itself."""
    bare = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        bare.append(time.perf_counter() - began)
    print(f"{'python alone':<24}{statistics.median(bare):>7.3f} s")
    for command in COMMANDS:
        took = sorted(seconds(command) for _ in range(RUNS))
        words = " ".join(("dues", *command, "--help"))
        print(f"{words:<24}{statistics.median(took):>7.3f} s (slowest {took[-1]:.3f})")


if __name__ == "__main__":
    main()
