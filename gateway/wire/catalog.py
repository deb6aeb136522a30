"""Customers, products, prices, payment methods and the account on the wire."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from chain.checksum import checksum
from gateway.domain.catalog import Account, Customer, PaymentMethod, Price, Product
from gateway.domain.period import to_unix
from gateway.wire.common import symbol
from gateway.wire.related import Related

ERC20_ALLOWANCE: Final = "erc20_allowance"
"""The one type of payment method: a wallet that allows our contract to pull a token."""


class AccountProfile(Struct, frozen=True, kw_only=True):
    """The part of a business that payers see."""

    name: str


class AccountObject(Struct, frozen=True, kw_only=True):
    """A merchant."""

    id: str
    object: Literal["account"] = "account"
    business_profile: AccountProfile
    charges_enabled: bool = True
    created: int
    default_currency: str = "usd"
    payout_address: str
    type: Literal["standard"] = "standard"


class CustomerInvoiceSettings(Struct, frozen=True, kw_only=True):
    """How a customer's invoices are paid unless a subscription says otherwise."""

    default_payment_method: str | None


class CustomerObject(Struct, frozen=True, kw_only=True):
    """Who subscribes."""

    id: str
    object: Literal["customer"] = "customer"
    balance: int
    created: int
    currency: str | None
    default_payment_method: str | None
    description: str | None
    email: str | None
    invoice_settings: CustomerInvoiceSettings
    livemode: bool
    metadata: Mapping[str, str]
    name: str | None
    phone: str | None
    test_clock: str | None


class ProductObject(Struct, frozen=True, kw_only=True):
    """What is sold."""

    id: str
    object: Literal["product"] = "product"
    active: bool
    created: int
    default_price: str | None
    description: str | None
    images: Sequence[str] = ()
    livemode: bool
    marketing_features: Sequence[str] = ()
    metadata: Mapping[str, str]
    name: str
    purchase_type: Literal["recurring"] = "recurring"
    type: Literal["service"] = "service"
    trial_period_days: int | None
    updated: int


class Recurring(Struct, frozen=True, kw_only=True):
    """How often a price is billed."""

    interval: str
    interval_count: int
    meter: str | None
    usage_type: Literal["licensed", "metered"]


class PriceObject(Struct, frozen=True, kw_only=True):
    """How much, and how often."""

    id: str
    object: Literal["price"] = "price"
    active: bool
    billing_scheme: Literal["per_unit"] = "per_unit"
    created: int
    currency: str
    livemode: bool
    lookup_key: str | None
    metadata: Mapping[str, str]
    nickname: str | None
    product: str
    recurring: Recurring | None
    type: Literal["recurring", "one_time"]
    unit_amount: int
    unit_amount_decimal: str


class PlanObject(Struct, frozen=True, kw_only=True):
    """A recurring price as clients from before prices read it."""

    id: str
    object: Literal["plan"] = "plan"
    active: bool
    amount: int
    amount_decimal: str
    billing_scheme: Literal["per_unit"] = "per_unit"
    created: int
    currency: str
    interval: str
    interval_count: int
    livemode: bool
    metadata: Mapping[str, str]
    nickname: str | None
    product: str
    meter: str | None
    usage_type: Literal["licensed", "metered"]


class Erc20Allowance(Struct, frozen=True, kw_only=True):
    """The wallet, the token it pays with, and our contract as its spender.

    `allowance` and `balance` count base units as they were at `checked_at`; `renewals_left` says for how many renewals
    of this merchant's subscriptions the allowance lasts.
    """

    chain_id: int
    token: str
    symbol: str | None
    owner: str
    spender: str
    allowance: str | None
    balance: str | None
    renewals_left: int | None
    checked_at: int | None


