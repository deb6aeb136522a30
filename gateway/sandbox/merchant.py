"""The merchant's server, as far as the story needs one: the unmodified Stripe SDK, pointed at another URL.

What Stripe has no word for goes through the same client's `raw_request`. Requests that this file does not name are not
made anywhere in the story.
"""

from collections.abc import Mapping
from typing import Any, Final

import stripe

from chain.signer import DevelopmentSigner

MONTHLY_CENTS: Final = 2_500
_PAGE: Final = 100

Json = Mapping[str, Any]


class Shop:
    """What the merchant asks for; answers are plain mappings."""

    def __init__(self, key: str, api_url: str) -> None:
        """Point the SDK at a Dues server: this is the one URL that a merchant changes."""
        self._stripe = stripe.StripeClient(key, base_addresses={"api": api_url}, max_network_retries=0)

    def endpoint(self, url: str) -> Json:
        """Subscribe to all events."""
        return _plain(self._stripe.v1.webhook_endpoints.create(params={"url": url, "enabled_events": ["*"]}))

    def clock(self, frozen_time: int) -> Json:
        """Make a test clock."""
        return _plain(
            self._stripe.v1.test_helpers.test_clocks.create(params={"frozen_time": frozen_time, "name": "sandbox"})
        )

    def clock_now(self, clock_id: str) -> Json:
        """Look at a test clock."""
        return _plain(self._stripe.v1.test_helpers.test_clocks.retrieve(clock_id))

    def advance(self, clock_id: str, frozen_time: int) -> Json:
        """Ask for a later time."""
        return _plain(self._stripe.v1.test_helpers.test_clocks.advance(clock_id, params={"frozen_time": frozen_time}))

    def catalog(self) -> tuple[Json, Json]:
        """A product and its monthly price."""
        product = self._stripe.v1.products.create(params={"name": "The Quarterly Light"})
        price = self._stripe.v1.prices.create(
            params={
                "product": product.id,
                "currency": "usd",
                "unit_amount": MONTHLY_CENTS,
                "recurring": {"interval": "month"},
            }
        )
        return _plain(product), _plain(price)

    def customer(self, clock_id: str) -> Json:
        """Somebody who will subscribe, living on the test clock."""
        return _plain(
            self._stripe.v1.customers.create(
                params={"name": "Ada Byron", "email": "ada@example.com", "test_clock": clock_id}
            )
        )

    def payment_method(self, customer_id: str, *, chain_id: int, token: str, owner: str) -> Json:
        """Describe the wallet that will pay, and give it to the customer."""
        wallet = {"chain_id": chain_id, "token": token, "owner": owner}
        made = self._raw("post", "/v1/payment_methods", type="erc20_allowance", erc20_allowance=wallet)
        return _plain(self._stripe.v1.payment_methods.attach(str(made["id"]), params={"customer": customer_id}))

    def subscribe(self, customer_id: str, price_id: str, payment_method_id: str) -> Json:
        """Open a subscription; its first payment needs the wallet."""
        return _plain(
            self._stripe.v1.subscriptions.create(
                params={
                    "customer": customer_id,
                    "items": [{"price": price_id}],
                    "default_payment_method": payment_method_id,
                    "payment_behavior": "default_incomplete",
                    "expand": ["latest_invoice"],
                }
            )
        )

    def subscription(self, subscription_id: str) -> Json:
        """A subscription with its newest invoice."""
        return _plain(self._stripe.v1.subscriptions.retrieve(subscription_id, params={"expand": ["latest_invoice"]}))

    def cancel(self, subscription_id: str) -> Json:
        """End a subscription now."""
        return _plain(self._stripe.v1.subscriptions.cancel(subscription_id))

    def intent(self, intent_id: str) -> Json:
        """How an invoice gets paid."""
        return self._raw("get", f"/v1/charge_intents/{intent_id}")

    def confirm(self, intent_id: str, signature: str, permit: Json) -> Json:
        """Hand over what the wallet signed."""
        return self._raw("post", f"/v1/charge_intents/{intent_id}/confirm", signature=signature, permit=permit)

    def charge(self, charge_id: str) -> Json:
        """One attempt to collect."""
        return _plain(self._stripe.v1.charges.retrieve(charge_id))

    def charges(self) -> list[Json]:
        """Every attempt."""
        return [_plain(charge) for charge in self._stripe.v1.charges.list(params={"limit": _PAGE}).auto_paging_iter()]

    def invoices(self, subscription_id: str) -> list[Json]:
        """Every invoice of a subscription."""
        page = self._stripe.v1.invoices.list(params={"subscription": subscription_id, "limit": _PAGE})
        return [_plain(invoice) for invoice in page.auto_paging_iter()]

    def events(self) -> list[Json]:
        """Every event of the account, oldest first."""
        page = self._stripe.v1.events.list(params={"limit": _PAGE})
        return sorted((_plain(event) for event in page.auto_paging_iter()), key=lambda event: int(event["sequence"]))

    def _raw(self, method: str, path: str, **params: Any) -> Json:
        return _plain(self._stripe.deserialize(self._stripe.raw_request(method, path, **params), api_mode="V1"))


def sign_action(wallet: DevelopmentSigner, action: Json, permit_nonce: int) -> tuple[str, dict[str, Any]]:
    """What a wallet does with `next_action`: sign the mandate, and the token's permit. No transaction, no gas.

    `permit_nonce` is the wallet's next one at the token, which only the chain knows.

    Returns the signature of the mandate as hex, and the permit in the form that `confirm` takes.
    """
    asked = action["approve_allowance"]
    signature = wallet.sign_typed_data(asked["eip712"])
    message = {**asked["permit"]["message"], "nonce": str(permit_nonce)}
    permit = wallet.sign_typed_data({**asked["permit"], "message": message})
    return "0x" + signature.hex(), {
        "value": str(message["value"]),
        "deadline": int(message["deadline"]),
        "signature": "0x" + permit.hex(),
    }


def short(text: str, *, keep: int = 10) -> str:
    """A long id or hash, shortened in the middle for a person."""
    return text if len(text) <= 2 * keep else f"{text[:keep]}…{text[-6:]}"


def _plain(answer: Any) -> Json:
    plain: Json = answer.to_dict(for_json=True)
    return plain
