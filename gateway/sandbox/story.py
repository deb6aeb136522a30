"""The main job, told step by step on the running sandbox: every step claims something and shows its evidence.

A wallet subscribes without paying gas; three renewals follow on one clock, the second of which finds an empty wallet;
the wallet is topped up and pays at once; the merchant cancels; every webhook and every base unit is accounted for.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from chain.checksum import checksum
from chain.erc20 import permit_nonce, token_facts
from chain.local_node import LOCAL_CHAIN_ID
from chain.logs import contract_logs, decode_logs
from chain.primitives import BlockTag, Charged
from chain.signer import DevelopmentSigner
from gateway.sandbox.merchant import Json, Shop, short, sign_action
from gateway.sandbox.narration import Narrator, Step
from gateway.sandbox.world import World

FIRST_FUNDS: Final = 60
"""Whole tokens: enough for the first payment and one renewal of 25, not for the second renewal."""

TOP_UP: Final = 65
AFTER_PERIOD_SECONDS: Final = 2 * 3600
"""Past the end of a period and the hour for which its invoice stays a draft, before the first retry a day later."""

_OPENED: Final = "customer.subscription.opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """What the chain says, in base units of the token; the operator's gas money in wei."""

    subscriber: int
    merchant: int
    operator_wei: int
    operator_nonce: int


