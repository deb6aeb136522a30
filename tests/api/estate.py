"""One object of every kind, for one merchant in one mode: what strangers must not see, and what they own themselves."""

from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.catalog import Scope
from tests import factories as f
from tests.api.desk import Desk
from tests.happenings import push_payment
from tests.keeping import keep

MARK: Final = "quite-private"
"""Stands in every object of an estate that can hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """Whose it is, the key that opens it, and an id of every kind."""

    scope: Scope
    key: str
    ids: dict[str, str]

    @property
    def mark(self) -> str:
        """Tells this estate's texts from those of others."""
        mode = "live" if self.scope.livemode else "test"
        return f"{MARK}-{self.scope.account_id.replace('_', '-')}-{mode}"


_PREFIXES: Final = {
    "customer": "cus",
    "product": "prod",
    "price": "price",
    "payment_method": "pm",
    "mandate": "mandate",
    "subscription": "sub",
    "subscription_item": "si",
    "setup_intent": "seti",
    "invoice": "in",
    "charge_intent": "ci",
    "payment_intent": "ci",
    "charge": "ch",
    "test_clock": "clock",
    "refund": "re",
    "push_payment": "push",
    "checkout_session": "cs",
    "webhook_endpoint": "we",
}


async def build(desk: Desk, scope: Scope, key: str, number: int) -> Estate:
    """Fill the books of one merchant in one mode; `number` keeps the ids of estates apart."""
    ids = {kind: f.numbered(prefix, number) for kind, prefix in _PREFIXES.items()}
    ids["other_price"] = f.numbered("price", 1_000 + number)
    estate = Estate(scope=scope, key=key, ids=ids)
    async with desk.house.gateway.books.write() as conn:
        await keep(conn, *_goods(estate, number), *_life(estate, number), *_money(estate, number))
    await _make_rest(desk, estate)
    return estate


def _goods(estate: Estate, number: int) -> list[object]:
    """Who buys, what is sold, and who listens."""
    ids, mark, tenant = estate.ids, estate.mark, {"scope": estate.scope}
    method, product = ids["payment_method"], ids["product"]
    owner, email = f.some_address(number), f"{mark.lower()}@example.com"
    return [
        f.clock(id=ids["test_clock"], name=mark, **tenant),
        f.customer(id=ids["customer"], email=email, name=mark, default_payment_method_id=method, **tenant),
        f.product(id=product, name=mark, **tenant),
        f.price(id=ids["price"], product_id=product, lookup_key=mark, **tenant),
        f.price(id=ids["other_price"], product_id=product, **tenant),
        f.payment_method(id=method, owner=owner, customer_id=ids["customer"], metadata={"mark": mark}, **tenant),
        f.checkout_session(id=ids["checkout_session"], token=mark, customer_id=ids["customer"], **tenant),
        f.webhook_endpoint(id=ids["webhook_endpoint"], description=mark, **tenant),
    ]


def _life(estate: Estate, number: int) -> list[object]:
    """A subscription with its mandate."""
    ids, mark = estate.ids, estate.mark
    person: dict[str, Any] = {"scope": estate.scope, "customer_id": ids["customer"]}
    wallet = {"payment_method_id": ids["payment_method"]}
    life = {"subscription_id": ids["subscription"]}
    item = f.subscription_item(id=ids["subscription_item"], price_id=ids["price"])
    return [
        f.mandate(id=ids["mandate"], onchain_id=f.some_mandate_id(number), **wallet, **life, **person),
        f.active_subscription(
            id=ids["subscription"],
            items=(item,),
            latest_invoice_id=ids["invoice"],
            description=mark,
            mandate_id=ids["mandate"],
            **wallet,
            **person,
        ),
        f.setup_intent(
            id=ids["setup_intent"], client_secret=mark, mandate_id=ids["mandate"], **wallet, **life, **person
        ),
    ]


def _money(estate: Estate, number: int) -> list[object]:
    """What is owed, tried, paid back, and pushed."""
    ids, mark = estate.ids, estate.mark
    person: dict[str, Any] = {"scope": estate.scope, "customer_id": ids["customer"]}
    life = {"subscription_id": ids["subscription"], **person}
    wallet = {"payment_method_id": ids["payment_method"]}
    intent, of_invoice = {"charge_intent_id": ids["charge_intent"]}, {"invoice_id": ids["invoice"]}
    line = f.invoice_line(
        id=f.numbered("il", number),
        price_id=ids["price"],
        subscription_item_id=ids["subscription_item"],
        description=mark,
    )
    return [
        f.invoice(id=ids["invoice"], lines=(line,), description=mark, **intent, **life),
        f.charge_intent(
            id=ids["charge_intent"], client_secret=mark, mandate_id=ids["mandate"], **of_invoice, **wallet, **life
        ),
        f.charge(id=ids["charge"], **intent, **of_invoice, **wallet, **life),
        f.refund(id=ids["refund"], charge_id=ids["charge"], metadata={"mark": mark}, **intent, **person),
        push_payment(id=ids["push_payment"], log_index=number, **person),
    ]


async def _make_rest(desk: Desk, estate: Estate) -> None:
    """What the API makes without a chain."""
    mark, customer = estate.mark, estate.ids["customer"]
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "tax_rate": ("/v1/tax_rates", {"display_name": mark, "percentage": 19, "inclusive": False}),
        "coupon": ("/v1/coupons", {"id": mark, "percent_off": 20, "name": mark}),
        "promotion_code": ("/v1/promotion_codes", {"code": mark, "promotion": {"type": "coupon", "coupon": mark}}),
        "pricing_table": (
            "/v1/pricing_tables",
            {"prices": [estate.ids["price"]], "success_url": "https://shop.example/", "metadata": {"mark": mark}},
        ),
        "portal_configuration": ("/v1/billing_portal/configurations", {"features": {}, "name": mark}),
        "meter": (
            "/v1/billing/meters",
            {"display_name": mark, "event_name": mark.replace("-", "_"), "default_aggregation": {"formula": "sum"}},
        ),
        "invoiceitem": (
            "/v1/invoiceitems",
            {"customer": customer, "amount": 100, "currency": "usd", "description": mark},
        ),
        "balance_transaction": (
            f"/v1/customers/{customer}/balance_transactions",
            {"amount": -100, "currency": "usd", "description": mark},
        ),
    }
    for kind, (path, body) in bodies.items():
        answer = await desk.post(path, body, key=estate.key)
        assert answer.status_code == 200, answer.text
        estate.ids[kind] = answer.json()["id"]
    events = (await desk.get("/v1/events?limit=1", key=estate.key)).json()["data"]
    estate.ids["event"] = events[0]["id"]
    path = f"/v1/webhook_endpoints/{estate.ids['webhook_endpoint']}/deliveries"
    deliveries = (await desk.get(f"{path}?limit=1", key=estate.key)).json()["data"]
    estate.ids["webhook_delivery"] = deliveries[0]["id"]
