#!/usr/bin/env python3
"""Build the contracts and write their ABI and bytecode to chain/abi/, one compact JSON file for each contract.

`generate.py` writes, `generate.py --check` fails when a committed file is stale. A file holds `contractName`, `abi`,
`bytecode`, `deployedBytecode` and `immutableReferences` (byte offset and length of what the constructor fills in, so
that deployed code can be compared with the artifact). Only the standard library is used.
"""

# ruff: noqa: T201 - what a script finds out, it prints
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parent.parent
TARGET = CONTRACTS.parent / "chain" / "abi"
FORGE = CONTRACTS / "script" / "forge"

# The product, then what sandboxes and tests deploy.
ARTIFACTS = {
    "DuesMandates": "src/DuesMandates.sol",
    "TestUSDC": "test/mocks/TestUSDC.sol",
    "PlainToken": "test/mocks/PlainToken.sol",
    "NoReturnToken": "test/mocks/FaultTokens.sol",
    "FalseToken": "test/mocks/FaultTokens.sol",
    "FeeOnTransferToken": "test/mocks/FaultTokens.sol",
    "ReentrantToken": "test/mocks/FaultTokens.sol",
    "ReturnBombToken": "test/mocks/FaultTokens.sol",
    "GasGuzzlerToken": "test/mocks/FaultTokens.sol",
    "TokenProxy": "test/mocks/FaultTokens.sol",
    "SmartWallet": "test/mocks/Wallets.sol",
    "RefusingWallet": "test/mocks/Wallets.sol",
}


def build() -> None:
    """Compile only what is published: the sources and the mocks, without the tests."""
    paths = sorted(set(ARTIFACTS.values()))
    # The published bytecode comes from the default profile, whatever profile the caller works in.
    environment = os.environ | {"FOUNDRY_PROFILE": "default"}
    subprocess.run([FORGE, "build", "--quiet", *paths], cwd=CONTRACTS, check=True, env=environment)  # noqa: S603


def render(name: str, source: str) -> str:
    """Return the file of one contract: one line for each ABI entry, so that a change is readable in a diff."""
    artifact = json.loads((CONTRACTS / "out" / Path(source).name / f"{name}.json").read_text())
    references = artifact["deployedBytecode"].get("immutableReferences", {})
    spans = sorted((span for spans in references.values() for span in spans), key=lambda span: span["start"])
    entries = sorted(artifact["abi"], key=lambda entry: (entry["type"], entry.get("name", "")))
    for entry in entries:
        drop_internal_types(entry)
    abi = ",\n".join("  " + json.dumps(entry, separators=(",", ":")) for entry in entries)
    rest = {
        "bytecode": artifact["bytecode"]["object"],
        "deployedBytecode": artifact["deployedBytecode"]["object"],
        "immutableReferences": spans,
    }
    tail = ",\n".join(f'"{key}":{json.dumps(value, separators=(",", ":"))}' for key, value in rest.items())
    return f'{{"contractName":"{name}",\n"abi":[\n{abi}\n],\n{tail}}}\n'


def drop_internal_types(node: object) -> None:
    """Remove the compiler's names of Solidity types, which no caller needs and which change with a rename."""
    if isinstance(node, dict):
        node.pop("internalType", None)
        for value in node.values():
            drop_internal_types(value)
    elif isinstance(node, list):
        for value in node:
            drop_internal_types(value)


def main() -> int:
    """Write the files, or with --check compare them; return the exit status."""
    check = "--check" in sys.argv[1:]
    build()
    TARGET.mkdir(parents=True, exist_ok=True)
    wanted = {TARGET / f"{name}.json": render(name, source) for name, source in ARTIFACTS.items()}
    stale = sorted(path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text)
    stale += sorted(path.name for path in TARGET.glob("*.json") if path not in wanted)
    if check:
        if stale:
            print("stale in chain/abi (run contracts/script/generate.py):", ", ".join(stale))
            return 1
        print(f"chain/abi is up to date ({len(wanted)} contracts)")
        return 0
    for path in TARGET.glob("*.json"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text)
    print(f"chain/abi written: {len(wanted)} contracts, {len(stale)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
