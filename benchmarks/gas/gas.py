#!/usr/bin/env python3
"""Gas of a pull on a real node, beside the two floors that are measured in the same run.

Starts anvil, deploys an OpenZeppelin token, DuesMandates and a bare loop of transferFrom, and lets the same number of
subscribers pay their second month through each. Every slot is non-zero before and after, allowances are finite, and the
figures are whole transactions. Prints our figures, the floors, and the ratios. Fails when a limit is passed.

    python benchmarks/gas/gas.py [subscribers]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_utils import keccak, to_checksum_address

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "node_modules" / ".bin"
MANDATE = "(address,address,address,uint96,uint8,uint32,uint16,uint40,uint16,uint8,uint64,uint256)"
SINGLE_MAX, BATCH_MAX = 61_900, 22_900
PRICE = 10_000_000
PERMITTED = 1_000_000_000
DAY = 86_400

# Measured on anvil when this contract was designed, each with its published compiler settings and the same token: gas
# of a single pull, and of a pull in a batch of 100. Only those that limit period and amount on chain compete with ours.
PEERS = [
    ("Permit2 AllowanceTransfer (no period, payee free)", None, 18_308),
    ("PullPayment (no limits on chain)", 54_288, 22_641),
    ("EIP-1337 proof of concept", 61_755, None),
    ("StandingOrders", 62_959, 32_562),
    ("Safe AllowanceModule", 67_702, None),
    ("ZeroPay", 87_996, None),
    ("sub2", 89_486, 52_602),
    ("Unlock renewMembershipFor", 95_273, None),
    ("Coinbase SpendPermissionManager + SpendRouter", 108_001, 80_650),
    ("Strimz", 111_630, 61_180),
    ("Request ERC20RecurringPaymentProxy", 112_006, None),
    ("MetaMask delegation framework", 146_147, None),
]


class Node:
    """The few calls of a local node that this needs; every account may send, none needs a key."""

    def __init__(self, url: str) -> None:
        """Remember where the node listens."""
        self.url = url
        self.numbers = count(1)

    def rpc(self, method: str, *params: object) -> Any:
        """Call and return the result; an error of the node is an exception."""
        body = {"jsonrpc": "2.0", "id": next(self.numbers), "method": method, "params": params}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), {"content-type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            answer = json.load(response)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def send(self, sender: str, to: str | None, body: bytes) -> dict[str, Any]:
        """Send a transaction, wait for its receipt and insist on its success."""
        transaction = {"from": sender, "data": "0x" + body.hex(), "gas": hex(16_777_216)}
        digest = self.rpc("eth_sendTransaction", transaction | ({"to": to} if to else {}))
        for _ in range(500):
            receipt = self.rpc("eth_getTransactionReceipt", digest)
            if receipt:
                assert receipt["status"] == "0x1", f"reverted: {body[:4].hex()} to {to}"
                return dict(receipt)
            time.sleep(0.01)
        raise RuntimeError(f"no receipt for {digest}")


@contextmanager
def anvil(port: int = 18_545) -> Iterator[Node]:
    """Run a node of its own, with the per-transaction gas cap of EIP-7825."""
    command = [BIN / "anvil", "--port", str(port), "--auto-impersonate", "--silent", "--hardfork", "prague"]
    command += ["--gas-limit", "60000000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    node = Node(f"http://127.0.0.1:{port}")
    try:
        for _ in range(200):
            try:
                node.rpc("eth_chainId")
                break
            except OSError:
                time.sleep(0.05)
        yield node
    finally:
        process.terminate()
        process.wait()


def artifact(source: str, name: str) -> bytes:
    """Return the creation code that forge has built."""
    path = ROOT / "contracts" / "out" / source / f"{name}.json"
    return bytes.fromhex(json.loads(path.read_text())["bytecode"]["object"].removeprefix("0x"))


def call(signature: str, *values: object) -> bytes:
    """Encode a call from its signature."""
    types = split_types(signature[signature.index("(") + 1 : -1])
    return keccak(text=signature)[:4] + encode(types, values)


def split_types(text: str) -> list[str]:
    """Split `a,(b,c),d` at the outer commas."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part]


def address(name: str) -> str:
    """Return an address with as many non-zero bytes as in life."""
    return to_checksum_address(keccak(text=name)[12:])


