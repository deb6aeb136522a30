from pathlib import Path

import pytest

from gateway.config import Config, ConfigInvalid, load

MINIMAL = {
    "DUES_DATABASE_URL": "sqlite:///x.db",
    "DUES_REDIS_URL": "redis://127.0.0.1:6379/0",
    "DUES_PUBLIC_URL": "http://127.0.0.1:8321",
    "DUES_PEPPER": "p" * 40,
}
FILE = """
database_url = "sqlite:///x.db"
redis_url = "redis://127.0.0.1:6379/0"
public_url = "http://127.0.0.1:8321"
pepper = "0123456789abcdef"

[[chains]]
chain_id = 31337
name = "local"
rpc_urls = ["http://127.0.0.1:8545"]
contract = "0x00000000000000000000000000000000000000aa"
local = true

[[signers]]
chain_id = 31337
development_key = "0x01"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "dues.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, FILE), {})
    assert (config.mode, config.api.port, config.billing.finalization_delay_seconds) == ("test", 8321, 3600)
    assert config.chains[0].rpc_urls[0].reveal() == "http://127.0.0.1:8545"
    assert config.chains[0].confirmations == 12


def test_the_environment_alone_is_enough() -> None:
    environ = MINIMAL | {
        "DUES_API__PORT": "9000",
        "DUES_DEBUG": "true",
        "DUES_CHAINS__0__CHAIN_ID": "1",
        "DUES_CHAINS__0__NAME": "mainnet",
        "DUES_CHAINS__0__CONTRACT": "0x00",
        "DUES_CHAINS__0__RPC_URLS": "https://a.example/key, https://b.example",
    }
    config = load(None, environ)
    assert config.api.port == 9000
    assert config.debug is True
    assert [url.reveal() for url in config.chains[0].rpc_urls] == ["https://a.example/key", "https://b.example"]


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    config = load(written(tmp_path, FILE), {"DUES_CHAINS__0__CONFIRMATIONS": "3", "DUES_PEPPER": "other"})
    assert config.chains[0].confirmations == 3
    assert config.pepper.reveal() == "other"


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text("from a file\n", encoding="utf-8")
    config = load(written(tmp_path, FILE.replace('pepper = "0123456789abcdef"', 'pepper_file = "pepper"')), {})
    assert config.pepper.reveal() == "from a file"


def test_a_secret_file_named_in_the_environment_replaces_the_value_of_the_file(tmp_path: Path) -> None:
    secret = tmp_path / "pepper"
    secret.write_text("from a file\n", encoding="utf-8")
    config = load(written(tmp_path, FILE), {"DUES_PEPPER_FILE": str(secret)})
    assert config.pepper.reveal() == "from a file"


def test_dues_config_names_the_file(tmp_path: Path) -> None:
    assert load(None, {"DUES_CONFIG": str(written(tmp_path, FILE))}).chains[0].name == "local"


def test_a_keystore_path_is_read_from_the_folder_of_the_file(tmp_path: Path) -> None:
    text = FILE.replace('development_key = "0x01"', 'keystore = "keys/a.json"\nkeystore_password = "x"')
    assert load(written(tmp_path, text), {}).signers[0].keystore == tmp_path / "keys" / "a.json"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("local = true", "locl = true", "chains[0]: Object contains unknown field `locl`"),
        ("chain_id = 31337\nname", 'chain_id = "x"\nname', "chains[0].chain_id"),
        ('pepper = "0123456789abcdef"', "", "missing required field `pepper`"),
        ('pepper = "0123456789abcdef"', 'pepper = ""', "pepper: Expected a non-empty string"),
        ('pepper = "0123456789abcdef"', 'pepper_file = "absent"', "absent cannot be read"),
        ('pepper = "0123456789abcdef"', 'pepper = "a"\npepper_file = "b"', "pepper and pepper_file are both given"),
        ("[[signers]]\nchain_id = 31337", "[[signers]]\nchain_id = 5", "signers[0].chain_id: chain 5 is not among"),
        ('development_key = "0x01"', "", "signers[0]: give either keystore or development_key"),
        ('rpc_urls = ["http://127.0.0.1:8545"]', "rpc_urls = []", "chains[0].rpc_urls: name at least one"),
        ("local = true", "local = maybe", "not valid TOML"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load(written(tmp_path, FILE.replace(old, new, 1)), {})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["DUES_UNKNOWN", "DUES_API__PROT", "DUES_CHAINS__3__NAME", "DUES_CHAINS__0", "DUES_API__PORT__X"]
)
def test_an_unknown_variable_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigInvalid):
        load(written(tmp_path, FILE), {name: "1", "DUES_API__PORT": "1"})


@pytest.mark.parametrize("name", ["DUES_CONFIG", "DUES_ANVIL", "DUES_TEST_POSTGRES_URL"])
def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path, name: str) -> None:
    assert load(written(tmp_path, FILE), {name: "x"}).chains[0].name == "local"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigInvalid, match=r"absent\.toml: cannot be read"):
        load(Path("absent.toml"), {})


def test_no_secret_shows_in_a_printed_config(tmp_path: Path) -> None:
    config: Config = load(written(tmp_path, FILE), {})
    shown = repr(config)
    assert all(secret not in shown for secret in config.secrets() if len(secret) > 4)
    assert "0123456789abcdef" not in shown
