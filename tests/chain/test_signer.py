import json
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.backends import CoinCurveECCBackend, get_default_backend_class
from hexbytes import HexBytes

from chain.errors import KeystoreInvalid, SigningRefused
from chain.keccak import keccak256
from chain.mandates import CHARGE_BATCH, SET_OPERATOR
from chain.primitives import Address, Fees, TransactionRequest
from chain.signer import DevelopmentSigner, KeystoreSigner, PolicySigner, SigningPolicy
from chain.testing import CONTRACT

MakeRequest = Callable[..., TransactionRequest]
KEY = b"\x42" * 32
POLICY = SigningPolicy(
    chain_id=31_337, contracts=frozenset({CONTRACT}), max_fee_per_gas=100 * 10**9, max_gas=16_777_216
)


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "operator.json"
    path.write_text(json.dumps(Account.encrypt(KEY, "right", kdf="pbkdf2", iterations=1000)))
    return path


def test_signed_bytes_say_what_was_asked(make_request: MakeRequest) -> None:
    request = make_request(nonce=7, data=b"\x01\x02", gas=50_000)
    signer = DevelopmentSigner(KEY)
    signed = signer.sign(request)
    fields = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    assert Account.recover_transaction(signed.raw).lower() == signer.address
    assert signed.hash == "0x" + keccak256(signed.raw).hex()
    assert (fields["type"], fields["chainId"], fields["nonce"], fields["gas"]) == (2, 31_337, 7, 50_000)
    assert (fields["value"], fields["data"], fields["to"]) == (0, b"\x01\x02", bytes.fromhex(CONTRACT[2:]))
    assert (fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]) == (10 * 10**9, 10**9)


def test_the_same_request_gives_the_same_bytes(make_request: MakeRequest) -> None:
    assert DevelopmentSigner(KEY).sign(make_request()) == DevelopmentSigner(KEY).sign(make_request())


def test_signing_uses_libsecp256k1() -> None:
    assert get_default_backend_class() is not None
    assert get_default_backend_class().endswith(CoinCurveECCBackend.__name__)


def test_a_keystore_signs_as_the_key_in_it(keystore: Path, make_request: MakeRequest) -> None:
    opened = KeystoreSigner(keystore, "right")
    assert opened.sign(make_request()) == DevelopmentSigner(KEY).sign(make_request())
    assert not opened.is_development
    assert DevelopmentSigner(KEY).is_development


def test_a_wrong_password_is_said(keystore: Path) -> None:
    with pytest.raises(KeystoreInvalid, match="wrong password") as refusal:
        KeystoreSigner(keystore, "wrong-secret")
    assert "wrong-secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not json", "is not JSON"),
        ("[]", "is not of version 3"),
        ('{"version": 1}', "is not of version 3"),
        ('{"version": 3}', "lacks a field or uses an unknown cipher"),
        ('{"version": 3, "crypto": {"kdf": "md5", "cipher": "rot13"}}', "lacks a field or uses an unknown cipher"),
    ],
)
def test_a_file_that_is_no_keystore_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(KeystoreInvalid, match=words):
        KeystoreSigner(path, "any")


def test_a_missing_keystore_is_said(tmp_path: Path) -> None:
    with pytest.raises(KeystoreInvalid, match="cannot be read: No such file"):
        KeystoreSigner(tmp_path / "none.json", "any")


@pytest.mark.parametrize("key", ["0x1234", b"\x01" * 31, bytes(32), "zz" * 32, b"\xff" * 32])
def test_what_is_no_key_is_refused_without_repeating_it(key: str | bytes) -> None:
    with pytest.raises(KeystoreInvalid, match="not a private key") as refusal:
        DevelopmentSigner(key)
    assert refusal.value.__cause__ is None
    assert str(key) not in str(refusal.value)


def test_no_signer_shows_its_key(keystore: Path) -> None:
    shown = [repr(DevelopmentSigner(KEY)), repr(KeystoreSigner(keystore, "right"))]
    shown.append(repr(PolicySigner(DevelopmentSigner(KEY), POLICY)))
    address = DevelopmentSigner(KEY).address
    assert shown == [f"DevelopmentSigner({address})", f"KeystoreSigner({address})", f"PolicySigner({shown[0]})"]


def test_the_policy_lets_the_hot_path_pass(make_request: MakeRequest) -> None:
    signer = PolicySigner(DevelopmentSigner(KEY), POLICY)
    request = make_request(data=CHARGE_BATCH + bytes(64))
    assert signer.sign(request) == DevelopmentSigner(KEY).sign(request)
    assert not make_request(to=signer.address).data
    assert signer.sign(make_request(to=signer.address)).raw


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"chain_id": 1}, "transaction for chain 1, this signer serves 31337"),
        ({"to": Address("0x" + "ee" * 20)}, "is not a contract this signer may call"),
        ({"data": SET_OPERATOR + bytes(64)}, "function 0x558a7297 is not one this signer may call"),
        ({"data": b""}, "function 0x is not one"),
        ({"data": CHARGE_BATCH[:3]}, "is not one"),
        ({"gas": 16_777_217}, "gas limit 16777217 is above the cap of 16777216"),
        (
            {"fees": Fees(max_fee_per_gas=100 * 10**9 + 1, max_priority_fee_per_gas=0)},
            "fee of 100000000001 wei per gas is above the cap of 100000000000",
        ),
    ],
)
def test_the_policy_refuses_everything_else(make_request: MakeRequest, changes: dict[str, object], words: str) -> None:
    request = make_request(**({"data": CHARGE_BATCH + bytes(64)} | changes))
    with pytest.raises(SigningRefused, match=words):
        PolicySigner(DevelopmentSigner(KEY), POLICY).sign(request)


def test_a_call_to_oneself_with_data_is_no_noop(make_request: MakeRequest) -> None:
    signer = PolicySigner(DevelopmentSigner(KEY), POLICY)
    with pytest.raises(SigningRefused, match="is not a contract"):
        signer.sign(make_request(to=signer.address, data=b"\x00"))