def gas_of(receipt: dict[str, Any]) -> int:
    """Return the gas that a transaction used."""
    return int(receipt["gasUsed"], 16)


def measure(node: Node, subscribers: int) -> dict[str, float]:
    """Let everybody pay the second month through each way and return the gas for each pull."""
    owner = node.rpc("eth_accounts")[0]
    payee, payers = address("payee"), [address(f"payer {i}") for i in range(subscribers + 1)]

    def deploy(code: bytes) -> str:
        return str(node.send(owner, None, code)["contractAddress"])

    token = deploy(artifact("PlainToken.sol", "PlainToken"))
    loop = deploy(artifact("BareLoop.sol", "BareLoop"))
    dues = deploy(artifact("DuesMandates.sol", "DuesMandates") + encode(["address", "address"], [owner, owner]))
    node.send(owner, dues, call("setOperator(address,bool)", owner, True))
    node.send(owner, dues, call("setToken(address,bool)", token, True))
    start = int(node.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    ids: list[bytes] = []
    for salt, payer in enumerate(payers):
        node.rpc("anvil_setBalance", payer, hex(10**18))
        node.send(owner, token, call("mint(address,uint256)", payer, PERMITTED))
        for spender in (dues, loop, owner):
            node.send(payer, token, call("approve(address,uint256)", spender, PERMITTED))
        mandate = (payer, payee, token, PRICE, 1, 1, 0, start, 0, 1, 2**64 - 1, salt)
        subscribe = call(f"subscribe({MANDATE},bytes,bytes,uint96)", mandate, b"", b"", PRICE)
        receipt = node.send(payer, dues, subscribe)
        ids.append(bytes.fromhex(receipt["logs"][-1]["topics"][1][2:])[20:])
    node.rpc("evm_increaseTime", 40 * DAY)

    batch = b"".join(mandate_id + (2).to_bytes(2, "big") for mandate_id in ids[1:])
    single = call("charge(uint96,uint16,uint96)", int.from_bytes(ids[0], "big"), 2, PRICE)
    raw = call("transferFrom(address,address,uint256)", payers[0], payee, PRICE)
    packed = b"".join(bytes.fromhex(payer[2:]) for payer in payers[1:])
    bare = call("pull(address,address,uint256,bytes)", token, payee, PRICE, packed)
    return {
        "raw": gas_of(node.send(owner, token, raw)),
        "single": gas_of(node.send(owner, dues, single)),
        "loop": gas_of(node.send(owner, loop, bare)) / subscribers,
        "batch": gas_of(node.send(owner, dues, call("chargeBatch(bytes)", batch))) / subscribers,
    }


def main() -> int:
    """Measure, print, and fail when a limit is passed."""
    subscribers = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    sources = ["src/DuesMandates.sol", "test/mocks/PlainToken.sol", "test/mocks/BareLoop.sol"]
    build = [ROOT / "contracts" / "script" / "forge", "build", "--quiet", *sources]
    subprocess.run(build, cwd=ROOT / "contracts", check=True)  # noqa: S603
    with anvil() as node:
        gas = measure(node, subscribers)

    print(f"gas for each pull; one run, {subscribers} subscribers, months, finite allowances, OpenZeppelin token\n")
    print(f"{'':54}{'single':>9}{'batch':>9}")
    print(f"{'floor: raw transferFrom / bare loop':54}{gas['raw']:9,.0f}{gas['loop']:9,.0f}")
    print(f"{'DuesMandates':54}{gas['single']:9,.0f}{gas['batch']:9,.0f}")
    print(f"{'ratio to the floor':54}{gas['single'] / gas['raw']:9.2f}{gas['batch'] / gas['loop']:9.2f}")
    print(f"{'limit':54}{SINGLE_MAX:9,}{BATCH_MAX:9,}")
    print("\nPeers, quoted (docs/contract.md); ratio = theirs / ours:")
    for name, single, batched in PEERS:
        left = f"{single:9,} ({single / gas['single']:.2f})" if single else f"{'-':>16}"
        right = f"{batched:9,} ({batched / gas['batch']:.2f})" if batched else f"{'-':>16}"
        print(f"  {name:52}{left:>17}{right:>17}")
    return 0 if gas["single"] <= SINGLE_MAX and (subscribers < 100 or gas["batch"] <= BATCH_MAX) else 1


if __name__ == "__main__":
    sys.exit(main())
