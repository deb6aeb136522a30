"""The routes of the portal for whoever has signed in (SX-19): see, cancel, pause, change, revoke on the chain."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response, Router, get, post
from litestar.exceptions import HTTPException, NotFoundException

from chain.errors import ChainError
from chain.primitives import Hash32
from gateway.api.endpoint import Api
from gateway.api.forms import read_form
from gateway.db import charge_intents, charges, invoices, portal_configurations
from gateway.db.engine import Connection
from gateway.db.errors import WriteConflict
from gateway.domain.charge import Charge
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.errors import DomainError, NotFound
from gateway.domain.invoice import Invoice
from gateway.domain.subscription import Status, Subscription
from gateway.services import portal_actions, portal_view
from gateway.services.portal_actions import Act
from gateway.services.portal_view import Held, View
from gateway.web import portal_auth, portal_screens, rendering
from gateway.web.answers import (
    AnyRequest,
    NoSuchPage,
    NotFromHere,
    TooMany,
    broken,
    busy,
    compresses,
    json_answer,
    missing,
    refusal,
)
from gateway.web.exit_page import exit_page, exit_url
from gateway.web.portal_session import CSRF_FIELD, NotSignedIn, Portal, Visit, to, to_sign_in
from gateway.web.words import Words
from gateway.wire.checkout import page_path

BODY_BYTES_MAX: Final = 16 * 1024
INVOICES_MAX: Final = 24
"""Invoices that a page shows: two years of months."""

WRITE_TRIES_MAX: Final = 3
_ID: Final = re.compile(r"sub_[a-z0-9]{1,40}")
_HASH: Final = re.compile(r"0x[0-9a-f]{64}")
_DONE: Final = frozenset({"canceled", "ending", "kept", "paused", "resumed", "changed", "revoked"})
_PAUSABLE: Final = frozenset({Status.ACTIVE, Status.TRIALING, Status.PAST_DUE})

Work = Callable[[Connection, Act, Mapping[str, str]], Awaitable[str]]
"""Does something, and says where to go then."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A page of one subscription."""

    visit: Visit
    view: View
    held: Held


def handlers(api: Api) -> list[Router]:
    """The routes of the portal; a composition root mounts them beside the API."""
    portal = Portal(api)
    routes = [_overview(portal), _subscription(portal), *_asking(portal), *_acting(portal), _transaction(portal)]
    return [
        Router(
            path="/customer",
            route_handlers=[*portal_auth.handlers(portal), *routes],
            exception_handlers={
                NotSignedIn: to_sign_in,
                NoSuchPage: missing,
                NotFoundException: missing,
                NotFromHere: refusal,
                TooMany: busy,
                HTTPException: broken,
                Exception: broken,
            },
            request_max_body_size=BODY_BYTES_MAX,
        ),
        Router(path="/", route_handlers=[exit_page]),
    ]


def _page(
    request: AnyRequest, template: str, title: str, visit: Visit, context: Mapping[str, Any], **options: Any
) -> Response[bytes]:
    session = visit.signed_in.session
    done = request.query_params.get("done")
    shown = {
        "title": title,
        "merchant": visit.words("portal.name"),
        "languages": True,
        "query": visit.query,
        "csrf": visit.csrf,
        "script_name": "portal.js",
        "cancel_url": session.return_url,
        "back_words": visit.words("portal.return"),
        "notice": visit.words(f"portal.done.{done}") if done in _DONE else None,
        "problem": None,
        **context,
    }
    return rendering.page(template, visit.words, shown, compress=compresses(request), **options)


def _overview(portal: Portal) -> Any:
    @get("/", name="portal_overview")
    async def overview(request: AnyRequest) -> Response[bytes]:
        """All subscriptions, and what is left over in wallets."""
        visit = await portal.visit(request)
        view = await _look(portal, visit)
        payer, w = visit.signed_in.session.payer, visit.words
        context = portal_screens.overview(view, payer, w) | {"exit_url": exit_url(portal.api.gateway)}
        context |= await _sent_by(portal, visit, view)
        script = _script(visit, portal_screens.revocations(view.left_over, w))
        return _page(request, "portal_overview.html", w("portal.title"), visit, context, script=script)

    return overview


async def _sent_by(portal: Portal, visit: Visit, view: View) -> dict[str, Any]:
    """How a merchant that has sent its customer here wants to be seen."""
    session = visit.signed_in.session
    sent: dict[str, Any] = {"profile": None}
    if session.payer.customer_id is not None and view.held:
        sent |= {"merchant": view.held[0].merchant, "brand": rendering.brand(view.held[0].account)}
    if session.configuration_id is not None:
        async with portal.api.gateway.books.read() as conn:
            found = await portal_configurations.load(conn, [session.configuration_id])
        sent["profile"] = found.get(session.configuration_id)
    return sent


def _script(visit: Visit, revocations: Mapping[str, Any]) -> dict[str, Any]:
    texts = portal_screens.script_texts(visit.words)
    return {"base": "/customer", "query": visit.query, "t": texts, "revoke": revocations}


