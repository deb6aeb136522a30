"""The rules that import-linter cannot say: what may be imported at all, and who may ask what time it is."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = sorted((ROOT / "gateway" / "domain").rglob("*.py"))
BELOW_ENTRY_POINTS = [
    path
    for package in ("gateway/domain", "gateway/db", "gateway/services", "gateway/wire", "gateway/api", "chain")
    for path in sorted((ROOT / package).rglob("*.py"))
]
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def parsed(paths: list[Path]) -> Iterator[tuple[str, ast.Module]]:
    for path in paths:
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def test_the_domain_imports_the_standard_library_itself_and_the_vocabulary_of_the_chain() -> None:
    foreign = [
        f"{path.name}: {module}"
        for path in DOMAIN
        for module in imports(path)
        if module.partition(".")[0] not in sys.stdlib_module_names
        and not module.startswith("gateway.domain")
        and module != "chain.primitives"
    ]
    assert foreign == []


def test_the_vocabulary_of_the_chain_imports_the_standard_library_only() -> None:
    modules = {module.partition(".")[0] for module in imports(ROOT / "chain" / "primitives.py")}
    assert modules <= sys.stdlib_module_names


def test_the_domain_is_synchronous() -> None:
    waits = [
        f"{name}:{node.lineno}"
        for name, tree in parsed(DOMAIN)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    ]
    assert waits == []


def test_nothing_below_the_entry_points_reads_a_clock() -> None:
    read = [
        f"{name}:{node.lineno} {node.func.value.id}.{node.func.attr}()"
        for name, tree in parsed(BELOW_ENTRY_POINTS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in CLOCKS
    ]
    assert read == []


def test_nothing_below_the_entry_points_reads_the_environment() -> None:
    read = [
        f"{name}:{node.lineno}"
        for name, tree in parsed(BELOW_ENTRY_POINTS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    # The development node is found by a variable; it is never part of a live gateway.
    assert [place for place in read if not place.startswith("chain/local_node.py")] == []
