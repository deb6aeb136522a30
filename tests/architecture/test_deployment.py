"""The files that deploy Dues, checked as far as a parser and the same commands outside a container can."""

import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import load
from gateway.startup import problems_of_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = ["migrate", "api", "workers"]


def test_compose_has_every_part() -> None:
    assert set(SERVICES) == {"postgres", "redis", "chain", "migrate", "api", "workers"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_and_a_pinned_version(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert re.fullmatch(r"[a-z-]+:\d+\.\d+[\w.-]*", service["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_a_secret_with_a_default(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|PEPPER|SECRET|DATABASE_URL", key):
            assert re.search(r"\$\{[A-Z_]+:\?[^}]+\}", value), key
            assert ":-" not in value, key


@pytest.mark.parametrize("name", SERVICES)
def test_no_port_is_open_to_the_world(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", OURS)
def test_our_containers_run_with_as_little_as_possible(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_the_workers_see_the_key_that_pays_gas() -> None:
    with_key = [name for name in SERVICES if "KEYSTORE" in str(SERVICES[name].get("environment"))]
    assert with_key == ["workers"]
    assert [name for name in SERVICES if "keystore" in str(SERVICES[name].get("volumes"))] == ["workers"]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("kind", ["command", "healthcheck"])
def test_the_commands_of_our_containers_exist(name: str, kind: str) -> None:
    words = SERVICES[name]["command"] if kind == "command" else SERVICES[name]["healthcheck"]["test"][2:]
    ended = subprocess.run(  # noqa: S603 - words of a file that we wrote
        [sys.executable, "-m", "gateway", *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    known = ended.stdout
    assert all(word in known for word in words if word.startswith("--"))


def test_the_example_settings_with_the_environment_of_compose_are_fit_for_live_mode(tmp_path: Path) -> None:
    filled = {
        "POSTGRES_PASSWORD": "3b1f0c",
        "DUES_PEPPER": "9f86d081884c7d659a2feaa0c55ad015",
        "DUES_KEYSTORE_PASSWORD": "k7Q9",
    }
    filled["DUES_PUBLIC_URL"] = "https://pay.example.com"
    environ = {
        key: re.sub(r"\$\{([A-Z_]+):\?[^}]*\}", lambda found: filled[found[1]], str(value))
        for key, value in SERVICES["workers"]["environment"].items()
    }
    settings = tmp_path / "dues.toml"
    settings.write_text((ROOT / "docs/operations/dues.example.toml").read_text(encoding="utf-8"), encoding="utf-8")
    config = load(settings, environ | {"DUES_CONFIG": str(settings)})
    assert problems_of_settings(config) == []


def test_every_variable_that_compose_wants_stands_in_the_example_without_a_value() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=$", example, re.MULTILINE)) == wanted


def test_the_image_is_pinned_installs_by_hash_and_runs_without_privileges() -> None:
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", DOCKERFILE, re.MULTILINE)
    assert [name for _, name in stages] == ["build", "chain", "runtime"]
    assert all(re.search(r":\d+\.\d+\.\d+", image) for image, _ in stages)
    installs = [line for line in DOCKERFILE.splitlines() if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps --no-index" in line for line in installs)
    runtime = DOCKERFILE.partition("AS runtime")[2]
    assert re.search(r"^USER 10001:10001$", runtime, re.MULTILINE)
    assert shlex.split(re.findall(r"^ENTRYPOINT (.*)$", runtime, re.MULTILINE)[0].strip("[]")) == ["dues"]


def test_everything_that_the_image_copies_is_let_through_to_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    copied = {
        word for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    }
    assert {f"!{name}" for name in copied} <= set(ignored)
    assert all((ROOT / name).exists() for name in copied)


def test_the_wheel_that_the_image_installs_holds_everything_that_runs(tmp_path: Path) -> None:
    hatchling = Path(sys.executable).parent / "hatchling"
    built = subprocess.run(  # noqa: S603 - our own words
        [hatchling, "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {"chain/abi/DuesMandates.json", "gateway/__main__.py", "workers/run.py"} <= inside
    assert any(name.startswith("gateway/db/migrations/") for name in inside)
    assert not any(name.startswith(("tests/", "contracts/", "docs/")) for name in inside)
