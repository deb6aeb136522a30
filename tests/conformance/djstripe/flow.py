"""dj-stripe, unmodified, in an environment of its own: Dues' objects become rows of its models, from API and webhooks.

Run by tests/conformance/test_dj_stripe.py. It needs dj-stripe (requirements-conformance.lock) and nothing of ours.
"""

import json
import os
import sys
from typing import Any

import django
import stripe
from django.conf import settings
from django.core.management import call_command

URL, KEY = os.environ["DUES_URL"], os.environ["DUES_KEY"]

settings.configure(
    SECRET_KEY="only for this run",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sites", "djstripe"],
    MIGRATION_MODULES={"djstripe": None},  # its tables as its models say: running all its migrations takes minutes
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    DJSTRIPE_WEBHOOK_VALIDATION="verify_signature",
    STRIPE_TEST_SECRET_KEY=KEY,
    STRIPE_LIVE_MODE=False,
    ROOT_URLCONF="djstripe.urls",
    ALLOWED_HOSTS=["*"],
    USE_TZ=True,
)
django.setup()

from django.test import RequestFactory  # noqa: E402 - Django's modules need the settings
from djstripe import models  # noqa: E402 - same
from djstripe.views import ProcessWebhookView  # noqa: E402 - same

stripe.api_base = URL
stripe.api_key = KEY
stripe.max_network_retries = 0


def ask(what: str, **more: Any) -> Any:
    """Let the other side do something, and return its answer."""
    print(json.dumps({"ask": what, **more}), flush=True)
    return json.loads(sys.stdin.readline())


def claim(words: str) -> None:
    """Say what was found to be true."""
    print(json.dumps({"claim": words}), flush=True)


def check(*, holds: bool, found: object) -> None:
    """End here if it does not hold."""
    if not holds:
        raise SystemExit(f"not so: {found!r}")


def subscribe() -> Any:
    """A subscription whose first payment is final."""
    product = stripe.Product.create(name="Tea")
    price = stripe.Price.create(product=product.id, currency="usd", unit_amount=700, recurring={"interval": "month"})
    customer = stripe.Customer.create(email="ada@example.com", name="Ada")
    wallet = json.loads(os.environ["DUES_WALLET"])
    method = stripe.PaymentMethod.create(type="erc20_allowance", erc20_allowance=wallet)
    method.attach(customer=customer.id)
    made = stripe.Subscription.create(
        customer=customer.id,
        items=[{"price": price.id}],
        default_payment_method=method.id,
        payment_behavior="default_incomplete",
        expand=["latest_invoice.charge_intent"],
    )
    intent = made.latest_invoice.charge_intent
    ask("fund", balance=30_000_000)
    typed = intent.next_action["approve_allowance"]["eip712"].to_dict()
    stripe.PaymentIntent.confirm(intent.id, signature=ask("sign", typed_data=typed)["signature"])
    ask("pump")
    return stripe.Subscription.retrieve(made.id)


def from_the_api(subscription: Any) -> None:
    """Each kind of object is read through the SDK and written into its model."""
    item = subscription["items"]["data"][0]
    price = item["price"]
    for model, found in (
        (models.Product, stripe.Product.retrieve(price["product"])),
        (models.Price, stripe.Price.retrieve(price["id"])),
        (models.Customer, stripe.Customer.retrieve(subscription["customer"])),
        (models.PaymentMethod, stripe.PaymentMethod.retrieve(subscription["default_payment_method"])),
        (models.Subscription, subscription),
        (models.Invoice, stripe.Invoice.retrieve(subscription["latest_invoice"])),
    ):
        model.sync_from_stripe_data(found, api_key=KEY)
        row = model.objects.get(id=found["id"])
        check(holds=row.livemode is False, found=row)
        claim(f"{model.__name__} is read from the API")
    row = models.Subscription.objects.get(id=subscription["id"])
    check(holds=row.status == "active" and row.customer.email == "ada@example.com", found=(row.status, row.customer))


def from_webhooks(subscription: Any) -> None:
    """Deliveries go through its own view, signature check and handlers included."""
    rows = models.WebhookEndpoint.objects
    made = stripe.WebhookEndpoint.create(url="https://shop.example/hook", enabled_events=["*"])
    models.WebhookEndpoint.sync_from_stripe_data(made, api_key=KEY)
    endpoint = rows.get(id=made.id)
    endpoint.secret = made.secret
    endpoint.save()
    stripe.Customer.modify(subscription["customer"], name="Grace")
    stripe.Subscription.cancel(subscription["id"])
    deliveries = ask("deliveries")["deliveries"]
    check(holds=len(deliveries) > 1, found=len(deliveries))
    view = ProcessWebhookView.as_view()
    for each in deliveries:
        headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in each["headers"].items()}
        request = RequestFactory().post(
            f"/webhook/{endpoint.djstripe_uuid}/", data=each["body"], content_type="application/json", **headers
        )
        answer = view(request, uuid=endpoint.djstripe_uuid)
        check(holds=answer.status_code == 200, found=(answer.content, json.loads(each["body"])["type"]))
    claim("its view accepts every delivery")
    check(holds=models.Customer.objects.get(id=subscription["customer"]).name == "Grace", found="name")
    status = models.Subscription.objects.get(id=subscription["id"]).status
    check(holds=status == "canceled", found=status)
    claim("its rows follow the webhooks")


call_command("migrate", verbosity=0, run_syncdb=True)
subscribed = subscribe()
from_the_api(subscribed)
from_webhooks(subscribed)
