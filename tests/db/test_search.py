"""Searches find what a plain walk over the objects finds: any query, any objects, SQLite and PostgreSQL alike."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.db import searching
from gateway.db.engine import Books, Connection
from gateway.domain.catalog import Customer, Scope
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.charge_intent import Status as IntentStatus
from gateway.domain.period import to_unix
from gateway.domain.search import Clause, FieldKind, Operator, folded, parse
from tests import factories as f
from tests.effort import EFFORT
from tests.fixtures.postgres import aside
from tests.keeping import keep, keep_merchant

TEXTS = ["Ada", "ada lovelace", "ADA", "Änne", "änne", "Eve%_\\'\"", "ß", "", "x" * 40]
KEYS = ["plan", "Plan", 'a"b', "a.b", "$", "ключ"]
START = to_unix(f.NOW)

people = st.fixed_dictionaries(
    {
        "name": st.none() | st.sampled_from(TEXTS),
        "email": st.none() | st.sampled_from(["ada@example.com", "EVE@example.com"]),
        "phone": st.none() | st.sampled_from(["+4930123", "+1555"]),
        "metadata": st.dictionaries(st.sampled_from(KEYS), st.sampled_from(TEXTS), max_size=3),
        "created_at": st.integers(-3, 3).map(lambda n: f.NOW + timedelta(milliseconds=700 * n)),
    }
)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def clauses(draw: st.DrawFn) -> str:
    sign = draw(st.sampled_from(["", "-"]))
    match draw(st.sampled_from(["name", "email", "phone", "metadata", "created"])):
        case "created":
            operator = draw(st.sampled_from([":", "<", ">", "<=", ">="]))
            return f"{sign}created{operator}{draw(st.integers(START - 4, START + 4))}"
        case "metadata":
            key = quoted(draw(st.sampled_from(KEYS)))
            return f"{sign}metadata[{key}]:{draw(st.sampled_from(['null', *map(quoted, TEXTS)]))}"
        case field:
            text = draw(st.sampled_from([*TEXTS, "ada@example.com", "+49", "example", "love", "nne"]))
            if len(text) >= 3 and draw(st.booleans()):
                return f"{sign}{field}~{quoted(text)}"
            return f"{sign}{field}:{draw(st.sampled_from(['null', quoted(text)]))}"


queries = st.tuples(st.sampled_from([" AND ", " OR ", " "]), st.lists(clauses(), min_size=1, max_size=4)).map(
    lambda parts: parts[0].join(parts[1])
)


def holds(customer: Customer, clause: Clause) -> bool:
    """What a clause means, said as plainly as possible."""
    if clause.field == "metadata":
        target: Any = customer.metadata.get(clause.key or "")
    elif clause.field == "created":
        target = to_unix(customer.created_at)
    else:
        target = getattr(customer, clause.field)
    target = folded(target) if isinstance(target, str) else target
    value: Any = clause.value
    if value is None or target is None:
        found = value is None and target is None
    else:
        found = {
            Operator.IS: lambda: target == value,
            Operator.CONTAINS: lambda: value in target,
            Operator.ABOVE: lambda: target > value,
            Operator.BELOW: lambda: target < value,
            Operator.AT_LEAST: lambda: target >= value,
            Operator.AT_MOST: lambda: target <= value,
        }[clause.operator]()
    return bool(found) != clause.negated


def expected(customers: Sequence[Customer], text: str) -> list[str]:
    query = parse(text, searching.SHELVES["customer"].kinds)
    every = any if query.any_of else all
    found = [one.id for one in customers if every(holds(one, clause) for clause in query.clauses)]
    return sorted(found, reverse=True)


def test_any_query_finds_the_same_as_a_walk_over_all_customers(books_url: str) -> None:
    @settings(max_examples=25 * EFFORT, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EFFORT == 1)
    @given(st.lists(people, min_size=1, max_size=12), st.lists(queries, min_size=8, max_size=8))
    def compare(found: list[dict[str, Any]], asked: list[str]) -> None:
        aside(_compare(books_url, found, asked))

    compare()


class _UndoneError(Exception):
    """Takes back what was written, for the next example."""


@asynccontextmanager
async def _taken_back(books: Books) -> AsyncIterator[Connection]:
    with suppress(_UndoneError):
        async with books.write() as conn:
            yield conn
            raise _UndoneError


async def _compare(url: str, found: list[dict[str, Any]], asked: list[str]) -> None:
    books = Books.open(url)
    customers = [f.customer(id=f.numbered("cus", n), **values) for n, values in enumerate(found, start=1)]
    stranger = Scope("acct_2", livemode=False)
    foreign = [f.customer(id=f.numbered("cus", 100 + n), scope=stranger, **one) for n, one in enumerate(found)]
    try:
        async with _taken_back(books) as conn:
            await keep(conn, f.account(), f.account(id="acct_2"), *customers, *foreign)
            for text in asked:
                query = parse(text, searching.SHELVES["customer"].kinds)
                hits = await searching.find(conn, f.SCOPE, "customer", query, limit=100, after=None)
                assert hits.ids == expected(customers, text), text
                assert await searching.count(conn, f.SCOPE, "customer", query) == len(hits.ids)
    finally:
        await books.close()


async def test_every_field_of_every_kind_can_be_asked_on_both_databases(books: Books) -> None:
    """And of what is there each says the same as its value on the wire does."""
    async with books.write() as conn:
        await keep_merchant(conn)
        await keep(
            conn,
            f.mandate(),
            f.subscription(canceled_at=f.NOW),
            f.invoice(number="A-0007"),
            f.charge_intent(status=IntentStatus.FAILED),
            f.charge(status=ChargeStatus.SUCCEEDED, amount_refunded=1000),
        )
    finds = {
        "customer": ['email~"ADA@"', "name:null", "phone:null"],
        "product": ["active:true", 'name:"almanac"', "description:null"],
        "price": [
            "unit_amount:1000",
            'type:"recurring"',
            f'product:"{f.PRODUCT_ID}"',
            'currency:"USD"',
            "-active:false",
        ],
        "subscription": ['status:"pending"', f'customer:"{f.CUSTOMER_ID}"', f"canceled_at:{START}", 'currency:"usd"'],
        "invoice": ['number:"a-0007"', "total>999", 'status:"open"', f'subscription:"{f.SUBSCRIPTION_ID}"'],
        "charge_intent": ['status:"failed"', "amount<1001", f'invoice:"{f.INVOICE_ID}"'],
        "payment_intent": ['status:"requires_payment_method"', '-status:"failed"'],
        "charge": ["refunded:true", f'payment_intent:"{f.INTENT_ID}"', 'status:"succeeded"'],
    }
    assert set(finds) == set(searching.SHELVES)
    async with books.read() as conn:
        for kind, shelf in searching.SHELVES.items():
            sample = {FieldKind.NUMBER: "<=0", FieldKind.MOMENT: "<=0", FieldKind.FLAG: ":true"}
            for name, (of, _) in shelf.fields.items():
                word = f'{name}["k"]:"x"' if name == "metadata" else f"{name}{sample.get(of, ':null')}"
                await searching.find(conn, f.SCOPE, kind, parse(word, shelf.kinds), limit=3, after=None)
            for text in finds[kind]:
                query = parse(text, shelf.kinds)
                assert len((await searching.find(conn, f.SCOPE, kind, query, limit=3, after=None)).ids) == 1, text


@pytest.mark.parametrize("second", [-(2**63), 2**63 - 1, 9_223_372_036_854, -9_223_372_036_855])
async def test_moments_beyond_all_time_are_compared_too(books: Books, second: int) -> None:
    async with books.write() as conn:
        await keep_merchant(conn)
        for operator in Operator:
            if operator is Operator.CONTAINS:
                continue
            query = parse(f"created{operator}{second}", searching.SHELVES["customer"].kinds)
            found = (await searching.find(conn, f.SCOPE, "customer", query, limit=3, after=None)).ids
            above = operator in {Operator.ABOVE, Operator.AT_LEAST}
            assert bool(found) == (operator is not Operator.IS and above == (second < 0)), operator
