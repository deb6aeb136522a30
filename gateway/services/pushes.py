"""Watching for what customers send: each final transfer to a merchant's payout wallet pays what it names, or is told.

Only final blocks are searched, so that nothing here is undone. What was found, what it paid and how far the search went
commit together. Pulls, whoever made them, are `gateway.services.settlement`'s and are passed over here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from chain.errors import AnswerInvalid, RpcRejected
from chain.logs import decode_token_logs, incoming_transfers
from chain.port import ChainPort
from chain.primitives import Address, Hash32, Transferred
from gateway.db import blocks, invoices, mandates, pushes, transactions
from gateway.db.engine import Connection
from gateway.db.pushes import Watch
from gateway.domain import push as domain
from gateway.domain.catalog import Scope
from gateway.domain.ids import new_id
from gateway.domain.invoice import Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.money import Token, exponent, to_minor_units
from gateway.domain.push import Circumstances, PushPayment, Recognised, Status
from gateway.domain.transition import Action, StatusReason
from gateway.services.applications import Ledger
from gateway.services.changes import Changes
from gateway.services.gateway import Gateway
from gateway.services.recording import Origin

RANGE_BLOCKS_MAX: Final = 500
"""Blocks of one request, as public endpoints answer it."""

WALLETS_MAX: Final = 500
"""Wallets of one filter; nodes refuse filters of many thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """Which final blocks to search, for transfers of which tokens to which wallets."""

    searched_to: int
    first: int
    last: int
    tokens: Mapping[Address, Token]
    watches: Mapping[Address, Sequence[Watch]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What a batch of transfers may be about: invoices that amounts name, and what known wallets owe."""

    referenced: Sequence[Invoice] = ()
    owed: Sequence[Invoice] = ()
    payers: Mapping[tuple[Scope, Address], Sequence[str]] = field(default_factory=dict)


async def watch(gateway: Gateway, chain: ChainPort, *, now: datetime) -> int:
    """Search some final blocks for what customers sent, and book it; returns how many blocks.

    Raises:
        RpcUnavailable, RpcRejected: the chain could not be read consistently; nothing was written.
        WriteConflict: another process was faster; nothing was written.
    """
    search = await _next_search(gateway, chain.chain_id)
    if search is None:
        return 0
    last, found = await _transfers(chain, search)
    async with gateway.books.write() as conn:
        await pushes.advance(conn, chain.chain_id, was=search.searched_to, number=last)
        if found:
            await _book(conn, gateway, search, found, chain_id=chain.chain_id, now=now)
    return last - search.first + 1


async def _next_search(gateway: Gateway, chain_id: int) -> _Search | None:
    """One snapshot: what is asked for after it can only be paid above the final block that it shows."""
    async with gateway.books.read() as conn:
        watched = await pushes.watches(conn, chain_id)
        if not watched:
            return None
        cursor = await blocks.cursor(conn, chain_id)
        searched_to = await pushes.searched_to(conn, chain_id)
    if cursor.final_number is None or cursor.halted_reason is not None:
        return None
    tokens = {
        token.address: token
        for token in gateway.tokens.values()
        if token.chain_id == chain_id and token.decimals >= exponent(token.currency)
    }
    first = max(searched_to, min(one.watched_from for one in watched)) + 1
    if first > cursor.final_number or not tokens:
        return None
    by_wallet: defaultdict[Address, list[Watch]] = defaultdict(list)
    for one in watched:
        by_wallet[one.recipient].append(one)
    last = min(first + RANGE_BLOCKS_MAX - 1, cursor.final_number)
    return _Search(searched_to=searched_to, first=first, last=last, tokens=tokens, watches=by_wallet)


async def _transfers(chain: ChainPort, search: _Search) -> tuple[int, list[Transferred]]:
    """Transfers of the blocks up to the returned one, in the order of the chain; a refused range is halved."""
    last = search.last
    wallets = sorted(search.watches)
    queries = [
        incoming_transfers(sorted(search.tokens), wallets[start : start + WALLETS_MAX])
        for start in range(0, len(wallets), WALLETS_MAX)
    ]
    while True:
        try:
            logs = [log for query in queries for log in await chain.logs_in_range(search.first, last, query)]
            break
        except RpcRejected:
            if last == search.first:
                raise
            last = (search.first + last) // 2
    numbers = sorted({log.block_number for log in logs})
    hashes = {header.number: header.hash for header in await chain.headers(numbers) if header} if numbers else {}
    for log in logs:
        if hashes.get(log.block_number) != log.block_hash:
            raise AnswerInvalid(f"the node's logs and headers of block {log.block_number} disagree")
    found = [event for event in decode_token_logs(logs) if isinstance(event, Transferred)]
    # Dust, and the transfers of nothing that anybody can make a wallet "send", pay nothing.
    worth = [one for one in found if _worth(one, search.tokens[one.token])]
    return last, sorted(worth, key=lambda event: (event.at.block_number, event.at.log_index))


def _worth(transfer: Transferred, token: Token) -> int:
    return to_minor_units(transfer.amount, token.currency, token)


async def _book(
    conn: Connection,
    gateway: Gateway,
    search: _Search,
    found: Sequence[Transferred],
    *,
    chain_id: int,
    now: datetime,
) -> None:
    sent = await _without_pulls(conn, chain_id, found)
    known = await _known(conn, chain_id, search, sent)
    changes = Changes()
    candidates = [*known.referenced, *known.owed]
    ledger = await Ledger.opened(conn, candidates, system_now=now, changes=changes)
    # One after another: what one pays, the next one finds paid.
    for transfer in sent:
        watches = [one for one in search.watches[transfer.recipient] if one.watched_from < transfer.at.block_number]
        if watches:
            _take(ledger, known, transfer, search.tokens[transfer.token], [one.scope for one in watches])
    await ledger.close(conn)
    await changes.write(conn, gateway, Origin(now))


def _take(ledger: Ledger, known: _Known, transfer: Transferred, token: Token, scopes: Sequence[Scope]) -> None:
    """Book a transfer on the first merchant for whom it is clear, else write it down as in doubt for the first one."""
    judged = [(scope, _judge(ledger, known, transfer, token, scope)) for scope in scopes]
    scope, recognised = next((one for one in judged if one[1].application is not None), judged[0])
    application = recognised.application
    push = _push(transfer, token, scope, recognised, ledger.system_now)
    if application is None:
        ledger.changes.insert(domain.record(push))
        return
    now = ledger.time_of(application.parts[0].invoice.test_clock_id)
    applied = domain.applied(replace(push, created_at=now), application)
    ledger.changes.insert(domain.record(applied))
    ledger.pay(applied, application)


def _judge(ledger: Ledger, known: _Known, transfer: Transferred, token: Token, scope: Scope) -> Recognised:
    named = domain.read_reference(transfer.amount, token)
    here = [ledger.current(invoice) for invoice in known.referenced if invoice.scope == scope]
    payers = known.payers.get((scope, transfer.sender), ())
    owed = [ledger.current(invoice) for invoice in known.owed if invoice.customer_id in payers]
    circumstances = Circumstances(
        referenced=[invoice for invoice in here if named and domain.is_named(invoice, token, *named)],
        payers=payers,
        owed=[invoice for invoice in owed if invoice.status is InvoiceStatus.OPEN],
        pulled={invoice.id for invoice in (*here, *owed) if ledger.is_pulled(invoice)},
    )
    recognised = domain.recognise(transfer, token, circumstances)
    application = recognised.application
    if application is None or ledger.can_credit(application, token.currency):
        return recognised
    return Recognised(doubt=domain.Doubt.CREDIT_REFUSED, customer_id=recognised.customer_id)


async def _known(conn: Connection, chain_id: int, search: _Search, sent: Sequence[Transferred]) -> _Known:
    """What the transfers may be about, loaded in bulk."""
    if not sent:
        return _Known()
    keys = {
        (watch.scope, *named)
        for transfer in sent
        for watch in search.watches[transfer.recipient]
        if (named := domain.read_reference(transfer.amount, search.tokens[transfer.token])) is not None
    }
    referenced = await invoices.by_references(conn, sorted(keys, key=str)) if keys else []
    payers = await pushes.customers_of_wallets(conn, chain_id, sorted({transfer.sender for transfer in sent}))
    customer_ids = sorted({customer_id for ids in payers.values() for customer_id in ids})
    owed = await invoices.open_of_customers(conn, customer_ids) if customer_ids else []
    return _Known(referenced=referenced, owed=[one for one in owed if one.payee is not None], payers=payers)


def _push(transfer: Transferred, token: Token, scope: Scope, recognised: Recognised, now: datetime) -> PushPayment:
    return PushPayment(
        id=new_id("push", now),
        scope=scope,
        status=Status.UNMATCHED,
        reason=StatusReason(recognised.doubt or "applied", Action.CUSTOMER_ACTION, recognised.evidence),
        created_at=now,
        chain_id=token.chain_id,
        token=token.address,
        sender=transfer.sender,
        recipient=transfer.recipient,
        token_amount=transfer.amount,
        amount=to_minor_units(transfer.amount, token.currency, token),
        currency=token.currency,
        transaction_hash=transfer.at.transaction_hash,
        block_number=transfer.at.block_number,
        block_hash=transfer.at.block_hash,
        log_index=transfer.at.log_index,
        customer_id=recognised.customer_id,
    )


async def _without_pulls(conn: Connection, chain_id: int, found: Sequence[Transferred]) -> list[Transferred]:
    """Transfers that no pull made: neither in a transaction of ours, nor one that our contract speaks of."""
    hashes = sorted({transfer.at.transaction_hash for transfer in found})
    ours = await transactions.by_hashes(conn, hashes)
    charged = await blocks.charged_in(conn, chain_id, sorted({one.at.block_number for one in found}))
    known = await mandates.by_onchain_ids(conn, chain_id, sorted({event.mandate_id for event in charged}))
    pulls: set[tuple[Hash32, Address, Address, Address]] = set()
    foreign: set[Hash32] = set()
    for event in charged:
        mandate = known.get(event.mandate_id)
        if mandate is None:
            foreign.add(event.at.transaction_hash)  # another gateway's, on the same contract
        else:
            terms = mandate.terms
            pulls.add((event.at.transaction_hash, terms.payer, terms.payee, terms.token))
    return [
        one
        for one in found
        if one.at.transaction_hash not in ours
        and one.at.transaction_hash not in foreign
        and (one.at.transaction_hash, one.sender, one.recipient, one.token) not in pulls
    ]
