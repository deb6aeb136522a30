"""Which tests prove which requirement: read from the tests' names, written into docs/requirements.md.

python -m tests.requirements        writes the page anew (`make requirements`)
"""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "requirements.md"
SOURCES = {"MX": 18, "PM": 19, "FR": 36, "ST": 77, "SX": 25}
"""How many rows each source has, numbered from 1."""
RULINGS = 20

_ID = re.compile(r"(?<=_)(MX|PM|FR|ST|SX)_(\d\d)(?=_|$)|(?<=_)C(\d\d)(?=_|$)")
_ODD = re.compile(r"_(mx|pm|fr|st|sx)_?\d\d(?=_|$)|_c\d\d(?=_|$)|_(MX|PM|FR|ST|SX)\d\d(?=_|$)")
_ROW = re.compile(
    r"^\| (?P<id>(?:MX|PM|FR|ST|SX)-\d\d|C\d\d) \| (?P<middle>.*) \| (?P<state>[^|]*) \| (?P<tests>[^|]*)\|$"
)
_SUMMARY = re.compile(r"(?<=<!-- summary -->\n).*?(?=<!-- /summary -->)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One requirement as the page has it."""

    id: str
    state: str
    tests: tuple[str, ...]

    @property
    def kind(self) -> str:
        """`done`, `in part`, `open` or `late`."""
        return self.state.partition(":")[0]


def wanted() -> list[str]:
    """Every id that the page must have, in its order."""
    rows = [f"{source}-{number:02d}" for source, count in SOURCES.items() for number in range(1, count + 1)]
    return rows + [f"C{number:02d}" for number in range(1, RULINGS + 1)]


def tests() -> Iterator[tuple[str, str]]:
    """(file, name) of every test function."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield str(path.relative_to(ROOT / "tests")), node.name


def ids_in(name: str) -> list[str]:
    """The ids that a test's name carries."""
    return [f"{source}-{number}" if source else f"C{ruling}" for source, number, ruling in _ID.findall(name)]


def misspelled() -> list[str]:
    """Tests whose names carry something that looks like an id and is spelled otherwise."""
    return [f"{file}::{name}" for file, name in tests() if _ODD.search(name)]


def proofs() -> Mapping[str, list[str]]:
    """By id, the tests that carry it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file, name in tests():
        for identifier in dict.fromkeys(ids_in(name)):
            found[identifier].append(f"{file}::{name}")
    return found


def rows(page: str) -> list[Row]:
    """Read the page's rows."""
    read = []
    for line in page.splitlines():
        if match := _ROW.match(line):
            named = tuple(re.findall(r"`([^`]+)`", match["tests"]))
            read.append(Row(match["id"], match["state"].strip(), named))
    return read


def refreshed(page: str) -> str:
    """The page with the tests of today, and how many rows are in which state."""
    known = proofs()
    lines = []
    for line in page.splitlines():
        match = _ROW.match(line)
        if match is None:
            lines.append(line)
            continue
        named = "<br>".join(f"`{test}`" for test in sorted(known.get(match["id"], [])))
        lines.append(
            f"| {match['id']} | {match['middle']} | {match['state'].strip()} | {named} |".replace("|  |", "| |")
        )
    text = "\n".join(lines) + "\n"
    return _SUMMARY.sub(lambda _: summary(rows(text)), text)


def summary(found: list[Row]) -> str:
    """How many rows are in which state, and which are not done."""
    of_sources = [row for row in found if not row.id.startswith("C")]
    counted = Counter(row.kind for row in of_sources)
    figures = ", ".join(f"{counted[kind]} {kind}" for kind in ("done", "in part", "open", "late"))
    lines = [f"Of {len(of_sources)} rows: {figures}.", ""]
    for kind in ("in part", "open"):
        named = ", ".join(row.id for row in found if row.kind == kind)
        lines += [f"**{kind.capitalize()}**: {named or 'none'}.", ""]
    return "\n".join(lines[:-1]) + "\n"


def main() -> int:
    """Write the page anew; 1 when it changed."""
    before = PAGE.read_text(encoding="utf-8")
    after = refreshed(before)
    PAGE.write_text(after, encoding="utf-8")
    print("docs/requirements.md:", "as it was" if after == before else "written anew")
    return 0


if __name__ == "__main__":
    sys.exit(main())