class BillingDetails(Struct, frozen=True, kw_only=True):
    """Known from the customer only: a wallet tells nothing about its owner."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None


class PaymentMethodObject(Struct, frozen=True, kw_only=True):
    """A wallet that pays."""

    id: str
    object: Literal["payment_method"] = "payment_method"
    billing_details: BillingDetails = BillingDetails()
    created: int
    customer: str | None
    erc20_allowance: Erc20Allowance
    livemode: bool
    metadata: Mapping[str, str]
    type: Literal["erc20_allowance"] = "erc20_allowance"


def account(value: Account, _related: Related) -> AccountObject:
    """Render a merchant."""
    return AccountObject(
        id=value.id,
        business_profile=AccountProfile(name=value.name),
        created=to_unix(value.created_at),
        payout_address=checksum(value.payout_address),
    )


def customer(value: Customer, _related: Related) -> CustomerObject:
    """Render a customer; its default method stands at the top level too, where Frame's clients look."""
    return CustomerObject(
        id=value.id,
        balance=value.balance,
        currency=value.balance_currency,
        created=to_unix(value.created_at),
        default_payment_method=value.default_payment_method_id,
        description=value.description,
        email=value.email,
        invoice_settings=CustomerInvoiceSettings(default_payment_method=value.default_payment_method_id),
        livemode=value.scope.livemode,
        metadata=value.metadata,
        name=value.name,
        phone=value.phone,
        test_clock=value.test_clock_id,
    )


def product(value: Product, _related: Related) -> ProductObject:
    """Render a product."""
    return ProductObject(
        id=value.id,
        active=value.active,
        created=to_unix(value.created_at),
        default_price=value.default_price_id,
        description=value.description,
        livemode=value.scope.livemode,
        metadata=value.metadata,
        name=value.name,
        trial_period_days=value.trial_period_days,
        updated=to_unix(value.updated_at),
    )


def _usage_type(value: Price) -> Literal["licensed", "metered"]:
    return "licensed" if value.meter_id is None else "metered"


def price(value: Price, _related: Related) -> PriceObject:
    """Render a price."""
    interval = value.interval
    return PriceObject(
        id=value.id,
        active=value.active,
        created=to_unix(value.created_at),
        currency=value.currency,
        livemode=value.scope.livemode,
        lookup_key=value.lookup_key,
        metadata=value.metadata,
        nickname=value.nickname,
        product=value.product_id,
        recurring=None
        if interval is None
        else Recurring(
            interval=interval.unit.value,
            interval_count=interval.count,
            meter=value.meter_id,
            usage_type=_usage_type(value),
        ),
        type="one_time" if interval is None else "recurring",
        unit_amount=value.unit_amount,
        unit_amount_decimal=str(value.unit_amount),
    )


def plan(value: Price) -> PlanObject | None:
    """Render a recurring price in the older form; None for a one-time price."""
    if value.interval is None:
        return None
    return PlanObject(
        id=value.id,
        active=value.active,
        amount=value.unit_amount,
        amount_decimal=str(value.unit_amount),
        created=to_unix(value.created_at),
        currency=value.currency,
        interval=value.interval.unit.value,
        interval_count=value.interval.count,
        meter=value.meter_id,
        usage_type=_usage_type(value),
        livemode=value.scope.livemode,
        metadata=value.metadata,
        nickname=value.nickname,
        product=value.product_id,
    )


def erc20_allowance(value: PaymentMethod, related: Related) -> Erc20Allowance:
    """Render what a payment method is about."""
    found = value.standing
    return Erc20Allowance(
        chain_id=value.chain_id,
        token=checksum(value.token),
        symbol=symbol(related, value.chain_id, value.token),
        owner=checksum(value.owner),
        spender=checksum(value.spender),
        allowance=None if found is None else str(found.allowance),
        balance=None if found is None else str(found.balance),
        renewals_left=None if found is None else found.renewals_left,
        checked_at=None if found is None else to_unix(found.checked_at),
    )


def payment_method(value: PaymentMethod, related: Related) -> PaymentMethodObject:
    """Render a payment method."""
    return PaymentMethodObject(
        id=value.id,
        created=to_unix(value.created_at),
        customer=value.customer_id,
        erc20_allowance=erc20_allowance(value, related),
        livemode=value.scope.livemode,
        metadata=value.metadata,
    )
