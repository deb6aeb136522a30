"""Every operation of the OpenAPI document as a request, and every place in it where the id of an object may stand."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import httpx

from gateway.api import openapi
from tests import factories as f
from tests.api.desk import Desk

Place = tuple[str, ...]

_KINDS: Final[Mapping[str, str]] = {
    "default_payment_method": "payment_method",
    "default_price": "price",
    "default_tax_rates": "tax_rate",
    "tax_rates": "tax_rate",
    "prices": "price",
    "object_id": "customer",
    "ids": "product",
    "transaction": "balance_transaction",
    "checkout.session": "checkout_session",
    "billing.meter": "meter",
    "configuration": "portal_configuration",
    "billing_portal.configuration": "portal_configuration",
    "test_helpers.test_clock": "test_clock",
    "customer_balance_transaction": "balance_transaction",
}
"""Kinds of objects whose fields are not called like them."""

_PLURALS: Final[Mapping[str, str]] = {
    "sessions": "checkout_session",
    "configurations": "portal_configuration",
    "balance_transactions": "balance_transaction",
    "deliveries": "webhook_delivery",
    "line_items": "price",
    "event_summaries": "meter",
}

_PLAN: Final = {"enabled": True, "products": [{"product": "@product", "prices": ["@price"]}]}
_PLACE: Final = ("features", "subscription_update", "products", "0")
_DAY: Final = int(f.NOW.timestamp()) // 86_400 * 86_400
_METER: Final = {"display_name": "Calls", "event_name": "calls", "default_aggregation": {"formula": "sum"}}
_WALLET: Final = {
    "type": "erc20_allowance",
    "erc20_allowance": {"chain_id": f.CHAIN_ID, "token": str(f.TOKEN), "owner": str(f.WALLET)},
}
_SEARCHED: Final = (
    "charge_intents",
    "charges",
    "customers",
    "invoices",
    "payment_intents",
    "prices",
    "products",
    "subscriptions",
)
_NEEDED: Final[Mapping[str, Mapping[str, Any]]] = {
    **{f"get /v1/{root}/search": {"query": "created>0"} for root in _SEARCHED},
    "post /v1/products": {"name": "x"},
    "post /v1/prices": {"currency": "usd", "unit_amount": 100, "product": "@product"},
    "post /v1/payment_methods": _WALLET,
    "post /v1/payment_methods/{id}/attach": {"customer": "@customer"},
    "post /v1/subscriptions": {"customer": "@customer", "items": [{"price": "@price"}]},
    "post /v1/subscriptions/{id}": {"description": "x"},
    "post /v1/subscription_items": {"subscription": "@subscription", "price": "@price"},
    "get /v1/subscription_items": {"subscription": "@subscription"},
    "post /v1/setup_intents": {"subscription": "@subscription"},
    "post /v1/checkout/sessions": {
        "mode": "subscription",
        "success_url": "https://shop.example/",
        "line_items": [{"price": "@price"}],
    },
    "post /v1/pricing_tables": {"prices": ["@price"], "success_url": "https://shop.example/"},
    "post /v1/billing_portal/sessions": {"customer": "@customer"},
    "post /v1/billing_portal/configurations": {"features": {}},
    "post /v1/invoices/create_preview": {"subscription": "@subscription"},
    "post /v1/invoiceitems": {"customer": "@customer", "amount": 1, "currency": "usd"},
    "post /v1/customers/{id}/balance_transactions": {"amount": 1, "currency": "usd"},
    "post /v1/tax_rates": {"display_name": "x", "percentage": 1, "inclusive": False},
    "post /v1/promotion_codes": {"promotion": {"type": "coupon", "coupon": "@coupon"}},
    "post /v1/coupons": {"percent_off": 1},
    "post /v1/billing/meters": _METER,
    "post /v1/billing/meters/{id}": {"display_name": "x"},
    "get /v1/billing/meters/{id}/event_summaries": {
        "customer": "@customer",
        "start_time": _DAY,
        "end_time": _DAY + 86_400,
    },
    "post /v1/billing/meter_events": {"event_name": "unknown", "payload": {"stripe_customer_id": "x", "value": "1"}},
    "post /v1/push_payments/{id}/apply": {"invoice": "@invoice"},
    "post /v1/refunds": {"charge": "@charge"},
    "post /v1/mandates/{id}/sign": {"signature": "0x" + "11" * 65},
    "post /v1/charge_intents/{id}/confirm": {"signature": "0x" + "11" * 65},
    "post /v1/payment_intents/{id}/confirm": {"signature": "0x" + "11" * 65},
    "post /v1/setup_intents/{id}/confirm": {"signature": "0x" + "11" * 65},
    "post /v1/webhook_endpoints": {"url": "https://example.com/h", "enabled_events": ["*"]},
    "post /v1/test_helpers/test_clocks": {"frozen_time": _DAY},
    "post /v1/test_helpers/test_clocks/{id}/advance": {"frozen_time": _DAY + 864_000},
}
"""Parameters that let a request reach what it names; `@kind` stands for the caller's own object."""

