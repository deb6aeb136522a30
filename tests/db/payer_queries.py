"""Queries of somebody who has signed in, for the test of their plans."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from gateway.db import payers, sign_in
from gateway.db.engine import Connection
from gateway.domain.portal import PayerScope, TicketKind
from tests import factories as f

Work = Callable[[], Awaitable[object]]


def payer_queries(conn: Connection) -> Mapping[str, Work]:
    of = {
        "a wallet": PayerScope(wallet=f.some_address(7)),
        "an address": PayerScope(email="x@example.com"),
        "a customer": PayerScope(customer_id=f.numbered("cus", 8)),
    }
    reads = {
        f"{read.__name__} {name}": partial(read, conn, payer)
        for name, payer in of.items()
        for read in (payers.subscriptions_of, payers.mandates_of, payers.customers_of)
        if payer.wallet is None or read is not payers.customers_of
    }
    return reads | {
        "one of a wallet": lambda: payers.subscription_of(conn, of["a wallet"], f.numbered("sub", 7)),
        "a session": lambda: sign_in.find_session(conn, b"7"),
        "a ticket": lambda: sign_in.find_ticket(conn, TicketKind.LINK, b"7", f.NOW),
        "links of an address": lambda: sign_in.count_links(conn, of["an address"], f.NOW),
        "old sign-ins": lambda: sign_in.purge(conn, now=f.NOW),
    }
