"""Changing a living subscription over HTTP: its items, one by one and together, beforehand and as it is done."""

from datetime import timedelta
from typing import Any

from gateway.db import catalog
from gateway.domain.period import Interval, IntervalUnit, to_unix
from tests import factories
from tests.api.desk import Desk
from tests.conformance.shop import WALLET, Shop, listening

SMALL, LARGE, YEARLY = "price_small", "price_large", "price_yearly"
HALF = timedelta(days=14)


async def furnish(desk: Desk) -> None:
    async with desk.house.gateway.books.write() as conn:
        await catalog.add_prices(
            conn,
            [
                factories.price(id=SMALL, unit_amount=400),
                factories.price(id=LARGE, unit_amount=3000),
                factories.price(id=YEARLY, unit_amount=10_000, interval=Interval(IntervalUnit.YEAR)),
            ],
        )


async def active(desk: Desk, **body: Any) -> Any:
    """A subscription whose first period is paid, in the middle of it."""
    await furnish(desk)
    opened = await desk.subscription(WALLET, **body)
    house = desk.house
    house.wallets[WALLET.address] = WALLET
    house.chain.fund(factories.TOKEN, WALLET.address, 1_000_000_000)
    house.chain.mine(timestamp=house.chain.head_timestamp + 1)
    await house.sign(await found(desk, opened["id"]))
    await house.pump()
    await house.go_to(house.now + HALF)
    return (await desk.get(f"/v1/subscriptions/{opened['id']}")).json()


async def found(desk: Desk, subscription_id: str) -> Any:
    return await desk.house.subscription(factories.subscription(id=subscription_id))


async def told_since(desk: Desk, known: list[Any], kind: str) -> list[Any]:
    """What events of a kind told that were not known before."""
    events = (await desk.get(f"/v1/events?type={kind}&limit=100")).json()["data"]
    return [event["data"] for event in events if event["data"] not in known]


async def test_ST_57_an_update_is_told_with_what_was_before(small_desk: Desk) -> None:
    subscription = await active(small_desk)
    [item] = subscription["items"]["data"]
    known = await told_since(small_desk, [], "customer.subscription.updated")
    changed = await small_desk.made(
        f"/v1/subscriptions/{subscription['id']}", {"items": [{"id": item["id"], "price": SMALL}]}
    )
    assert changed["items"]["data"][0]["price"]["id"] == SMALL
    assert changed["pending_update"] is None
    [told] = await told_since(small_desk, known, "customer.subscription.updated")
    assert told["previous_attributes"]["items"]["data"][0]["price"]["id"] == factories.PRICE_ID
    assert set(told["previous_attributes"]) == {"items", "plan"}
    waiting = (await small_desk.get("/v1/invoiceitems?pending=true")).json()["data"]
    assert sorted(one["amount"] for one in waiting) == [-500, 200]
    assert {one["proration"] for one in waiting} == {True}


async def test_a_preview_is_what_then_is_billed_at_the_end_of_the_period(small_desk: Desk) -> None:
    subscription = await active(small_desk)
    items = [{"id": subscription["items"]["data"][0]["id"], "price": SMALL}]
    at = to_unix(small_desk.house.now) - 3600
    details = {"items": items, "proration_date": at}
    rows = await small_desk.rows()
    body = {"subscription": subscription["id"], "subscription_details": details}
    preview = await small_desk.made("/v1/invoices/create_preview", body)
    assert {**await small_desk.rows(), "idempotency_keys": 0} == {**rows, "idempotency_keys": 0}
    await small_desk.house.go_to(small_desk.house.now + timedelta(hours=5))
    await small_desk.made(f"/v1/subscriptions/{subscription['id']}", details)
    await small_desk.house.renew(await found(small_desk, subscription["id"]))
    await same_as_billed(small_desk, subscription["id"], preview)


