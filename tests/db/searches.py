"""Queries whose plans are looked at (`tests.db.test_plans`): searches, and what tells of usage and wallets."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

from gateway.db import fuel, meters, searching, wallets
from gateway.db.engine import Connection
from gateway.domain.metering import Window
from gateway.domain.search import parse
from tests import factories as f

Work = Callable[[], Awaitable[object]]
LATER = f.NOW + timedelta(days=300)


def search_queries(conn: Connection) -> Mapping[str, Work]:
    """Each kind, by a text that is nowhere: the caller's own objects are walked, nobody else's."""
    queries: dict[str, Work] = {}
    for kind, shelf in searching.SHELVES.items():
        for field, asked in (
            ("created", "created<1"),
            ("metadata", 'metadata["plan"]:"gold"'),
            ("status", 'status:"x"'),
        ):
            if field in shelf.kinds:
                query = parse(asked, shelf.kinds)
                after = f.numbered("zz", 7)
                queries[f"{kind} by {field}"] = partial(
                    searching.find, conn, f.SCOPE, kind, query, limit=3, after=after
                )
                queries[f"count of {kind} by {field}"] = partial(searching.count, conn, f.SCOPE, kind, query)
    return queries


def usage_queries(conn: Connection) -> Mapping[str, Work]:
    return {
        "gas of transactions": lambda: fuel.gas_since(conn, 1, f.WALLET, f.NOW),
        "methods of wallets": lambda: wallets.methods_of(conn, 1, [(f.TOKEN, f.some_address(7))], lock=True),
        "usage of periods": lambda: meters.usage(
            conn,
            [Window(f.numbered("mtr", n), f.numbered("cus", 8), f.NOW, LATER) for n in range(1, 4)],
        ),
        "a meter by its events": lambda: meters.by_event_name(conn, f.SCOPE, "calls_1"),
        "an event by identifier": lambda: meters.event_by_identifier(conn, f.SCOPE, "call-7"),
    }
