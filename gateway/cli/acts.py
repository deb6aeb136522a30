"""What makes each event happen in the sandbox: requests of a merchant, signatures of a wallet, transactions, time.

Nothing is written into the books here: an act does what a merchant, a payer or time would do, and the event follows.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from chain.checksum import checksum
from chain.erc20 import mint_data, permit_nonce, transfer_data
from chain.json_rpc import JsonRpcChain
from chain.local_node import DEVELOPMENT_KEYS
from chain.primitives import Address, Receipt, address
from chain.signer import DevelopmentSigner
from chain.wallet import Wallet
from gateway.cli.app import CommandFailed
from gateway.cli.clock import wait_until_ready
from gateway.cli.remote import Json, Remote

CENTS: Final = 2_500
UNITS_A_CENT: Final = 10_000  # the sandbox's token has six decimals
HOUR: Final = 3_600
DAY: Final = 24 * HOUR
WAIT_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1
_OWNER, _PAYOUT, _PAYER = 0, 2, 5  # development keys: who may mint, whom merchants' money goes to, somebody who pushes

T = TypeVar("T")
Act = Callable[["Stage"], object]


@dataclass(slots=True)
class Stage:
    """The sandbox's API and chain; `clock` is the test clock of this act, once it has one."""

    remote: Remote
    facts: Mapping[str, Any]
    clock: str | None = None
    wallet: DevelopmentSigner | None = None

    def post(self, path: str, **body: Any) -> Json:
        """Do."""
        return self.remote.post(path, **body)

    def get(self, path: str, **query: Any) -> Json:
        """Look."""
        return self.remote.get(path, **query)

    def until(self, what: str, look: Callable[[], T], holds: Callable[[T], bool]) -> T:
        """Wait for something to come true.

        Raises:
            CommandFailed: it did not in time.
        """
        end = time.monotonic() + WAIT_SECONDS
        while True:
            found = look()
            if holds(found):
                return found
            if time.monotonic() > end:
                raise CommandFailed(f"{what} did not come true within {WAIT_SECONDS:g} s")
            time.sleep(_LOOK_SECONDS)

    # --- the chain ---

    def send(self, key: int, to: str, data: bytes) -> Receipt:
        """Send a transaction from a development account."""
        signer = DevelopmentSigner(DEVELOPMENT_KEYS[key])
        receipt: Receipt = self._on_chain(lambda chain: Wallet(chain, signer).send(address(to), data))
        return receipt

    def fund(self, wallet: Address, cents: int) -> None:
        """Mint test tokens."""
        self.send(_OWNER, self.facts["token"], mint_data(wallet, cents * UNITS_A_CENT))

    def pushes(self, to: str, units: int) -> None:
        """Somebody transfers tokens by hand."""
        payer = DevelopmentSigner(DEVELOPMENT_KEYS[_PAYER])
        self.send(_OWNER, self.facts["token"], mint_data(payer.address, units))
        self.send(_PAYER, self.facts["token"], transfer_data(address(to), units))

    def repays(self, transfer: Json) -> None:
        """The merchant's wallet sends the transfer that a refund asks for."""
        self.send(_PAYOUT, transfer["to"], bytes.fromhex(transfer["data"].removeprefix("0x")))

    def _on_chain(self, use: Callable[[JsonRpcChain], Any]) -> Any:
        async def run() -> Any:
            chain = JsonRpcChain([self.facts["chain_url"]], chain_id=self.facts["chain_id"])
            try:
                return await use(chain)
            finally:
                await chain.close()

        return asyncio.run(run())

    # --- time ---

    def new_clock(self) -> Json:
        """A test clock that stands where the chain stands."""
        head = self._on_chain(lambda chain: chain.head())
        made = self.post(
            "/v1/test_helpers/test_clocks", frozen_time=max(int(time.time()), head.timestamp + 2), name="trigger"
        )
        self.clock = str(made["id"])
        # One that was made ahead of the chain first takes the chain there.
        return wait_until_ready(self.remote, f"/v1/test_helpers/test_clocks/{self.clock}", wait_seconds=WAIT_SECONDS)

    def now(self) -> int:
        """What the clock of this act says."""
        return int(self.get(f"/v1/test_helpers/test_clocks/{self.clock}")["frozen_time"])

    def advance(self, *, to: int | None = None, by: int = 0) -> None:
        """Let time pass, and everything that falls due in it."""
        path = f"/v1/test_helpers/test_clocks/{self.clock}"
        self.post(f"{path}/advance", frozen_time=to if to is not None else self.now() + by)
        wait_until_ready(self.remote, path, wait_seconds=10 * WAIT_SECONDS)

    # --- a merchant and its customer ---

    def product(self) -> Json:
        """Something to sell."""
        return self.post("/v1/products", name="The Quarterly Light")

    def price(self, cents: int = CENTS) -> Json:
        """What it costs a month."""
        return self.post(
            "/v1/prices",
            product=self.product()["id"],
            currency="usd",
            unit_amount=cents,
            recurring={"interval": "month"},
        )

    def customer(self, *, timed: bool = False) -> Json:
        """Somebody, in the time of a new clock if `timed`."""
        if timed and self.clock is None:
            self.new_clock()
        return self.post(
            "/v1/customers", name="Ada Byron", email="ada@example.com", test_clock=self.clock if timed else None
        )

    def method(self, customer: str | None = None) -> Json:
        """A new wallet as a payment method."""
        self.wallet = DevelopmentSigner("0x" + secrets.token_bytes(32).hex())
        made = self.post(
            "/v1/payment_methods",
            type="erc20_allowance",
            erc20_allowance={
                "chain_id": self.facts["chain_id"],
                "token": self.facts["token"],
                "owner": checksum(self.wallet.address),
            },
        )
        return made if customer is None else self.post(f"/v1/payment_methods/{made['id']}/attach", customer=customer)

    def opened(self, *, funds: int = 20 * CENTS, cents: int = CENTS, **body: Any) -> Json:
        """A subscription that waits for its wallet, which holds `funds` cents."""
        customer = self.customer(timed=True)
        method = self.method(customer["id"])
        if self.wallet is not None and funds:
            self.fund(self.wallet.address, funds)
        return self.post(
            "/v1/subscriptions",
            customer=customer["id"],
            items=[{"price": self.price(cents)["id"]}],
            default_payment_method=method["id"],
            **body,
        )

    def signed(self, kind: str, intent_id: str) -> Json:
        """The wallet signs what an intent (`charge_intents`, `setup_intents`) asks it for: mandate and permit."""
        wallet = self.wallet
        if wallet is None:
            raise CommandFailed("there is no wallet to sign")
        asked = self.get(f"/v1/{kind}/{intent_id}")["next_action"]["approve_allowance"]
        nonce = self._on_chain(lambda chain: permit_nonce(chain, address(self.facts["token"]), wallet.address))
        permit = {**asked["permit"], "message": {**asked["permit"]["message"], "nonce": str(nonce)}}
        return self.post(
            f"/v1/{kind}/{intent_id}/confirm",
            signature="0x" + wallet.sign_typed_data(asked["eip712"]).hex(),
            permit={
                "value": str(permit["message"]["value"]),
                "deadline": int(permit["message"]["deadline"]),
                "signature": "0x" + wallet.sign_typed_data(permit).hex(),
            },
        )

    def active(self, **body: Any) -> Json:
        """A subscription whose first payment is final."""
        made = self.opened(**body)
        self.signed("charge_intents", made["latest_charge_intent"])
        return self.status(made["id"], "active")

    def status(self, subscription_id: str, status: str) -> Json:
        """Wait for a subscription's status."""
        return self.until(
            f"the subscription {subscription_id} is {status}",
            lambda: self.get(f"/v1/subscriptions/{subscription_id}"),
            lambda found: found["status"] == status,
        )

    def billed(self, subscription: Json) -> None:
        """Go to the end of the current period, past the hour of the draft."""
        self.advance(to=subscription["items"]["data"][0]["current_period_end"] + HOUR + 60)
