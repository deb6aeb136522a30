"""Tax rates, coupons, promotion codes, discounts, invoice items and customers' balances on the wire.

Shares are shown as decimal percent, as the SDKs expect; inside they are integers.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from gateway.domain.credit import BalanceTransaction
from gateway.domain.discount import Coupon, CustomerDiscount, Discount, PromotionCode
from gateway.domain.invoice_item import InvoiceItem
from gateway.domain.period import to_unix
from gateway.domain.tax import TaxRate
from gateway.wire.common import unix
from gateway.wire.related import Related

_PPM_OF_A_PERCENT: Final = 10_000
_POINTS_OF_A_PERCENT: Final = 100


class TaxRateObject(Struct, frozen=True, kw_only=True):
    """A share that is added to amounts, or contained in them."""

    id: str
    object: Literal["tax_rate"] = "tax_rate"
    active: bool
    country: str | None
    created: int
    description: str | None
    display_name: str
    effective_percentage: float
    inclusive: bool
    jurisdiction: str | None
    jurisdiction_level: None = None
    livemode: bool
    metadata: Mapping[str, str]
    percentage: float
    rate_type: Literal["percentage"] = "percentage"
    state: str | None
    tax_type: str | None


class CouponObject(Struct, frozen=True, kw_only=True):
    """Percent or amount off."""

    id: str
    object: Literal["coupon"] = "coupon"
    amount_off: int | None
    created: int
    currency: str | None
    duration: str
    duration_in_months: int | None
    livemode: bool
    max_redemptions: int | None
    metadata: Mapping[str, str]
    name: str | None
    percent_off: float | None
    redeem_by: int | None
    times_redeemed: int
    valid: bool


class Promotion(Struct, frozen=True, kw_only=True):
    """What a code leads to."""

    coupon: str
    type: Literal["coupon"] = "coupon"


class Restrictions(Struct, frozen=True, kw_only=True):
    """There are none beyond customer, limit and expiry."""

    first_time_transaction: bool = False
    minimum_amount: None = None
    minimum_amount_currency: None = None


class PromotionCodeObject(Struct, frozen=True, kw_only=True):
    """What a customer types for a coupon."""

    id: str
    object: Literal["promotion_code"] = "promotion_code"
    active: bool
    code: str
    created: int
    customer: str | None
    expires_at: int | None
    livemode: bool
    max_redemptions: int | None
    metadata: Mapping[str, str]
    promotion: Promotion
    restrictions: Restrictions = Restrictions()
    times_redeemed: int


class DiscountSource(Struct, frozen=True, kw_only=True):
    """Where a discount comes from."""

    coupon: str
    type: Literal["coupon"] = "coupon"


class DiscountObject(Struct, frozen=True, kw_only=True):
    """A coupon applied to somebody."""

    id: str
    object: Literal["discount"] = "discount"
    customer: str
    end: int | None
    invoice: str | None = None
    invoice_item: str | None = None
    promotion_code: str | None
    source: DiscountSource
    start: int
    subscription: str | None
    subscription_item: str | None = None


class ItemPeriod(Struct, frozen=True, kw_only=True):
    """[start, end) in unix seconds."""

    end: int
    start: int


class ItemPriceDetails(Struct, frozen=True, kw_only=True):
    """Ids of what an item charges for."""

    price: str
    product: str | None


class ItemPricing(Struct, frozen=True, kw_only=True):
    """How an item's amount came about."""

    price_details: ItemPriceDetails | None
    type: Literal["price_details"] = "price_details"
    unit_amount_decimal: str | None


class InvoiceItemObject(Struct, frozen=True, kw_only=True):
    """So much more, or less, to bill."""

    id: str
    object: Literal["invoiceitem"] = "invoiceitem"
    amount: int
    currency: str
    customer: str
    date: int
    description: str | None
    discountable: bool
    discounts: Sequence[str] = ()
    invoice: str | None
    livemode: bool
    metadata: Mapping[str, str]
    period: ItemPeriod
    pricing: ItemPricing
    proration: bool
    quantity: int
    subscription: str | None
    subscription_item: str | None
    tax_rates: Sequence[TaxRateObject]
    test_clock: str | None


class BalanceTransactionObject(Struct, frozen=True, kw_only=True):
    """One change of a customer's balance."""

    id: str
    object: Literal["customer_balance_transaction"] = "customer_balance_transaction"
    amount: int
    created: int
    currency: str
    customer: str
    description: str | None
    ending_balance: int
    invoice: str | None
    livemode: bool
    metadata: Mapping[str, str]
    type: str


