from collections.abc import Callable

import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from chain import eip712, erc20, mandates
from chain.deploy import Administrator, account_from_key
from chain.errors import RpcUnavailable
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS, LocalNode
from chain.primitives import ZERO_ADDRESS, Address, MandateTerms, PeriodUnit, address
from chain.signer import DevelopmentSigner
from chain.stage import Stage
from chain.testing import CONTRACT, FakeChain

GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DIGEST = bytes(range(32))


def oracle(typed_data: eip712.TypedData) -> bytes:
    """The digest as eth-account computes it from the JSON that a wallet gets."""
    return bytes(_hash_eip191_message(encode_typed_data(full_message=typed_data)))


def unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


addresses = st.binary(min_size=20, max_size=20).map(lambda blob: Address("0x" + blob.hex()))
all_terms = st.builds(
    MandateTerms,
    payer=addresses,
    payee=addresses,
    token=addresses,
    amount=unsigned(96),
    unit=st.sampled_from(PeriodUnit),
    every=unsigned(32),
    fee_bps=unsigned(16),
    start=unsigned(40),
    periods=unsigned(16),
    arrears=unsigned(8),
    deadline=unsigned(64),
    salt=unsigned(256),
)


@given(all_terms, unsigned(64), addresses)
def test_a_mandates_digest_is_what_a_wallet_signs(terms: MandateTerms, chain_id: int, contract: Address) -> None:
    typed_data = eip712.mandate_typed_data(terms, chain_id, contract)
    assert eip712.mandate_digest(terms, chain_id, contract) == oracle(typed_data)


def test_a_cancels_digest_is_what_a_wallet_signs(make_terms: Callable[..., MandateTerms]) -> None:
    mandate = eip712.mandate_id(make_terms(), 1, CONTRACT)
    assert eip712.cancel_digest(mandate, 1, CONTRACT) == oracle(eip712.cancel_typed_data(mandate, 1, CONTRACT))


@given(addresses, addresses, unsigned(256), unsigned(256), unsigned(256))
def test_a_permits_digest_is_what_a_wallet_signs(
    owner: Address, spender: Address, value: int, nonce: int, deadline: int
) -> None:
    typed_data = eip712.permit_typed_data(
        token=CONTRACT,
        token_name="USD Coin",
        token_version="2",
        chain_id=10,
        owner=owner,
        spender=spender,
        value=value,
        nonce=nonce,
        deadline=deadline,
    )
    separator = eip712.domain_separator("USD Coin", "2", 10, CONTRACT)
    digest = eip712.permit_digest(
        separator=separator, owner=owner, spender=spender, value=value, nonce=nonce, deadline=deadline
    )
    assert digest == oracle(typed_data)


def test_an_id_is_the_first_twelve_bytes_of_the_digest(make_terms: Callable[..., MandateTerms]) -> None:
    digest = eip712.mandate_digest(make_terms(), 1, CONTRACT)
    assert eip712.mandate_id(make_terms(), 1, CONTRACT) == "0x" + digest[:12].hex()


@pytest.mark.parametrize(
    ("field", "bits"), [("amount", 96), ("every", 32), ("fee_bps", 16), ("start", 40), ("deadline", 64), ("salt", 256)]
)
def test_a_field_that_does_not_fit_its_type_is_refused(
    make_terms: Callable[..., MandateTerms], field: str, bits: int
) -> None:
    with pytest.raises(ValueError, match=f"does not fit in uint{bits}"):
        eip712.mandate_typed_data(make_terms(**{field: 2**bits}), 1, CONTRACT)


async def test_the_contract_computes_the_same_digest_and_domain(
    chain: JsonRpcChain, stage: Stage, make_terms: Callable[..., MandateTerms]
) -> None:
    terms = make_terms(amount=2**96 - 1, salt=2**255 + 7, unit=PeriodUnit.SECONDS, every=86_400)
    hash_mandate = eip712.selector(
        "hashMandate((address,address,address,uint96,uint8,uint32,uint16,uint40,uint16,uint8,uint64,uint256))"
    )
    answers = await chain.calls(
        [
            (ZERO_ADDRESS, stage.contract, hash_mandate + eip712.mandate_words(terms)),
            (ZERO_ADDRESS, stage.contract, mandates.DOMAIN_SEPARATOR),
        ]
    )
    separator = eip712.domain_separator("Dues Mandates", "1", chain.chain_id, stage.contract)
    assert answers == [eip712.mandate_digest(terms, chain.chain_id, stage.contract), separator]


