"""`/v1/checkout/sessions`: pages that ask wallets for subscriptions."""

import re
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from gateway.api.endpoint import Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Id, Metadata, Text, Word, metadata
from gateway.api.forms import Params
from gateway.api.pagination import LIMIT_DEFAULT, LIMIT_MAX, ListParams, UnixTime
from gateway.api.urls import merchant_url
from gateway.db import catalog, checkout_sessions
from gateway.db.pages import Page
from gateway.domain import metadata as merchant_metadata
from gateway.domain.checkout import KIND, CheckoutSession, CustomField, FieldKind, LineItem, Mode, Offer, Option, Status
from gateway.domain.destination import URL_LENGTH_MAX
from gateway.domain.errors import InvalidRequest, NotFound
from gateway.domain.period import from_unix
from gateway.services import checkout as services
from gateway.services import tax_rates, times
from gateway.services.catalog import check_email
from gateway.services.checkout import NewSession
from gateway.wire.checkout import CheckoutSessionObject, LineItemObject, line_items
from gateway.wire.related import Related

_RINGS: Final = ("webhooks",)
_KEY: Final = re.compile(r"[a-zA-Z0-9_-]{1,40}")
LOCALES: Final = re.compile(r"auto|[a-z]{2,3}(-[A-Za-z0-9]{2,4})?")
_FIELDS_MAX: Final = 10
_ANSWER_MAX: Final = 255

Url = Annotated[str, Meta(min_length=1, max_length=URL_LENGTH_MAX)]
Label = Annotated[str, Meta(min_length=1, max_length=100)]


class LineItemParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many of a price."""

    price: Id
    quantity: int = 1
    tax_rates: list[Id] | None = None


class DiscountParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A coupon, or a promotion code by its id."""

    coupon: Id | None = None
    promotion_code: Id | None = None


class LabelParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the payer is asked."""

    custom: Label
    type: Literal["custom"] = "custom"


class TextParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of an answer."""

    default_value: Annotated[str, Meta(max_length=_ANSWER_MAX)] | None = None
    minimum_length: Annotated[int, Meta(ge=0, le=_ANSWER_MAX)] = 0
    maximum_length: Annotated[int, Meta(ge=1, le=_ANSWER_MAX)] = _ANSWER_MAX


class OptionParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One choice."""

    label: Label
    value: Annotated[str, Meta(min_length=1, max_length=100)]


class DropdownParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to choose from."""

    options: list[OptionParams]
    default_value: str | None = None


class HiddenParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is handed through."""

    value: Annotated[str, Meta(max_length=_ANSWER_MAX)]


class CustomFieldParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to ask on the page; `hidden` fields are not shown. The answers become metadata of the subscription."""

    key: str
    type: Literal["text", "numeric", "dropdown", "hidden"]
    label: LabelParams | None = None
    optional: bool = False
    text: TextParams | None = None
    numeric: TextParams | None = None
    dropdown: DropdownParams | None = None
    hidden: HiddenParams | None = None


class SubscriptionDataParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the subscription will have."""

    description: Text | None = None
    metadata: Metadata = None
    default_tax_rates: list[Id] | None = None
    trial_period_days: int | None = None
    trial_end: UnixTime | None = None


class CreateSession(Params, frozen=True, kw_only=True):
    """A page for one subscription. `{CHECKOUT_SESSION_ID}` in `success_url` is replaced by the session's id."""

    mode: Literal["subscription", "setup"]
    success_url: Url
    cancel_url: Url | None = None
    line_items: list[LineItemParams] | None = None
    subscription: Id | None = None
    customer: Id | None = None
    customer_email: Word | None = None
    client_reference_id: Annotated[str, Meta(max_length=200)] | None = None
    locale: str | None = None
    metadata: Metadata = None
    allow_promotion_codes: bool = False
    discounts: list[DiscountParams] | None = None
    custom_fields: list[CustomFieldParams] | None = None
    subscription_data: SubscriptionDataParams | None = None
    payment_method_types: list[Literal["erc20_allowance"]] | None = None
    ui_mode: Literal["hosted", "hosted_page"] = "hosted"
    expires_at: UnixTime | None = None


