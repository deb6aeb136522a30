import pytest
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from chain.administration import ProxyMissing, check_proxy, deploy_step, verify
from chain.create2 import PROXY, PROXY_CODE, MandatesDeployment, create2_address
from chain.errors import ArtifactInvalid
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, LocalNode
from chain.primitives import Address
from chain.signer import DevelopmentSigner
from chain.stage import set_stage
from chain.testing import FakeChain
from chain.wallet import Wallet
from tests.chain.setting_code import Setter

OWNER = Address("0x" + "0a" * 20)


@pytest.mark.parametrize(
    ("deployer", "salt", "code", "expected"),
    [
        # Examples of EIP-1014.
        ("0x" + "00" * 20, bytes(32), b"\0", "0x4d1a2e2bb4f88f0250f26ffff098b0b30b26bf38"),
        ("0xdeadbeef" + "00" * 16, bytes(32), b"\0", "0xb928f69bb1d91cd65274e3c79d8986362984fda3"),
        (
            "0x00000000000000000000000000000000deadbeef",
            bytes.fromhex("00000000000000000000000000000000000000000000000000000000cafebabe"),
            bytes.fromhex("deadbeef"),
            "0x60f3f640a8508fc6a86d45df051962668e1e8ac7",
        ),
    ],
)
def test_addresses_are_those_of_the_standard(deployer: str, salt: bytes, code: bytes, expected: str) -> None:
    assert create2_address(Address(deployer), salt, code) == expected


def test_the_address_depends_on_owner_fee_recipient_and_salt() -> None:
    base = MandatesDeployment(owner=OWNER)
    others = [
        MandatesDeployment(owner=Address("0x" + "0b" * 20)),
        MandatesDeployment(owner=OWNER, fee_recipient=OWNER),
        MandatesDeployment(owner=OWNER, salt=1),
    ]
    assert len({deployment.address for deployment in [base, *others]}) == 4
    by_hand = keccak(b"\xff" + to_canonical_address(PROXY) + bytes(32) + keccak(base.creation_code))[-20:]
    assert base.address == "0x" + by_hand.hex()


async def test_the_contract_stands_where_it_was_computed_to_whoever_sends_it(chain: JsonRpcChain) -> None:
    deployment = MandatesDeployment(owner=OWNER, fee_recipient=Address("0x" + "fe" * 20), salt=7)
    assert await chain.code(PROXY) == PROXY_CODE
    await check_proxy(chain)
    step = deploy_step(deployment)
    sender = DevelopmentSigner(DEVELOPMENT_KEYS[3])
    receipt = await Wallet(chain, sender).send(step.to, step.data, gas=5_000_000)
    assert receipt.succeeded
    state = await verify(chain, deployment.address)
    assert (state.owner, state.fee_recipient, state.paused) == (OWNER, "0x" + "fe" * 20, False)


async def test_a_chain_without_the_proxy_is_named_with_what_to_do() -> None:
    with pytest.raises(ProxyMissing, match=r"chain 31337 has nothing where .*0x4e59.*send its published transaction"):
        await check_proxy(FakeChain())
    impostor = FakeChain()
    impostor.deploy_token(PROXY)
    with pytest.raises(ProxyMissing, match="has another contract where"):
        await check_proxy(impostor)


async def test_our_code_with_the_values_of_another_address_is_not_ours(node: LocalNode, chain: JsonRpcChain) -> None:
    """Its domain separator would let signatures for the other contract count."""
    original, copied = set_stage(node.url, chain).contract, Address("0x" + "c0" * 20)
    async with Setter(node.url, chain_id=node.chain_id) as setter:
        await setter.put(copied, await chain.code(original))
    await verify(chain, original)
    with pytest.raises(ArtifactInvalid, match="is DuesMandates made for another chain or address: it holds 0x"):
        await verify(chain, copied)
