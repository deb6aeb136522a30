"""The generated files of `chain/abi`: what the compiler made of each contract. Read-only, loaded once."""

from functools import cache
from importlib import resources
from typing import Final

import msgspec

from chain.eip712 import DOMAIN_NAME, DOMAIN_VERSION, domain_separator
from chain.errors import ArtifactInvalid
from chain.port import ChainPort
from chain.primitives import Address
from chain.words import uint_word

MANDATES: Final = "DuesMandates"


class AbiParameter(msgspec.Struct, frozen=True):
    """An input or output of an ABI entry; tuples carry their components."""

    type: str
    name: str = ""
    indexed: bool = False
    components: tuple["AbiParameter", ...] = ()

    @property
    def canonical(self) -> str:
        """The type as it stands in a signature."""
        if not self.type.startswith("tuple"):
            return self.type
        return f"({','.join(component.canonical for component in self.components)}){self.type[len('tuple') :]}"


class AbiEntry(msgspec.Struct, frozen=True):
    """A function, event, error or constructor."""

    type: str
    name: str = ""
    inputs: tuple[AbiParameter, ...] = ()
    outputs: tuple[AbiParameter, ...] = ()

    @property
    def signature(self) -> str:
        """Canonical signature, such as `charge(uint96,uint16,uint96)`."""
        return f"{self.name}({','.join(parameter.canonical for parameter in self.inputs)})"


class ImmutableReference(msgspec.Struct, frozen=True):
    """Where the constructor wrote a value into the deployed code, in bytes."""

    start: int
    length: int


class Artifact(msgspec.Struct, frozen=True, rename="camel"):
    """One compiled contract."""

    contract_name: str
    abi: tuple[AbiEntry, ...]
    bytecode: str
    deployed_bytecode: str
    immutable_references: tuple[ImmutableReference, ...] = ()

    @property
    def creation_code(self) -> bytes:
        """Code that is sent to deploy it, before the constructor's arguments."""
        return bytes.fromhex(self.bytecode.removeprefix("0x"))

    @property
    def deployed_code(self) -> bytes:
        """Code as deployed, with zeros where immutables go."""
        return bytes.fromhex(self.deployed_bytecode.removeprefix("0x"))


@cache
def load(contract_name: str) -> Artifact:
    """The artifact of `contract_name`.

    Raises:
        ArtifactInvalid: there is none, or it is not of this shape.
    """
    try:
        artifact = msgspec.json.decode(_text(contract_name), type=Artifact)
    except msgspec.ValidationError as error:
        raise ArtifactInvalid(f"chain/abi/{contract_name}.json does not have the expected shape: {error}") from None
    if artifact.contract_name != contract_name:
        raise ArtifactInvalid(f"chain/abi/{contract_name}.json describes {artifact.contract_name}")
    return artifact


@cache
def abi_json(contract_name: str) -> list[dict[str, object]]:
    """The ABI as plain JSON, as web3.py takes it.

    Raises:
        ArtifactInvalid: as `load`.
    """
    load(contract_name)
    entries: list[dict[str, object]] = msgspec.json.decode(_text(contract_name))["abi"]
    return entries


def same_code(artifact: Artifact, deployed: bytes) -> bool:
    """Whether `deployed` is this contract's code; what the constructor wrote into it (immutables) is not compared."""
    return _blanked(artifact.deployed_code, artifact) == _blanked(deployed, artifact)


async def verify_deployment(chain: ChainPort, contract: Address, contract_name: str = MANDATES) -> None:
    """Make sure that `contract` runs the code that this version of Dues was generated with.

    Of `DuesMandates` the values that its constructor wrote into the code are compared too: a foreign domain separator
    would let signatures for another contract count.

    Raises:
        ArtifactInvalid: no code there, other code, or values of another chain or address in it.
        RpcUnavailable: the node could not be asked.
    """
    deployed = await chain.code(contract)
    if not deployed:
        raise ArtifactInvalid(f"no contract at {contract} on chain {chain.chain_id}")
    artifact = load(contract_name)
    if not same_code(artifact, deployed):
        raise ArtifactInvalid(f"the code at {contract} on chain {chain.chain_id} is not {contract_name} as generated")
    if contract_name == MANDATES:
        separator = domain_separator(DOMAIN_NAME, DOMAIN_VERSION, chain.chain_id, contract)
        foreign = _immutables(artifact, deployed) - {uint_word(chain.chain_id), separator}
        if foreign:
            raise ArtifactInvalid(
                f"the code at {contract} on chain {chain.chain_id} is {contract_name} made for another chain or "
                f"address: it holds 0x{min(foreign).hex()}"
            )


def names() -> tuple[str, ...]:
    """Names of all contracts that there are artifacts of."""
    folder = resources.files("chain") / "abi"
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")))


def _blanked(code: bytes, artifact: Artifact) -> bytes:
    blanked = bytearray(code)
    for reference in artifact.immutable_references:
        blanked[reference.start : reference.start + reference.length] = bytes(reference.length)
    return bytes(blanked)


def _immutables(artifact: Artifact, deployed: bytes) -> set[bytes]:
    return {deployed[each.start : each.start + each.length] for each in artifact.immutable_references}


def _text(contract_name: str) -> bytes:
    try:
        return (resources.files("chain") / "abi" / f"{contract_name}.json").read_bytes()
    except FileNotFoundError:
        raise ArtifactInvalid(f"no artifact of {contract_name} in chain/abi: generate it from contracts/") from None
