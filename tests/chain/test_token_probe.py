"""What the probe sees of tokens with every fault that our test tokens have, on a real node."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chain.deploy import Administrator, account_from_key
from chain.errors import RpcRejected
from chain.inspection import ImaginedCall, Inspection
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, LocalNode
from chain.primitives import Address
from chain.token_probe import TokenReport, Verdict, probe
from tests.chain.setting_code import Setter


@pytest.fixture
def administrator(node: LocalNode) -> Iterator[Administrator]:
    administrator = Administrator(node.url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=node.chain_id)
    yield administrator
    administrator.close()


@pytest.fixture
async def inspection(node: LocalNode) -> AsyncIterator[Inspection]:
    async with Inspection([node.url], chain_id=node.chain_id) as questions:
        yield questions


@pytest.fixture
async def setter(node: LocalNode) -> AsyncIterator[Setter]:
    async with Setter(node.url, chain_id=node.chain_id) as levers:
        yield levers


def seen(report: TokenReport, what: str) -> tuple[Verdict, str]:
    [finding] = [finding for finding in report.findings if finding.what == what][-1:]
    return finding.verdict, finding.found


async def test_a_sound_token_is_fine_in_everything(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator
) -> None:
    report = await probe(chain, inspection, administrator.deploy("TestUSDC"))
    assert {finding.verdict for finding in report.findings} == {Verdict.FINE}
    assert [finding.what for finding in report.findings] == [
        "code",
        "interface",
        "decimals",
        "name",
        "permit",
        "upgradability",
        "balances",
        "pull",
    ]
    assert report.description is not None
    assert report.description.permit_version == "2"
    assert "payer and payee move by exactly the amount" in seen(report, "pull")[1]


@pytest.mark.parametrize(
    ("name", "what", "verdict", "found"),
    [
        ("NoReturnToken", "pull", Verdict.FINE, "returns nothing, as USDT does"),
        ("NoReturnToken", "permit", Verdict.WARNING, "no EIP-2612 permit"),
        (
            "FeeOnTransferToken",
            "pull",
            Verdict.UNFIT,
            "of 500000000 base units pulled, the payer lost 500000000 and the payee received 495000000",
        ),
    ],
)
async def test_a_fault_is_seen(
    chain: JsonRpcChain,
    inspection: Inspection,
    administrator: Administrator,
    *,
    name: str,
    what: str,
    verdict: Verdict,
    found: str,
) -> None:
    report = await probe(chain, inspection, administrator.deploy(name))
    assert seen(report, what)[0] is verdict
    assert found in seen(report, what)[1]


@pytest.mark.parametrize(
    ("decimals", "verdict", "found"),
    [
        (0, Verdict.WARNING, "0 is unusual"),
        (2, Verdict.WARNING, "2 is unusual"),
        (18, Verdict.FINE, "18"),
        (24, Verdict.WARNING, "24: a mandate can name at most 79,228 whole tokens a period"),
    ],
)
async def test_odd_decimals_are_told_with_what_they_mean(
    chain: JsonRpcChain,
    inspection: Inspection,
    administrator: Administrator,
    setter: Setter,
    *,
    decimals: int,
    verdict: Verdict,
    found: str,
) -> None:
    token = await setter.counting(administrator.deploy("TestUSDC"), decimals)
    report = await probe(chain, inspection, token)
    assert seen(report, "decimals")[0] is verdict
    assert found in seen(report, "decimals")[1]
    assert seen(report, "pull")[0] is Verdict.FINE


async def test_a_token_that_answers_false_is_unfit(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator
) -> None:
    token = administrator.deploy("FalseToken")
    assert (await probe(chain, inspection, token)).unfit == ()
    administrator.call("FalseToken", token, "setRefusing", True)
    [unfit] = (await probe(chain, inspection, token)).unfit
    assert "returned 32 bytes that are not `true`" in unfit.found


async def test_a_proxy_is_told_with_its_implementation_and_its_permit_is_found_behind_it(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator
) -> None:
    implementation = administrator.deploy("TestUSDC")
    report = await probe(chain, inspection, administrator.deploy("TokenProxy", implementation))
    assert seen(report, "upgradability")[0] is Verdict.WARNING
    assert implementation in seen(report, "upgradability")[1]
    assert seen(report, "permit")[0] is Verdict.FINE
    assert seen(report, "pull")[0] is Verdict.FINE


async def test_balances_that_are_computed_are_unfit(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator, setter: Setter
) -> None:
    """A token of shares: what it stores is half of what it says."""
    shares = await setter.doubling(administrator.deploy("TestUSDC"))
    report = await probe(chain, inspection, shares)
    assert seen(report, "balances") == (
        Verdict.UNFIT,
        "computed: the stored number 1000000001 reads as 2000000002, as in rebasing and share-based tokens",
    )


async def test_a_named_holder_serves_where_no_balance_can_be_imagined(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator
) -> None:
    token = administrator.deploy("FeeOnTransferToken")
    nobody = await probe(chain, inspection, token, holder=Address("0x" + "77" * 20))
    assert seen(nobody, "pull") == (Verdict.NOT_PROBED, "no balance to pull from: name a holder with --holder")
    administrator.mint(token, administrator.address, 1_000)
    report = await probe(chain, inspection, token, holder=administrator.address)
    assert seen(report, "balances")[0] is Verdict.NOT_PROBED
    assert "of 500 base units pulled, the payer lost 500 and the payee received 495" in seen(report, "pull")[1]


async def test_what_is_no_token_is_unfit(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator
) -> None:
    nothing = await probe(chain, inspection, Address("0x" + "77" * 20))
    assert seen(nothing, "code") == (Verdict.UNFIT, "no code at this address")
    contract = await probe(chain, inspection, administrator.deploy_mandates())
    assert seen(contract, "interface")[0] is Verdict.UNFIT
    assert contract.description is None


async def test_the_probe_sends_nothing(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator
) -> None:
    token = administrator.deploy("TestUSDC")
    before = await chain.head()
    await probe(chain, inspection, token)
    assert await chain.head() == before


async def test_places_are_guessed_where_the_node_makes_no_access_lists(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: object) -> list[tuple[Address, int]]:
        return []

    monkeypatch.setattr(inspection, "slots_read", none)
    report = await probe(chain, inspection, administrator.deploy("TestUSDC"))
    assert seen(report, "balances")[0] is Verdict.FINE
    assert seen(report, "pull")[0] is Verdict.FINE


async def test_a_node_that_refuses_overrides_leaves_it_unprobed(
    chain: JsonRpcChain, inspection: Inspection, administrator: Administrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(calls: list[ImaginedCall]) -> list[bytes | Exception]:
        return [RpcRejected(-32602, "too many arguments, want at most 2") for _ in calls]

    monkeypatch.setattr(inspection, "imagine", refused)
    report = await probe(chain, inspection, administrator.deploy("TestUSDC"))
    assert seen(report, "balances")[1].startswith("the node does not take state overrides")
    assert seen(report, "pull")[0] is Verdict.NOT_PROBED
    assert report.unfit == ()
