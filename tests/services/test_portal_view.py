"""What somebody who has signed in sees: what wallets permit, what may be taken back, what will fail (SX-19, C12)."""

from datetime import timedelta

import pytest

from gateway.db.engine import Books
from gateway.domain.catalog import Scope
from gateway.domain.failure import FailureCode
from gateway.domain.mandate import Status as MandateStatus
from gateway.domain.portal import PayerScope
from gateway.domain.subscription import Status
from gateway.services import portal_view
from gateway.services.portal_view import View
from tests import factories as f
from tests.keeping import keep
from tests.services.house import House

WALLET = f.some_address(7)
ELSEWHERE = Scope("acct_2", livemode=False)
AMOUNT = f.mandate_terms().amount


@pytest.fixture
async def house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books)


async def subscribe(house: House, number: int, scope: Scope = f.SCOPE, *, status: Status = Status.ACTIVE) -> None:
    """A subscription of the wallet; each with its own merchant's price."""
    ids = {"customer_id": f"cus_{number}", "scope": scope}
    async with house.gateway.books.write() as conn:
        if scope is ELSEWHERE:
            await keep(conn, f.account(id="acct_2", name="Bob's Bulletin"), f.product(id="prod_2", scope=scope))
            await keep(conn, f.price(id="price_2", product_id="prod_2", scope=scope))
        item = f.subscription_item(id=f"si_{number}", price_id="price_2" if scope is ELSEWHERE else f.PRICE_ID)
        await keep(
            conn,
            f.customer(id=f"cus_{number}", scope=scope),
            f.payment_method(id=f"pm_{number}", owner=WALLET, **ids),
            f.active_mandate(
                id=f"mandate_{number}",
                onchain_id=f.some_mandate_id(number),
                payment_method_id=f"pm_{number}",
                subscription_id=f"sub_{number}",
                terms=f.mandate_terms(payer=WALLET, salt=number),
                **ids,
            ),
            f.active_subscription(
                id=f"sub_{number}",
                payment_method_id=f"pm_{number}",
                mandate_id=f"mandate_{number}",
                items=(item,),
                status=status,
                **ids,
            ),
        )


async def look(house: House, payer: PayerScope | None = None) -> View:
    chains = {f.CHAIN_ID: house.chain}
    return await portal_view.look(house.gateway, chains, payer or PayerScope(wallet=WALLET), now=house.now)


def calls(view: View) -> dict[str, list[str]]:
    """The transactions that end each permission, by its mandate."""
    return {p.mandate.id if p.mandate else "allowance": [c.type for c in p.calls] for p in view.permissions}


async def test_C12_an_allowance_goes_with_the_last_agreement_that_needs_it(house: House) -> None:
    house.chain.fund(f.TOKEN, WALLET, balance=100 * AMOUNT, allowance=12 * AMOUNT)
    await subscribe(house, 1)
    assert calls(await look(house)) == {"mandate_1": ["cancel_mandate", "revoke_allowance"]}
    await subscribe(house, 2, ELSEWHERE)
    view = await look(house)
    assert calls(view) == {"mandate_1": ["cancel_mandate"], "mandate_2": ["cancel_mandate"]}
    assert all(permission.keeps_allowance for permission in view.permissions)
    # Whoever sees only one of them takes nothing from the other.
    alone = await look(house, PayerScope(customer_id="cus_1"))
    assert calls(alone) == {"mandate_1": ["cancel_mandate"]}


async def test_C12_what_outlives_a_subscription_is_left_over_and_so_is_a_bare_allowance(house: House) -> None:
    house.chain.fund(f.TOKEN, WALLET, balance=0, allowance=5 * AMOUNT)
    await subscribe(house, 1, status=Status.CANCELED)
    [left] = (await look(house)).left_over
    assert (left.mandate and left.mandate.id, left.allowance) == ("mandate_1", 5 * AMOUNT)
    await subscribe(house, 2)
    assert [p.mandate.id for p in (await look(house)).left_over if p.mandate] == ["mandate_1"]
    async with house.gateway.books.write() as conn:
        ended = f.mandate(
            id="mandate_3",
            onchain_id=f.some_mandate_id(3),
            payment_method_id="pm_1",
            customer_id="cus_1",
            subscription_id="sub_1",
            status=MandateStatus.REVOKED,
            terms=f.mandate_terms(payer=f.some_address(8)),
        )
        await keep(conn, ended)
    house.chain.fund(f.TOKEN, f.some_address(8), balance=0, allowance=7)
    view = await look(house, PayerScope(wallet=f.some_address(8)))
    assert calls(view) == {"allowance": ["revoke_allowance"]}
    house.chain.fund(f.TOKEN, f.some_address(8), balance=0, allowance=0)
    assert (await look(house, PayerScope(wallet=f.some_address(8)))).permissions == ()


async def test_SX_19_what_all_merchants_draw_on_a_wallet_is_foreseen_together(house: House) -> None:
    house.chain.fund(f.TOKEN, WALLET, balance=3 * AMOUNT, allowance=100 * AMOUNT)
    await subscribe(house, 1)
    await subscribe(house, 2, ELSEWHERE)
    view = await look(house)
    troubles = [held.trouble for held in view.held]
    assert [t and (t.number, t.code) for t in troubles] == [
        (2, FailureCode.INSUFFICIENT_BALANCE),
        (3, FailureCode.INSUFFICIENT_BALANCE),
    ] or [t and (t.number, t.code) for t in troubles] == [
        (3, FailureCode.INSUFFICIENT_BALANCE),
        (2, FailureCode.INSUFFICIENT_BALANCE),
    ]


async def test_a_chain_that_is_silent_leaves_its_figures_out_and_nothing_else(house: House) -> None:
    house.chain.fund(f.TOKEN, WALLET, balance=AMOUNT, allowance=AMOUNT)
    await subscribe(house, 1)
    house.chain.fail_next("calls")
    view = await look(house)
    [held] = view.held
    assert view.silent
    assert (held.means, held.coming, held.trouble) == (None, (), None)
    assert calls(view) == {"mandate_1": ["cancel_mandate", "revoke_allowance"]}
    assert (await look(house)).silent == ()


async def test_a_subscription_on_a_test_clock_lives_in_its_own_time(house: House) -> None:
    house.chain.fund(f.TOKEN, WALLET, balance=AMOUNT, allowance=AMOUNT)
    await subscribe(house, 1)
    async with house.gateway.books.write() as conn:
        later = house.now + timedelta(days=100)
        await keep(conn, f.clock(id="clock_9", frozen_at=later), f.customer(id="cus_9", test_clock_id="clock_9"))
        await keep(conn, f.active_subscription(id="sub_9", customer_id="cus_9", test_clock_id="clock_9",
                                               items=(f.subscription_item(id="si_9"),), mandate_id=None,
                                               payment_method_id=None))  # fmt: skip
    [held] = (await look(house, PayerScope(customer_id="cus_9"))).held
    assert held.now == later
