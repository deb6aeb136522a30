"""The official `stripe` package, unmodified, against a really listening server: change one URL."""

import asyncio
from typing import Any

import pytest
import stripe

from gateway.domain.api_key import KeyKind
from tests import factories
from tests.api.desk import Desk
from tests.conformance.shop import WALLET, Shop
from tests.services.house import signer


async def test_MX_14_MX_15_ST_09_SX_23_C02_the_main_flow_up_to_the_wallet(shop: Shop) -> None:
    product = await shop.call(lambda c: c.products.create({"name": "Tea", "metadata": {"shelf": "3"}}))
    price = await shop.call(
        lambda c: c.prices.create(
            {"product": product.id, "currency": "usd", "unit_amount": 700, "recurring": {"interval": "month"}}
        )
    )
    customer = await shop.call(lambda c: c.customers.create({"email": "ada@example.com", "name": "Ada"}))
    method = await shop.call(lambda c: c.payment_methods.create(Desk.wallet_body(WALLET)))
    await shop.call(lambda c: c.payment_methods.attach(method.id, {"customer": customer.id}))
    await shop.call(
        lambda c: c.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    )
    subscription = await shop.call(
        lambda c: c.subscriptions.create(
            {
                "customer": customer.id,
                "items": [{"price": price.id, "quantity": 2}],
                "payment_behavior": "default_incomplete",
                "expand": ["latest_invoice.payments.data.payment.payment_intent", "latest_invoice.confirmation_secret"],
            }
        )
    )
    invoice = subscription.latest_invoice
    intent = invoice.payments.data[0].payment.payment_intent
    assert (subscription.status, invoice.status, intent.status) == ("incomplete", "open", "requires_action")
    assert (invoice.amount_due, invoice.paid, intent.amount) == (1400, False, 1400)
    assert subscription["items"].data[0].current_period_end == subscription.current_period_end
    assert invoice.payment_intent == invoice.charge_intent == subscription.latest_charge_intent == intent.id
    assert invoice.confirmation_secret.client_secret == intent.client_secret

    document = intent.next_action["approve_allowance"]["eip712"].to_dict()
    confirmed = await shop.call(
        lambda c: c.payment_intents.confirm(intent.id, {"signature": "0x" + WALLET.sign_typed_data(document).hex()})
    )
    assert confirmed.status_reason.code == "confirmed"
    mandate = await shop.call(lambda c: c.mandates.retrieve(subscription.mandate))
    assert mandate.status == "signed"
    assert mandate.terms.amount == "14000000"


async def test_ST_12_ST_28_FR_21_the_subscription_is_active_when_the_money_is_final(small_shop: Shop) -> None:
    house = small_shop.desk.house
    made = await small_shop.desk.subscription(WALLET, expand=["latest_invoice.charge_intent"])
    house.chain.fund(factories.TOKEN, WALLET.address, balance=10**9, allowance=10**9)
    intent = made["latest_invoice"]["charge_intent"]
    document = intent["next_action"]["approve_allowance"]["eip712"]
    signature = "0x" + WALLET.sign_typed_data(document).hex()
    answer = await small_shop.desk.post(f"/v1/charge_intents/{intent['id']}/confirm", {"signature": signature})
    assert answer.status_code == 200, answer.text
    assert "collection" in small_shop.desk.rung
    await house.pump()
    subscription = await small_shop.call(
        lambda c: c.subscriptions.retrieve(made["id"], {"expand": ["latest_invoice.charge"]})
    )
    assert (subscription.status, subscription.latest_invoice.status) == ("active", "paid")
    assert subscription.latest_invoice.charge.paid is True
    assert subscription.latest_invoice.charge.transaction_hash.startswith("0x")
    paid = await small_shop.call(lambda c: c.payment_intents.retrieve(intent["id"]))
    assert (paid.object, paid.status, paid.amount_received) == ("payment_intent", "succeeded", 1000)


async def test_what_is_ours_is_reached_by_raw_requests(small_shop: Shop) -> None:
    made = await small_shop.desk.subscription(WALLET)
    client = stripe.StripeClient(small_shop.desk.key, base_addresses={"api": small_shop.url})
    answer = await asyncio.to_thread(client.raw_request, "get", f"/v1/charge_intents/{made['latest_charge_intent']}")
    intent = client.deserialize(answer, api_mode="V1")
    assert (intent.object, intent.status) == ("charge_intent", "requires_action")