async def test_a_preview_is_what_then_is_billed_when_the_wallet_signs(small_desk: Desk) -> None:
    subscription = await active(small_desk)
    items = [{"id": subscription["items"]["data"][0]["id"], "price": LARGE}]
    details = {"items": items, "proration_date": to_unix(small_desk.house.now)}
    body = {"subscription": subscription["id"], "subscription_details": details}
    preview = await small_desk.made("/v1/invoices/create_preview", body)
    assert (preview["billing_reason"], preview["total"]) == ("subscription_update", 1000)
    asked = await small_desk.made(f"/v1/subscriptions/{subscription['id']}", details)
    assert asked["pending_update"]["subscription_items"][0]["price"]["id"] == LARGE
    assert asked["pending_update"]["setup_intent"] == asked["pending_setup_intent"]
    setup = (await small_desk.get(f"/v1/setup_intents/{asked['pending_setup_intent']}")).json()
    assert setup["next_action"]["approve_allowance"]["eip712"]["message"]["amount"] in (30_000_000, "30000000")
    await small_desk.house.go_to(small_desk.house.now + timedelta(hours=2))
    await small_desk.house.sign_setup(await found(small_desk, subscription["id"]))
    await small_desk.house.pump()
    await same_as_billed(small_desk, subscription["id"], preview)


async def test_a_preview_of_another_interval_is_the_first_invoice_of_it(small_desk: Desk) -> None:
    subscription = await active(small_desk)
    items = [{"id": subscription["items"]["data"][0]["id"], "price": YEARLY}]
    body = {"subscription": subscription["id"], "subscription_details": {"items": items}}
    preview = await small_desk.made("/v1/invoices/create_preview", body)
    await small_desk.made(f"/v1/subscriptions/{subscription['id']}", {"items": items})
    await small_desk.house.sign_setup(await found(small_desk, subscription["id"]))
    await small_desk.house.pump()
    await same_as_billed(small_desk, subscription["id"], preview)


async def same_as_billed(desk: Desk, subscription_id: str, preview: Any) -> None:
    invoice_id = (await desk.get(f"/v1/subscriptions/{subscription_id}")).json()["latest_invoice"]
    invoice = (await desk.get(f"/v1/invoices/{invoice_id}")).json()

    def shown(one: Any) -> Any:
        lines = [(line["amount"], line["period"], line["proration"], line["quantity"]) for line in one["lines"]["data"]]
        return one["total"], one["amount_due"], one["billing_reason"], sorted(map(str, lines))

    assert shown(invoice) == shown(preview)
    assert invoice["status"] == "paid"


async def test_ST_02_items_are_added_changed_listed_and_removed_with_the_sdk(small_desk: Desk) -> None:
    subscription = await active(small_desk, items=[{"price": factories.PRICE_ID, "quantity": 5}])
    async with listening(small_desk) as url:
        shop = Shop(small_desk, url)
        added = await shop.call(
            lambda c: c.subscription_items.create(
                {
                    "subscription": subscription["id"],
                    "price": SMALL,
                    "quantity": 2,
                    "proration_behavior": "none",
                    "payment_behavior": "pending_if_incomplete",
                }
            )
        )
        assert (added.object, added.price.id, added.quantity) == ("subscription_item", SMALL, 2)
        pending = await shop.call(lambda c: c.subscriptions.retrieve(subscription["id"]))
        assert [one.price.id for one in pending.pending_update.subscription_items] == [factories.PRICE_ID, SMALL]
        [only] = (await shop.call(lambda c: c.subscription_items.list({"subscription": subscription["id"]}))).data
        fewer = await shop.call(lambda c: c.subscription_items.update(only.id, {"quantity": 1, "metadata": {"a": "b"}}))
        assert (fewer.quantity, fewer.metadata["a"]) == (1, "b")
        more = await shop.call(
            lambda c: c.subscription_items.create({"subscription": subscription["id"], "price": SMALL})
        )
        first = await shop.call(lambda c: c.subscription_items.list({"subscription": subscription["id"], "limit": 1}))
        assert ([one.id for one in first.data], first.has_more) == ([only.id], True)
        gone = await shop.call(lambda c: c.subscription_items.delete(only.id, {"proration_behavior": "none"}))
        assert (gone.id, gone.deleted) == (only.id, True)
        left = await shop.call(lambda c: c.subscription_items.retrieve(more.id))
        assert (left.subscription, left.price.id) == (subscription["id"], SMALL)


REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/v1/subscription_items", {"price": SMALL}, 400, "subscription"),
    ("POST", "/v1/subscription_items", {"subscription": "sub_x", "price": SMALL}, 400, "subscription"),
    ("POST", "/v1/subscription_items", {"subscription": "{sub}", "price": "price_x"}, 400, "price"),
    ("POST", "/v1/subscription_items", {"subscription": "{sub}", "price": SMALL, "quantity": 0}, 400, "quantity"),
    ("POST", "/v1/subscription_items", {"subscription": "{sub}", "price": SMALL, "plan": "x"}, 400, "plan"),
    ("POST", "/v1/subscription_items", {"subscription": "{sub}", "price": factories.PRICE_ID}, 400, "price"),
    (
        "POST",
        "/v1/subscription_items",
        {"subscription": "{sub}", "price": LARGE, "payment_behavior": "error_if_incomplete"},
        400,
        "payment_behavior",
    ),
    ("POST", "/v1/subscription_items/{item}", {"price": "price_x"}, 400, "price"),
    ("POST", "/v1/subscription_items/{item}", {"price": YEARLY, "proration_date": 1}, 400, "proration_date"),
    ("POST", "/v1/subscription_items/{item}", {"proration_behavior": "all"}, 400, "proration_behavior"),
    ("POST", "/v1/subscription_items/{item}", {"tax_rates": ["txr_x"]}, 400, "tax_rates"),
    ("POST", "/v1/subscription_items/si_x", {"quantity": 2}, 404, "id"),
    ("GET", "/v1/subscription_items/si_x", None, 404, "id"),
    ("GET", "/v1/subscription_items", None, 400, "subscription"),
    ("GET", "/v1/subscription_items?subscription={sub}&starting_after=si_x", None, 400, "starting_after"),
    ("DELETE", "/v1/subscription_items/{item}", None, 400, "items"),
    ("DELETE", "/v1/subscription_items/si_x", None, 404, "id"),
    ("POST", "/v1/subscriptions/{sub}", {"items": [{"id": "si_x", "price": SMALL}]}, 400, "items[0][id]"),
    ("POST", "/v1/subscriptions/{sub}", {"items": [{"price": SMALL}, {"price": "x"}]}, 400, "items[1][price]"),
    ("POST", "/v1/subscriptions/{sub}", {"items": [{"id": "{item}", "plan": "x"}]}, 400, "items[0][plan]"),
    ("POST", "/v1/subscriptions/{sub}", {"items": []}, 400, "items"),
    (
        "POST",
        "/v1/subscriptions/{sub}",
        {"items": [{"id": "{item}", "deleted": True, "quantity": 2}]},
        400,
        "items[0][deleted]",
    ),
    ("POST", "/v1/subscriptions/{sub}", {"proration_date": 1}, 400, "proration_date"),
    ("POST", "/v1/subscriptions/{sub}", {"trial_end": "now"}, 400, "trial_end"),
    ("POST", "/v1/subscriptions/{sub}", {"discounts": [{"coupon": "x"}]}, 400, "discounts[0][coupon]"),
    ("POST", "/v1/subscriptions/{sub}", {"default_tax_rates": ["txr_x"]}, 400, "default_tax_rates"),
    ("DELETE", "/v1/subscriptions/{sub}/discount", None, 404, "id"),
    (
        "POST",
        "/v1/invoices/create_preview",
        {"subscription": "{sub}", "subscription_details": {"items": [{"price": "x"}]}},
        400,
        "subscription_details[items][0][price]",
    ),
    (
        "POST",
        "/v1/invoices/create_preview",
        {"subscription": "{sub}", "subscription_details": {"trial_end": "now"}},
        400,
        "subscription_details[trial_end]",
    ),
]
"""Requests with the status and the param of the answer; `{sub}` and `{item}` stand for those that there are."""


