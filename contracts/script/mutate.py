#!/usr/bin/env python3
"""Change the contract in one place at a time and see whether a test notices.

    mutate.py [--every N [--offset N]] [--workers N] [--file NAME] [--report PATH]

Each mutant is one small change (an operator, a number, a missing statement or modifier) in a copy of the project. A
mutant that does not compile is not counted. One that all unit tests let pass is tried again on the invariants. Those
that still live are survivors: each must be explained in test/mutation-survivors.json, or this ends with status 1.
"""

# ruff: noqa: T201 - what a script finds out, it prints
from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent.parent
EXPLAINED = CONTRACTS / "test" / "mutation-survivors.json"
KILL_RATE_MIN = 0.95

# What is replaced by what. Each occurrence in a line makes one mutant.
SWAPS = [
    (r" == ", " != "), (r" != ", " == "), (r" <= ", " < "), (r" >= ", " > "), (r" < ", " <= "), (r" > ", " >= "),
    (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " / "), (r" / ", " * "), (r" % ", " / "),
    (r" << ", " >> "), (r" >> ", " << "), (r" \| ", " & "), (r" & ", " | "), (r" && ", " || "), (r" \|\| ", " && "),
    (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"!(?=[a-zA-Z_(])", ""), (r"~", ""), (r"\+\+", "--"),
    (r"\bgt\(", "lt("), (r"\beq\(", "xor("), (r"\band\(", "or("), (r"\bshl\(", "shr("), (r"\bshr\(", "shl("),
    (r"\bexternal lock\b", "external"), (r"\bwhenRunning lock\b", "whenRunning"), (r"\bwhenRunning lock\b", "lock"),
    (r"\bonlyOwner\b", ""),
]  # fmt: skip
NUMBER = re.compile(r"(?<![\w.])(0x[0-9a-fA-F]+|\d[\d_]*)(?![\w.])")
TYPE_OF_LITERAL = re.compile(r"(bytes4 private constant|type\(|hex\"|TYPEHASH|pragma|import|^\s*(event|error)\b)")
STATEMENT = re.compile(r"^\s+(emit |[\w.\[\]]+ (=|\|=|\+=) |[\w.]+\(.*\);|if \(.*\) (revert|return)\b).*;$")


@dataclass(frozen=True)
class Mutant:
    """One change: a line of a file, before and after."""

    file: str
    line: int
    before: str
    after: str

    @property
    def key(self) -> str:
        """What the list of survivors calls it: independent of line numbers."""
        return f"{self.file}: {self.before.strip()}  =>  {self.after.strip() or '(removed)'}"


