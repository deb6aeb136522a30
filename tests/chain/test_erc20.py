import pytest
from eth_abi import encode

from chain import erc20
from chain.deploy import Administrator, account_from_key
from chain.errors import CallReverted, NotReadable, RpcUnavailable
from chain.json_rpc import JsonRpcChain
from chain.keccak import selector
from chain.local_node import DEVELOPMENT_KEYS, LocalNode
from chain.primitives import Address
from chain.stage import Stage
from chain.testing import CONTRACT, FakeChain

TOKEN = Address("0x" + "70" * 20)
ONE = Address("0x" + "1a" * 20)
TWO = Address("0x" + "2b" * 20)


def test_calls_are_encoded_as_the_abi_says() -> None:
    pair = encode(["address", "address"], [ONE, TWO])
    amount = encode(["address", "uint256"], [ONE, 2**256 - 1])
    assert erc20.balance_of_data(ONE) == selector("balanceOf(address)") + pair[:32]
    assert erc20.allowance_data(ONE, TWO) == selector("allowance(address,address)") + pair
    assert erc20.nonces_data(ONE) == selector("nonces(address)") + pair[:32]
    assert erc20.approve_data(ONE, 2**256 - 1) == selector("approve(address,uint256)") + amount
    assert erc20.transfer_data(ONE, 2**256 - 1) == selector("transfer(address,uint256)") + amount
    assert erc20.mint_data(ONE, 2**256 - 1) == selector("mint(address,uint256)") + amount


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (encode(["string"], ["USD Coin"]), "USD Coin"),
        (b"MKR".ljust(32, b"\0"), "MKR"),
        (encode(["string"], ["a\x00\x07b\u202ec"]), "abc"),
        (encode(["string"], ["x" * 1000]), "x" * 64),
        (encode(["bytes"], [b"ok\xff\xfe"]), "ok"),
    ],
)
def test_names_are_read_and_cleaned(answer: bytes, text: str) -> None:
    assert erc20.decode_text(answer) == text


@pytest.mark.parametrize("answer", [b"", bytes(31), b"\xff" * 64])
def test_what_is_no_text_is_refused(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|points outside|reaches outside"):
        erc20.decode_text(answer)


async def test_facts_of_many_wallets_come_in_one_round_trip(fake_chain: FakeChain) -> None:
    for number in range(500):
        fake_chain.fund(TOKEN, Address(f"0x{number:040x}"), number, allowance=2 * number)
    pairs = [(Address(f"0x{number:040x}"), CONTRACT) for number in range(500)]
    facts = await erc20.token_facts(fake_chain, TOKEN, [*pairs, *pairs])
    assert facts.balances == {owner: number for number, (owner, _) in enumerate(pairs)}
    assert facts.allowances == {pair: 2 * number for number, pair in enumerate(pairs)}
    assert fake_chain.call_counts == {"calls": 1}


async def test_an_account_without_code_is_no_token(fake_chain: FakeChain) -> None:
    with pytest.raises(NotReadable, match="does not answer balanceOf and allowance"):
        await erc20.token_facts(fake_chain, ONE, [(ONE, TWO)])


async def test_our_contract_is_no_token(fake_chain: FakeChain) -> None:
    with pytest.raises(NotReadable, match="does not answer decimals") as refusal:
        await erc20.token_description(fake_chain, CONTRACT)
    assert isinstance(refusal.value.__cause__, CallReverted)


async def test_an_unreachable_node_says_nothing_about_a_token(fake_chain: FakeChain) -> None:
    fake_chain.fail_next("calls")
    with pytest.raises(RpcUnavailable):
        await erc20.token_facts(fake_chain, TOKEN, [(ONE, TWO)])


async def test_real_tokens_describe_themselves(node: LocalNode, chain: JsonRpcChain, stage: Stage) -> None:
    administrator = Administrator(node.url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=node.chain_id)
    plain = administrator.deploy("PlainToken")
    silent = administrator.deploy("NoReturnToken")
    administrator.mint(plain, ONE, 5)
    administrator.close()
    described = [await erc20.token_description(chain, token) for token in (stage.token, plain, silent)]
    assert [(found.decimals, found.permit_version) for found in described] == [(6, "2"), (6, "1"), (6, "")]
    assert [found.name for found in described[:2]] == ["USD Coin", "Plain"]
    facts = await erc20.token_facts(chain, plain, [(ONE, TWO), (TWO, ONE)])
    assert facts.balances == {ONE: 5, TWO: 0}
