"""What stands between an invoice and its money, in words, with the next step (ST-14, ST-20, ST-22, FR-10)."""

from collections.abc import Mapping
from typing import Any, Final

from chain.port import ChainPort
from gateway.domain.mandate import Mandate, approved_periods
from gateway.domain.money import Token
from gateway.domain.period import from_unix
from gateway.web import codes, wallet_requests
from gateway.web.bill_parts import reason_words, script_for
from gateway.web.bills import Bill
from gateway.web.screens import Asked, Screen, chain_facts, short
from gateway.web.shown import Stage
from gateway.web.wallet_requests import WalletFacts
from gateway.web.words import Words

STAGES: Final = frozenset(
    {Stage.SIGN, Stage.TOP_UP, Stage.ALLOW_AGAIN, Stage.SIGN_AGAIN, Stage.REFUSED, Stage.SCHEDULED}
)


async def screen_of(chain: ChainPort | None, bill: Bill, asked: Asked, stage: Stage) -> Screen:
    """The screen of one of these stages."""
    match stage:
        case Stage.SIGN:
            return await sign(chain, bill, asked)
        case Stage.TOP_UP | Stage.ALLOW_AGAIN:
            return await mend(chain, bill, asked, stage)
        case Stage.SIGN_AGAIN | Stage.REFUSED:
            return elsewhere(bill, asked, stage)
        case _:
            return scheduled(bill, asked)


def scheduled(bill: Bill, asked: Asked) -> Screen:
    """Nothing is wrong: it is collected on its day, or now if the payer likes."""
    w, intent = asked.words, bill.intent
    at = None if intent is None else intent.next_attempt_at
    text = w("bill.scheduled.text", date=w.moment(at)) if at is not None else w("bill.scheduled.asked")
    return Screen(
        title=w("bill.scheduled.title"),
        template="mend",
        context=_mending(bill, asked, text, "topup", w("bill.pay_now")),
        script=script_for(bill, asked, Stage.SCHEDULED),
    )


def elsewhere(bill: Bill, asked: Asked, stage: Stage) -> Screen:
    """A new agreement is needed, with this wallet or another one: that has a page of its own."""
    w = asked.words
    text = reason_words(bill.failure_code, w)
    label = w("bill.resign.go" if stage is Stage.SIGN_AGAIN else "consent.other_wallet")
    return Screen(
        title=w(f"bill.{stage}.title"),
        template="mend",
        context=_mending(bill, asked, text, "again", label) | {"other": False, "planned": None},
        script=script_for(bill, asked, stage),
    )


def _mending(bill: Bill, asked: Asked, text: str, action: str, label: str) -> dict[str, Any]:
    next_at = None if bill.intent is None else bill.intent.next_attempt_at
    again = next_at is not None and action != "topup"
    return {
        "text": text,
        "action": {"id": action, "label": label},
        "code": None,
        "uri": None,
        "planned": asked.words("bill.planned", date=asked.words.moment(next_at)) if again and next_at else None,
        "other": True,
    }


async def mend(chain: ChainPort | None, bill: Bill, asked: Asked, stage: Stage) -> Screen:
    """The wallet holds too little, or allows too little (FR-10): what is missing, and how to give it."""
    w, intent, wish, network = asked.words, bill.intent, bill.wish, bill.network
    if intent is None or wish is None or network is None:
        raise LookupError("the chain or the token of the mandate is configured here no more")
    token = wish.token
    found = None if chain is None else await wallet_requests.facts(chain, wish)
    needed = intent.token_amount or 0
    missing = needed - found.balance if found is not None else needed
    values = {
        "symbol": token.symbol,
        "chain": network.name,
        "address": short(wish.payer),
        "needed": w.tokens(needed, token),
        "held": "?" if found is None else w.tokens(found.balance, token),
        "missing": w.tokens(max(missing, 0), token),
        "amount": w.tokens(wish.allowance, token),
    }
    if stage is Stage.ALLOW_AGAIN:
        context = _mending(bill, asked, w("reallow.text", **values), "reallow", w("reallow.go"))
        calls = wallet_requests.approvals(token.address, wish.contract, wish.allowance, found)
        facts = {"payer": wish.payer, "chain": chain_facts(network, w), "calls": calls}
        script = script_for(bill, asked, stage, **facts)
        return Screen(title=w("reallow.title"), template="mend", context=context, script=script)
    if found is None:
        text = w("topup.text", **values)
    else:
        text = w("bill.topup.text" if missing > 0 else "bill.topup.there", **values)
    context = _mending(bill, asked, text, "topup", w("topup.again" if missing > 0 else "bill.pay_now"))
    if missing > 0 and found is not None:
        uri = codes.transfer_uri(token, wish.payer, missing)
        context |= {"uri": uri, "code": codes.square(uri)}
    return Screen(
        title=w("topup.title", **values), template="mend", context=context, script=script_for(bill, asked, stage)
    )