class ListItems(Params, frozen=True, kw_only=True):
    """How many of the items, from the first on."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT


class ListSessions(ListParams, frozen=True, kw_only=True):
    """Which sessions."""

    customer: Id | None = None
    subscription: Id | None = None
    status: Literal["open", "complete", "expired"] | None = None


def _conflict(first: str, second: str) -> InvalidRequest:
    return InvalidRequest(f"Give {first} or {second}, not both.", code="parameter_conflict", param=second)


def _fields(asked: list[CustomFieldParams]) -> tuple[CustomField, ...]:
    if len(asked) > _FIELDS_MAX:
        raise InvalidRequest(
            f"custom_fields takes at most {_FIELDS_MAX} entries.", code="parameter_invalid", param="custom_fields"
        )
    fields = tuple(_field(part, f"custom_fields[{index}]") for index, part in enumerate(asked))
    keys = [field.key for field in fields]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise InvalidRequest(
                f"Key '{key}' is used twice.", code="parameter_invalid", param=f"custom_fields[{index}][key]"
            )
    return fields


def _refused(what: str, at: str) -> InvalidRequest:
    return InvalidRequest(what, code="parameter_invalid", param=at)


def _field(asked: CustomFieldParams, at: str) -> CustomField:
    if not _KEY.fullmatch(asked.key):
        raise _refused("A key has 1 to 40 letters, digits, - and _.", f"{at}[key]")
    for other in ("text", "numeric", "dropdown", "hidden"):
        if other != asked.type and getattr(asked, other) is not None:
            raise _refused(f"A field of type '{asked.type}' has no {other}.", f"{at}[{other}]")
    if asked.type == "hidden":
        if asked.hidden is None:
            raise _refused("A hidden field needs a value.", f"{at}[hidden][value]")
        return CustomField(key=asked.key, kind=FieldKind.HIDDEN, label=asked.key, value=asked.hidden.value)
    return _shown_field(asked, at)


def _shown_field(asked: CustomFieldParams, at: str) -> CustomField:
    kind = FieldKind(asked.type)
    if asked.label is None:
        raise _refused("A field that is shown needs a label.", f"{at}[label][custom]")
    plain = CustomField(key=asked.key, kind=kind, label=asked.label.custom, optional=asked.optional)
    if kind is FieldKind.DROPDOWN:
        if asked.dropdown is None or not asked.dropdown.options:
            raise _refused("A dropdown needs options.", f"{at}[dropdown][options]")
        options = tuple(Option(label=option.label, value=option.value) for option in asked.dropdown.options)
        return replace(plain, options=options, value=asked.dropdown.default_value)
    limits = (asked.text if kind is FieldKind.TEXT else asked.numeric) or TextParams()
    if limits.minimum_length > limits.maximum_length:
        raise _refused("minimum_length is above maximum_length.", f"{at}[{asked.type}][minimum_length]")
    return replace(
        plain, value=limits.default_value, length_min=limits.minimum_length, length_max=limits.maximum_length
    )


def _offer(body: CreateSession) -> Offer:
    about = body.subscription_data or SubscriptionDataParams()
    if about.trial_end is not None and about.trial_period_days is not None:
        raise _conflict("subscription_data[trial_end]", "subscription_data[trial_period_days]")
    if body.allow_promotion_codes and body.discounts:
        raise _conflict("discounts", "allow_promotion_codes")
    for index, discount in enumerate(body.discounts or ()):
        if (discount.coupon is None) == (discount.promotion_code is None):
            raise InvalidRequest(
                "Give exactly one of coupon and promotion_code.", code="parameter_conflict", param=f"discounts[{index}]"
            )
    rates = "subscription_data[default_tax_rates]"
    return Offer(
        lines=tuple(
            LineItem(
                price_id=line.price,
                quantity=line.quantity,
                description="",
                amount=0,
                tax_rate_ids=tuple(tax_rates.distinct(line.tax_rates or (), param=f"line_items[{index}][tax_rates]")),
            )
            for index, line in enumerate(body.line_items or ())
        ),
        description=about.description,
        metadata=merchant_metadata.merge({}, metadata(about.metadata), param="subscription_data[metadata]"),
        trial_days=about.trial_period_days,
        trial_end=None if about.trial_end is None else from_unix(about.trial_end),
        default_tax_rate_ids=tuple(tax_rates.distinct(about.default_tax_rates or (), param=rates)),
        coupon_ids=tuple(discount.coupon for discount in body.discounts or () if discount.coupon is not None),
        promotion_code_ids=tuple(d.promotion_code for d in body.discounts or () if d.promotion_code is not None),
        allow_promotion_codes=body.allow_promotion_codes,
        custom_fields=_fields(body.custom_fields or []),
    )


def _check_mode(body: CreateSession) -> None:
    is_setup = body.mode == "setup"
    if not is_setup and not body.line_items:
        raise InvalidRequest("Missing required param: line_items.", code="parameter_missing", param="line_items")
    unwanted = (
        ("line_items", "discounts", "allow_promotion_codes", "subscription_data") if is_setup else ("subscription",)
    )
    for name in unwanted:
        if getattr(body, name):
            raise InvalidRequest(f"{name} has no meaning in mode {body.mode}.", code="parameter_unexpected", param=name)


@writes("/v1/checkout/sessions", kind=KIND, params=CreateSession, answer=CheckoutSessionObject, rings=_RINGS)
async def create(call: Call, body: CreateSession) -> CheckoutSession:
    """Create a checkout session."""
    _check_mode(body)
    if body.customer is not None and body.customer_email is not None:
        raise _conflict("customer", "customer_email")
    if body.customer_email is not None:
        check_email(body.customer_email, param="customer_email")
    if body.locale is not None and not LOCALES.fullmatch(body.locale):
        raise InvalidRequest(
            "locale is auto, or a language such as en or de.", code="parameter_invalid", param="locale"
        )
    livemode = call.scope.livemode
    wanted = NewSession(
        mode=Mode(body.mode),
        success_url=merchant_url(body.success_url, "success_url", livemode=livemode),
        cancel_url=None if body.cancel_url is None else merchant_url(body.cancel_url, "cancel_url", livemode=livemode),
        offer=_offer(body),
        customer_id=body.customer,
        customer_email=body.customer_email,
        client_reference_id=body.client_reference_id,
        locale=body.locale,
        metadata=merchant_metadata.merge({}, metadata(body.metadata)),
        subscription_id=body.subscription,
        expires_at=None if body.expires_at is None else from_unix(body.expires_at),
    )
    now = call.now
    if body.customer is not None:
        now = await times.of_customer(call.conn, call.scope, body.customer, now)
    elif body.subscription is not None:
        now = await times.of_subscription(call.conn, call.scope, body.subscription, now)
    return await services.create(call.conn, call.gateway, scope=call.scope, wanted=wanted, now=now, origin=call.origin)


async def _found(call: Call) -> CheckoutSession:
    found = await checkout_sessions.get(call.conn, call.scope, call.id)
    if found is None:
        raise NotFound(KIND, call.id)
    return found


@reads("/v1/checkout/sessions/{id:str}", kind=KIND, params=Retrieve, answer=CheckoutSessionObject)
async def retrieve(call: Call, _: Retrieve) -> CheckoutSession:
    """Retrieve a checkout session."""
    return await _found(call)


@reads("/v1/checkout/sessions", kind=KIND, params=ListSessions, answer=CheckoutSessionObject, is_list=True)
async def listed(call: Call, query: ListSessions) -> Page[CheckoutSession]:
    """List checkout sessions."""
    return await checkout_sessions.page(
        call.conn,
        query.page(call),
        customer=query.customer,
        subscription=query.subscription,
        status=None if query.status is None else Status(query.status),
    )


@reads("/v1/checkout/sessions/{id:str}/line_items", kind="item", params=ListItems, answer=LineItemObject, is_list=True)
async def listed_items(call: Call, query: ListItems) -> Page[LineItemObject]:
    """List what a checkout session sells, in its order; there are never more than a page holds."""
    session = await checkout_sessions.get(call.conn, call.scope, call.id)
    if session is None:
        raise NotFound(KIND, call.id)
    prices = await catalog.load_prices(call.conn, sorted({line.price_id for line in session.offer.lines}))
    shown = line_items(session, Related(prices=prices))
    return Page(shown[: query.limit], has_more=len(shown) > query.limit)


@writes("/v1/checkout/sessions/{id:str}/expire", kind=KIND, params=Retrieve, answer=CheckoutSessionObject, rings=_RINGS)
async def expire(call: Call, _: Retrieve) -> CheckoutSession:
    """End an open checkout session."""
    session = await _found(call)
    now = await times.of_clock(call.conn, session.test_clock_id, call.now)
    return await services.expire(
        call.conn, call.gateway, scope=call.scope, session_id=call.id, now=now, origin=call.origin
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (create, retrieve, listed, listed_items, expire)
