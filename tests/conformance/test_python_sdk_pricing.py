"""The official `stripe` package, unmodified: tax rates, coupons, promotion codes, invoice items, credit, previews."""

from tests import factories
from tests.api.desk import Desk
from tests.conformance.shop import WALLET, Shop, listening


async def test_what_changes_an_invoice_is_made_with_the_sdk(small_desk: Desk) -> None:
    async with listening(small_desk) as url:
        shop = Shop(small_desk, url)
        rate = await shop.call(
            lambda c: c.tax_rates.create({"display_name": "VAT", "percentage": 7.25, "inclusive": False})
        )
        coupon = await shop.call(
            lambda c: c.coupons.create({"percent_off": 12.5, "duration": "repeating", "duration_in_months": 3})
        )
        code = await shop.call(
            lambda c: c.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "tea"})
        )
        customer, method = await small_desk.wallet(WALLET)
        subscription = await shop.call(
            lambda c: c.subscriptions.create(
                {
                    "customer": customer["id"],
                    "items": [{"price": factories.PRICE_ID, "tax_rates": [rate.id]}],
                    "default_payment_method": method["id"],
                    "discounts": [{"promotion_code": code.id}],
                    "expand": ["latest_invoice", "discounts.source.coupon"],
                }
            )
        )
        assert (rate.percentage, coupon.percent_off, code.code) == (7.25, 12.5, "TEA")
        assert subscription.discounts[0].source.coupon.times_redeemed == 1
        invoice = subscription.latest_invoice
        assert (invoice.subtotal, invoice.total) == (1000, 938)  # 875 and 7.25 % of it: 63.4375
        assert (invoice.total_taxes[0].amount, invoice.lines.data[0].discount_amounts[0].amount) == (63, 125)
        item = await shop.call(
            lambda c: c.invoice_items.create({"customer": customer["id"], "amount": -200, "currency": "usd"})
        )
        credit = await shop.call(
            lambda c: c.customers.balance_transactions.create(customer["id"], {"amount": -100, "currency": "usd"})
        )
        preview = await shop.call(lambda c: c.invoices.create_preview({"subscription": subscription.id}))
        assert (item.amount, credit.ending_balance) == (-200, -100)
        assert (preview.total, preview.amount_due) == (738, 638)
        assert (await shop.call(lambda c: c.coupons.delete(coupon.id))).deleted is True
        assert (await shop.call(lambda c: c.invoice_items.delete(item.id))).deleted is True
