"""A small merchant: landing page → prices → hosted checkout → members' page, opened by a webhook.

It is written as for Stripe, with the unmodified Stripe SDK; the one line that differs is `base_addresses`. Nothing here
knows of wallets or chains. `make shop` starts it beside a sandbox; otherwise it takes from the environment

    SHOP_API_URL, SHOP_API_KEY    where Dues answers, and a secret key
    SHOP_PORT                     where this shop listens (default 4242)
    SHOP_WEBHOOK_SECRET           of an endpoint that leads to /webhook; without one the shop makes an endpoint itself
"""

import html
import os
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import stripe

PORT = int(os.environ.get("SHOP_PORT", "4242"))
HERE = f"http://127.0.0.1:{PORT}"
NAME = "The Quarterly Light"

client = stripe.StripeClient(
    os.environ["SHOP_API_KEY"],
    base_addresses={"api": os.environ["SHOP_API_URL"]},  # the one line that differs
)


@dataclass
class Shop:
    """What the shop remembers: in a real one, a database.

    Attributes:
        visitors: customer of each browser, by its cookie.
        access: status of each customer's newest subscription, as webhooks told it.
        heard: the newest change of each subscription that was heard, so that late news is not believed.
    """

    webhook_secret: str = os.environ.get("SHOP_WEBHOOK_SECRET", "")
    visitors: dict[str, str] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)

    def open(self) -> None:
        """Make what is sold, once, and ask for webhooks."""
        if not client.v1.prices.list({"active": True, "limit": 1}).data:
            product = client.v1.products.create({"name": NAME, "description": "Four issues a year, printed."})
            for interval, amount in (("month", 900), ("year", 9_000)):
                client.v1.prices.create(
                    {
                        "product": product.id,
                        "currency": "usd",
                        "unit_amount": amount,
                        "recurring": {"interval": interval},
                        "nickname": f"{NAME}, by the {interval}",
                    }
                )
        if not self.webhook_secret:
            endpoint = client.v1.webhook_endpoints.create(
                {
                    "url": f"{HERE}/webhook",
                    "enabled_events": [
                        "customer.subscription.created",
                        "customer.subscription.updated",
                        "customer.subscription.deleted",
                    ],
                }
            )
            self.webhook_secret = endpoint.secret or ""

    def hear(self, body: bytes, signature: str) -> None:
        """Give or take access, as a signed event says. Events may come twice, or late.

        Raises:
            stripe.SignatureVerificationError: nobody we know has sent this.
        """
        event: Any = stripe.Webhook.construct_event(body, signature, self.webhook_secret)
        subscription = event["data"]["object"]
        if event["object_sequence"] > self.heard.get(subscription["id"], 0):
            self.heard[subscription["id"]] = event["object_sequence"]
            self.access[subscription["customer"]] = subscription["status"]


shop = Shop()


def page(title: str, body: str) -> str:
    """Wrap a page."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<style>body{font:1.1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}"
        "button,input{font:inherit;padding:.6rem 1rem}li{margin:1rem 0}</style>"
        f"<h1>{html.escape(title)}</h1>{body}"
    )


def landing() -> str:
    """Ask for the e-mail address first."""
    return page(
        NAME,
        "<p>A journal about lighthouses.</p>"
        '<form method="post" action="/welcome"><label>Your e-mail address '
        '<input name="email" type="email" required></label> <button>Look at the prices</button></form>',
    )


def pricing() -> str:
    """Show what is for sale; nothing is made for it."""
    rows = [
        f"<li>{html.escape(price.nickname or price.id)}: {(price.unit_amount or 0) / 100:.2f} {price.currency.upper()}"
        f'<form method="post" action="/subscribe"><input type="hidden" name="price" value="{price.id}">'
        "<button>Subscribe</button></form>"
        for price in client.v1.prices.list({"active": True}).data
        if price.nickname
    ]
    return page("Prices", f"<ul>{''.join(rows)}</ul>")


def thanks(session_id: str) -> str:
    """Where the checkout leads back to: the session says how it went, the webhook gives access."""
    session = client.v1.checkout.sessions.retrieve(session_id)
    return page("Thank you", f'<p>Your payment is {session.payment_status}.</p><a href="/members">To the issues</a>')


class Visitor(BaseHTTPRequestHandler):
    """Serves one request."""

    def do_GET(self) -> None:
        """Show a page."""
        url = urlsplit(self.path)
        match url.path:
            case "/":
                self._answer(landing())
            case "/pricing":
                self._answer(pricing())
            case "/thanks":
                self._answer(thanks(parse_qs(url.query)["session_id"][0]))
            case "/members" if shop.access.get(self._customer()) in {"active", "trialing"}:
                self._answer(page("Issue 1", "<p>Welcome. Here it begins.</p>"))
            case "/members":
                self._answer(page("For subscribers", '<a href="/pricing">Subscribe</a>'), HTTPStatus.PAYMENT_REQUIRED)
            case _:
                self._answer(page("Not found", ""), HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """Take a form, or an event."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        sent = {key: values[0] for key, values in parse_qs(body.decode(errors="replace")).items()}
        match self.path:
            case "/webhook":
                try:
                    shop.hear(body, self.headers.get("Stripe-Signature", ""))
                except (ValueError, stripe.SignatureVerificationError):
                    self._answer("", HTTPStatus.BAD_REQUEST)
                else:
                    self._answer("")
            case "/welcome":
                customer = client.v1.customers.create({"email": sent["email"]})
                cookie = secrets.token_urlsafe(24)
                shop.visitors[cookie] = customer.id
                self._lead("/pricing", cookie)
            case "/subscribe" if self._customer():
                session = client.v1.checkout.sessions.create(
                    {
                        "mode": "subscription",
                        "customer": self._customer(),
                        "line_items": [{"price": sent["price"], "quantity": 1}],
                        "success_url": f"{HERE}/thanks?session_id={{CHECKOUT_SESSION_ID}}",
                        "cancel_url": f"{HERE}/pricing",
                    }
                )
                self._lead(session.url or "/")
            case _:
                self._lead("/")

    def _customer(self) -> str:
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("visitor")
        return shop.visitors.get(cookie.value, "") if cookie else ""

    def _answer(self, body: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())

    def _lead(self, to: str, cookie: str = "") -> None:
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", to)
        if cookie:
            self.send_header("Set-Cookie", f"visitor={cookie}; HttpOnly; SameSite=Lax; Path=/")
        self.end_headers()


if __name__ == "__main__":
    shop.open()
    with ThreadingHTTPServer(("127.0.0.1", PORT), Visitor) as server:
        server.serve_forever()