async def _look(portal: Portal, visit: Visit) -> View:
    payer = visit.signed_in.session.payer
    return await portal_view.look(portal.api.gateway, portal.api.chains, payer, now=visit.now)


async def _shown(portal: Portal, request: AnyRequest) -> _Shown:
    """The subscription that an address names.

    Raises:
        NoSuchPage: there is none, or it is somebody else's: the answer is the same.
        NotSignedIn: nobody is.
    """
    visit = await portal.visit(request)
    view = await _look(portal, visit)
    held = view.of(request.path_params["id"])
    if held is None:
        raise NoSuchPage
    return _Shown(visit, view, held)


def _subscription(portal: Portal) -> Any:
    @get("/subscriptions/{id:str}", name="portal_subscription")
    async def subscription(request: AnyRequest) -> Response[bytes]:
        """One subscription: what comes next, what its wallet allows, its invoices, what can be done."""
        return await _detail(portal, request, await _shown(portal, request))

    return subscription


async def _detail(
    portal: Portal, request: AnyRequest, shown: _Shown, problem: str | None = None, status: int = 200
) -> Response[bytes]:
    visit, view, held, w = shown.visit, shown.view, shown.held, shown.visit.words
    s = held.subscription
    async with portal.api.gateway.books.read() as conn:
        features = await portal_actions.features_of(conn, s, visit.signed_in.session.configuration_id)
        may_change = bool(await portal_actions.plans(conn, s, features))
        bills, paid = await _bills(conn, s) if features.invoice_history else ([], {})
    permission = view.permission_of(s.id)
    context = portal_screens.detail(view, held, w) | {
        "problem": problem,
        "invoices": portal_screens.invoices(bills, paid, portal.api.gateway.networks, w)
        if features.invoice_history
        else None,
        "may": {
            "cancel": features.cancel.enabled and not held.is_over and not s.cancel_at_period_end,
            "keep": features.cancel.enabled and not held.is_over and s.cancel_at_period_end,
            "pause": features.pause and s.status in _PAUSABLE,
            "resume": features.pause and s.status is Status.PAUSED,
            "wallet": features.payment_method_update and not held.is_over and held.mandate is not None,
            "plan": may_change and s.status in _PAUSABLE,
        },
        "here": f"/customer/subscriptions/{s.id}",
        "merchant": held.merchant,
        "brand": rendering.brand(held.account),
    }
    script = _script(visit, portal_screens.revocations([] if permission is None else [permission], w))
    title = ", ".join(held.products)
    return _page(request, "portal_subscription.html", title, visit, context, script=script, status=status)


async def _bills(conn: Connection, s: Subscription) -> tuple[list[Invoice], dict[str, Charge]]:
    """The newest invoices of a subscription, and the charges that paid them, by invoice."""
    found = (await invoices.of_subscription(conn, s.scope, s.id))[:INVOICES_MAX]
    intents = await charge_intents.of_invoices(conn, [invoice.id for invoice in found]) if found else {}
    latest = {i.latest_charge_id: key for key, i in intents.items() if i.latest_charge_id is not None}
    made = await charges.load(conn, sorted(latest)) if latest else {}
    return found, {latest[c.id]: c for c in made.values() if c.status is ChargeStatus.SUCCEEDED}


def _asking(portal: Portal) -> list[Any]:
    """Pages that ask something before anything happens."""

    @get("/subscriptions/{id:str}/cancel", name="portal_ask_cancel")
    async def ask_cancel(request: AnyRequest) -> Response[bytes]:
        """When it should end, and why."""
        shown = await _shown(portal, request)
        held, w, s = shown.held, shown.visit.words, shown.held.subscription
        async with portal.api.gateway.books.read() as conn:
            features = await portal_actions.features_of(conn, s, shown.visit.signed_in.session.configuration_id)
        if held.is_over or not features.cancel.enabled:
            return to(f"/customer/subscriptions/{s.id}{shown.visit.query}")
        context = {
            "here": f"/customer/subscriptions/{s.id}",
            "merchant": held.merchant,
            "brand": rendering.brand(held.account),
            "at_once": features.cancel.mode == "immediately",
            "period_end": w("portal.cancel.period_end", date=w.date(s.period_end)),
            "reasons": [(o.value, w(f"portal.feedback.{o.value}")) for o in features.cancel.options]
            if features.cancel.asks_reason
            else [],
        }
        title = w("portal.cancel.title", name=", ".join(held.products))
        return _page(request, "portal_cancel.html", title, shown.visit, context, script=_script(shown.visit, {}))

    @get("/subscriptions/{id:str}/plan", name="portal_ask_plan")
    async def ask_plan(request: AnyRequest) -> Response[bytes]:
        """Which plan it should be."""
        shown = await _shown(portal, request)
        held, w, s = shown.held, shown.visit.words, shown.held.subscription
        async with portal.api.gateway.books.read() as conn:
            features = await portal_actions.features_of(conn, s, shown.visit.signed_in.session.configuration_id)
            offered = await portal_actions.plans(conn, s, features)
        options = [
            (
                price.id,
                w(
                    "portal.plan.option",
                    name=price.nickname or product.name,
                    amount=w.money(price.unit_amount, price.currency),
                    every=w.every(price.interval.unit.value, price.interval.count),
                ),
            )
            for price, product in offered
            if price.interval is not None
        ]
        context = {
            "here": f"/customer/subscriptions/{s.id}",
            "merchant": held.merchant,
            "brand": rendering.brand(held.account),
            "options": options,
        }
        return _page(
            request, "portal_plan.html", w("portal.plan"), shown.visit, context, script=_script(shown.visit, {})
        )

    return [ask_cancel, ask_plan]