def tax_rate(value: TaxRate, related: Related) -> TaxRateObject:  # noqa: ARG001 - every rendering has one form
    """Render a tax rate."""
    percentage = value.percentage_ppm / _PPM_OF_A_PERCENT
    return TaxRateObject(
        id=value.id,
        active=value.active,
        country=value.country,
        created=to_unix(value.created_at),
        description=value.description,
        display_name=value.display_name,
        effective_percentage=percentage,
        inclusive=value.inclusive,
        jurisdiction=value.jurisdiction,
        livemode=value.scope.livemode,
        metadata=value.metadata,
        percentage=percentage,
        state=value.state,
        tax_type=value.tax_type,
    )


def tax_rates(ids: Sequence[str], related: Related) -> list[TaxRateObject]:
    """Render the rates that were loaded, in their order."""
    return [tax_rate(related.tax_rates[rate_id], related) for rate_id in ids if rate_id in related.tax_rates]


def coupon(value: Coupon, related: Related) -> CouponObject:  # noqa: ARG001 - as above
    """Render a coupon. `valid` says nothing of `redeem_by`: a rendering knows no time, redeeming does."""
    used_up = value.max_redemptions is not None and value.times_redeemed >= value.max_redemptions
    return CouponObject(
        id=value.id,
        amount_off=value.amount_off,
        created=to_unix(value.created_at),
        currency=value.currency,
        duration=value.duration.value,
        duration_in_months=value.duration_in_months,
        livemode=value.scope.livemode,
        max_redemptions=value.max_redemptions,
        metadata=value.metadata,
        name=value.name,
        percent_off=None if value.percent_off is None else value.percent_off / _POINTS_OF_A_PERCENT,
        redeem_by=unix(value.redeem_by),
        times_redeemed=value.times_redeemed,
        valid=not value.deleted and not used_up,
    )


def promotion_code(value: PromotionCode, related: Related) -> PromotionCodeObject:  # noqa: ARG001 - as above
    """Render a promotion code."""
    return PromotionCodeObject(
        id=value.id,
        active=value.active,
        code=value.code,
        created=to_unix(value.created_at),
        customer=value.customer_id,
        expires_at=unix(value.expires_at),
        livemode=value.scope.livemode,
        max_redemptions=value.max_redemptions,
        metadata=value.metadata,
        promotion=Promotion(coupon=value.coupon_id),
        times_redeemed=value.times_redeemed,
    )


def discount(value: Discount, customer_id: str, subscription_id: str | None) -> DiscountObject:
    """Render a discount of a customer's subscription."""
    return DiscountObject(
        id=value.id,
        customer=customer_id,
        end=unix(value.end),
        promotion_code=value.promotion_code_id,
        source=DiscountSource(coupon=value.coupon_id),
        start=to_unix(value.start),
        subscription=subscription_id,
    )


def customer_discount(value: CustomerDiscount, related: Related) -> DiscountObject:  # noqa: ARG001 - as above
    """Render what a `customer.discount.…` event is about."""
    return discount(value.discount, value.customer_id, value.subscription_id)


def invoice_item(value: InvoiceItem, related: Related) -> InvoiceItemObject:
    """Render an invoice item."""
    price = related.prices.get(value.price_id or "")
    details = None
    if value.price_id is not None:
        details = ItemPriceDetails(price=value.price_id, product=None if price is None else price.product_id)
    return InvoiceItemObject(
        id=value.id,
        amount=value.amount,
        currency=value.currency,
        customer=value.customer_id,
        date=to_unix(value.created_at),
        description=value.description,
        discountable=value.discountable,
        invoice=value.invoice_id,
        livemode=value.scope.livemode,
        metadata=value.metadata,
        period=ItemPeriod(end=to_unix(value.period_end), start=to_unix(value.period_start)),
        pricing=ItemPricing(
            price_details=details,
            unit_amount_decimal=None if value.unit_amount is None else str(value.unit_amount),
        ),
        proration=value.proration,
        quantity=value.quantity,
        subscription=value.subscription_id,
        subscription_item=value.subscription_item_id,
        tax_rates=tax_rates(value.tax_rate_ids, related),
        test_clock=value.test_clock_id,
    )


def balance_transaction(value: BalanceTransaction, related: Related) -> BalanceTransactionObject:  # noqa: ARG001 - as above
    """Render a change of a customer's balance."""
    return BalanceTransactionObject(
        id=value.id,
        amount=value.amount,
        created=to_unix(value.created_at),
        currency=value.currency,
        customer=value.customer_id,
        description=value.description,
        ending_balance=value.ending_balance,
        invoice=value.invoice_id,
        livemode=value.scope.livemode,
        metadata=value.metadata,
        type=value.type.value,
    )