@dataclass(slots=True)
class Story:
    """What is known so far."""

    world: World
    narrator: Narrator
    shop: Shop = field(init=False)
    clock_id: str = ""
    price_id: str = ""
    customer_id: str = ""
    subscription_id: str = ""

    def __post_init__(self) -> None:
        self.shop = Shop(self.world.merchant.key, self.world.api_url)

    def tell(self) -> None:
        """Tell all of it.

        Raises:
            StoryBroken: a step claimed something that did not come true.
            SandboxFailed: a part of the sandbox died.
        """
        self.narrator.begin()
        self._shop_opens()
        self._wallet_is_funded()
        action, intent_id = self._subscription_waits()
        self._wallet_signs(action, intent_id)
        self._renewal_is_paid("A month later: the first renewal")
        self._renewal_fails()
        self._top_up_recovers()
        self._renewal_is_paid("Another month: the third renewal")
        self._merchant_cancels()
        self._webhooks_are_complete()
        self._books_match_the_chain()

    @property
    def _wallet(self) -> DevelopmentSigner:
        return self.world.subscribers[0]

    def _shop_opens(self) -> None:
        with self.narrator.step("A merchant opens shop, with the unmodified Stripe SDK") as step:
            endpoint = self.shop.endpoint(self.world.webhook_url)
            self.world.consumer.secret = str(endpoint["secret"])
            head = self.world.backstage.call(self.world.chain.head())
            clock = self.shop.clock(head.timestamp)
            self.clock_id = str(clock["id"])
            product, price = self.shop.catalog()
            customer = self.shop.customer(self.clock_id)
            self.price_id, self.customer_id = str(price["id"]), str(customer["id"])
            step.show("webhook endpoint", f"{endpoint['id']} → {endpoint['url']}")
            step.show("test clock", f"{self.clock_id} at {_day(int(clock['frozen_time']))}")
            step.show("product, price", f"{product['id']}, {self.price_id}: USD 25.00 a month")
            step.show("customer", f"{self.customer_id} {customer['name']}")
            step.claim("the customer lives on the test clock", holds=customer["test_clock"] == self.clock_id)

    def _wallet_is_funded(self) -> None:
        with self.narrator.step("A wallet holds 60 USDC, enough for two months") as step:
            transaction = self.world.fund(self._wallet.address, self._units(FIRST_FUNDS))
            step.show("wallet", checksum(self._wallet.address))
            step.show("transaction", transaction)
            held = self._balances().subscriber
            step.claim(f"the chain says {self._tokens(held)}", holds=held == self._units(FIRST_FUNDS))

    def _subscription_waits(self) -> tuple[Json, str]:
        with self.narrator.step("The customer subscribes: the first payment needs the wallet") as step:
            method = self.shop.payment_method(
                self.customer_id,
                chain_id=LOCAL_CHAIN_ID,
                token=checksum(self.world.deployed.token),
                owner=checksum(self._wallet.address),
            )
            created = self.shop.subscribe(self.customer_id, self.price_id, str(method["id"]))
            self.subscription_id = str(created["id"])
            intent = self.shop.intent(str(created["latest_invoice"]["charge_intent"]))
            step.show("payment method", f"{method['id']} (erc20_allowance)")
            step.show("subscription", f"{self.subscription_id} {created['status']}")
            step.show("invoice", f"{created['latest_invoice']['id']} {created['latest_invoice']['status']}")
            step.show("charge intent", f"{intent['id']} {intent['status']}")
            step.claim(
                "the subscription is incomplete", holds=created["status"] == "incomplete", found=created["status"]
            )
            action: Json = intent["next_action"]
            asked = action["approve_allowance"]
            step.show("next action", f"{action['type']}: sign an EIP-712 mandate and an EIP-2612 permit")
            bounded = 0 < int(asked["amount"]) < 2**96
            step.claim(f"the allowance asked for is bounded: {self._tokens(int(asked['amount']))}", holds=bounded)
            return action, str(intent["id"])

    def _wallet_signs(self, action: Json, intent_id: str) -> None:
        with self.narrator.step("The wallet signs twice and sends nothing; the gateway collects") as step:
            before = self._balances()
            token = self.world.deployed.token
            nonce = self.world.backstage.call(permit_nonce(self.world.chain, token, self._wallet.address))
            signature, permit = sign_action(self._wallet, action, nonce)
            step.show("mandate signature", short(signature, keep=20))
            self.shop.confirm(intent_id, signature, permit)
            self._settled(step, intent_id)
            intent = self.shop.intent(intent_id)
            self._wait_for_status(step, "active")
            self._show_charge(step, intent, before)
            wallet_nonce = self.world.backstage.call(self.world.chain.nonce(self._wallet.address, BlockTag.LATEST))
            step.claim("the wallet sent no transaction and paid no gas", holds=wallet_nonce == 0, found=wallet_nonce)
            self._provisioned(step, intent_id)

    def _settled(self, step: Step, intent_id: str) -> None:
        over = {"succeeded", "failed", "canceled"}
        step.wait(
            "the payment is final",
            lambda: self.shop.intent(intent_id)["status"] in over,
            found=lambda: self.shop.intent(intent_id)["status_reason"],
        )
        told = [e for e in self.shop.events() if e["data"]["object"]["id"] == intent_id]
        history = [str(event["data"]["object"]["status"]) for event in told]
        steps = [status for i, status in enumerate(history) if history[:i][-1:] != [status]]
        step.show("charge intent", f"{intent_id} {' → '.join(steps)}")
        expected = ["requires_action", "processing", "succeeded"]
        step.claim("it was `processing` until it was final", holds=steps == expected, found=steps)

    def _provisioned(self, step: Step, intent_id: str) -> None:
        consumer = self.world.consumer

        def heard() -> bool:
            return consumer.sequence_of("customer.subscription.created", self.subscription_id) is not None

        step.wait("the webhook consumer hears that it may provision", heard, found=self._last_heard)
        final = consumer.sequence_of("charge_intent.succeeded", intent_id) or 0
        created = consumer.sequence_of("customer.subscription.created", self.subscription_id) or 0
        step.claim(
            f"customer.subscription.created ({created}) came after the money was final ({final})",
            holds=0 < final < created,
        )

    def _renewal_is_paid(self, title: str) -> None:
        with self.narrator.step(title) as step:
            before = self._balances()
            invoice = self._advance_a_month(step)
            intent = self.shop.intent(str(invoice["charge_intent"]))
            step.claim("the invoice is paid", holds=invoice["status"] == "paid", found=_why(invoice, intent))
            self._show_charge(step, intent, before)
            status = self.shop.subscription(self.subscription_id)["status"]
            step.claim("the subscription is active", holds=status == "active", found=status)

    def _renewal_fails(self) -> None:
        with self.narrator.step("A month later: the second renewal finds too little in the wallet") as step:
            before = self._balances()
            invoice = self._advance_a_month(step)
            intent = self.shop.intent(str(invoice["charge_intent"]))
            after = self._balances()
            reason = intent["status_reason"]
            step.show("charge intent", f"{intent['id']} {intent['status']}")
            step.show("failure code", f"{reason['code']} → {reason['action']}")
            facts = ((name, reason["evidence"][name]) for name in ("needed", "balance", "allowance"))
            step.show("evidence", ", ".join(f"{name} {self._tokens(int(units))}" for name, units in facts))
            step.claim(
                "the failure is insufficient_balance",
                holds=(intent["status"], reason["code"]) == ("failed", "insufficient_balance"),
                found=_why(invoice, intent),
            )
            self._wait_for_status(step, "past_due")
            step.show("operator before", f"nonce {before.operator_nonce}, {_ether(before.operator_wei)}")
            step.show("operator after", f"nonce {after.operator_nonce}, {_ether(after.operator_wei)}")
            unspent = (before.operator_nonce, before.operator_wei) == (after.operator_nonce, after.operator_wei)
            step.claim("it was simulated, never broadcast: no gas was spent", holds=unspent)
            step.claim("nothing moved on the chain", holds=before == after)

    def _top_up_recovers(self) -> None:
        with self.narrator.step("The wallet is topped up: the gateway notices and collects at once") as step:
            invoice = self.shop.subscription(self.subscription_id)["latest_invoice"]
            frozen = self.shop.clock_now(self.clock_id)["frozen_time"]
            step.show("top-up", f"{TOP_UP} USDC in {self.world.fund(self._wallet.address, self._units(TOP_UP))}")
            before = self._balances()
            self._wait_for_status(step, "active")
            intent = self.shop.intent(str(invoice["charge_intent"]))
            self._show_charge(step, intent, before)
            same_time = self.shop.clock_now(self.clock_id)["frozen_time"] == frozen
            step.claim("the test clock did not move: no retry slot was waited for", holds=same_time)

    def _merchant_cancels(self) -> None:
        with self.narrator.step("The merchant cancels") as step:
            canceled = self.shop.cancel(self.subscription_id)
            step.show("subscription", f"{self.subscription_id} {canceled['status']}")
            step.claim("the subscription is canceled", holds=canceled["status"] == "canceled", found=canceled["status"])

            def heard() -> bool:
                return (
                    self.world.consumer.sequence_of("customer.subscription.deleted", self.subscription_id) is not None
                )

            step.wait("customer.subscription.deleted arrives", heard, found=self._last_heard)

    def _webhooks_are_complete(self) -> None:
        with self.narrator.step("Every webhook arrived, and both signatures of each were right") as step:
            events = self.shop.events()
            expected = {event["id"] for event in events if event["type"] != _OPENED}
            consumer = self.world.consumer

            def complete() -> bool:
                return expected <= {heard.id for heard in consumer.heard()}

            step.wait("the last webhook arrives", complete, found=lambda: len(consumer.heard()))
            sequence = [int(event["sequence"]) for event in events]
            step.show("events", f"{len(events)}, sequence {sequence[0]} to {sequence[-1]}")
            step.show("delivered", f"{len(consumer.heard())} ({_OPENED} is not for this endpoint's profile)")
            step.show("verified by", "stripe.Webhook and standardwebhooks.Webhook")
            gapless = sequence == list(range(1, len(sequence) + 1))
            step.claim("the sequence has no gap", holds=gapless, found=sequence)
            step.claim("no signature was refused", holds=not consumer.refused, found=consumer.refused)
            unknown = {heard.id for heard in consumer.heard()} - expected
            step.claim("nothing else was delivered", holds=not unknown, found=unknown)

    def _books_match_the_chain(self) -> None:
        with self.narrator.step("The books agree with the chain to the base unit") as step:
            charged = self._charged_on_chain()
            paid = [invoice for invoice in self.shop.invoices(self.subscription_id) if invoice["status"] == "paid"]
            settled = [charge for charge in self.shop.charges() if charge["status"] == "succeeded"]
            amounts = [int(charge["payment_method_details"]["erc20_allowance"]["token_amount"]) for charge in settled]
            held = self._balances().merchant
            step.show("Charged events", f"{len(charged)}, together {self._tokens(sum(c.amount for c in charged))}")
            step.show("charges", f"{len(settled)} succeeded, together {self._tokens(sum(amounts))}")
            step.show("invoices", f"{len(paid)} paid, together USD {sum(i['amount_paid'] for i in paid) / 100:.2f}")
            step.show("merchant's wallet", f"{checksum(self.world.merchant.payout)} {self._tokens(held)}")
            total = sum(c.amount for c in charged)
            step.claim("sum of Charged = sum of charges = wallet balance", holds=total == sum(amounts) == held)
            keys = {(c.mandate_id, c.period) for c in charged}
            step.claim("each period was collected once", holds=len(keys) == len(charged) == len(paid) == 4)  # noqa: PLR2004 - the first payment and three renewals

    def _advance_a_month(self, step: Step) -> Json:
        """Move the clock past the end of the current period; the newest invoice is the answer."""
        item = self.shop.subscription(self.subscription_id)["items"]["data"][0]
        target = int(item["current_period_end"]) + AFTER_PERIOD_SECONDS
        self.shop.advance(self.clock_id, target)
        step.wait(
            f"the test clock stands at {_day(target)}",
            lambda: self.shop.clock_now(self.clock_id)["status"] == "ready",
            found=lambda: self.shop.clock_now(self.clock_id),
        )
        head = self.world.backstage.call(self.world.chain.head())
        step.show("test clock", f"{_day(target)}; the chain's newest block, {head.number}, says {_day(head.timestamp)}")
        step.claim("rows, workers and block time moved together", holds=abs(head.timestamp - target) < 3600, found=head)  # noqa: PLR2004 - an hour
        invoice: Json = self.shop.subscription(self.subscription_id)["latest_invoice"]
        step.show("invoice", f"{invoice['id']} {invoice['number']} {invoice['status']}")
        return invoice

    def _wait_for_status(self, step: Step, status: str) -> None:
        def current() -> Any:
            return self.shop.subscription(self.subscription_id)["status"]

        step.wait(f"the subscription is {status}", lambda: current() == status, found=current)
        step.show("subscription", f"{self.subscription_id} {status}")
        step.claim(f"the subscription is {status}", holds=True)

    def _show_charge(self, step: Step, intent: Json, before: Balances) -> None:
        charge = self.shop.charge(str(intent["latest_charge"]))
        facts = charge["payment_method_details"]["erc20_allowance"]
        after = self._balances()
        step.show("charge", f"{charge['id']} {charge['status']}, period {facts['mandate_period']}")
        step.show("transaction", f"{facts['transaction_hash']} in block {facts['block_number']}")
        step.show("wallet", f"{self._tokens(before.subscriber)} → {self._tokens(after.subscriber)}")
        step.show("merchant", f"{self._tokens(before.merchant)} → {self._tokens(after.merchant)}")
        moved = (before.subscriber - after.subscriber, after.merchant - before.merchant)
        amount = int(facts["token_amount"])
        step.claim(f"{self._tokens(amount)} moved on the chain", holds=moved == (amount, amount), found=moved)

    def _charged_on_chain(self) -> list[Charged]:
        chain, contract = self.world.chain, self.world.deployed.contract
        head = self.world.backstage.call(chain.head())
        logs = self.world.backstage.call(chain.logs_in_range(0, head.number, contract_logs(contract)))
        return [event for event in decode_logs(logs) if isinstance(event, Charged)]

    def _balances(self) -> Balances:
        world = self.world
        wallet, merchant, operator = self._wallet.address, world.merchant.payout, world.stage.operator.address
        pairs = [(wallet, world.deployed.contract), (merchant, world.deployed.contract)]
        facts = world.backstage.call(token_facts(world.chain, world.deployed.token, pairs))
        [wei] = world.backstage.call(world.chain.balances([operator]))
        nonce = world.backstage.call(world.chain.nonce(operator, BlockTag.LATEST))
        return Balances(
            subscriber=facts.balances[wallet],
            merchant=facts.balances[merchant],
            operator_wei=wei,
            operator_nonce=nonce,
        )

    def _units(self, tokens: int) -> int:
        return int(tokens * 10**self.world.deployed.description.decimals)

    def _tokens(self, units: int) -> str:
        whole, rest = divmod(units, self._units(1))
        digits = f"{rest:0{self.world.deployed.description.decimals}d}".rstrip("0").ljust(2, "0")
        return f"{whole:,}.{digits} {self.world.deployed.description.symbol}"

    def _last_heard(self) -> object:
        heard = self.world.consumer.heard()
        return (heard[-1].type if heard else "nothing", self.world.consumer.refused[-3:])


def _day(unix: int) -> str:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _ether(wei: int) -> str:
    return f"{wei / 10**18:.9f} ETH"


def _why(invoice: Json, intent: Json) -> str:
    reason = intent["status_reason"]
    return f"invoice {invoice['status']}, intent {intent['status']} because of {reason['code']} {reason['evidence']}"
