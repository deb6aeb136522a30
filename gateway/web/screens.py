"""What each stage of a checkout session shows: its words, its facts, and what its script needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from chain.checksum import checksum
from chain.port import ChainPort
from chain.primitives import Address
from gateway.domain.checkout import CustomField, FieldKind, LineItem, Mode
from gateway.domain.mandate import approved_periods
from gateway.domain.money import Token
from gateway.services.gateway import Gateway, Network
from gateway.web import codes, rendering, wallet_requests
from gateway.web.shown import Shown, Stage, followed
from gateway.web.wallet_requests import WalletFacts
from gateway.web.words import Words
from gateway.wire.checkout import page_path

STEPS: Final = ("details", "wallet", "consent", "progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request for a page.

    Attributes:
        lang: the language that the reader chose by a link, which the page's own links keep.
        problem: what was wrong with what was sent, in words, and the field that it is about.
        sent: what was sent, to be shown again.
    """

    words: Words
    now: datetime
    lang: str | None = None
    problem: str | None = None
    bad: str | None = None
    sent: Mapping[str, str] | None = None

    @property
    def query(self) -> str:
        """What the page's own addresses end with."""
        return f"?lang={self.lang}" if self.lang else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A page before it is rendered: title, template of the stage, context, and facts for the script."""

    title: str
    template: str
    context: Mapping[str, Any]
    script: Mapping[str, Any] | None = None
    step: str | None = None


def base_context(shown: Shown, asked: Asked) -> dict[str, Any]:
    """What all pages of a session have in common."""
    session = shown.session
    return {
        "merchant": shown.merchant,
        "brand": rendering.brand(shown.account),
        "is_test": not session.scope.livemode,
        "languages": True,
        "base": page_path(session),
        "query": asked.query,
        "and_lang": f"&lang={asked.lang}" if asked.lang else "",
        "cancel_url": session.cancel_url,
        "offer": _offer(shown, asked.words),
        "steps": STEPS if session.mode is Mode.SUBSCRIPTION else STEPS[1:],
    }


def script_for(shown: Shown, asked: Asked, stage: Stage, **facts: Any) -> dict[str, Any]:
    """What the script of a stage is given; it fills in `name` and `message` itself."""
    draft, network = shown.session.draft, shown.network
    values = {
        "chain": network.name if network is not None else "",
        "id": network.chain_id if network is not None else "",
        "address": short(draft.payer) if draft is not None else "",
        "native": asked.words("native"),
        "merchant": shown.merchant,
        "name": "{name}",
    }
    texts = asked.words.for_script(**values)
    return {"stage": followed(stage), "base": page_path(shown.session), "query": asked.query, "t": texts, **facts}


class Linked(str):
    """A text that leads somewhere."""

    __slots__ = ("url",)
    url: str

    def __new__(cls, text: str, url: str) -> Self:
        """Keep the address beside the text."""
        linked = super().__new__(cls, text)
        linked.url = url
        return linked


def transaction(transaction_hash: str, explorer_url: str | None) -> str:
    """A transaction, with a link to where it can be looked up."""
    if explorer_url is None:
        return transaction_hash
    return Linked(transaction_hash, f"{explorer_url.rstrip('/')}/tx/{transaction_hash}")


def short(account: Address) -> str:
    """An address as people compare it: its beginning and its end."""
    shown = checksum(account)
    return f"{shown[:8]}…{shown[-6:]}"


def chain_facts(network: Network, words: Words) -> dict[str, Any]:
    """What the script needs to bring a wallet to a chain."""
    return {
        "id": hex(network.chain_id),
        "unknown": words("js.no_chain", chain=network.name, id=network.chain_id),
        "wrong": words("js.wrong_chain", chain=network.name),
    }


def _offer(shown: Shown, w: Words) -> dict[str, Any] | None:
    """The summary of what is bought; amounts as they are once a wallet is connected, else as they were frozen."""
    session = shown.session
    offer, draft = session.offer, session.draft
    every = w.every(offer.interval, offer.interval_count)
    recurring = w.money(offer.recurring if draft is None else draft.recurring, offer.currency)
    if session.mode is Mode.SETUP:
        return {"lines": _lines(offer.lines, offer.currency, w), "discount": None, "tax": None, "today": None,
                "then": w("then", amount=recurring, every=every)}  # fmt: skip
    discount = offer.discount if draft is None else draft.discount
    total = offer.total if draft is None else draft.total
    then = w("then", amount=recurring, every=every)
    trial_end = offer.trial_end if draft is None else draft.trial_end
    if trial_end is not None:
        then = w("free_until", date=w.date(trial_end), amount=recurring, every=every)
    elif not offer.subtotal and offer.trial_days:
        then = w("free_days", n=offer.trial_days, amount=recurring, every=every)
    return {
        "lines": _lines(offer.lines, offer.currency, w),
        "discount": w.money(discount, offer.currency) if discount else None,
        "tax": w.money(offer.tax, offer.currency) if offer.tax else None,
        "today": w.money(total, offer.currency),
        "then": then,
    }


def _lines(lines: tuple[LineItem, ...], currency: str, w: Words) -> list[dict[str, str]]:
    return [
        {
            "name": line.description if line.quantity == 1 else w("quantity", n=line.quantity, name=line.description),
            "amount": w.money(line.amount, currency),
        }
        for line in lines
    ]


def details(shown: Shown, asked: Asked) -> Screen:
    """Ask for the e-mail address first, and what else the merchant wants to know (MX-11, SX-16)."""
    session, sent = shown.session, asked.sent or {}
    fields = [
        _field(field, sent.get(f"f-{field.key}", session.answers.get(field.key)))
        for field in session.offer.custom_fields
        if field.kind is not FieldKind.HIDDEN
    ]
    context = {
        "asks_email": not session.is_email_given,
        "email": sent.get("email", session.email or ""),
        "fields": fields,
        "codes": session.offer.allow_promotion_codes,
        "code": sent.get("code", ""),
        "problem": asked.problem,
        "bad": asked.bad,
    }
    return Screen(
        title=asked.words("details.title"),
        template="details",
        context=context,
        step="details",
        script=script_for(shown, asked, Stage.DETAILS),
    )


def _field(field: CustomField, value: str | None) -> dict[str, Any]:
    return {
        "key": field.key,
        "label": field.label,
        "optional": field.optional,
        "options": field.options,
        "numeric": field.kind is FieldKind.NUMERIC,
        "length_max": field.length_max,
        "value": field.value or "" if value is None else value,
    }


def wallet(gateway: Gateway, shown: Shown, asked: Asked) -> Screen:
    """Choose what to pay with, and connect a wallet."""
    session, w = shown.session, asked.words
    networks = gateway.networks
    options = [
        (networks[token.chain_id], token)
        for token in gateway.tokens.values()
        if token.currency == session.offer.currency and networks[token.chain_id].livemode is session.scope.livemode
    ]
    labels = [{"label": w("wallet.option", symbol=token.symbol, chain=network.name)} for network, token in options]
    own_words = w.for_script(chain="", id="", address="", native="", merchant=shown.merchant, name="{name}")
    texts = own_words | {
        "looking": w("wallet.looking"),
        "browser": w("wallet.browser"),
        "connect": w("wallet.connect", name="{name}"),
        "copied": w("wallet.copied"),
        "switching": w("js.switching", chain=", ".join(sorted({network.name for network, _ in options}))),
    }
    may_change = not session.is_email_given or bool(session.offer.custom_fields) or session.offer.allow_promotion_codes
    url = gateway.public_url + page_path(session) + asked.query
    script = script_for(shown, asked, Stage.WALLET) | {
        "t": texts,
        "options": [{"chain": chain_facts(network, w), "token": token.address} for network, token in options],
    }
    return Screen(
        title=w("wallet.title"),
        template="wallet",
        context={
            "options": labels,
            "currency": session.offer.currency.upper(),
            "who": session.email,
            "code": codes.square(url),
            "may_change": may_change and session.mode is Mode.SUBSCRIPTION,
        },
        step="wallet",
        script=script,
    )


async def consent(chain: ChainPort | None, shown: Shown, asked: Asked) -> Screen:
    """Say in words who is paid, how much at most, how often, until when and how to stop; then ask the wallet."""
    w, draft, token, network = asked.words, shown.session.draft, shown.token, shown.network
    if draft is None or token is None or network is None:
        raise LookupError("the chain or the token of the draft is configured here no more")
    wish = wallet_requests.wish_of(shown)
    found = None if chain is None else await wallet_requests.facts(chain, wish)
    trouble = _trouble(shown, found, token, network, w)
    prepared = {} if found is None or trouble is not None else wallet_requests.requests(wish, found)
    is_setup = shown.session.mode is Mode.SETUP
    first = wallet_requests.first_amount(shown, token)
    if prepared and found is not None and first and draft.trial_end is None:
        prepared["batch"] = wallet_requests.batch(wish, found, first)
    every = w.every(shown.session.offer.interval, shown.session.offer.interval_count)
    maximum = w("consent.max", amount=w.tokens(draft.terms.amount, token), symbol=token.symbol, every=every)
    periods = approved_periods(draft.terms, draft.at)
    spoken = "consent.allowance_more" if shown.allowed_besides else "consent.allowance"
    context = {
        "maximum": maximum,
        "payee": w("consent.payee", address=short(draft.terms.payee), chain=network.name),
        "first": _first(shown, token, w),
        "allowance": w(spoken, amount=w.tokens(shown.allowance_needed, token), symbol=token.symbol, n=periods),
        "until": w("consent.periods", n=draft.terms.periods) if draft.terms.periods else w("consent.until"),
        "prompts": _prompts(prepared, w),
        "agree": w("consent.agree_setup" if is_setup else "consent.agree"),
        "short": short(draft.payer),
        "trouble": trouble,
    }
    return Screen(
        title=w("consent.title") if trouble is None else trouble["title"],
        template="consent",
        context=context,
        step="consent",
        script=script_for(shown, asked, Stage.CONSENT, chain=chain_facts(network, w), **prepared),
    )


def _first(shown: Shown, token: Token, w: Words) -> str:
    draft = shown.session.draft
    if shown.session.mode is Mode.SETUP or draft is None:
        return w("consent.unchanged")
    if draft.trial_end is not None:
        return w("consent.later", date=w.date(draft.trial_end))
    return w("consent.now", amount=w.tokens(wallet_requests.first_amount(shown, token), token), symbol=token.symbol)


def _trouble(
    shown: Shown, found: WalletFacts | None, token: Token, network: Network, w: Words
) -> dict[str, str] | None:
    """What stands in the way before anything is signed."""

    def told(kind: str, again: str, **values: object) -> dict[str, str]:
        return {
            "title": w(f"{kind}.title", symbol=token.symbol),
            "text": w(f"{kind}.text", symbol=token.symbol, chain=network.name, **values),
            "again": w(again),
        }

    if found is None:
        return told("unreachable", "unreachable.again")
    if not found.can_transfer:
        return told("blocked", "low.again")
    needed = wallet_requests.first_amount(shown, token)
    if found.balance < needed:
        amounts = {
            "needed": w.tokens(needed, token),
            "held": w.tokens(found.balance, token),
            "missing": w.tokens(needed - found.balance, token),
        }
        return told("low", "low.again", **amounts)
    return None


def _prompts(prepared: Mapping[str, Any], w: Words) -> str:
    if not prepared:
        return ""
    if prepared["permit"] is not None:
        return w("consent.prompts.permit")
    calls = len(prepared["calls"])
    return w("consent.prompts.approve", n=calls + 1) if calls else w("consent.prompts.one")


def stale(shown: Shown, asked: Asked) -> Screen:
    """The terms were shown too long ago to be signed."""
    w = asked.words
    return Screen(
        title=w("stale.title"),
        template="stale",
        context={},
        step="consent",
        script=script_for(shown, asked, Stage.STALE),
    )
