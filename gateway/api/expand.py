"""`expand[]`: ids that clients may ask to be replaced by the objects they name, to a depth of four.

What can be expanded is a static table, so that a wrong path is refused before anything happens. Objects are loaded in
bulk, level by level: the number of statements depends on the paths, not on the number of objects.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from gateway.api.forms import Tree
from gateway.api.related import related
from gateway.db import (
    catalog,
    charge_intents,
    charges,
    checkout_sessions,
    discounts,
    invoices,
    mandates,
    meters,
    setup_intents,
    subscriptions,
    test_clocks,
)
from gateway.db.engine import Connection
from gateway.domain.catalog import Scope
from gateway.domain.charge_intent import ChargeIntent
from gateway.domain.errors import InvalidRequest
from gateway.services.gateway import Gateway
from gateway.wire import payments, render

DEPTH_MAX: Final = 4
PATHS_MAX: Final = 20

_Load = Callable[[Connection, Scope, Iterable[str]], Awaitable[Mapping[str, Any]]]
_LoadOfAnyone = Callable[[Connection, Iterable[str]], Awaitable[Mapping[str, Any]]]


def _of_caller(load: _LoadOfAnyone) -> _Load:
    """Ids stand in rows of the caller's and name rows of the caller's; that is checked all the same."""

    async def load_own(conn: Connection, scope: Scope, ids: Iterable[str]) -> Mapping[str, Any]:
        return {key: value for key, value in (await load(conn, ids)).items() if value.scope == scope}

    return load_own


_LOADERS: Final[Mapping[str, _Load]] = {
    "customer": catalog.get_customers,
    "product": catalog.get_products,
    "price": catalog.get_prices,
    "payment_method": catalog.get_payment_methods,
    "mandate": _of_caller(mandates.load),
    "subscription": _of_caller(subscriptions.load),
    "invoice": _of_caller(invoices.load),
    "charge_intent": _of_caller(charge_intents.load),
    "payment_intent": _of_caller(charge_intents.load),
    "charge": _of_caller(charges.load),
    "setup_intent": _of_caller(setup_intents.load),
    "checkout.session": _of_caller(checkout_sessions.load),
    "billing.meter": meters.shelf.get_many,
    "coupon": discounts.get_coupons,
    "promotion_code": discounts.codes.get_many,
    "test_helpers.test_clock": _of_caller(test_clocks.load),
}

_PRICE: Final = {"currency_options": {}, "product": "product", "tiers": {}}
_ITEM: Final = {"price": _PRICE, "plan": _PRICE}
_LINE: Final = {
    "discounts": {},
    "price": _PRICE,
    "plan": _PRICE,
    "subscription": "subscription",
    "pricing": {"price_details": {"price": "price", "product": "product"}},
}
_DISCOUNT: Final = {
    "customer": "customer",
    "promotion_code": "promotion_code",
    "source": {"coupon": "coupon"},
    "subscription": "subscription",
}
_PAYMENT: Final = {"payment": {"charge_intent": "charge_intent", "payment_intent": "payment_intent"}}
_INTENT: Final = {
    "customer": "customer",
    "invoice": "invoice",
    "latest_charge": "charge",
    "mandate": "mandate",
    "payment_method": "payment_method",
    "subscription": "subscription",
}

_FIELDS: Final[Mapping[str, Any]] = {
    "account": {},
    "event": {},
    "webhook_endpoint": {},
    "test_helpers.test_clock": {},
    "tax_rate": {},
    "coupon": {"applies_to": {}},
    "promotion_code": {"customer": "customer", "promotion": {"coupon": "coupon"}},
    "customer_balance_transaction": {"customer": "customer", "invoice": "invoice"},
    "invoiceitem": {
        "customer": "customer",
        "invoice": "invoice",
        "subscription": "subscription",
        "tax_rates": {},
        "test_clock": "test_helpers.test_clock",
    },
    "customer": {
        "default_payment_method": "payment_method",
        "default_source": {},
        "invoice_settings": {"default_payment_method": "payment_method"},
        "sources": {},
        "test_clock": "test_helpers.test_clock",
    },
    "item": {"price": _PRICE},
    "checkout.session": {
        "customer": "customer",
        "invoice": "invoice",
        "setup_intent": "setup_intent",
        "subscription": "subscription",
    },
    "product": {"default_price": "price"},
    "price": _PRICE,
    "payment_method": {"customer": "customer"},
    "mandate": {"customer": "customer", "payment_method": "payment_method", "subscription": "subscription"},
    "subscription": {
        "customer": "customer",
        "default_payment_method": "payment_method",
        "default_tax_rates": {},
        "discounts": _DISCOUNT,
        "items": {"data": _ITEM},
        "latest_charge_intent": "charge_intent",
        "latest_invoice": "invoice",
        "mandate": "mandate",
        "pending_setup_intent": "setup_intent",
        "pending_update": {"discounts": _DISCOUNT, "setup_intent": "setup_intent", "subscription_items": _ITEM},
        "plan": _PRICE,
        "test_clock": "test_helpers.test_clock",
    },
    "invoice": {
        "charge": "charge",
        "charge_intent": "charge_intent",
        "confirmation_secret": {},
        "customer": "customer",
        "default_payment_method": "payment_method",
        "discounts": _DISCOUNT,
        "lines": {"data": _LINE},
        "parent": {"subscription_details": {"subscription": "subscription"}},
        "payment_intent": "payment_intent",
        "payments": {"data": _PAYMENT},
        "subscription": "subscription",
        "test_clock": "test_helpers.test_clock",
    },
    "account_settings": {},
    "discount": _DISCOUNT,
    "subscription_item": {**_ITEM, "subscription": "subscription", "tax_rates": {}},
    "billing.meter": {},
    "billing.meter_event": {},
    "billing.meter_event_summary": {"meter": "billing.meter"},
    "setup_intent": {
        "customer": "customer",
        "mandate": "mandate",
        "payment_method": "payment_method",
        "subscription": "subscription",
    },
    "charge_intent": _INTENT,
    "payment_intent": _INTENT,
    "charge": {
        "balance_transaction": {},
        "charge_intent": "charge_intent",
        "customer": "customer",
        "invoice": "invoice",
        "payment_intent": "payment_intent",
        "payment_method": "payment_method",
        "subscription": "subscription",
    },
    "pricing_table": {},
    "push_payment": {"customer": "customer", "test_clock": "test_helpers.test_clock"},
    "refund": {
        "balance_transaction": {},
        "charge": "charge",
        "charge_intent": "charge_intent",
        "customer": "customer",
        "payment_intent": "payment_intent",
    },
}
"""By kind: a text names the kind of object an id stands for, a map is something that is embedded anyway, or that an
SDK's users expand by habit and that is always empty here (`sources`, `balance_transaction`): asking for it is no error.
"""


@dataclass(slots=True)
class Expansion:
    """What to expand below a place: ids by the name of their field, and what lies below embedded parts."""

    references: dict[str, tuple[str, "Expansion"]] = field(default_factory=dict)
    embedded: dict[str, "Expansion"] = field(default_factory=dict)


def plan(kind: str, paths: Sequence[str], *, of_list: bool, beside: AbstractSet[str] = frozenset()) -> Expansion:
    """Check what is asked for; in lists every path begins with `data.`. `beside` are paths that others see to.

    Raises:
        InvalidRequest: a path names nothing that can be expanded, or goes too deep.
    """
    root = Expansion()
    if len(paths) > PATHS_MAX:
        raise InvalidRequest(f"expand takes at most {PATHS_MAX} paths.", code="expand_too_many", param="expand")
    for index, path in enumerate(paths):
        if path in beside:
            continue
        parts = path.split(".")
        if of_list and parts[0] == "data":
            parts = parts[1:]
        elif of_list:
            parts = []
        if not parts or not _add(root, _FIELDS[kind], parts):
            raise InvalidRequest(
                f"This property cannot be expanded ({path}), or not to this depth.",
                code="expand_unknown",
                param=f"expand[{index}]",
            )
    return root


def _add(node: Expansion, fields: Mapping[str, Any], parts: Sequence[str]) -> bool:
    depth = 0
    for part in parts:
        target = fields.get(part)
        if target is None:
            return False
        if isinstance(target, str):
            depth += 1
            node = node.references.setdefault(part, (target, Expansion()))[1]
            fields = _FIELDS[target]
        else:
            node = node.embedded.setdefault(part, Expansion())
            fields = target
    return depth <= DEPTH_MAX


def kinds(wanted: Expansion) -> set[str]:
    """Kinds of the objects that are read to expand this."""
    found = {kind for kind, _ in wanted.references.values()}
    below = [*(inner for _, inner in wanted.references.values()), *wanted.embedded.values()]
    return found.union(*(kinds(inner) for inner in below))


async def expand(
    conn: Connection, gateway: Gateway, scope: Scope, objects: Sequence[msgspec.Struct], wanted: Expansion
) -> list[Tree]:
    """Return the objects as trees, with what is wanted in the places of its ids. An id without an object stays."""
    trees: list[Tree] = [msgspec.to_builtins(item) for item in objects]
    level: list[tuple[Expansion, Sequence[Tree]]] = [(wanted, trees)]
    while level:
        places: dict[str, list[tuple[Tree, str, Expansion]]] = {}
        for expansion, nodes in level:
            _collect(expansion, nodes, places)
        level = []
        for kind, found in places.items():
            shown = await _load(conn, gateway, scope, kind, {node[name] for node, name, _ in found})
            level.extend(_put(found, shown))
    return trees


def _collect(expansion: Expansion, nodes: Sequence[Tree], places: dict[str, list[tuple[Tree, str, Expansion]]]) -> None:
    for name, (kind, below) in expansion.references.items():
        places.setdefault(kind, []).extend((node, name, below) for node in nodes if isinstance(node.get(name), str))
    for name, below in expansion.embedded.items():
        inner: list[Tree] = []
        for node in nodes:
            part = node.get(name)
            inner.extend(part if isinstance(part, list) else [part] if isinstance(part, dict) else [])
        _collect(below, inner, places)


async def _load(conn: Connection, gateway: Gateway, scope: Scope, kind: str, ids: set[str]) -> Mapping[str, Tree]:
    found = await _LOADERS[kind](conn, scope, sorted(ids))
    beside = await related(conn, gateway, found.values())
    if kind == "payment_intent":
        values: list[ChargeIntent] = list(found.values())
        return {value.id: msgspec.to_builtins(payments.payment_intent(value, beside)) for value in values}
    return {key: msgspec.to_builtins(render.render(value, beside)) for key, value in found.items()}


def _put(
    places: Sequence[tuple[Tree, str, Expansion]], shown: Mapping[str, Tree]
) -> list[tuple[Expansion, Sequence[Tree]]]:
    below: list[tuple[Expansion, Sequence[Tree]]] = []
    for node, name, expansion in places:
        target = shown.get(node[name])
        if target is not None:
            # A copy for each place: the same object may be expanded further in one place than in another.
            node[name] = own = deepcopy(target)
            below.append((expansion, [own]))
    return below
