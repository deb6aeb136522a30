"""Mandates: terms, signature and state."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from chain.primitives import Address, MandateId, MandateTerms, PeriodUnit, Permit
from gateway.db import bulk, keys, moves, pages, rows, schema
from gateway.db.engine import Connection
from gateway.db.pages import Page, PageRequest
from gateway.db.reading import Reader
from gateway.domain.catalog import Scope
from gateway.domain.mandate import KIND, USABLE, Mandate
from gateway.domain.transition import Moved

_T: Final = schema.mandates
_FIXED: Final = frozenset({
    "account_id", "livemode", "customer_id", "payment_method_id", "created_at", "chain_id", "contract", "onchain_id",
    "payer", "payee", "token", "amount", "unit", "every", "fee_bps", "start_seconds", "periods", "arrears",
    "deadline_seconds", "salt",
})  # fmt: skip
"""What was signed never changes."""


async def add_many(conn: Connection, moved: Sequence[Moved[Mandate]]) -> None:
    """Insert mandates.

    Raises:
        ConstraintBroken: `uq_mandates_onchain_id`: the same terms were written down before.
    """
    await moves.insert(conn, _T, moved, _row)


async def save_many(conn: Connection, moved: Sequence[Moved[Mandate]]) -> None:
    """Write what may change of mandates."""
    await moves.update(conn, _T, moved, _row, _FIXED)


async def get(conn: Connection, scope: Scope, mandate_id: str, *, lock: bool = False) -> Mandate | None:
    """Return one mandate of the caller's; None when there is none."""
    query = rows.by_id(_T, [mandate_id], lock=lock, read=_READ).where(rows.in_scope(_T, scope))
    return next(iter(_READ.values(conn.dialect, await conn.execute(query))), None)


async def load(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, Mandate]:
    """For workers: mandates of any tenant, by id."""
    found = await rows.fetch(conn, _T, ids, lock=lock, read=_READ)
    return {value.id: value for value in _READ.values(conn.dialect, found)}


async def of_wallet(
    conn: Connection, scope: Scope, *, customer_id: str, subscription_id: str, payment_method_id: str
) -> list[Mandate]:
    """Mandates of a payment method for one subscription, newest first."""
    query = (
        _READ.select()
        .where(
            rows.in_scope(_T, scope),
            _T.c.customer_id == customer_id,
            _T.c.subscription_id == subscription_id,
            _T.c.payment_method_id == payment_method_id,
        )
        .order_by(_T.c.id.desc())
    )
    return _READ.values(conn.dialect, await conn.execute(query))


async def by_onchain_ids(
    conn: Connection, chain_id: int, onchain_ids: Iterable[MandateId], *, lock: bool = False
) -> dict[MandateId, Mandate]:
    """For workers: mandates by the ids that the chain knows them by."""
    query = _READ.select().where(_T.c.chain_id == chain_id, keys.any_of(_T.c.onchain_id, onchain_ids)).order_by(_T.c.id)
    found = await conn.execute(rows.locked(query, _T, lock=lock))
    return {value.onchain_id: value for value in _READ.values(conn.dialect, found)}


async def usable_of_wallet(conn: Connection, chain_id: int, token: Address, payer: Address) -> list[Mandate]:
    """For workers and payers' pages: mandates of any tenant that draw, or may come to draw, on a wallet's allowance."""
    query = _READ.select().where(
        _T.c.payer == payer,
        _T.c.chain_id == chain_id,
        _T.c.token == token,
        keys.any_of(_T.c.status, sorted(USABLE)),
    )
    return _READ.values(conn.dialect, await conn.execute(query))


async def page(conn: Connection, request: PageRequest, *, customer: str | None = None) -> Page[Mandate]:
    """List mandates."""
    return await pages.read(
        conn, _T, request, _mandate, None if customer is None else _T.c.customer_id == customer, kind=KIND
    )


def _row(value: Mandate) -> bulk.Row:
    terms = value.terms
    return {
        "id": value.id,
        **rows.tenant(value.scope),
        "customer_id": value.customer_id,
        "payment_method_id": value.payment_method_id,
        "status": value.status,
        **rows.reason_columns(value.reason),
        "created_at": value.created_at,
        "chain_id": value.chain_id,
        "contract": value.contract,
        "onchain_id": value.onchain_id,
        "payer": terms.payer,
        "payee": terms.payee,
        "token": terms.token,
        "amount": terms.amount,
        "unit": int(terms.unit),
        "every": terms.every,
        "fee_bps": terms.fee_bps,
        "start_seconds": terms.start,
        "periods": terms.periods,
        "arrears": terms.arrears,
        "deadline_seconds": terms.deadline,
        "salt": terms.salt,
        "subscription_id": value.subscription_id,
        "signature": value.signature,
        "permit": None if value.permit is None else _permit_json(value.permit),
        "signed_at": value.signed_at,
        "registered_at": value.registered_at,
        "revoked_at": value.revoked_at,
    }


def _mandate(row: Any) -> Mandate:
    return Mandate(
        id=row.id,
        scope=rows.scope(row),
        customer_id=row.customer_id,
        payment_method_id=row.payment_method_id,
        status=row.status,
        reason=rows.reason(row),
        created_at=row.created_at,
        chain_id=row.chain_id,
        contract=row.contract,
        onchain_id=row.onchain_id,
        terms=MandateTerms(
            payer=row.payer,
            payee=row.payee,
            token=row.token,
            amount=row.amount,
            unit=PeriodUnit(row.unit),
            every=row.every,
            fee_bps=row.fee_bps,
            start=row.start_seconds,
            periods=row.periods,
            arrears=row.arrears,
            deadline=row.deadline_seconds,
            salt=row.salt,
        ),
        subscription_id=row.subscription_id,
        signature=row.signature,
        permit=None if row.permit is None else _permit(row.permit),
        signed_at=row.signed_at,
        registered_at=row.registered_at,
        revoked_at=row.revoked_at,
    )


def _permit_json(permit: Permit) -> dict[str, Any]:
    return {
        "value": str(permit.value),
        "deadline": str(permit.deadline),
        "v": permit.v,
        "r": permit.r.hex(),
        "s": permit.s.hex(),
    }


def _permit(stored: dict[str, Any]) -> Permit:
    return Permit(
        value=int(stored["value"]),
        deadline=int(stored["deadline"]),
        v=stored["v"],
        r=bytes.fromhex(stored["r"]),
        s=bytes.fromhex(stored["s"]),
    )


_READ: Final = Reader(_T, _mandate)
