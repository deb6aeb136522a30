"""What the portal's pages show: words and figures, made from a payer's view. Nothing is looked up here."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chain.primitives import PeriodUnit
from gateway.domain.charge import Charge
from gateway.domain.forecast import UNLIMITED, Forecast
from gateway.domain.invoice import Invoice
from gateway.domain.money import Token
from gateway.domain.portal import PayerScope
from gateway.domain.subscription import Status, Subscription
from gateway.services.gateway import Network
from gateway.services.portal_view import Held, Permission, View
from gateway.web import screens
from gateway.web.words import Words

NEAR: Final = 2
"""Renewals whose failure is shown as trouble."""

_SENDING: Final = ("cancel_mandate", "revoke_allowance", "mining", "reverted", "slow", "account", "no_wallet")
_BAD: Final = frozenset({Status.PAST_DUE, Status.UNPAID, Status.INCOMPLETE})
_CURRENT: Final = frozenset({Status.ACTIVE, Status.TRIALING, Status.PAST_DUE})


def who(payer: PayerScope, view: View, w: Words) -> str:
    """Who is signed in, in words that they recognise."""
    if payer.wallet is not None:
        return screens.short(payer.wallet)
    if payer.email is not None:
        return payer.email
    customer = view.held[0].customer if view.held else None
    named = None if customer is None else customer.email or customer.name
    return named or w("portal.customer", merchant=view.held[0].merchant if view.held else "…")


def overview(view: View, payer: PayerScope, w: Words) -> dict[str, Any]:
    """All subscriptions, and what is left over in wallets."""
    kind = "wallet" if payer.wallet is not None else "email" if payer.email is not None else "customer"
    return {
        "who": who(payer, view, w),
        "running": [item(each, w) for each in view.held if not each.is_over],
        "ended": [item(each, w) for each in view.held if each.is_over],
        "left": left_over(view, w),
        "empty": w(f"portal.empty.{kind}") if not view.held and not view.left_over else None,
        "silent": w("portal.silent", chains=", ".join(view.silent)) if view.silent else None,
    }


def item(held: Held, w: Words) -> dict[str, Any]:
    """One line of the overview."""
    s = held.subscription
    return {
        "id": s.id,
        "name": ", ".join(held.products),
        "merchant": held.merchant,
        "is_test": not s.scope.livemode,
        "status": w(f"portal.status.{state_of(s)}"),
        "is_bad": s.status in _BAD,
        "price": None if held.is_over else price(held, w),
        "says": sentence(s, w),
        "trouble": outlook(held, held.trouble, w) if held.trouble is not None and is_near(held.trouble) else None,
    }


def is_near(foreseen: Forecast) -> bool:
    """Whether something should be done about it now: that an allowance ends some day is as it was agreed."""
    return foreseen.number <= NEAR


def state_of(s: Subscription) -> str:
    """The status as payers think of it: one that will end is no longer just active."""
    return "ending" if s.cancel_at_period_end and s.status in _CURRENT else s.status.value


def sentence(s: Subscription, w: Words) -> str:
    """What the status means."""
    over_at = s.ended_at or s.canceled_at or s.period_end
    dates = {"canceled": over_at, "ending": s.period_end, "trialing": s.trial_end or s.period_end}
    at = dates.get(state_of(s), s.period_end)
    return w(f"portal.says.{state_of(s)}", date=w.date(at))


def price(held: Held, w: Words) -> str:
    """What a period costs."""
    s = held.subscription
    every = w.every(s.interval.unit.value, s.interval.count)
    return w("portal.price", amount=w.money(held.recurring, s.currency), every=every)


def detail(view: View, held: Held, w: Words) -> dict[str, Any]:
    """Everything about one subscription but its invoices."""
    s, mandate, token, network = held.subscription, held.mandate, held.token, held.network
    rows = [] if held.coming and state_of(s) == "active" else [(w("portal.term.status"), sentence(s, w))]
    if not held.is_over:
        rows.append((w("portal.term.price"), price(held, w)))
        rows += _next(held, w)
    if mandate is not None and token is not None and network is not None:
        paid_by = w(
            "portal.wallet", address=screens.short(mandate.terms.payer), symbol=token.symbol, chain=network.name
        )
        rows.append((w("portal.term.wallet"), paid_by))
        rows += _means(held, token, w)
    permission = view.permission_of(s.id)
    was_signed = mandate is not None and mandate.signed_at is not None
    return {
        **item(held, w),
        "rows": rows,
        "outlook": _future(held, w),
        "permission": None if permission is None else permitted(permission, w),
        "revoked": w("portal.revoked") if was_signed and permission is None and not held.is_over else None,
        "waits": s.pending_update is not None or s.pending_setup_intent_id is not None,
    }


def _next(held: Held, w: Words) -> list[tuple[str, str]]:
    first = next(iter(held.coming), None)
    if first is None or held.token is None:
        return []
    amount = w.tokens(first.draw.amount, held.token)
    said = w("portal.next", amount=amount, symbol=held.token.symbol, date=w.date(first.draw.at))
    return [(w("portal.term.next"), said)]


def _means(held: Held, token: Token, w: Words) -> list[tuple[str, str]]:
    if held.means is None:
        return []
    balance = w("portal.balance", amount=w.tokens(held.means.balance, token), symbol=token.symbol)
    return [
        (w("portal.term.allowance"), _allowed(held.means.allowance, token, w)),
        (w("portal.term.balance"), balance),
    ]


def _allowed(allowance: int, token: Token, w: Words) -> str:
    if allowance >= UNLIMITED:
        return w("portal.allowance_unlimited", symbol=token.symbol)
    return w("portal.allowance", amount=w.tokens(allowance, token), symbol=token.symbol)


def _future(held: Held, w: Words) -> str | None:
    """What the coming renewals will meet."""
    if not held.coming:
        return None
    if held.trouble is None:
        return w("portal.outlook.good")
    if is_near(held.trouble):
        return outlook(held, held.trouble, w)
    return w("portal.outlook.later", n=held.trouble.number - 1, date=w.date(held.trouble.draw.at))


def outlook(held: Held, foreseen: Forecast, w: Words) -> str:
    """Which payment will fail, and what it lacks."""
    token = held.token
    if token is None or foreseen.code is None:
        return ""
    missing = foreseen.missing_balance if foreseen.code == "insufficient_balance" else foreseen.missing_allowance
    return w(
        f"portal.outlook.{foreseen.code}",
        date=w.date(foreseen.draw.at),
        missing=w.tokens(missing, token),
        symbol=token.symbol,
    )


def permitted(permission: Permission, w: Words) -> dict[str, Any]:
    """What a wallet permits in words, with the key of the button that takes it back."""
    token, network = permission.token, permission.network
    mandate = permission.mandate
    address = screens.short(permission.purse[2])
    common = {"symbol": token.symbol, "chain": network.name, "address": address}
    if mandate is None:
        text = w("portal.left.allowance", amount=w.tokens(permission.allowance or 0, token), **common)
    else:
        terms = mandate.terms
        unit = "month" if terms.unit is PeriodUnit.MONTHS else "day"
        seconds_of = {"month": 1, "day": 86_400}
        every = w.every(unit, max(terms.every // seconds_of[unit], 1))
        key = "portal.left.mandate" if permission.is_left_over else "portal.permission.live"
        amount = w.tokens(terms.amount, token)
        text = w(key, merchant=permission.merchant or "…", amount=amount, every=every, **common)
    why = "portal.left.why" if permission.is_left_over else "portal.permission.revoke_text"
    return {
        "key": key_of(permission),
        "text": text,
        "why": w("portal.permission.keeps" if permission.keeps_allowance else why),
    }


def key_of(permission: Permission) -> str:
    """What a page calls a permission."""
    return permission.mandate.id if permission.mandate is not None else "-".join(map(str, permission.purse[:3]))


def left_over(view: View, w: Words) -> list[dict[str, Any]]:
    """Permissions that nothing needs any more."""
    return [permitted(permission, w) for permission in view.left_over]


def revocations(permissions: Sequence[Permission], w: Words) -> dict[str, Any]:
    """What the script relays to the wallet for each button."""
    return {
        key_of(permission): {
            "payer": permission.purse[2],
            "chain": screens.chain_facts(permission.network, w)
            | {"switching": w("js.switching", chain=permission.network.name)},
            "calls": [{"type": call.type, "to": call.to, "data": call.data} for call in permission.calls],
            "t": {
                "mining": w("portal.js.mining", chain=permission.network.name),
                "account": w("portal.js.account", address=screens.short(permission.purse[2])),
            },
        }
        for permission in permissions
    }


def script_texts(w: Words) -> dict[str, str]:
    """What the script says of itself."""
    told = ("connecting", "pending", "locked", "unsupported", "disconnected", "trouble", "offline", "no_fee", "sending")
    texts = {key: w(f"js.{key}", message="{message}", native=w("native")) for key in told}
    texts |= {key: w(f"portal.js.{key}") for key in _SENDING if key not in {"mining", "account"}}
    return texts | {"rejected": w("portal.js.rejected"), "browser": w("wallet.browser")}


def invoices(
    found: Sequence[Invoice], paid: Mapping[str, Charge], networks: Mapping[int, Network], w: Words
) -> list[dict[str, Any]]:
    """Invoices, newest first, with their documents, and their transactions where the chain's explorer shows them."""
    shown = []
    for invoice in found:
        charge = paid.get(invoice.id)
        is_given = invoice.access_token is not None
        shown.append(
            {
                "number": invoice.number or w("portal.invoice.draft"),
                "date": w.date(invoice.created_at),
                "amount": w.money(invoice.total, invoice.currency),
                "status": w(f"portal.invoice.{invoice.status.value}"),
                "pdf": f"/i/{invoice.id}/{invoice.access_token}/pdf" if is_given else None,
                "transaction": None if charge is None else charge.transaction_hash,
                "explorer": None if charge is None else _explored(charge, networks.get(charge.chain_id)),
            }
        )
    return shown


def _explored(charge: Charge, network: Network | None) -> str | None:
    """Where people look a transaction up."""
    if charge.transaction_hash is None or network is None:
        return None
    shown = screens.transaction(charge.transaction_hash, network.explorer_url)
    return shown.url if isinstance(shown, screens.Linked) else None
