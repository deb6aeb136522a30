"""Who signs our transactions. Signing is CPU only, so it is synchronous; keys never leave an object of this module.

A signer is always wrapped in a `PolicySigner`: a gateway whose process was taken over can then still only call our
contract, with the functions of the hot path, below the operator's fee cap.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from eth_account import Account
from eth_typing import Hash32 as Hash32Bytes

from chain.errors import KeystoreInvalid, SigningRefused
from chain.mandates import OPERATOR_SELECTORS
from chain.primitives import Address, Hash32, SignedTransaction, TransactionRequest, address

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_SELECTOR_BYTES: Final = 4
_KEYSTORE_VERSION: Final = 3


class Signer(Protocol):
    """Something that turns a transaction into bytes that may leave."""

    @property
    def address(self) -> Address:
        """The account whose nonces are used."""
        ...

    @property
    def is_development(self) -> bool:
        """Whether the key is one that must never hold real money; live mode refuses such a signer."""
        ...

    def sign(self, request: TransactionRequest) -> SignedTransaction:
        """Sign as an EIP-1559 transaction (type 2) with value 0. The same request gives the same bytes (RFC 6979)."""
        ...


class KeystoreSigner:
    """A key from an encrypted keystore file (Web3 Secret Storage, version 3), decrypted once when it is opened."""

    is_development: Final = False

    def __init__(self, path: Path, password: str) -> None:
        """Decrypt `path`; takes about a second, because the key derivation is meant to be slow.

        Raises:
            KeystoreInvalid: the file is missing, is not a version 3 keystore, or the password is wrong.
        """
        self._account = open_keystore(path, password)
        self.address: Final = address(self._account.address)

    def sign(self, request: TransactionRequest) -> SignedTransaction:
        """See `Signer.sign`."""
        return _sign(self._account, request)

    def __repr__(self) -> str:
        return f"KeystoreSigner({self.address})"


class DevelopmentSigner:
    """A key given in the clear, for local chains and tests; it also plays the wallets there."""

    is_development: Final = True

    def __init__(self, private_key: str | bytes) -> None:
        """Take a 32-byte private key as bytes or hex.

        Raises:
            KeystoreInvalid: it is not a private key of secp256k1.
        """
        try:
            self._account: LocalAccount = Account.from_key(private_key)
        except Exception:  # noqa: BLE001  (eth-keys raises many kinds; some of their messages hold the key)
            raise KeystoreInvalid("not a private key: expected 32 bytes, as bytes or hex") from None
        self.address: Final = address(self._account.address)

    def sign(self, request: TransactionRequest) -> SignedTransaction:
        """See `Signer.sign`."""
        return _sign(self._account, request)

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r|s|v over a 32-byte digest: what a wallet answers to `eth_signTypedData_v4`.

        Only the development signer has this: an operator's key has no business with bare digests.
        """
        return bytes(self._account.unsafe_sign_hash(Hash32Bytes(digest)).signature)

    def sign_typed_data(self, document: Mapping[str, Any]) -> bytes:
        """65 bytes r|s|v over a whole EIP-712 document, hashed by eth-account as a wallet would hash it."""
        return bytes(self._account.sign_typed_data(full_message=dict(document)).signature)

    def __repr__(self) -> str:
        return f"DevelopmentSigner({self.address})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningPolicy:
    """What may be signed.

    Attributes:
        chain_id: EIP-155 id; a live key can never sign for another chain.
        contracts: the only accounts that may be called.
        max_fee_per_gas: highest fee cap, wei per gas, inclusive.
        max_gas: highest gas limit, inclusive.
        selectors: the only functions that may be called, 4 bytes each.
    """

    chain_id: int
    contracts: frozenset[Address]
    max_fee_per_gas: int
    max_gas: int
    selectors: frozenset[bytes] = OPERATOR_SELECTORS

    def check(self, signer: Address, request: TransactionRequest) -> None:
        """Accept calls of our contract, and the empty call to oneself that uses up a nonce.

        Raises:
            SigningRefused: a rule is broken; the message names it.
        """
        if request.chain_id != self.chain_id:
            raise SigningRefused(f"transaction for chain {request.chain_id}, this signer serves {self.chain_id}")
        if request.fees.max_fee_per_gas > self.max_fee_per_gas:
            raise SigningRefused(
                f"fee of {request.fees.max_fee_per_gas} wei per gas is above the cap of {self.max_fee_per_gas}"
            )
        if request.gas > self.max_gas:
            raise SigningRefused(f"gas limit {request.gas} is above the cap of {self.max_gas}")
        if request.to == signer and not request.data:
            return
        if request.to not in self.contracts:
            raise SigningRefused(f"{request.to} is not a contract this signer may call")
        called = request.data[:_SELECTOR_BYTES]
        if called not in self.selectors:
            raise SigningRefused(f"function 0x{called.hex()} is not one this signer may call")


class PolicySigner:
    """A signer that signs only what its policy accepts."""

    def __init__(self, signer: Signer, policy: SigningPolicy) -> None:
        self._signer = signer
        self._policy = policy

    @property
    def address(self) -> Address:
        """See `Signer.address`."""
        return self._signer.address

    @property
    def is_development(self) -> bool:
        """See `Signer.is_development`."""
        return self._signer.is_development

    def sign(self, request: TransactionRequest) -> SignedTransaction:
        """Sign `request` if the policy accepts it.

        Raises:
            SigningRefused: it does not; nothing was signed.
        """
        self._policy.check(self._signer.address, request)
        return self._signer.sign(request)

    def __repr__(self) -> str:
        return f"PolicySigner({self._signer!r})"


def open_keystore(path: Path, password: str) -> "LocalAccount":
    """The account of a keystore file; for signers and for deployments, nobody else needs a bare key.

    Raises:
        KeystoreInvalid: the file is missing, is not a version 3 keystore, or the password is wrong.
    """
    try:
        keystore = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KeystoreInvalid(f"keystore {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise KeystoreInvalid(f"keystore {path} is not JSON") from None
    if not isinstance(keystore, dict) or keystore.get("version") != _KEYSTORE_VERSION:
        raise KeystoreInvalid(f"keystore {path} is not of version {_KEYSTORE_VERSION} (Web3 Secret Storage)")
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(keystore, password))
    except ValueError:
        raise KeystoreInvalid(f"keystore {path}: wrong password") from None
    except (KeyError, TypeError, NotImplementedError):  # the last is what eth-keyfile says of an unknown cipher
        raise KeystoreInvalid(f"keystore {path} lacks a field or uses an unknown cipher") from None
    return account


def _sign(account: "LocalAccount", request: TransactionRequest) -> SignedTransaction:
    signed = account.sign_transaction(
        {
            "type": 2,
            "chainId": request.chain_id,
            "nonce": request.nonce,
            "to": bytes.fromhex(request.to[2:]),
            "value": 0,
            "data": request.data,
            "gas": request.gas,
            "maxFeePerGas": request.fees.max_fee_per_gas,
            "maxPriorityFeePerGas": request.fees.max_priority_fee_per_gas,
        }
    )
    return SignedTransaction(bytes(signed.raw_transaction), Hash32("0x" + bytes(signed.hash).hex()))
