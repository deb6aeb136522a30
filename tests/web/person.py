"""A person with a browser and a wallet: the wallet is injected (EIP-1193, EIP-6963) and signs with eth-account."""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct
from playwright.async_api import Page

from chain.keccak import selector
from chain.local_node import LOCAL_CHAIN_ID
from chain.primitives import ZERO_ADDRESS, Address, BlockTag, Fees, TransactionRequest
from chain.signer import DevelopmentSigner
from chain.words import WORD_BYTES, address_word, bytes_tail, uint_word
from tests.web.shop import Shop

AXE = (Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
DISPLAYS = {
    "phone-light": (390, 844, "light"),
    "phone-dark": (390, 844, "dark"),
    "desktop-light": (1280, 900, "light"),
    "desktop-dark": (1280, 900, "dark"),
}
TARGETS = "button, input:not([type=radio]), select, textarea, a.go, a.lang, a.doc, .leave a, .pick"
TARGET_MIN = 48
ASKING = frozenset(
    {
        "eth_requestAccounts",
        "eth_sendTransaction",
        "wallet_sendCalls",
        "eth_signTypedData_v4",
        "personal_sign",
        "wallet_switchEthereumChain",
    }
)

PASSED_ON = frozenset({"eth_blockNumber", "eth_call", "eth_getCode", "eth_getLogs", "eth_getTransactionReceipt"})
"""What a wallet asks its node for a page that knows no other."""

PROVIDER = """
(() => {
  const heard = {};
  const provider = {
    request: async (call) => {
      const answer = JSON.parse(await window.duesWallet(JSON.stringify(call)));
      if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
      return answer.result;
    },
    on: (name, listener) => { (heard[name] ??= []).push(listener); },
  };
  window.duesEmit = (name, value) => (heard[name] ?? []).forEach((listener) => listener(value));
  const icon = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'>"
    + "<circle cx='4.5' cy='4.5' r='4' fill='teal'/></svg>";
  const uuid = "350670db-19fa-4704-a166-e52e178b59d2";
  const info = Object.freeze({ uuid, name: "Test Wallet", icon, rdns: "example.wallet" });
  const announce = () => window.dispatchEvent(
    new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();
"""


@dataclass
class BrowserWallet:
    """A wallet extension: it answers at once, or with the error that a test has put there for its next call.

    `breaks`: what it sends instead of an approval is refused by the chain.
    `batches`: it sends calls together (EIP-5792).
    """

    shop: Shop
    key: bytes
    chain_id: int = LOCAL_CHAIN_ID
    is_connected: bool = False
    breaks: bool = False
    batches: bool = False
    batched: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    sent: list[dict[str, Any]] = field(default_factory=list)
    signed: list[dict[str, Any]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def account(self) -> Address:
        """Whose key signs and pays for gas."""
        return DevelopmentSigner(self.key).address

    @property
    def address(self) -> Address:
        """What it shows to pages."""
        return self.account

    @property
    def prompts(self) -> int:
        """How often it asked its person to agree to something that moves money."""
        return sum(self.asked[name] for name in ("eth_sendTransaction", "eth_signTypedData_v4", "wallet_sendCalls"))

    def fail(self, method: str, code: int, message: str = "told by the test") -> None:
        """Answer the next call of a method with an error."""
        self.faults.setdefault(method, []).append({"code": code, "message": message})

    async def answer(self, _source: Any, line: str) -> str:
        call = json.loads(line)
        method, params = call["method"], call.get("params", [])
        if method in ASKING:
            self.asked[method] += 1
        if self.faults.get(method):
            return json.dumps({"error": self.faults[method].pop(0)})
        if method in PASSED_ON:
            return json.dumps(await self.shop.rpc(method, params))
        return json.dumps({"result": await self._result(method, params)})

    async def _result(self, method: str, params: list[Any]) -> Any:
        match method:
            case "eth_requestAccounts" | "eth_accounts":
                self.is_connected |= method == "eth_requestAccounts"
                return [self.address] if self.is_connected else []
            case "eth_chainId":
                return hex(self.chain_id)
            case "wallet_switchEthereumChain":
                self.chain_id = int(params[0]["chainId"], 16)
                return None
            case "eth_sendTransaction":
                return await self._send(params[0])
            case "eth_signTypedData_v4" | "personal_sign":
                return "0x" + self._signature(method, params).hex()
            case _:
                return await self._together(method, params)

    async def _together(self, method: str, params: list[Any]) -> dict[str, Any]:
        """Calls that are sent together (EIP-5792), here one after the other."""
        if method == "wallet_getCapabilities":
            return {hex(LOCAL_CHAIN_ID): {"atomic": {"status": "supported"}}} if self.batches else {}
        assert method == "wallet_sendCalls", f"the page asked for {method}"
        self.batched.append(params[0])
        first = await self.shop.chain.nonce(self.address, BlockTag.LATEST)
        return {"id": [await self._send(call, first + index) for index, call in enumerate(params[0]["calls"])][-1]}

    def _signature(self, method: str, params: list[Any]) -> bytes:
        if method == "personal_sign":
            text = bytes.fromhex(params[0][2:]).decode()
            self.messages.append(text)
            return bytes(Account.sign_message(encode_defunct(text=text), self.key).signature)
        document = json.loads(params[1])
        self.signed.append(document)
        return bytes(Account.from_key(self.key).sign_typed_data(full_message=document).signature)

    async def _send(self, transaction: dict[str, Any], nonce: int | None = None) -> str:
        self.sent.append(transaction)
        data = b"\xde\xad\xbe\xef" if self.breaks else bytes.fromhex(transaction["data"][2:])
        to, data = self.wrapped(Address(transaction["to"].lower()), data)
        request = TransactionRequest(
            chain_id=LOCAL_CHAIN_ID,
            nonce=await self.shop.chain.nonce(self.account, BlockTag.LATEST) if nonce is None else nonce,
            to=to,
            data=data,
            gas=500_000,
            fees=Fees(max_fee_per_gas=10 * 10**9, max_priority_fee_per_gas=10**9),
        )
        signed = DevelopmentSigner(self.key).sign(request)
        await self.shop.chain.send([signed.raw])
        return signed.hash

    def wrapped(self, to: Address, data: bytes) -> tuple[Address, bytes]:
        """What its own account sends to make a call."""
        return to, data


@dataclass
class ContractWallet(BrowserWallet):
    """A smart contract that holds the tokens; its owner's key signs for it (ERC-1271) and calls through it."""

    contract: Address = ZERO_ADDRESS

    @property
    def address(self) -> Address:
        return self.contract

    def wrapped(self, to: Address, data: bytes) -> tuple[Address, bytes]:
        head = address_word(to) + uint_word(0) + uint_word(3 * WORD_BYTES)
        return self.contract, selector("execute(address,uint256,bytes)") + head + bytes_tail(data)


async def equip(page: Page, wallet: BrowserWallet) -> None:
    """Install the wallet in a page."""
    await page.expose_binding("duesWallet", wallet.answer)
    await page.add_init_script(PROVIDER)


async def inspect(page: Page, state: str, seen: dict[str, list[str]]) -> None:
    """Look at a state on all displays: no axe violation, targets large enough, nothing beside the screen."""
    folder = os.environ.get("DUES_SCREENSHOTS")
    problems: list[str] = []
    before = page.viewport_size
    for display, (width, height, scheme) in DISPLAYS.items():
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        if folder:
            await page.screenshot(path=f"{folder}/{state}-{display}.png", full_page=True)
        await page.evaluate(AXE)
        found = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        problems += [
            f"{display}: {violation['id']} {node['target']} {node.get('failureSummary', '')}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]
        small = await page.evaluate(
            """([targets, min]) => [...document.querySelectorAll(targets)]
                .filter((e) => e.offsetParent && e.getBoundingClientRect().height < min - 0.5)
                .map((e) => e.outerHTML)""",
            [TARGETS, TARGET_MIN],
        )
        problems += [f"{display}: smaller than {TARGET_MIN} px: {element}" for element in small]
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        problems += [f"{display}: wider than the screen"] if wide else []
    if before is not None:
        await page.set_viewport_size(before)
    seen[state] = problems
    assert problems == [], problems
