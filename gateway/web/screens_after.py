"""What is shown from the signature on: how it goes, what is missing, the receipt."""

from typing import Any, Final

from chain.checksum import checksum
from gateway.domain.checkout import CheckoutSession, Mode
from gateway.web import wallet_requests
from gateway.web.screens import Asked, Screen, chain_facts, script_for, short, transaction
from gateway.web.shown import LIVE, WATCHED, OnItsWay, Shown, Stage
from gateway.web.words import Words
from gateway.wire import invoice_links

LEAVING_MS: Final = 6_000
"""How long a receipt is shown before the payer goes back to the merchant; a button stops that."""


def progress_text(shown: OnItsWay, stage: Stage, w: Words) -> str:
    """Where a charge, a registration or a transfer stands."""
    i, of = progress_bar(shown, stage)
    match stage:
        case Stage.WAITING:
            return w("progress.wait")
        case Stage.SENT:
            return w("progress.sent", chain="" if shown.network is None else shown.network.name)
        case Stage.PENDING:
            return w("progress.pending", chain="" if shown.network is None else shown.network.name)
        case Stage.CONFIRMING | Stage.ARRIVING:
            return w("progress.confirming", i=i, n=of) if of else w("progress.final_soon")
        case _:
            return w("progress.submitted")


def progress_bar(shown: OnItsWay, stage: Stage) -> tuple[int, int]:
    """(confirmations so far, confirmations needed); (0, 0) where nobody can say."""
    network = shown.network
    if stage not in {Stage.CONFIRMING, Stage.ARRIVING} or shown.broadcast is None:
        return 0, 0
    if network is None or network.final_tag is not None:
        return 0, 0
    return min(shown.broadcast.confirmations, network.confirmations), network.confirmations


def progress(shown: Shown, asked: Asked, stage: Stage) -> Screen:
    """The signature is here; what happens now needs nobody."""
    w, is_setup = asked.words, shown.session.mode is Mode.SETUP
    i, of = progress_bar(shown, stage)
    title = w("progress.title_setup" if is_setup else "progress.title")
    return Screen(
        title=w("progress.wait_title") if stage is Stage.WAITING else title,
        template="progress",
        context={"text": progress_text(shown, stage, w), "i": i, "of": of, "elsewhere": _instead(shown, stage)},
        step="progress",
        script=script_for(shown, asked, stage, live=True),
    )


def _instead(shown: Shown, stage: Stage) -> str | None:
    """Where the payer agrees by a signature, if the wallet did not send what it said: the invoice's page."""
    return invoice_links.page_url(shown.invoice, "") if stage is Stage.SENT and shown.invoice is not None else None


def trouble(shown: Shown, asked: Asked, stage: Stage) -> Screen:
    """The charge was refused for a reason that the payer can mend, or not with this wallet (FR-10, ST-27)."""
    w, draft, token, network = asked.words, shown.session.draft, shown.token, shown.network
    if draft is None or token is None or network is None:
        raise LookupError("the chain or the token of the draft is configured here no more")
    kind = stage.value
    values = {
        "symbol": token.symbol,
        "address": short(draft.payer),
        "chain": network.name,
        "needed": w.tokens(wallet_requests.first_amount(shown, token), token),
        "amount": w.tokens(shown.allowance_needed, token),
        "code": shown.failure_code.replace("_", " "),
        "merchant": shown.merchant,
    }
    labels = {Stage.TOP_UP: "topup.again", Stage.ALLOW_AGAIN: "reallow.go"}
    facts: dict[str, Any] = {"live": stage in WATCHED}
    if stage is Stage.ALLOW_AGAIN:
        calls = wallet_requests.approvals(token.address, draft.contract, shown.allowance_needed, None)
        facts |= {"payer": draft.payer, "chain": chain_facts(network, w), "calls": calls}
    return Screen(
        title=w(f"{kind}.title", **values),
        template="trouble",
        context={
            "text": w(f"{kind}.text", **values),
            "action": {"id": kind, "label": w(labels[stage])} if stage in labels else None,
        },
        step="progress",
        script=script_for(shown, asked, stage, **facts),
    )


def success_url(session: CheckoutSession) -> str:
    """Where the payer goes at the end (MX-18)."""
    return session.success_url.replace("{CHECKOUT_SESSION_ID}", session.id)


def done(shown: Shown, asked: Asked) -> Screen:
    """The money is final, or the wallet is set up: the receipt, and the way back."""
    w, session, draft, token = asked.words, shown.session, shown.session.draft, shown.token
    charge, network, subscription = shown.charge, shown.network, shown.subscription
    sentences, receipt = [], []
    is_setup = session.mode is Mode.SETUP
    if is_setup:
        sentences.append(w("done.setup"))
    elif charge is not None and token is not None:
        paid = w.tokens(charge.token_amount, token)
        sentences.append(w("done.paid", amount=paid, symbol=token.symbol, merchant=shown.merchant))
        receipt.append((w("done.amount"), f"{paid} {token.symbol}", False))
    elif draft is not None and draft.trial_end is not None:
        sentences.append(w("done.trial", date=w.date(draft.trial_end)))
    if subscription is not None and not is_setup:
        sentences.append(w("done.next", date=w.date(subscription.period_end)))
        receipt.append((w("done.subscription"), subscription.id, True))
    if session.email is not None:
        sentences.append(w("done.email", email=session.email))
    if draft is not None and network is not None:
        receipt += [
            (w("done.to"), checksum(draft.terms.payee), True),
            (w("done.from"), checksum(draft.payer), True),
            (w("done.network"), network.name, False),
        ]
    if charge is not None and charge.transaction_hash is not None:
        explorer = None if network is None else network.explorer_url
        receipt.append((w("done.transaction"), transaction(charge.transaction_hash, explorer), True))
    if session.completed_at is not None:
        receipt.append((w("done.when"), w.moment(session.completed_at), False))
    return Screen(
        title=w("done.title_setup" if is_setup else "done.title"),
        template="done",
        context={
            "sentences": sentences,
            "receipt": receipt,
            "success_url": success_url(session),
            "cancel_url": None,
            "offer": None,
        },
        script=script_for(shown, asked, Stage.DONE, pause=LEAVING_MS),
    )


def expired(shown: Shown, asked: Asked) -> Screen:
    """Nothing goes on here any more."""
    w = asked.words
    is_over = shown.session.confirmed_at is not None
    text = w("expired.subscription") if is_over else w("expired.time", merchant=shown.merchant)
    return Screen(title=w("expired.title"), template="expired", context={"text": text, "offer": None})


def screen_of(shown: Shown, asked: Asked, stage: Stage) -> Screen:
    """The screen of a stage from the signature on."""
    match stage:
        case Stage.DONE:
            return done(shown, asked)
        case Stage.EXPIRED:
            return expired(shown, asked)
        case Stage.TOP_UP | Stage.ALLOW_AGAIN | Stage.REFUSED:
            return trouble(shown, asked, stage)
        case _:
            if stage not in LIVE:
                raise ValueError(f"{stage} comes before the signature")
            return progress(shown, asked, stage)