async def test_a_bad_request_has_one_precise_error_and_changes_nothing(small_desk: Desk) -> None:
    subscription = await active(small_desk)
    names = {"{sub}": subscription["id"], "{item}": subscription["items"]["data"][0]["id"]}
    before = await small_desk.rows()
    wrong = {}
    for method, path, body, status, param in REFUSED:
        options = {} if body is None else {"json": filled(body, names)}
        answer = await small_desk.send(method, filled(path, names), **options)
        got = (answer.status_code, answer.json().get("error", {}).get("param"))
        if got != (status, param):
            wrong[method, path, str(body)] = (got, answer.text)
    assert wrong == {}
    assert await small_desk.rows() == before
    assert (await small_desk.get(f"/v1/subscriptions/{subscription['id']}")).json() == subscription


def filled(value: Any, names: dict[str, str]) -> Any:
    match value:
        case dict():
            return {key: filled(part, names) for key, part in value.items()}
        case list():
            return [filled(part, names) for part in value]
        case str():
            for name, known in names.items():
                value = value.replace(name, known)
            return value
        case _:
            return value


async def test_ST_73_discounts_taxes_and_a_trials_end_are_changed_with_the_sdk(small_desk: Desk) -> None:
    await furnish(small_desk)
    async with listening(small_desk) as url:
        shop = Shop(small_desk, url)
        coupon = await shop.call(lambda c: c.coupons.create({"percent_off": 50, "duration": "forever"}))
        rate = await shop.call(
            lambda c: c.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
        )
        customer, method = await small_desk.wallet(WALLET)
        trial = await shop.call(
            lambda c: c.subscriptions.create(
                {
                    "customer": customer["id"],
                    "items": [{"price": factories.PRICE_ID}],
                    "default_payment_method": method["id"],
                    "trial_period_days": 14,
                    "trial_settings": {"end_behavior": {"missing_payment_method": "pause"}},
                }
            )
        )
        assert trial.trial_settings.end_behavior.missing_payment_method == "pause"
        later = trial.trial_end + 86_400
        changed = await shop.call(
            lambda c: c.subscriptions.update(
                trial.id,
                {
                    "discounts": [{"coupon": coupon.id}],
                    "default_tax_rates": [rate.id],
                    "trial_end": later,
                    "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
                },
            )
        )
        assert (changed.trial_end, changed.current_period_end) == (later, later)
        assert [one.source.coupon for one in changed.discounts] == [coupon.id]
        assert [one.id for one in changed.default_tax_rates] == [rate.id]
        assert changed.trial_settings.end_behavior.missing_payment_method == "cancel"
        none = await shop.call(lambda c: c.subscriptions.update(trial.id, {"default_tax_rates": ""}))
        assert none.default_tax_rates == []
        await shop.call(lambda c: c.subscriptions.delete_discount(trial.id))
        assert (await shop.call(lambda c: c.subscriptions.retrieve(trial.id))).discounts == []
        ended = await shop.call(lambda c: c.subscriptions.update(trial.id, {"trial_end": "now"}))
        assert (ended.status, ended.latest_invoice) == ("canceled", None)


async def test_an_item_of_another_merchant_is_not_there(small_desk: Desk) -> None:
    subscription = await active(small_desk)
    item = subscription["items"]["data"][0]["id"]
    for method in ("GET", "POST", "DELETE"):
        answer = await small_desk.send(method, f"/v1/subscription_items/{item}", key=small_desk.other_key)
        assert answer.status_code == 404
