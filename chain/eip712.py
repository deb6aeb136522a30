"""What a wallet signs (EIP-712): mandates, cancellations, token permits; their digests, and who signed them.

Digests are packed by hand, because a registration run computes thousands of them; `eth_account.messages` is the oracle
in the tests. JSON forms are for `eth_signTypedData_v4`: integers wider than 53 bits stand as decimal strings.
"""

from functools import lru_cache
from typing import Final

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from chain.checksum import checksum
from chain.errors import CallReverted
from chain.keccak import keccak256, selector
from chain.port import ChainPort
from chain.primitives import ZERO_ADDRESS, Address, MandateId, MandateTerms
from chain.words import WORD_BYTES, address_word, bytes_tail, uint_word

TypedData = dict[str, object]
"""The JSON object that `eth_signTypedData_v4` takes."""

DOMAIN_NAME: Final = "Dues Mandates"
DOMAIN_VERSION: Final = "1"

_DOMAIN_FIELDS: Final = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_MANDATE_FIELDS: Final = [
    ("payer", "address"),
    ("payee", "address"),
    ("token", "address"),
    ("amount", "uint96"),
    ("unit", "uint8"),
    ("every", "uint32"),
    ("feeBps", "uint16"),
    ("start", "uint40"),
    ("periods", "uint16"),
    ("arrears", "uint8"),
    ("deadline", "uint64"),
    ("salt", "uint256"),
]
_PERMIT_FIELDS: Final = [
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
]
_CANCEL_FIELDS: Final = [("id", "uint96")]


def _type_hash(name: str, fields: list[tuple[str, str]]) -> bytes:
    return keccak256(f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})".encode("ascii"))


_DOMAIN_TYPE_HASH: Final = _type_hash("EIP712Domain", [(field["name"], field["type"]) for field in _DOMAIN_FIELDS])
_MANDATE_TYPE_HASH: Final = _type_hash("Mandate", _MANDATE_FIELDS)
_CANCEL_TYPE_HASH: Final = _type_hash("Cancel", _CANCEL_FIELDS)
_PERMIT_TYPE_HASH: Final = _type_hash("Permit", _PERMIT_FIELDS)

_SIGNATURE_BYTES: Final = 65
_V_VALUES: Final = (27, 28)
_S_MAX: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # EIP-2: half of secp256k1's order
_ERC1271_SELECTOR: Final = selector("isValidSignature(bytes32,bytes)")
_ERC1271_MAGIC: Final = _ERC1271_SELECTOR.ljust(WORD_BYTES, b"\0")


@lru_cache(maxsize=4096)
def domain_separator(name: str, version: str, chain_id: int, contract: Address) -> bytes:
    """Hash of an EIP-712 domain with these four fields; for a token the same as its `DOMAIN_SEPARATOR()`."""
    return keccak256(
        _DOMAIN_TYPE_HASH
        + keccak256(name.encode())
        + keccak256(version.encode())
        + uint_word(chain_id)
        + address_word(contract)
    )


def mandate_struct_hash(terms: MandateTerms) -> bytes:
    """`hashStruct(Mandate)`: the part of the digest that does not depend on chain and contract.

    Raises:
        ValueError: a field does not fit its Solidity type.
    """
    return keccak256(_MANDATE_TYPE_HASH + mandate_words(terms))


def mandate_words(terms: MandateTerms) -> bytes:
    """The twelve words of the struct, in the order of the Solidity declaration.

    Raises:
        ValueError: a field does not fit its Solidity type.
    """
    return b"".join(
        (
            address_word(terms.payer),
            address_word(terms.payee),
            address_word(terms.token),
            uint_word(terms.amount, 96),
            uint_word(terms.unit, 8),
            uint_word(terms.every, 32),
            uint_word(terms.fee_bps, 16),
            uint_word(terms.start, 40),
            uint_word(terms.periods, 16),
            uint_word(terms.arrears, 8),
            uint_word(terms.deadline, 64),
            uint_word(terms.salt),
        )
    )


def mandate_digest(terms: MandateTerms, chain_id: int, contract: Address) -> bytes:
    """The 32 bytes that the payer signs for `contract` on `chain_id`.

    Raises:
        ValueError: a field does not fit its Solidity type.
    """
    return _digest(_own_domain(chain_id, contract), mandate_struct_hash(terms))


def mandate_id(terms: MandateTerms, chain_id: int, contract: Address) -> MandateId:
    """The id under which `contract` registers these terms: the first 12 bytes of the digest."""
    return id_of_digest(mandate_digest(terms, chain_id, contract))


def id_of_digest(digest: bytes) -> MandateId:
    """First 12 bytes of a mandate's digest."""
    return MandateId("0x" + digest[:12].hex())


def cancel_digest(mandate: MandateId, chain_id: int, contract: Address) -> bytes:
    """What the payer signs so that somebody else may relay the cancellation (`cancelWithSig`)."""
    return _digest(_own_domain(chain_id, contract), keccak256(_CANCEL_TYPE_HASH + uint_word(int(mandate, 16), 96)))