def mutants_of(path: Path) -> list[Mutant]:
    """Return every mutant of a source file, in the order of its lines."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        code = line.split("//")[0]
        if not code.strip() or TYPE_OF_LITERAL.search(code):
            continue
        comment = line[len(code) :]
        changed = [
            code[: match.start()] + new + code[match.end() :] for old, new in SWAPS for match in re.finditer(old, code)
        ]
        for match in NUMBER.finditer(code):
            if match.group() not in {"0x00", "0x20", "0x40"}:  # scratch addresses of assembly
                bigger = str(int(match.group().replace("_", ""), 0) + 1)
                changed.append(code[: match.start()] + bigger + code[match.end() :])
        if STATEMENT.match(code.rstrip()):
            changed.append("")
        found += [Mutant(path.name, number, line, new + comment if new else "") for new in dict.fromkeys(changed)]
    return found


class Workshop:
    """A copy of the project in which one mutant at a time is built and tested."""

    def __init__(self, root: Path) -> None:
        """Copy what a build needs and build it once, so that later builds are small."""
        self.contracts = root / "contracts"
        self.pristine = root / "pristine"
        (root / "node_modules").symlink_to(CONTRACTS.parent / "node_modules")
        shutil.copytree(CONTRACTS / "src", self.pristine)
        for name in ("src", "test", "script"):
            shutil.copytree(CONTRACTS / name, self.contracts / name)
        shutil.rmtree(self.contracts / "test" / "gas")
        shutil.copy(CONTRACTS / "foundry.toml", self.contracts)
        if (result := self.forge("test", "--match-path", "test/unit/*")).returncode:
            raise SystemExit(f"the tests fail without any mutant:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")

    def forge(self, *arguments: str, runs: int = 64) -> subprocess.CompletedProcess[str]:
        """Run forge in the copy, compiled the fastest way and without its memory of earlier failures."""
        shutil.rmtree(self.contracts / "cache" / "fuzz", ignore_errors=True)
        shutil.rmtree(self.contracts / "cache" / "invariant", ignore_errors=True)
        environment = os.environ | {"FOUNDRY_PROFILE": "mutants", "FOUNDRY_FUZZ_RUNS": str(runs)}
        command = [CONTRACTS / "script" / "forge", *arguments]
        return subprocess.run(  # noqa: S603
            command, cwd=self.contracts, env=environment, check=False, capture_output=True, text=True, timeout=900
        )

    def fate(self, mutant: Mutant) -> str:
        """Return invalid, killed or survived."""
        target = self.contracts / "src" / mutant.file
        original = (self.pristine / mutant.file).read_text()
        lines = original.splitlines(keepends=True)
        lines[mutant.line - 1] = mutant.after + "\n"
        target.write_text("".join(lines))
        try:
            # The calendar's 84,371 days take longest and tell least about the other files.
            few = [] if mutant.file == "Calendar.sol" else ["--no-match-contract", "CalendarTest"]
            result = self.forge("test", "--fail-fast", "--match-path", "test/unit/*", *few, runs=32)
            if "Compiler run failed" in result.stderr + result.stdout:
                return "invalid"
            if _noticed(result):
                return "killed"
            if _noticed(self.forge("test", "--match-path", "test/{unit,invariant}/*", runs=500)):
                return "killed"
        except subprocess.TimeoutExpired:
            return "killed"
        else:
            return "survived"
        finally:
            target.write_text(original)


def _noticed(result: subprocess.CompletedProcess[str]) -> bool:
    """Whether a test failed. That forge itself failed says nothing about a mutant, and must not count as a kill."""
    if result.returncode and "[FAIL" not in result.stdout:
        raise RuntimeError(f"forge failed, not a test:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.returncode != 0


def main() -> int:
    """Try the mutants, print the rate and the survivors; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="only each N-th mutant (a quick sample)")
    parser.add_argument("--offset", type=int, default=0, help="where a sample begins")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--file", help="only mutants of this source file")
    parser.add_argument("--report", type=Path, help="write the survivors there as JSON")
    options = parser.parse_args()

    paths = sorted(path for path in (CONTRACTS / "src").glob("*.sol") if options.file in (None, path.name))
    mutants = [mutant for path in paths for mutant in mutants_of(path)][options.offset :: options.every]
    counts = {"invalid": 0, "killed": 0, "survived": 0}
    survivors: list[Mutant] = []

    with tempfile.TemporaryDirectory() as folder:
        local = threading.local()

        def attempt(mutant: Mutant) -> tuple[Mutant, str]:
            if not hasattr(local, "workshop"):
                local.workshop = Workshop(Path(tempfile.mkdtemp(dir=folder)))
            return mutant, local.workshop.fate(mutant)

        with concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
            for mutant, fate in pool.map(attempt, mutants):
                counts[fate] += 1
                if sum(counts.values()) % 25 == 0:
                    print(f"{sum(counts.values())} of {len(mutants)}", file=sys.stderr, flush=True)
                if fate == "survived":
                    survivors.append(mutant)
                    print(f"survived  {mutant.file}:{mutant.line}  {mutant.key}", flush=True)

    explained = json.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    unexplained = [mutant for mutant in survivors if mutant.key not in explained]
    if options.report:
        options.report.write_text(json.dumps(sorted({mutant.key for mutant in survivors}), indent=2) + "\n")
    valid = counts["killed"] + counts["survived"]
    rate = counts["killed"] / valid if valid else 1.0
    print(f"{counts['killed']} of {valid} mutants killed ({rate:.1%}), {counts['invalid']} did not compile,")
    print(f"{counts['survived']} survived, {len(unexplained)} of them without an explanation")
    return 0 if rate >= KILL_RATE_MIN and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
