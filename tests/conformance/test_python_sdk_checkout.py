"""Checkout sessions by the official `stripe` package, unmodified."""

import pytest
import stripe

from tests import factories
from tests.conformance.shop import Shop


async def test_MX_13_PM_16_the_sdk_makes_finds_lists_and_ends_sessions(small_shop: Shop) -> None:
    made = await small_shop.call(
        lambda c: c.checkout.sessions.create(
            {
                "mode": "subscription",
                "line_items": [{"price": factories.PRICE_ID, "quantity": 2}],
                "success_url": "https://shop.example/thanks?session_id={CHECKOUT_SESSION_ID}",
                "cancel_url": "https://shop.example/",
                "client_reference_id": "order-1",
                "metadata": {"cart": "7"},
                "subscription_data": {"metadata": {"plan": "tea"}, "trial_period_days": 7},
                "allow_promotion_codes": True,
            }
        )
    )
    assert isinstance(made, stripe.checkout.Session)
    assert (made.status, made.payment_status, made.metadata["cart"]) == ("open", "unpaid", "7")
    assert made.url.startswith("http://localhost/checkout/")
    found = await small_shop.call(lambda c: c.checkout.sessions.retrieve(made.id, {"expand": ["subscription"]}))
    assert (found.id, found.subscription) == (made.id, None)
    [item] = (await small_shop.call(lambda c: c.checkout.sessions.line_items.list(made.id))).data
    assert (item.quantity, item.amount_subtotal, item.price.id) == (2, 2000, factories.PRICE_ID)
    [listed] = (await small_shop.call(lambda c: c.checkout.sessions.list({"status": "open"}))).data
    assert listed.id == made.id
    ended = await small_shop.call(lambda c: c.checkout.sessions.expire(made.id))
    assert (ended.status, ended.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await small_shop.call(lambda c: c.checkout.sessions.expire(made.id))
    assert refused.value.code == "checkout_session_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError, match="No such checkout"):
        await small_shop.call(lambda c: c.checkout.sessions.line_items.list("cs_none"))
