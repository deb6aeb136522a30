"""`dues contract` as an operator meets it: a folder with settings, a keystore, a real node."""

import asyncio
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from eth_account import Account

from chain.checksum import checksum
from chain.create2 import PROXY, MandatesDeployment
from chain.deploy import Administrator, account_from_key
from chain.local_node import DEVELOPMENT_KEYS, LocalNode
from chain.primitives import Address, address
from gateway.composition import facts_of, opened
from gateway.config import Secret, load
from gateway.startup import Facts
from tests.cli.desk import Desk

OWNER = address(Account.from_key(DEVELOPMENT_KEYS[0]).address)
STRANGER = address(Account.from_key(DEVELOPMENT_KEYS[1]).address)
OPERATOR = Address("0x" + "0b" * 20)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with LocalNode.start() as node:
        made = Desk(tmp_path, node)
        made.configure()
        yield made


@pytest.fixture
def administrator(desk: Desk) -> Iterator[Administrator]:
    made = Administrator(desk.node.url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=desk.node.chain_id)
    yield made
    made.close()


@pytest.fixture
def deployed(desk: Desk, administrator: Administrator) -> Address:
    contract = administrator.deploy_mandates()
    desk.configure(contract)
    return contract


def test_it_is_deployed_where_it_was_said_shown_first_and_checked(desk: Desk) -> None:
    expected = checksum(MandatesDeployment(owner=OWNER).address)
    assert desk.run("address", "--owner", OWNER).stdout == expected + "\n"
    refused = desk.run("deploy")
    assert (refused.returncode, refused.stderr) == (
        1,
        "dues: nothing was sent: nobody can be asked here; say --yes\n",
    )
    assert f"contract     {expected}, whoever sends it" in refused.stdout
    assert f"to           {checksum(PROXY)}" in refused.stdout
    assert "cost         about 0.00" in refused.stdout
    done = desk.run("deploy", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"verified     {expected} is DuesMandates of this version" in done.stdout
    assert f'Write into [[chains]]: contract = "{expected}", start_block = 1' in done.stdout
    again = desk.json("deploy", "--yes")
    assert (again["sent"], again["verified"], again["owner"]) == (False, True, OWNER)
    desk.configure(address(expected))
    assert desk.run("verify").stdout.startswith(f"verified     {expected}")
    assert DEVELOPMENT_KEYS[0][2:] not in refused.stdout + done.stdout + done.stderr


def test_a_terminal_is_asked_and_believed(desk: Desk) -> None:
    declined = desk.run_at_a_terminal("n\n", "deploy")
    assert (declined.returncode, declined.stderr) == (1, "dues: nothing was sent\n")
    assert "Send this? [y/N]" in declined.stdout
    assert desk.run_at_a_terminal("y\n", "deploy").returncode == 0


def test_a_keystore_sends_and_somebody_else_owns(desk: Desk) -> None:
    key = desk.keystore(DEVELOPMENT_KEYS[1])
    made = desk.json("deploy", "--owner", OWNER, "--salt", "0x7", "--yes", *key)
    assert made["contract"] == MandatesDeployment(owner=OWNER, salt=7).address
    assert made["owner"] == OWNER
    (desk.folder / "password").write_text("wrong")
    refused = desk.run("deploy", "--yes", *key)
    assert refused.returncode == 1
    assert refused.stderr == "dues: keystore key.json: wrong password\n"


def test_operators_come_and_go(desk: Desk, deployed: Address) -> None:
    added = desk.json("operators", "add", OPERATOR, "--yes")
    assert (added["operator"], added["allowed"], added["sent"]) == (OPERATOR, True, True)
    assert desk.json("operators", "add", OPERATOR, "--yes")["sent"] is False
    assert desk.json("operators", "list") == {"chain_id": 31337, "contract": deployed, "operators": [OPERATOR]}
    assert desk.run("operators", "remove", OPERATOR, "--yes").returncode == 0
    assert desk.run("operators", "list").stdout == "nobody may charge\n"


@pytest.mark.usefixtures("deployed")
def test_a_token_is_probed_recorded_and_allowed(desk: Desk, administrator: Administrator) -> None:
    token = administrator.deploy("TestUSDC")
    done = desk.run("tokens", "add", checksum(token), "--yes")
    assert done.returncode == 0, done.stderr
    assert "fine       pull           returns true; payer and payee move by exactly the amount" in done.stdout
    lines = tomllib.loads(done.stdout[done.stdout.index("[[tokens]]") :])["tokens"][0]
    assert lines == {
        "chain_id": 31337,
        "address": checksum(token),
        "symbol": "USDC",
        "decimals": 6,
        "currency": "usd",
        "permit_name": "USD Coin",
        "permit_version": "2",
    }
    record = json.loads((desk.folder / f"token-31337-{token}.json").read_text())
    assert (record["allowed"], record["sent"], record["description"]["decimals"]) == (True, True, 6)
    assert {finding["verdict"] for finding in record["findings"]} == {"fine"}
    assert desk.run("tokens", "list").stdout == f"{checksum(token)}  USDC  (not in the settings)\n"
    assert desk.run("tokens", "remove", token, "--yes").returncode == 0
    assert desk.json("tokens", "list")["tokens"] == []


def test_an_unfit_token_is_refused_and_that_is_written_down(
    desk: Desk, deployed: Address, administrator: Administrator
) -> None:
    token = administrator.deploy("FeeOnTransferToken")
    refused = desk.run("tokens", "add", token, "--yes")
    assert refused.returncode == 1
    assert "is unfit, nothing was sent. pull: fee on transfer" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    record = json.loads((desk.folder / f"token-31337-{token}.json").read_text())
    assert [f["what"] for f in record["findings"] if f["verdict"] == "unfit"] == ["pull"]
    assert desk.run("tokens", "list").stdout == "no token is allowed\n", deployed


def test_the_owner_elsewhere_is_told_what_to_send(desk: Desk, deployed: Address) -> None:
    desk.configure(deployed, key=DEVELOPMENT_KEYS[1])
    refused = desk.run("operators", "add", OPERATOR, "--yes")
    assert refused.returncode == 1
    assert f"{checksum(STRANGER)} is not the contract's owner, {checksum(OWNER)} is" in refused.stderr
    told = desk.json("operators", "add", OPERATOR, "--calldata")
    assert (told["sent"], told["from"], told["to"]) == (False, OWNER, deployed)
    assert str(told["data"]).endswith("0b" * 20 + "0" * 63 + "1")


def test_what_is_not_ours_is_refused_with_the_address(desk: Desk, administrator: Administrator) -> None:
    assert "has no contract yet: run `dues contract deploy`" in desk.run("verify").stderr
    other = administrator.deploy("TestUSDC")
    for words in (["verify", "--address", other], ["verify", "--address", OPERATOR]):
        assert desk.run(*words).returncode == 1
    assert f"the code at {other} on chain 31337 is not DuesMandates" in desk.run("verify", "--address", other).stderr
    desk.configure(other)
    assert "is not DuesMandates as generated" in desk.run("operators", "add", OPERATOR, "--yes").stderr
    assert "wrong EIP-55 checksum" in desk.run("operators", "add", "0x" + "aB" * 20).stderr


@pytest.mark.parametrize("role", ["api", "worker"])
def test_no_role_starts_on_code_that_is_not_ours(desk: Desk, administrator: Administrator, role: str) -> None:
    other = administrator.deploy("TestUSDC")
    desk.configure(other)
    desk.dues("migrate")
    refused = desk.dues(role)
    assert refused.returncode == 1
    assert f"refusing to start in test mode: chains: the code at {other} on chain 31337 is not" in refused.stderr
    assert "deploy this version's with `dues contract deploy`" in refused.stderr


def test_a_worker_whose_signer_may_not_charge_does_not_start(desk: Desk, deployed: Address) -> None:
    desk.configure(deployed, key=DEVELOPMENT_KEYS[1])
    desk.dues("migrate")
    refused = desk.dues("worker")
    assert refused.returncode == 1
    told = f"signers: {checksum(STRANGER)} may not charge on chain 31337; the contract's owner lets it with "
    assert told + f"`dues contract operators add {checksum(STRANGER)}`" in refused.stderr


def test_what_the_owner_has_not_allowed_is_found_at_the_start(
    desk: Desk, deployed: Address, administrator: Administrator
) -> None:
    token = administrator.deploy("TestUSDC")
    desk.configure(deployed, token=token)

    async def found() -> Facts:
        config = load(desk.folder / "dues.toml", {})
        url = Secret(f"sqlite:///{desk.folder}/dues.db")
        async with opened(msgspec.structs.replace(config, database_url=url), with_signers=True) as house:
            return await facts_of(house)

    before = asyncio.run(found())
    assert (before.idle_signers, before.forbidden_tokens) == ({31337: (checksum(OWNER),)}, {31337: (checksum(token),)})
    administrator.set_operator(deployed, OWNER)
    administrator.allow_token(deployed, token)
    after = asyncio.run(found())
    assert (after.contract_faults, after.idle_signers, after.forbidden_tokens) == ({}, {31337: ()}, {31337: ()})
