"""Signing in with a wallet (EIP-4361, S4): the grammar, the public vectors, replay-proof checks, contract wallets."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given, settings
from hypothesis import strategies as st

from chain import eip712, siwe
from chain.errors import RpcUnavailable
from chain.primitives import Address, address
from chain.siwe import Expected, SiweMalformed, SiweMessage, SiweRefused
from chain.testing import FakeChain

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "siwe"
"""The public vectors of spruceid/siwe (MIT or Apache-2.0); they lie beside the project, not in it."""

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
KEY = b"\x07" * 32


def vectors(name: str) -> dict[str, Any]:
    path = VECTORS / f"{name}.json"
    if not path.exists():
        pytest.skip(f"the public vectors are not here: {VECTORS}")
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def from_fields(fields: dict[str, Any]) -> SiweMessage:
    """A message from the fields of a vector, as a caller would build it."""
    if fields["version"] != "1":
        raise SiweMalformed("version")
    optional = {
        "scheme": "scheme", "statement": "statement", "expirationTime": "expiration_time", "notBefore": "not_before",
        "requestId": "request_id",
    }  # fmt: skip
    given = {ours: fields[theirs] for theirs, ours in optional.items() if fields.get(theirs) is not None}
    resources = fields.get("resources")
    return SiweMessage(
        domain=fields["domain"],
        account=siwe.read_account(fields["address"]),
        uri=fields["uri"],
        chain_id=fields["chainId"],
        nonce=fields["nonce"],
        issued_at=fields["issuedAt"],
        resources=None if resources is None else tuple(resources),
        **given,
    )


async def judged(fields: dict[str, Any]) -> bool:
    """Whether a vector's signature is accepted, at its time, for its nonce and domain where it names other ones."""
    try:
        message = from_fields(fields)
        expected = Expected(
            scheme="https",
            domain=fields.get("domainBinding", message.domain),
            uri=message.uri,
            chain_ids={message.chain_id},
            nonce=fields.get("matchNonce", message.nonce),
        )
        at = siwe.instant(fields["time"]) if "time" in fields else datetime.now(UTC)
        siwe.check(message, expected, at)
        signature = bytes.fromhex(fields["signature"][2:])
    except (ValueError, SiweRefused):
        return False
    return await siwe.is_signed(FakeChain(), message, signature)


def test_S4_19_public_vectors_are_parsed_field_by_field_and_written_byte_for_byte() -> None:
    found = vectors("parsing_positive")
    for name, vector in found.items():
        message = siwe.parse(vector["message"])
        assert message == from_fields(vector["fields"]), name
        assert message.text == vector["message"], name
    assert len(found) == 19


@pytest.mark.parametrize(("file", "count"), [("parsing_negative", 29), ("parsing_negative_objects", 18)])
def test_S4_47_public_vectors_are_no_messages(file: str, count: int) -> None:
    found = vectors(file)
    for vector in found.values():
        with pytest.raises((SiweMalformed, KeyError)):
            siwe.parse(vector) if isinstance(vector, str) else from_fields(vector)
    assert len(found) == count


async def test_S4_4_public_signatures_are_accepted() -> None:
    found = vectors("verification_positive")
    assert {name: await judged(fields) for name, fields in found.items()} == dict.fromkeys(found, True)
    assert len(found) == 4


async def test_S4_10_public_signatures_are_refused() -> None:
    found = vectors("verification_negative")
    assert {name: await judged(fields) for name, fields in found.items()} == dict.fromkeys(found, False)
    assert len(found) == 10


class WalletSays(FakeChain):
    """A chain with one contract wallet, which knows one digest and signature; it notes what it is asked."""

    def __init__(self, wallet: Address, digest: bytes, signature: bytes) -> None:
        super().__init__()
        self.known = (wallet, eip712.is_valid_signature_data(digest, signature))

    async def calls(self, requests: Any) -> list[bytes | Exception]:
        magic = bytes.fromhex("1626ba7e").ljust(32, b"\0")
        return [magic if (to, data) == self.known else bytes(32) for _, to, data in requests]


async def test_S4_2_public_contract_wallets_are_asked_for_their_word_over_the_whole_message() -> None:
    found = vectors("eip1271")
    for name, vector in found.items():
        message = siwe.parse(vector["message"])
        signature = bytes.fromhex(vector["signature"][2:])
        said = WalletSays(message.account, siwe.digest(vector["message"]), signature)
        assert await siwe.is_signed(said, message, signature), name
        assert not await siwe.is_signed(said, message, signature[:-1] + b"\xff"), name
        assert not await siwe.is_signed(said, replace(message, nonce="another1nonce"), signature), name
        assert not await siwe.is_signed(FakeChain(), message, signature), name
    assert len(found) == 2


def ours(**fields: Any) -> SiweMessage:
    values: dict[str, Any] = {
        "scheme": "https",
        "domain": "pay.example",
        "account": address(Account.from_key(KEY).address),
        "statement": "Sign in to see your subscriptions.",
        "uri": "https://pay.example/customer/auth",
        "chain_id": 8453,
        "nonce": "abcdefgh12345678",
        "issued_at": "2026-01-31T12:00:00Z",
        "expiration_time": "2026-01-31T12:15:00Z",
        **fields,
    }
    return SiweMessage(**values)