async def test_a_signature_of_somebody_else_is_refused(small_shop: Shop) -> None:
    made = await small_shop.desk.subscription(WALLET, expand=["latest_invoice.charge_intent"])
    intent = made["latest_invoice"]["charge_intent"]
    document = intent["next_action"]["approve_allowance"]["eip712"]
    before = await small_shop.desk.rows()
    for signature, code in (
        ("0x" + signer(8).sign_typed_data(document).hex(), "signature_invalid"),
        ("0x1234", "signature_malformed"),
        ("zz12", "hex_invalid"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await small_shop.call(
                lambda c, signature=signature: c.payment_intents.confirm(intent["id"], {"signature": signature})
            )
        assert (refused.value.code, refused.value.param) == (code, "signature")
    assert await small_shop.desk.rows() == before


async def test_auto_paging_reads_the_whole_list_in_both_directions(small_shop: Shop) -> None:
    made = [(await small_shop.desk.made("/v1/customers"))["id"] for _ in range(7)]
    found = await small_shop.call(lambda c: [e.id for e in c.customers.list({"limit": 2}).auto_paging_iter()])
    assert found == made[::-1]
    back = await small_shop.call(
        lambda c: [e.id for e in c.customers.list({"limit": 2, "ending_before": made[0]}).auto_paging_iter()]
    )
    assert back == made[1:]


async def test_a_repeated_key_is_replayed_to_the_sdk(small_shop: Shop) -> None:
    def create(client: Any) -> Any:
        return client.customers.create({"name": "Ada"}, {"idempotency_key": "k1"})

    first, again = await small_shop.call(create), await small_shop.call(create)
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        await small_shop.call(lambda c: c.customers.create({"name": "Eve"}, {"idempotency_key": "k1"}))


async def test_each_class_of_error_reaches_the_sdk(small_shop: Shop) -> None:
    desk = small_shop.desk
    with pytest.raises(stripe.AuthenticationError) as unknown:
        await small_shop.call(lambda c: c.customers.list(), key="sk_test_" + "x" * 36)
    assert unknown.value.http_status == 401
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await small_shop.call(lambda c: c.customers.retrieve("cus_x"))
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    assert str(missing.value.user_message) == "No such customer: 'cus_x'"
    assert missing.value.request_id.startswith("req_")
    with pytest.raises(stripe.InvalidRequestError) as invalid:
        await small_shop.call(lambda c: c.customers.create({"nickname": "x"}))
    assert (invalid.value.http_status, invalid.value.param) == (400, "nickname")
    publishable = await desk.minted(kind=KeyKind.PUBLISHABLE)
    with pytest.raises(stripe.PermissionError):
        await small_shop.call(lambda c: c.customers.list(), key=publishable)


async def test_subscriptions_are_changed_and_ended(small_shop: Shop) -> None:
    made = await small_shop.desk.subscription(WALLET)
    changed = await small_shop.call(
        lambda c: c.subscriptions.update(made["id"], {"cancel_at_period_end": True, "metadata": {"order": "6735"}})
    )
    assert (changed.cancel_at_period_end, changed.cancel_at) == (True, changed.current_period_end)
    ended = await small_shop.call(lambda c: c.subscriptions.cancel(made["id"]))
    assert (ended.status, ended.cancellation_details.reason) == ("canceled", "merchant")
    with pytest.raises(stripe.InvalidRequestError) as frozen:
        await small_shop.call(lambda c: c.subscriptions.update(made["id"], {"metadata": {"a": "b"}}))
    assert frozen.value.code == "subscription_canceled"


async def test_invoices_are_voided_and_written_off_by_hand(small_shop: Shop) -> None:
    first, second = await small_shop.desk.subscription(WALLET), await small_shop.desk.subscription(signer(8))
    void = await small_shop.call(lambda c: c.invoices.void_invoice(first["latest_invoice"]))
    assert void.status == "void"
    expired = await small_shop.call(lambda c: c.subscriptions.retrieve(first["id"]))
    assert expired.status == "incomplete_expired"
    written_off = await small_shop.call(lambda c: c.invoices.mark_uncollectible(second["latest_invoice"]))
    assert written_off.status == "uncollectible"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await small_shop.call(lambda c: c.invoices.finalize_invoice(second["latest_invoice"]))
    assert refused.value.code == "invoice_unexpected_state"


async def test_webhook_endpoints_and_test_clocks_are_managed(small_shop: Shop) -> None:
    endpoint = await small_shop.call(
        lambda c: c.webhook_endpoints.create({"url": "https://example.com/h", "enabled_events": ["invoice.paid"]})
    )
    assert endpoint.secret.startswith("whsec_")
    changed = await small_shop.call(lambda c: c.webhook_endpoints.update(endpoint.id, {"disabled": True}))
    assert changed.status == "disabled"
    gone = await small_shop.call(lambda c: c.webhook_endpoints.delete(endpoint.id))
    assert gone.deleted is True
    start = int(small_shop.desk.house.now.timestamp())
    clock = await small_shop.call(lambda c: c.test_helpers.test_clocks.create({"frozen_time": start, "name": "a year"}))
    assert (clock.status, clock.frozen_time) == ("ready", start)
    advanced = await small_shop.call(
        lambda c: c.test_helpers.test_clocks.advance(clock.id, {"frozen_time": start + 86_400})
    )
    assert advanced.status == "advancing"
    assert "clocks" in small_shop.desk.rung


async def test_a_customer_lives_in_the_time_of_its_clock(small_shop: Shop) -> None:
    later = int(small_shop.desk.house.now.timestamp()) + 30 * 86_400
    clock = await small_shop.call(lambda c: c.test_helpers.test_clocks.create({"frozen_time": later}))
    customer = await small_shop.call(lambda c: c.customers.create({"test_clock": clock.id}))
    assert (customer.created, customer.test_clock) == (later, clock.id)
    subscription = await small_shop.call(
        lambda c: c.subscriptions.create(
            {
                "customer": customer.id,
                "items": [{"price": factories.PRICE_ID}],
                "payment_behavior": "default_incomplete",
            }
        )
    )
    assert (subscription.current_period_start, subscription.test_clock) == (later, clock.id)
