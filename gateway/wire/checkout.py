"""Checkout sessions on the wire, in the shape of the Stripe SDKs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from gateway.domain.checkout import CheckoutSession, CustomField, FieldKind, Mode, Status
from gateway.domain.period import to_unix
from gateway.wire import catalog
from gateway.wire.common import Reason, reason, unix
from gateway.wire.related import Related

_LENGTHS: Final = frozenset({FieldKind.TEXT, FieldKind.NUMERIC})


class AutomaticTax(Struct, frozen=True, kw_only=True):
    """There is no tax engine here: tax rates are given."""

    enabled: bool = False
    liability: None = None
    status: None = None


class FieldLabel(Struct, frozen=True, kw_only=True):
    """What the payer is asked."""

    custom: str
    type: Literal["custom"] = "custom"


class FieldText(Struct, frozen=True, kw_only=True):
    """Limits and answer of a text or numeric field; `value` alone of a hidden one."""

    default_value: str | None = None
    maximum_length: int | None = None
    minimum_length: int | None = None
    value: str | None


class FieldOption(Struct, frozen=True, kw_only=True):
    """One choice."""

    label: str
    value: str


class FieldDropdown(Struct, frozen=True, kw_only=True):
    """Choices and answer of a dropdown."""

    default_value: str | None
    options: Sequence[FieldOption]
    value: str | None


class CustomFieldObject(Struct, frozen=True, kw_only=True):
    """Something that the merchant asks on the page, or hands through it hidden (SX-16, SX-22)."""

    key: str
    dropdown: FieldDropdown | None
    hidden: FieldText | None
    label: FieldLabel
    numeric: FieldText | None
    optional: bool
    text: FieldText | None
    type: Literal["text", "numeric", "dropdown", "hidden"]


class CustomerDetails(Struct, frozen=True, kw_only=True):
    """Who pays, as far as the page knows."""

    address: None = None
    email: str | None
    name: None = None
    phone: None = None
    tax_exempt: Literal["none"] = "none"
    tax_ids: Sequence[str] = ()


class SessionDiscount(Struct, frozen=True, kw_only=True):
    """What reduces the price."""

    coupon: str | None
    promotion_code: str | None


class TotalDetails(Struct, frozen=True, kw_only=True):
    """Parts of the total."""

    amount_discount: int
    amount_shipping: int = 0
    amount_tax: int


class CheckoutSessionObject(Struct, frozen=True, kw_only=True):
    """One way to one subscription. `url` is where the payer goes, as long as it is open."""

    id: str
    object: Literal["checkout.session"] = "checkout.session"
    after_expiration: None = None
    allow_promotion_codes: bool
    amount_subtotal: int | None
    amount_total: int | None
    automatic_tax: AutomaticTax
    billing_address_collection: None = None
    cancel_url: str | None
    client_reference_id: str | None
    client_secret: None = None
    completed_at: int | None
    consent: None = None
    created: int
    currency: str | None
    custom_fields: Sequence[CustomFieldObject]
    customer: str | None
    customer_details: CustomerDetails | None
    customer_email: str | None
    discounts: Sequence[SessionDiscount]
    expires_at: int
    invoice: str | None
    livemode: bool
    locale: str | None
    metadata: Mapping[str, str]
    mode: Literal["subscription", "setup"]
    payment_intent: None = None
    payment_link: None = None
    payment_method_types: Sequence[str] = (catalog.ERC20_ALLOWANCE,)
    payment_status: Literal["paid", "unpaid", "no_payment_required"]
    setup_intent: str | None
    shipping_address_collection: None = None
    status: Literal["open", "complete", "expired"]
    status_reason: Reason
    submit_type: None = None
    subscription: str | None
    success_url: str
    total_details: TotalDetails
    ui_mode: Literal["hosted"] = "hosted"
    url: str | None


class LineItemObject(Struct, frozen=True, kw_only=True):
    """So many of a price, as they are called on the page; discounts and taxes are the session's."""

    id: str
    object: Literal["item"] = "item"
    amount_subtotal: int
    currency: str
    description: str
    price: catalog.PriceObject
    quantity: int