EXPECTED = Expected(
    scheme="https",
    domain="pay.example",
    uri="https://pay.example/customer/auth",
    chain_ids={1, 8453},
    nonce="abcdefgh12345678",
)


def test_a_message_is_for_this_page_this_nonce_and_this_quarter_of_an_hour() -> None:
    siwe.check(ours(), EXPECTED, NOW)
    siwe.check(ours(scheme=None), EXPECTED, NOW)


@pytest.mark.parametrize(
    ("fields", "after", "code"),
    [
        ({"domain": "evil.example"}, 0, "wrong_domain"),
        ({"domain": "pay.example:8443"}, 0, "wrong_domain"),
        ({"domain": "pay.example@evil.example"}, 0, "wrong_domain"),
        ({"scheme": "http"}, 0, "wrong_domain"),
        ({"uri": "https://pay.example/"}, 0, "wrong_uri"),
        ({"chain_id": 10}, 0, "wrong_chain"),
        ({"nonce": "abcdefgh12345679"}, 0, "wrong_nonce"),
        ({}, 15, "expired"),
        ({"not_before": "2026-01-31T12:00:01Z"}, 0, "not_yet_valid"),
    ],
)
def test_S4_what_is_not_ours_is_refused_by_name(fields: dict[str, Any], after: int, code: str) -> None:
    with pytest.raises(SiweRefused) as refused:
        siwe.check(ours(**fields), EXPECTED, NOW + timedelta(minutes=after))
    assert refused.value.code == code


@pytest.mark.parametrize(
    "fields",
    [
        {"domain": ""},
        {"domain": "pay.example/x"},
        {"uri": "pay.example"},
        {"uri": "https://pay.example/ü"},
        {"uri": "https://[1::2::3]/"},
        {"statement": ""},
        {"statement": "two\nlines"},
        {"statement": "100 %"},
        {"nonce": "short12"},
        {"nonce": "with-a-dash"},
        {"issued_at": "2026-02-30T12:00:00Z"},
        {"issued_at": "2026-01-31 12:00:00Z"},
        {"issued_at": "2026-01-31T12:00:00"},
        {"issued_at": "2026-01-31T24:00:00Z"},
        {"expiration_time": "tomorrow"},
        {"request_id": "a b"},
        {"resources": ("no uri",)},
        {"chain_id": -1},
        {"scheme": "1s"},
    ],
)
def test_what_the_grammar_does_not_have_cannot_be_built(fields: dict[str, Any]) -> None:
    with pytest.raises(SiweMalformed):
        ours(**fields)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("Chain ID: 8453", "Chain ID: 08453"),
        ("Version: 1", "Version:  1"),
        ("\nNonce", "\r\nNonce"),
        ("\n\nURI", "\nURI"),
        ("Issued At", "issued at"),
        ("12:15:00Z", "12:15:00Z\n"),
        ("12:15:00Z", "12:15:00Z\nResources:\n- https://a.example\nmore"),
        ("0x", "0X"),
    ],
)
def test_a_text_that_is_nearly_a_message_is_none(was: str, becomes: str) -> None:
    text = ours().text
    assert siwe.parse(text) == ours()
    assert was in text
    with pytest.raises(SiweMalformed):
        siwe.parse(text.replace(was, becomes, 1))


def test_times_with_offsets_and_leap_seconds_are_instants() -> None:
    assert siwe.instant("2021-09-30T16:25:24-02:00") == datetime(2021, 9, 30, 18, 25, 24, tzinfo=UTC)
    assert siwe.instant("2016-12-31T23:59:60.5Z") == datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    assert siwe.instant("1985-04-12t23:20:50.5212345678z").microsecond == 521_234


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_message_or_malformed_and_nothing_else(text: str) -> None:
    for candidate in (text, ours().text.replace("Sign in", text), ours().text + text):
        try:
            assert siwe.parse(candidate).text == candidate
        except SiweMalformed:
            continue


async def test_it_is_signed_as_wallets_sign_and_by_nobody_else() -> None:
    message = ours()
    signed = Account.sign_message(encode_defunct(text=message.text), KEY)
    assert siwe.digest(message.text) == bytes(signed.message_hash)
    signature = bytes(signed.signature)
    assert await siwe.is_signed(FakeChain(), message, signature)
    assert await siwe.is_signed(FakeChain(), message, signature[:64] + bytes([signature[64] - 27]))
    assert not await siwe.is_signed(FakeChain(), replace(message, nonce="abcdefgh12345679"), signature)
    assert not await siwe.is_signed(FakeChain(), replace(message, account=address("0x" + "11" * 20)), signature)
    assert not await siwe.is_signed(FakeChain(), message, b"")


async def test_a_node_that_cannot_be_asked_decides_nothing() -> None:
    chain = FakeChain()
    chain.fail_next("calls")
    with pytest.raises(RpcUnavailable):
        await siwe.is_signed(chain, ours(), b"no key's signature")