def _acting(portal: Portal) -> list[Any]:
    """What changes something; each leads back to a page."""

    def routed(step: str, work: Work) -> Any:
        @post(f"/subscriptions/{{id:str}}/{step}", name=f"portal_{step}", status_code=303)
        async def act(request: AnyRequest) -> Response[bytes]:
            return await _acted(portal, request, work)

        return act

    gateway = portal.api.gateway

    async def cancel(conn: Connection, act: Act, sent: Mapping[str, str]) -> str:
        at_once = sent.get("when") == "now"
        found = await portal_actions.cancel(conn, gateway, act, at_once=at_once, sent=sent)
        return _back(found, "canceled" if at_once else "ending")

    async def keep(conn: Connection, act: Act, _sent: Mapping[str, str]) -> str:
        return _back(await portal_actions.keep(conn, gateway, act), "kept")

    async def pause(conn: Connection, act: Act, _sent: Mapping[str, str]) -> str:
        return _back(await portal_actions.pause(conn, gateway, act), "paused")

    async def resume(conn: Connection, act: Act, _sent: Mapping[str, str]) -> str:
        return _back(await portal_actions.resume(conn, gateway, act), "resumed")

    async def plan(conn: Connection, act: Act, sent: Mapping[str, str]) -> str:
        changed = await portal_actions.change_plan(conn, gateway, act, price_id=sent.get("price", ""))
        return _back(changed, "changed" if changed.pending_update is None else "")

    async def wallet(conn: Connection, act: Act, _sent: Mapping[str, str]) -> str:
        back_to = f"{gateway.public_url}/customer/subscriptions/{act.subscription_id}"
        return page_path(await portal_actions.change_wallet(conn, gateway, act, back_to=back_to))

    steps = {"cancel": cancel, "keep": keep, "pause": pause, "resume": resume, "plan": plan, "wallet": wallet}
    return [routed(step, work) for step, work in steps.items()]


def _back(subscription: Subscription, done: str) -> str:
    return f"/customer/subscriptions/{subscription.id}" + (f"?done={done}" if done else "")


async def _acted(portal: Portal, request: AnyRequest, work: Work) -> Response[bytes]:
    """Do something in one transaction; what cannot be done is said on the page of the subscription."""
    sent = {key: value for key, value in read_form(await request.body()).items() if isinstance(value, str)}
    visit, origin = await portal.changing(request, sent.get(CSRF_FIELD, ""))
    session = visit.signed_in.session
    if not _ID.fullmatch(request.path_params["id"]):
        raise NoSuchPage
    act = Act(
        payer=session.payer,
        subscription_id=request.path_params["id"],
        configuration_id=session.configuration_id,
        system_now=visit.now,
        origin=origin,
    )
    for rest in reversed(range(WRITE_TRIES_MAX)):
        try:
            async with portal.api.gateway.books.write() as conn:
                path = await work(conn, act, sent)
        except NotFound:
            raise NoSuchPage from None
        except DomainError as error:
            shown = await _shown(portal, request)
            return await _detail(portal, request, shown, _told(shown.visit.words, error, shown.held), 422)
        except WriteConflict:
            if not rest:
                raise
        else:
            break
    await portal.ring()
    return to(path + (("&" if "?" in path else "?") + f"lang={visit.lang}" if visit.lang else ""))


def _told(w: Words, error: DomainError, held: Held) -> str:
    key = f"portal.error.{error.code}"
    return w(key, merchant=held.merchant) if w.has(key) else w("portal.error.other", message=error.message)


def _transaction(portal: Portal) -> Any:
    @get("/transactions/{chain_id:int}/{hash:str}", name="portal_transaction")
    async def transaction(request: AnyRequest) -> Response[bytes]:
        """What became of a transaction that a wallet sent."""
        await portal.visit(request)
        chain = portal.api.chains.get(request.path_params["chain_id"])
        sent = request.path_params["hash"].lower()
        if chain is None or not _HASH.fullmatch(sent):
            raise NoSuchPage
        try:
            [receipt] = await chain.receipts([Hash32(sent)])
        except ChainError:
            receipt = None
        mined = receipt is not None and receipt.succeeded
        return json_answer({"mined": mined, "reverted": receipt is not None and not mined})

    return transaction