def line_items(value: CheckoutSession, related: Related) -> list[LineItemObject]:
    """Render what a session sells; `related` has the prices."""
    return [
        LineItemObject(
            id=f"{value.id.replace('cs_', 'li_')}_{index}",
            amount_subtotal=line.amount,
            currency=value.offer.currency,
            description=line.description,
            price=catalog.price(related.prices[line.price_id], related),
            quantity=line.quantity,
        )
        for index, line in enumerate(value.offer.lines)
    ]


def page_path(session: CheckoutSession) -> str:
    """Path of the page; whoever knows it may act as the payer."""
    return f"/checkout/{session.id}/{session.token}"


def checkout_session(value: CheckoutSession, related: Related) -> CheckoutSessionObject:
    """Render a session.

    Amounts are those of the first charge; a code that the payer entered counts once a wallet is connected.
    """
    offer, draft = value.offer, value.draft
    is_sale = value.mode is Mode.SUBSCRIPTION
    discount = offer.discount if draft is None else draft.discount
    total = offer.total if draft is None else draft.total
    known = value.email is not None or value.customer_id is not None
    entered = () if value.promotion_code_id is None else (value.promotion_code_id,)
    return CheckoutSessionObject(
        id=value.id,
        allow_promotion_codes=offer.allow_promotion_codes,
        amount_subtotal=offer.subtotal if is_sale else None,
        amount_total=total if is_sale else None,
        automatic_tax=AutomaticTax(),
        cancel_url=value.cancel_url,
        client_reference_id=value.client_reference_id,
        completed_at=unix(value.completed_at),
        created=to_unix(value.created_at),
        currency=offer.currency or None,
        custom_fields=[_field(field, value.answers.get(field.key)) for field in offer.custom_fields],
        customer=value.customer_id,
        customer_details=CustomerDetails(email=value.email) if known else None,
        customer_email=value.email if value.is_email_given and value.customer_id is None else None,
        discounts=[
            *(SessionDiscount(coupon=coupon, promotion_code=None) for coupon in offer.coupon_ids),
            *(SessionDiscount(coupon=None, promotion_code=code) for code in (*offer.promotion_code_ids, *entered)),
        ],
        expires_at=to_unix(value.expires_at),
        invoice=value.invoice_id,
        livemode=value.scope.livemode,
        locale=value.locale,
        metadata=value.metadata,
        mode=value.mode.value,
        payment_status=value.payment_status.value,
        setup_intent=value.setup_intent_id,
        status=value.status.value,
        status_reason=reason(value.reason),
        subscription=value.subscription_id,
        success_url=value.success_url,
        total_details=TotalDetails(amount_discount=discount, amount_tax=offer.tax),
        url=related.public_url + page_path(value) if value.status is Status.OPEN else None,
    )


def _field(field: CustomField, answer: str | None) -> CustomFieldObject:
    limits: dict[str, Any] = {"value": answer}
    if field.kind in _LENGTHS:
        limits |= {
            "default_value": field.value,
            "maximum_length": field.length_max,
            "minimum_length": field.length_min,
        }
    texts = {kind: FieldText(**limits) if field.kind is kind else None for kind in _LENGTHS}
    options = [FieldOption(label=option.label, value=option.value) for option in field.options]
    is_dropdown, is_hidden = field.kind is FieldKind.DROPDOWN, field.kind is FieldKind.HIDDEN
    return CustomFieldObject(
        key=field.key,
        dropdown=FieldDropdown(default_value=field.value, options=options, value=answer) if is_dropdown else None,
        hidden=FieldText(value=field.value) if is_hidden else None,
        label=FieldLabel(custom=field.label),
        numeric=texts[FieldKind.NUMERIC],
        optional=field.optional,
        text=texts[FieldKind.TEXT],
        type=field.kind.value,
    )
