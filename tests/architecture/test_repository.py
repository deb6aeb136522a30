"""What no committed file may hold, and what every link must lead to."""

import re
from pathlib import Path

import pytest

from gateway.cli.app import _COMMANDS

TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".json", ".lock", ".sol", ".js", ".example", ".sql", ""}
# Written apart, so that this file does not hold what it looks for.
REGISTRIES = [
    "registry." + "npmjs",
    "registry." + "yarnpkg",
    "files." + "pythonhosted",
    "pypi" + ".org",
    "gh" + "cr.io",
    "quay" + ".io",
]
SECRET = re.compile(r"\b(?:sk|rk)_(?:test|live)_[A-Za-z0-9]{24,}|\bwhsec_[A-Za-z0-9+/=]{24,}")
LINK = re.compile(r"\[[^\]]+\]\((?!https?://|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?:^|[`$ ])dues(?: --config \S+)? ([a-z]+)\b")


def readable(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.suffix in TEXT]


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_file_names_a_registry(committed: list[Path], root: Path, host: str) -> None:
    named = [str(path.relative_to(root)) for path in readable(committed) if host in path.read_text(encoding="utf-8")]
    assert not named


def test_no_file_holds_a_key_or_a_signing_secret(committed: list[Path], root: Path) -> None:
    holding = [str(p.relative_to(root)) for p in readable(committed) if SECRET.search(p.read_text(encoding="utf-8"))]
    assert not holding


def test_no_file_holds_a_path_of_the_machine_it_was_written_on(committed: list[Path], root: Path) -> None:
    homes = re.compile(r"(?<![\w.])/(?:root|home/[a-z]+|Users/[A-Za-z]+|work)/")
    holding = [str(p.relative_to(root)) for p in readable(committed) if homes.search(p.read_text(encoding="utf-8"))]
    assert not holding


def test_every_link_of_the_papers_leads_somewhere(committed: list[Path], root: Path) -> None:
    broken = [
        f"{paper.relative_to(root)}: {target}"
        for paper in committed
        if paper.suffix == ".md"
        for target in LINK.findall(paper.read_text(encoding="utf-8"))
        if not (paper.parent / target).exists()
    ]
    assert not broken


def test_every_command_that_the_papers_name_exists(committed: list[Path], root: Path) -> None:
    unknown = {
        f"{paper.relative_to(root)}: dues {name}"
        for paper in committed
        if paper.suffix == ".md"
        for line in re.findall(r"`[^`\n]*`|^\s{4,}.*$|^\$.*$", paper.read_text(encoding="utf-8"), re.MULTILINE)
        for name in COMMAND.findall(line)
        if name not in _COMMANDS
    }
    assert not unknown


def test_every_make_target_that_the_papers_name_exists(committed: list[Path], root: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        name
        for paper in committed
        if paper.suffix == ".md"
        for name in re.findall(r"`make ([a-z-]+)", paper.read_text(encoding="utf-8"))
    }
    assert named <= targets