def test_recover_finds_the_signer(payer: DevelopmentSigner) -> None:
    assert eip712.recover(DIGEST, payer.sign_digest(DIGEST)) == payer.address


def with_v(signature: bytes, v: int) -> bytes:
    return signature[:64] + bytes([v])


def mirrored(signature: bytes) -> bytes:
    """The other signature of the same key over the same digest: valid in mathematics, refused by EIP-2."""
    s = GROUP_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


@pytest.mark.parametrize(
    "spoil",
    [
        mirrored,
        lambda signature: with_v(signature, signature[64] - 27),
        lambda signature: with_v(signature, 29),
        lambda signature: signature[:64],
        lambda signature: signature + b"\0",
        lambda _: bytes(65),
        lambda signature: b"\xff" * 32 + signature[32:],
        lambda signature: bytes(32) + signature[32:],
        lambda signature: signature[:32] + bytes(32) + signature[64:],
        lambda _: b"",
    ],
)
def test_a_signature_that_is_not_canonical_is_nobodys(
    payer: DevelopmentSigner, spoil: Callable[[bytes], bytes]
) -> None:
    assert eip712.recover(DIGEST, spoil(payer.sign_digest(DIGEST))) is None


async def test_a_key_signs_without_asking_the_chain(fake_chain: FakeChain, payer: DevelopmentSigner) -> None:
    assert await eip712.verify_signature(fake_chain, payer.address, DIGEST, payer.sign_digest(DIGEST))
    assert fake_chain.call_counts == {}


async def test_anothers_signature_is_refused(
    fake_chain: FakeChain, payer: DevelopmentSigner, operator: DevelopmentSigner
) -> None:
    assert not await eip712.verify_signature(fake_chain, payer.address, DIGEST, operator.sign_digest(DIGEST))


async def test_the_zero_address_never_signed(fake_chain: FakeChain) -> None:
    assert not await eip712.verify_signature(fake_chain, ZERO_ADDRESS, DIGEST, bytes(65))


async def test_an_unreachable_node_does_not_make_a_signature_wrong(fake_chain: FakeChain) -> None:
    fake_chain.fail_next("calls")
    with pytest.raises(RpcUnavailable):
        await eip712.verify_signature(fake_chain, CONTRACT, DIGEST, bytes(65))


async def test_a_contract_wallet_signs_by_erc_1271(node: LocalNode, chain: JsonRpcChain) -> None:
    owner = DevelopmentSigner(DEVELOPMENT_KEYS[1])
    administrator = Administrator(node.url, account_from_key(DEVELOPMENT_KEYS[0]), chain_id=node.chain_id)
    agreeing = administrator.deploy("SmartWallet", owner.address)
    token = administrator.deploy("TestUSDC")
    administrator.close()
    signature = owner.sign_digest(DIGEST)
    assert await eip712.verify_signature(chain, agreeing, DIGEST, signature)
    assert not await eip712.verify_signature(chain, agreeing, bytes(32), signature)
    assert not await eip712.verify_signature(chain, token, DIGEST, signature)  # a contract that is no wallet
    assert not await eip712.verify_signature(chain, address("0x" + "e0" * 20), DIGEST, signature)  # no contract


async def test_a_permit_signed_over_our_digest_is_taken_by_the_token(chain: JsonRpcChain, stage: Stage) -> None:
    described = await erc20.token_description(chain, stage.token)
    assert described == erc20.TokenDescription(decimals=6, symbol="USDC", name="USD Coin", permit_version="2")
    account = Account.from_key(DEVELOPMENT_KEYS[2])
    typed_data = eip712.permit_typed_data(
        token=stage.token,
        token_name=described.name,
        token_version=described.permit_version,
        chain_id=chain.chain_id,
        owner=stage.payer.address,
        spender=stage.contract,
        value=77,
        nonce=await erc20.permit_nonce(chain, stage.token, stage.payer.address),
        deadline=2**63,
    )
    signed = account.sign_typed_data(full_message=typed_data)
    permit = eip712.selector("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)")
    words = [int(stage.payer.address, 16), int(stage.contract, 16), 77, 2**63, signed.v, signed.r, signed.s]
    data = permit + b"".join(word.to_bytes(32, "big") for word in words)
    receipt = await stage.operator.send(stage.token, data)
    assert receipt.succeeded
    facts = await erc20.token_facts(chain, stage.token, [(stage.payer.address, stage.contract)])
    assert facts.allowances == {(stage.payer.address, stage.contract): 77}