async def sign(chain: ChainPort | None, bill: Bill, asked: Asked) -> Screen:
    """The wallet has to agree first: for this one payment, or for all of the subscription (ST-14, ST-20)."""
    w, wish, mandate, network = asked.words, bill.wish, bill.mandate, bill.network
    if wish is None or mandate is None or network is None:
        raise LookupError("the chain or the token of the mandate is configured here no more")
    found = None if chain is None else await wallet_requests.facts(chain, wish)
    due = 0 if bill.intent is None else bill.intent.token_amount or 0
    trouble = _trouble(found, wish.token, due, network.name, w)
    prepared = {} if found is None or trouble is not None else wallet_requests.requests(wish, found)
    token = wish.token
    once = mandate.terms.periods == 1
    kind = "bill.sign.allowance" if once else "consent.allowance"
    spoken = f"{kind}_more" if bill.allowed_besides else kind
    periods = approved_periods(mandate.terms, bill.invoice.period_start)
    total = w.tokens(wish.allowance, token)
    context = {
        "maximum": _maximum(bill, mandate, token, w),
        "payee": w("consent.payee", address=short(mandate.terms.payee), chain=network.name),
        "first": w("consent.now", amount=w.tokens(due, token), symbol=token.symbol),
        "allowance": w(spoken, amount=total, symbol=token.symbol, n=periods),
        "until": _until(mandate, w),
        "prompts": _prompts(prepared, w),
        "agree": w("bill.sign.go"),
        "short": short(wish.payer),
        "trouble": trouble,
    }
    script = script_for(bill, asked, Stage.SIGN, chain=chain_facts(network, w), **prepared)
    title = w("consent.title") if trouble is None else trouble["title"]
    return Screen(title=title, template="consent", context=context, script=script)


def _maximum(bill: Bill, mandate: Mandate, token: Token, w: Words) -> str:
    amount = w.tokens(mandate.terms.amount, token)
    if mandate.terms.periods == 1:
        return w("bill.sign.once", amount=amount, symbol=token.symbol)
    interval = bill.subscription.interval
    every = w.every(interval.unit.value, interval.count)
    return w("consent.max", amount=amount, symbol=token.symbol, every=every)


def _until(mandate: Mandate, w: Words) -> str:
    if mandate.terms.periods == 1:
        return w("bill.sign.until", date=w.date(from_unix(mandate.terms.deadline)))
    return w("consent.periods", n=mandate.terms.periods) if mandate.terms.periods else w("consent.until")


def _trouble(found: WalletFacts | None, token: Token, due: int, chain: str, w: Words) -> dict[str, str] | None:
    kind, values = None, {}
    if found is None:
        kind = "unreachable"
    elif not found.can_transfer:
        kind = "blocked"
    elif found.balance < due:
        kind = "low"
        values = {
            "needed": w.tokens(due, token),
            "held": w.tokens(found.balance, token),
            "missing": w.tokens(due - found.balance, token),
        }
    if kind is None:
        return None
    return {
        "title": w(f"{kind}.title", symbol=token.symbol),
        "text": w(f"{kind}.text", symbol=token.symbol, chain=chain, **values),
        "again": w("unreachable.again" if found is None else "low.again"),
    }


def _prompts(prepared: Mapping[str, Any], w: Words) -> str:
    if not prepared:
        return ""
    if prepared["permit"] is not None:
        return w("consent.prompts.permit")
    calls = len(prepared["calls"])
    return w("consent.prompts.approve", n=calls + 1) if calls else w("consent.prompts.one")
