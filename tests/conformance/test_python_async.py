"""The asynchronous client of the official `stripe` package, unmodified: the main flow, lists, errors, deliveries."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
import stripe

from gateway.db.engine import Books
from tests import factories
from tests.api.desk import Desk
from tests.conformance.peer import Peer
from tests.conformance.shop import WALLET, listening

# The SDK gives httpx raw bytes under an old name.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
async def today(sqlite_books: Books) -> AsyncIterator[Desk]:
    async with Desk.opened(sqlite_books, now=datetime.now(UTC).replace(microsecond=0)) as opened:
        yield opened


@contextlib.asynccontextmanager
async def calling(url: str, key: str) -> AsyncIterator[Any]:
    http = stripe.HTTPXClient(allow_sync_methods=False)
    yield stripe.StripeClient(key, base_addresses={"api": url}, http_client=http, max_network_retries=0).v1
    await http.close_async()


async def test_ST_09_SX_23_the_async_client_runs_the_main_flow(today: Desk) -> None:
    house = today.house
    async with listening(today) as url, calling(url, today.key) as c:
        product = await c.products.create_async({"name": "Tea"})
        price = await c.prices.create_async(
            {"product": product.id, "currency": "usd", "unit_amount": 700, "recurring": {"interval": "month"}}
        )
        customer = await c.customers.create_async({"email": "ada@example.com"})
        method = await c.payment_methods.create_async(Desk.wallet_body(WALLET))
        await c.payment_methods.attach_async(method.id, {"customer": customer.id})
        made = await c.subscriptions.create_async(
            {
                "customer": customer.id,
                "items": [{"price": price.id}],
                "default_payment_method": method.id,
                "payment_behavior": "default_incomplete",
                "expand": ["latest_invoice.payments.data.payment.payment_intent"],
            }
        )
        house.chain.fund(factories.TOKEN, WALLET.address, balance=10_000_000, allowance=10**9)
        intent = made.latest_invoice.payments.data[0].payment.payment_intent
        typed = intent.next_action["approve_allowance"]["eip712"].to_dict()
        await c.payment_intents.confirm_async(intent.id, {"signature": "0x" + WALLET.sign_typed_data(typed).hex()})
        await house.pump()
        active = await c.subscriptions.retrieve_async(made.id, {"expand": ["latest_invoice.charge"]})
        assert (active.status, active.latest_invoice.status) == ("active", "paid")

        refund = await c.refunds.create_async({"charge": active.latest_invoice.charge.id, "amount": 300})
        assert (refund.status, (await c.refunds.cancel_async(refund.id)).status) == ("requires_action", "canceled")

        await house.go_to(datetime.fromtimestamp(active.current_period_end, UTC))
        await house.go_to(house.now + house.gateway.finalization_delay)
        owed = await c.subscriptions.retrieve_async(made.id)
        with pytest.raises(stripe.CardError) as declined:
            await c.invoices.pay_async(owed.latest_invoice)
        assert (declined.value.http_status, owed.status) == (402, "past_due")
        assert declined.value.json_body["error"]["decline_code"] == "insufficient_balance"
        house.chain.fund(factories.TOKEN, WALLET.address, balance=10_000_000, allowance=10**9)
        house.chain.mine(timestamp=house.chain.head_timestamp + 1)
        await c.invoices.pay_async(owed.latest_invoice)
        await house.pump()
        assert (await c.invoices.retrieve_async(owed.latest_invoice)).status == "paid"
        assert (await c.subscriptions.cancel_async(made.id)).status == "canceled"


async def test_the_async_client_pages_replays_and_raises_each_class_of_error(today: Desk) -> None:
    async with listening(today) as url, calling(url, today.key) as c:
        made = [(await c.customers.create_async({"name": f"n{n}"})).id for n in range(5)]
        page = await c.customers.list_async({"limit": 2})
        assert [each.id async for each in page.auto_paging_iter()] == made[::-1]
        back = await c.customers.list_async({"limit": 2, "ending_before": made[0]})
        assert [each.id async for each in back.auto_paging_iter()] == made[1:]

        first = await c.customers.create_async({"name": "Eve"}, {"idempotency_key": "one"})
        again = await c.customers.create_async({"name": "Eve"}, {"idempotency_key": "one"})
        assert (again.id, again.last_response.headers["idempotent-replayed"]) == (first.id, "true")
        with pytest.raises(stripe.IdempotencyError):
            await c.customers.create_async({"name": "Mallory"}, {"idempotency_key": "one"})
        with pytest.raises(stripe.InvalidRequestError) as missing:
            await c.customers.retrieve_async("cus_x")
        assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
        async with calling(url, "sk_test_" + "x" * 36) as stranger:
            with pytest.raises(stripe.AuthenticationError):
                await stranger.customers.list_async()
    async with calling("http://127.0.0.1:9", today.key) as nowhere:
        with pytest.raises(stripe.APIConnectionError):
            await nowhere.customers.list_async()


async def test_FR_33_both_python_libraries_verify_deliveries_while_a_secret_rotates(today: Desk) -> None:
    peer = Peer(today)
    async with listening(today) as url, calling(url, today.key) as c:
        endpoint = await c.webhook_endpoints.create_async(
            {"url": "https://shop.example/hook", "enabled_events": ["customer.created"]}
        )
        rotated = await today.made(f"/v1/webhook_endpoints/{endpoint.id}/rotate_secret")
        await c.customers.create_async({"name": "Ada"})
    [sent] = (await peer._deliveries({}))["deliveries"]
    assert endpoint.secret != rotated["secret"]
    for secret in (rotated["secret"], endpoint.secret):
        event = stripe.Webhook.construct_event(sent["body"], sent["headers"]["stripe-signature"], secret)
        assert (event.type, event.data.object.name) == ("customer.created", "Ada")
        assert standardwebhooks.Webhook(secret).verify(sent["body"], sent["headers"])["id"] == event.id
    changed = sent["body"].replace("Ada", "Eve")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(changed, sent["headers"]["stripe-signature"], rotated["secret"])
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(rotated["secret"]).verify(changed, sent["headers"])