def permit_digest(
    *, separator: bytes, owner: Address, spender: Address, value: int, nonce: int, deadline: int
) -> bytes:
    """EIP-2612 digest under the token's own domain separator (`erc20.token_description` reads it from the chain)."""
    words = address_word(owner) + address_word(spender) + uint_word(value) + uint_word(nonce) + uint_word(deadline)
    return _digest(separator, keccak256(_PERMIT_TYPE_HASH + words))


def mandate_typed_data(terms: MandateTerms, chain_id: int, contract: Address) -> TypedData:
    """The mandate as a wallet shows it; signing it signs `mandate_digest`."""
    mandate_words(terms)  # refuse here what no wallet could sign
    message: TypedData = {
        "payer": checksum(terms.payer),
        "payee": checksum(terms.payee),
        "token": checksum(terms.token),
        "amount": str(terms.amount),
        "unit": int(terms.unit),
        "every": terms.every,
        "feeBps": terms.fee_bps,
        "start": terms.start,
        "periods": terms.periods,
        "arrears": terms.arrears,
        "deadline": str(terms.deadline),
        "salt": str(terms.salt),
    }
    return _typed_data("Mandate", _MANDATE_FIELDS, message, _domain(DOMAIN_NAME, DOMAIN_VERSION, chain_id, contract))


def cancel_typed_data(mandate: MandateId, chain_id: int, contract: Address) -> TypedData:
    """The cancellation as a wallet shows it; signing it signs `cancel_digest`."""
    message: TypedData = {"id": str(int(mandate, 16))}
    return _typed_data("Cancel", _CANCEL_FIELDS, message, _domain(DOMAIN_NAME, DOMAIN_VERSION, chain_id, contract))


def permit_typed_data(
    *,
    token: Address,
    token_name: str,
    token_version: str,
    chain_id: int,
    owner: Address,
    spender: Address,
    value: int,
    nonce: int,
    deadline: int,
) -> TypedData:
    """An EIP-2612 permit as a wallet shows it. `value` in base units, `deadline` in unix seconds.

    Name and version are the token's EIP-712 ones: compare `domain_separator(token_name, …)` with the token's
    `DOMAIN_SEPARATOR()` before asking a person to sign, because a wrong version only fails on chain.
    """
    message: TypedData = {
        "owner": checksum(owner),
        "spender": checksum(spender),
        "value": str(value),
        "nonce": str(nonce),
        "deadline": str(deadline),
    }
    return _typed_data("Permit", _PERMIT_FIELDS, message, _domain(token_name, token_version, chain_id, token))


def recover(digest: bytes, signature: bytes) -> Address | None:
    """The account whose key made `signature` over `digest`, or `None` if it is not a canonical ECDSA signature.

    Canonical as in the contract: 65 bytes r|s|v, v 27 or 28, s in the lower half (EIP-2), so that nobody can make a
    second valid signature from the first.
    """
    if len(signature) != _SIGNATURE_BYTES or signature[64] not in _V_VALUES:
        return None
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    if s > _S_MAX:
        return None
    try:
        public_key = Signature(vrs=(signature[64] - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError):
        return None
    return Address("0x" + bytes(public_key.to_canonical_address()).hex())


async def verify_signature(chain: ChainPort, owner: Address, digest: bytes, signature: bytes) -> bool:
    """Whether `owner` signed `digest`: by its own key, or by its code's word (ERC-1271).

    ECDSA is tried first, because an account with delegated code (EIP-7702) still signs with its key. ERC-6492 is left
    out on purpose: a wallet that is not deployed cannot have approved anything.

    Raises:
        RpcUnavailable, RpcRejected: the key did not sign, and the node could not be asked about the code.
    """
    if owner == ZERO_ADDRESS:
        return False
    if recover(digest, signature) == owner:
        return True
    [answer] = await chain.calls([(ZERO_ADDRESS, owner, is_valid_signature_data(digest, signature))])
    if isinstance(answer, CallReverted):
        return False
    if isinstance(answer, Exception):
        raise answer
    return answer[:WORD_BYTES] == _ERC1271_MAGIC


def is_valid_signature_data(digest: bytes, signature: bytes) -> bytes:
    """Calldata of ERC-1271 `isValidSignature(bytes32,bytes)`."""
    return _ERC1271_SELECTOR + digest + uint_word(2 * WORD_BYTES) + bytes_tail(signature)


def _own_domain(chain_id: int, contract: Address) -> bytes:
    return domain_separator(DOMAIN_NAME, DOMAIN_VERSION, chain_id, contract)


def _digest(separator: bytes, struct_hash: bytes) -> bytes:
    return keccak256(b"\x19\x01" + separator + struct_hash)


def _typed_data(primary: str, fields: list[tuple[str, str]], message: TypedData, domain: TypedData) -> TypedData:
    return {
        "types": {
            "EIP712Domain": [dict(field) for field in _DOMAIN_FIELDS],
            primary: [{"name": field, "type": kind} for field, kind in fields],
        },
        "primaryType": primary,
        "domain": domain,
        "message": message,
    }


def _domain(name: str, version: str, chain_id: int, contract: Address) -> TypedData:
    return {"name": name, "version": version, "chainId": chain_id, "verifyingContract": checksum(contract)}
