import pytest
from eth_abi import encode

from chain import artifacts
from chain.errors import ArtifactInvalid, CallReverted, ChainError, RpcRejected, WrongChain
from chain.keccak import selector
from chain.primitives import Address
from chain.reverts import decode_revert

ONE = Address("0x" + "1a" * 20)


def test_an_error_of_the_contract_is_named_with_its_arguments() -> None:
    signature = "ChargeRejected(uint96,uint16,uint8,bytes4)"
    data = selector(signature) + encode(["uint96", "uint16", "uint8", "bytes4"], [7, 3, 10, b"abcd"])
    reverted = decode_revert(data)
    assert (reverted.name, reverted.arguments) == (
        "ChargeRejected",
        {"id": 7, "period": 3, "reason": 10, "tokenError": b"abcd"},
    )
    assert str(reverted) == "call reverted: ChargeRejected(id=7, period=3, reason=10, tokenError=0x61626364)"


def test_every_error_of_every_artifact_can_be_read() -> None:
    examples = {
        "address": ONE,
        "bool": True,
        "string": "words",
        "bytes": b"blob",
        "bytes4": b"four",
        "bytes32": b"x" * 32,
    }
    for name in artifacts.names():
        for entry in artifacts.load(name).abi:
            if entry.type == "error":
                kinds = [parameter.type for parameter in entry.inputs]
                values = [examples.get(kind, 200) for kind in kinds]
                reverted = decode_revert(selector(entry.signature) + encode(kinds, values))
                assert (reverted.name, list(reverted.arguments.values())) == (entry.name, values)


def test_a_revert_string_is_read() -> None:
    data = selector("Error(string)") + encode(["string"], ["Pausable: paused"])
    assert decode_revert(data).arguments == {"message": "Pausable: paused"}


@pytest.mark.parametrize("data", [b"", b"\x01", b"\xde\xad\xbe\xef", selector("Error(string)") + b"\xff" * 32])
def test_unknown_or_broken_revert_data_is_kept_as_it_is(data: bytes) -> None:
    reverted = decode_revert(data)
    assert (reverted.name, reverted.data) == ("", data)
    assert str(reverted).startswith(f"call reverted with 0x{data.hex()}")


def test_everything_raised_on_purpose_has_one_root() -> None:
    assert issubclass(CallReverted, ChainError)
    assert str(RpcRejected(-32_000, "no")) == "node refused with -32000: no"
    assert str(WrongChain(1, 2, "host")) == "host serves chain 2, expected chain 1"


def test_a_missing_artifact_is_said() -> None:
    with pytest.raises(ArtifactInvalid, match="no artifact of Nothing in chain/abi"):
        artifacts.load("Nothing")


def test_code_is_compared_without_its_immutables() -> None:
    artifact = artifacts.load("DuesMandates")
    code = bytearray(artifact.deployed_code)
    at = artifact.immutable_references[0].start
    code[at : at + 32] = b"\x77" * 32
    assert artifacts.same_code(artifact, bytes(code))
    code[at - 1] ^= 1
    assert not artifacts.same_code(artifact, bytes(code))
    assert not artifacts.same_code(artifact, bytes(code[:100]))
    assert not artifacts.same_code(artifact, b"")