_BESIDE: Final[Mapping[Place, Mapping[str, Any]]] = {
    ("recurring", "meter"): {"recurring": {"interval": "month", "usage_type": "metered"}},
    ("items", "0", "id"): {"items": [{}]},
    ("items", "0", "tax_rates", "0"): {"items": [{"price": "@other_price"}]},
    ("subscription_details", "items", "0", "tax_rates", "0"): {
        "subscription_details": {"items": [{"price": "@other_price"}]}
    },
    ("tax_rates", "0"): {"price": "@other_price"},
    (*_PLACE, "product"): {"features": {"subscription_update": _PLAN}},
    (*_PLACE, "prices", "0"): {"features": {"subscription_update": _PLAN}},
    ("pricing", "price"): {"amount": None, "currency": None},
    ("subscription",): {"mode": "setup", "line_items": None},
    ("charge_intent",): {"charge": None},
    ("payment_intent",): {"charge": None},
}
"""What goes with a place, where it says nothing alone; None takes away what would contradict it."""


def kind_of(name: str) -> str:
    """What kind of object a field, a parameter, or a collection of the URL is about."""
    if name in _PLURALS:
        return _PLURALS[name]
    singular = name.removesuffix("s")
    return _KINDS.get(name, singular)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the document: `get /v1/customers/{id}`, with the places of ids in its parameters."""

    method: str
    path: str
    is_public: bool
    is_read: bool
    in_path: tuple[tuple[str, str], ...]
    in_params: tuple[tuple[Place, str], ...]
    names: frozenset[str]
    permission: str

    @property
    def places(self) -> tuple[tuple[Place, str], ...]:
        """Where ids stand, and of what: in the path, the query and the body."""
        return (*(((f"{{{name}}}",), kind) for name, kind in self.in_path), *self.in_params)

    def takes(self, name: str) -> bool:
        """Whether a parameter of that name exists."""
        return name in self.names

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def request(self, own: Mapping[str, str]) -> "Ask":
        """The request that names nothing but the caller's own objects."""
        return Ask(
            operation=self,
            path={name: own[kind] for name, kind in self.in_path},
            params=_filled(_NEEDED.get(self.name, {}), own),
            own=own,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request of an operation, ready to be sent with any key."""

    operation: Operation
    path: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)

    def naming(self, place: Place, object_id: str) -> "Ask":
        """The same request with an id in one place; `{name}` is one of the path."""
        if place[0].startswith("{"):
            return replace(self, path={**self.path, place[0].strip("{}"): object_id})
        beside = _BESIDE.get(place, {}) if self.operation.method == "post" else {}
        beside = {name: value for name, value in beside.items() if value is None or self.operation.takes(name)}
        params = {**deepcopy(dict(self.params)), **_filled(beside, self.own)}
        params = {name: value for name, value in params.items() if value is not None}
        node: Any = params
        for here, following in pairwise(place):
            index = int(here) if here.isdigit() else here
            if isinstance(node, list) and not node:
                node.append({})
            fresh: Any = [] if following.isdigit() else {}
            node = node[index] if isinstance(node, list) else node.setdefault(index, fresh)
        if place[-1].isdigit():
            node[:] = [object_id]
        else:
            node[place[-1]] = object_id
        return replace(self, params=params)

    async def send(self, desk: Desk, key: str | None) -> httpx.Response:
        """Send it; without a key if there is none."""
        url = self.operation.path
        for name, value in self.path.items():
            url = url.replace(f"{{{name}}}", value)
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if self.operation.method in {"get", "delete"}:
            return await desk.http.request(self.operation.method, url, headers=headers, params=_bracketed(self.params))
        return await desk.http.request(self.operation.method, url, headers=headers, json=self.params)


def operations() -> list[Operation]:
    """All operations that the document describes."""
    described = openapi.document()
    return [
        _operation(described, method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def _operation(described: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    segments = path.split("/")
    in_path = tuple(
        (segment.strip("{}"), kind_of(segments[index - 1] if segment == "{id}" else segment.strip("{}")))
        for index, segment in enumerate(segments)
        if segment.startswith("{")
    )
    listed = next((kind_of(segment) for segment in reversed(segments) if not segment.startswith("{")), "")
    found: dict[Place, str] = {}
    for parameter in operation["parameters"]:
        if parameter["in"] == "query":
            found |= _places(described, parameter["schema"], (parameter["name"],), listed)
    content = operation.get("requestBody", {}).get("content", {})
    if content:
        found |= _places(described, content["application/json"]["schema"], (), listed)
    return Operation(
        method=method,
        path=path,
        is_public=any("publishable" in scheme for scheme in operation.get("security", ())),
        is_read=method == "get",
        in_path=in_path,
        in_params=tuple((place, kind) for place, kind in found.items() if kind != "timeline"),
        names=frozenset(_names(described, content)) | {parameter["name"] for parameter in operation["parameters"]},
        permission=operation["x-permission"],
    )


def _names(described: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    """Names of the parameters of a body."""
    if content:
        reference = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        yield from described["components"]["schemas"][reference]["properties"]


def _places(described: Mapping[str, Any], schema: Mapping[str, Any], at: Place, listed: str) -> dict[Place, str]:
    """Texts below a schema whose names say that they are ids, and of what."""
    if "$ref" in schema:
        return _places(described, described["components"]["schemas"][schema["$ref"].rpartition("/")[2]], at, listed)
    found: dict[Place, str] = {}
    for option in schema.get("anyOf", ()):
        found |= _places(described, option, at, listed)
    if schema.get("type") == "array":
        found |= _places(described, schema["items"], (*at, "0"), listed)
    for name, part in schema.get("properties", {}).items():
        found |= _places(described, part, (*at, name), listed)
    kind = _kind_at(at, listed) if at and schema.get("type") == "string" else None
    return found | ({} if kind is None else {at: kind})


def _kind_at(place: Place, listed: str) -> str | None:
    names = [name for name in place if not name.isdigit()]
    match names[-1]:
        case "starting_after" | "ending_before":
            return listed
        case "id" if names[-2:] == ["items", "id"]:
            return "subscription_item"
        case name:
            return kind_of(name) if kind_of(name) in _NAMED else None


_NAMED: Final = frozenset(
    {
        "customer", "product", "price", "payment_method", "mandate", "subscription", "subscription_item", "invoice",
        "charge_intent", "payment_intent", "charge", "coupon", "promotion_code", "tax_rate", "meter", "test_clock",
    }
)  # fmt: skip


def _filled(needed: Any, own: Mapping[str, str]) -> Any:
    match needed:
        case dict():
            return {name: _filled(value, own) for name, value in needed.items()}
        case list():
            return [_filled(value, own) for value in needed]
        case str() if needed.startswith("@"):
            return own[needed[1:]]
        case _:
            return needed


def _bracketed(params: Any, at: str = "") -> dict[str, str]:
    pairs: Iterator[tuple[Any, Any]]
    if isinstance(params, dict):
        pairs = iter(params.items())
    elif isinstance(params, list):
        pairs = iter(enumerate(params))
    else:
        return {at: str(params)}
    return {
        key: value for name, part in pairs for key, value in _bracketed(part, f"{at}[{name}]" if at else name).items()
    }
