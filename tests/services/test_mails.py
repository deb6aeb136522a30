"""Mails: written with their event, delivered later, never in the way of money."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.db import accounts, catalog, invoices, mails, subscriptions, webhooks
from gateway.db.engine import Books
from gateway.db.pages import PageRequest
from gateway.domain import mail as rules
from gateway.domain.beginning import Schedule
from gateway.domain.branding import Branding, Locale
from gateway.domain.mail import Mail, Status
from gateway.domain.settings import AccountSettings, MailKind
from gateway.domain.subscription import Subscription
from gateway.domain.webhook import EndpointStatus
from gateway.services import mail_queue
from gateway.services import mails as service
from gateway.services import subscriptions as subscription_services
from gateway.services import webhooks as webhook_service
from gateway.services.gateway import MailPolicy
from gateway.services.ports import HttpFault, Letter, Posted, Verdict
from tests import factories as f
from tests.services.house import House
from tests.services.test_webhooks import Receiver, endpoint, queue

POLICY = MailPolicy(sender="billing@dues.example", in_test_mode=True)


@dataclass
class Post:
    """A `MailPort` that keeps what it is given, and answers as it is told, by recipient."""

    answers: dict[str, Posted] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    hold: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def post(self, letters: Sequence[Letter]) -> list[Posted]:
        self.reached.set()
        if self.hold is not None:
            await self.hold.wait()
        self.letters.extend(letters)
        return [self.answers.get(letter.recipient, Posted(Verdict.TAKEN)) for letter in letters]

    def said(self, words: bytes) -> bool:
        return any(words in letter.message.replace(b"=\r\n", b"") for letter in self.letters)


@pytest.fixture
async def house(books: Books) -> House:
    """The test runs on SQLite and on PostgreSQL."""
    return await House.build(books, mail=POLICY)


@pytest.fixture
async def small_house(sqlite_books: Books) -> House:
    return await House.build(sqlite_books, mail=POLICY)


@pytest.fixture
def post() -> Post:
    return Post()


async def written(house: House, kind: MailKind | None = None) -> list[Mail]:
    async with house.gateway.books.read() as conn:
        page = await mails.page(conn, PageRequest(scope=f.SCOPE, limit=100))
    return [mail for mail in reversed(page.items) if kind in (None, mail.kind)]


async def deliver(house: House, post: Post, *, later: timedelta = timedelta(0), limit: int = 50) -> int:
    return await service.deliver_due(house.gateway, post, now=house.now + later, limit=limit)


async def settle_with(house: House, **settings: Any) -> None:
    """The merchant decides otherwise."""
    async with house.gateway.books.write() as conn:
        await accounts.save(conn, f.account(settings=AccountSettings(**settings)))


async def test_ST_60_who_paid_gets_a_receipt_that_can_be_checked_on_the_chain(house: House, post: Post) -> None:
    subscription = await house.active()
    assert await deliver(house, post) >= 1
    [receipt] = await written(house, MailKind.RECEIPT)
    assert (receipt.status, receipt.recipient, receipt.attempts) == (Status.SENT, "ada@example.com", 1)
    charge = await house.charge(subscription)
    assert post.said(b"Subject: Your receipt from Ada's Almanac: USD 10.00")
    [letter] = [letter for letter in post.letters if letter.id == receipt.id]
    unwrapped = letter.message.replace(b"=\r\n", b"")
    for fact in (charge.transaction_hash, str(charge.block_number), "fake (", "1 x Almanac"):
        assert str(fact).encode() in unwrapped, fact


async def test_SX_17_a_failed_renewal_is_told_once_for_each_attempt_and_its_recovery_brings_the_receipt(
    house: House, post: Post
) -> None:
    subscription = await house.active(balance=15_000_000, allowance=10**12)
    await deliver(house, post)
    await house.renew(subscription)
    [first] = await written(house, MailKind.PAYMENT_FAILED)
    await deliver(house, post)
    assert post.said(b"Your wallet does not hold enough of the token")
    await house.go_to(house.now + timedelta(days=1))
    assert len(await written(house, MailKind.PAYMENT_FAILED)) == 2
    # Only the one of the beginning, when the signature was missing.
    [asked] = await written(house, MailKind.APPROVAL_NEEDED)
    assert asked.created_at < first.created_at
    house.chain.fund(f.TOKEN, house.wallet(), 100_000_000)
    await house.go_to(house.now + timedelta(days=1))
    assert len(await written(house, MailKind.RECEIPT)) == 2


async def test_ST_67_a_renewal_is_announced_with_its_amount(house: House, post: Post) -> None:
    subscription = await house.active()
    await house.go_to(subscription.period_end - timedelta(days=2))
    [reminder] = await written(house, MailKind.UPCOMING)
    await deliver(house, post)
    assert post.said(b"List-Unsubscribe") is False
    assert post.said(b"Subject: =?utf-8?b?") or post.said(b"renews on")
    assert (await written(house, MailKind.UPCOMING))[0].status is Status.SENT
    await house.go_to(house.now + timedelta(hours=1))
    assert [mail.id for mail in await written(house, MailKind.UPCOMING)] == [reminder.id]


async def test_ST_72_the_end_of_a_trial_is_announced_with_the_way_out(house: House, post: Post) -> None:
    await settle_with(house, branding=Branding(cancel_url="https://almanac.example/leave"), locale=Locale.DE)
    subscription = await house.subscribe(schedule=Schedule(trial_days=14))
    await house.sign_setup(subscription)
    await house.pump()
    await house.go_to(house.now + timedelta(days=12))
    assert len(await written(house, MailKind.TRIAL_ENDING)) == 1
    assert await written(house, MailKind.UPCOMING) == []
    await deliver(house, post)
    assert post.said(b"Content-Language: de")
    assert post.said(b"https://almanac.example/leave")


async def test_ST_71_a_missing_approval_is_asked_for_after_a_while_and_not_once_it_is_there(
    house: House, post: Post
) -> None:
    waiting = await house.subscribe(1)
    signed = await house.subscribe(2)
    await house.sign(signed)
    await house.pump()
    asked = await written(house, MailKind.APPROVAL_NEEDED)
    assert len(asked) == 2
    await deliver(house, post)
    assert {mail.status for mail in await written(house, MailKind.APPROVAL_NEEDED)} == {Status.PENDING}
    await deliver(house, post, later=rules.APPROVAL_PATIENCE)
    by_customer = {mail.customer_id: mail for mail in await written(house, MailKind.APPROVAL_NEEDED)}
    assert by_customer[waiting.customer_id].status is Status.SENT
    dropped = by_customer[signed.customer_id]
    assert (dropped.status, dropped.last_error) == (Status.DROPPED, "the invoice is paid")


async def test_ST_20_PM_01_a_missing_approval_and_a_failed_payment_lead_to_the_invoice_s_page(
    small_house: House, post: Post
) -> None:
    async def page_of(subscription: Subscription) -> bytes:
        async with small_house.gateway.books.read() as conn:
            invoice_id = (await subscriptions.load(conn, [subscription.id]))[subscription.id].latest_invoice_id or ""
            invoice = (await invoices.load(conn, [invoice_id]))[invoice_id]
        return f"/i/{invoice.id}/{invoice.access_token}".encode()

    def said() -> bytes:
        return b"".join(letter.message for letter in post.letters).replace(b"=\r\n", b"")

    waiting = await small_house.subscribe(1)
    await deliver(small_house, post, later=rules.APPROVAL_PATIENCE)
    assert await page_of(waiting) in said()
    paying = await small_house.active(2, balance=15_000_000, allowance=10**12)
    await small_house.renew(paying)
    await deliver(small_house, post)
    assert await page_of(paying) in said()


async def _cancel(house: House, subscription: Subscription, *, then: Exception | None = None) -> None:
    async with house.gateway.books.write() as conn:
        await subscription_services.cancel(
            conn, house.gateway, scope=f.SCOPE, subscription_id=subscription.id, now=house.now, origin=house.origin
        )
        if then is not None:
            raise then


async def test_ST_67_an_allowance_that_runs_out_is_told_once(house: House, post: Post) -> None:
    await house.active(allowance=30_000_000)
    await house.pump()
    [told] = await written(house, MailKind.ALLOWANCE_RUNNING_OUT)
    await deliver(house, post)
    assert post.said(b"Payments that are still covered: 2")
    await house.pump()
    assert [mail.id for mail in await written(house, MailKind.ALLOWANCE_RUNNING_OUT)] == [told.id]


async def test_the_end_of_a_subscription_is_confirmed(house: House, post: Post) -> None:
    subscription = await house.active()
    await _cancel(house, subscription)
    await deliver(house, post)
    assert post.said(b"Your subscription to Ada's Almanac has ended")


async def test_SX_18_a_kind_that_is_switched_off_is_not_written(small_house: House) -> None:
    await settle_with(small_house, mails={MailKind.RECEIPT: False})
    await small_house.active()
    assert {mail.kind for mail in await written(small_house)} == {MailKind.APPROVAL_NEEDED}


@pytest.mark.parametrize("policy", [None, MailPolicy(sender="a@b.example")], ids=["off", "live mode only"])
async def test_nothing_is_written_where_mail_is_off_or_only_for_real_money(
    sqlite_books: Books, policy: MailPolicy | None
) -> None:
    house = await House.build(sqlite_books, mail=policy)
    await house.active()
    assert await written(house) == []


async def test_a_customer_without_an_address_is_not_written_to(small_house: House) -> None:
    opened = await small_house.subscribe()
    async with small_house.gateway.books.write() as conn:
        await catalog.save_customers(conn, [f.customer(id=opened.customer_id, email=None)])
    await small_house.sign(opened)
    await small_house.pump()
    assert await written(small_house, MailKind.RECEIPT) == []


async def test_an_address_that_cannot_be_delivered_to_ends_the_mail_with_its_reason(house: House, post: Post) -> None:
    opened = await house.active()
    async with house.gateway.books.write() as conn:
        await catalog.save_customers(conn, [f.customer(id=opened.customer_id, email="a@b.example\r\nBcc: c@d.example")])
    await deliver(house, post)
    [receipt] = await written(house, MailKind.RECEIPT)
    assert receipt.status is Status.FAILED
    assert "not an address" in (receipt.last_error or "")
    assert post.letters == []


async def test_a_refusal_ends_the_mail_and_trouble_delays_it(house: House, post: Post) -> None:
    await house.active()
    post.answers["ada@example.com"] = Posted(Verdict.AWAY, "421 busy")
    await deliver(house, post)
    [receipt] = await written(house, MailKind.RECEIPT)
    assert (receipt.status, receipt.attempts, receipt.last_error) == (Status.PENDING, 1, "421 busy")
    assert receipt.next_attempt_at == house.now + timedelta(minutes=1)
    assert await deliver(house, post) == 0
    post.answers["ada@example.com"] = Posted(Verdict.REFUSED, "550 no such user")
    await deliver(house, post, later=timedelta(minutes=1))
    [receipt] = await written(house, MailKind.RECEIPT)
    assert (receipt.status, receipt.attempts, receipt.last_error) == (Status.FAILED, 1, "550 no such user")


async def test_a_letter_that_was_not_tried_counts_no_attempt(small_house: House, post: Post) -> None:
    await small_house.active()
    post.answers["ada@example.com"] = Posted(Verdict.UNTRIED)
    await deliver(small_house, post)
    [receipt] = await written(small_house, MailKind.RECEIPT)
    assert (receipt.status, receipt.attempts, receipt.next_attempt_at) == (Status.PENDING, 0, small_house.now)


async def test_two_workers_never_send_the_same_mail_and_a_dead_ones_mails_come_back(house: House) -> None:
    await house.active()
    slow, quick = Post(hold=asyncio.Event()), Post()
    first = asyncio.create_task(deliver(house, slow))
    await slow.reached.wait()
    assert await deliver(house, quick) == 0
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await deliver(house, quick, later=service.LEASE) == 1
    assert [letter.recipient for letter in quick.letters] == ["ada@example.com"]


async def test_a_mail_that_cannot_be_written_holds_up_no_other(
    small_house: House, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await small_house.active(1)
    await small_house.active(2)
    [first, second] = await written(small_house, MailKind.RECEIPT)
    compose = service.compose

    def sometimes(facts: Any, **options: Any) -> bytes:
        if facts.mail.id == first.id:
            raise KeyError("paid_at")
        return compose(facts, **options)

    monkeypatch.setattr(service, "compose", sometimes)
    await deliver(small_house, post)
    by_id = {mail.id: mail for mail in await written(small_house)}
    assert (by_id[first.id].status, by_id[second.id].status) == (Status.FAILED, Status.SENT)
    assert "KeyError" in (by_id[first.id].last_error or "")


async def test_one_event_is_told_once_however_often_it_is_queued(house: House) -> None:
    await house.active()
    [receipt] = await written(house, MailKind.RECEIPT)
    async with house.gateway.books.write() as conn:
        await mails.add(conn, [replace(receipt, id=f.numbered("mail", 9))])
    assert [mail.id for mail in await written(house, MailKind.RECEIPT)] == [receipt.id]


async def test_what_is_rolled_back_is_not_written_of(small_house: House) -> None:
    opened = await small_house.active()
    before = await written(small_house)
    with pytest.raises(RuntimeError):
        await _cancel(small_house, opened, then=RuntimeError())
    assert await written(small_house) == before


async def test_writing_and_delivering_take_no_more_statements_for_more_mails(house: House, post: Post) -> None:
    counts = []
    for number in (1, 12):
        for each in range(number):
            await house.subscribe(100 * number + each)
        before = house.gateway.books.statements
        assert await deliver(house, post, later=rules.APPROVAL_PATIENCE) == number
        counts.append(house.gateway.books.statements - before)
    assert counts[0] == counts[1]


async def test_the_merchant_is_told_that_its_endpoint_was_switched_off(house: House, post: Post) -> None:
    await settle_with(house, branding=Branding(support_email="ops@almanac.example"))
    silent = Receiver(answers={endpoint().url: HttpFault.TIMEOUT})
    await queue(house, [endpoint()], count=2)
    while (await _endpoint(house)).status is EndpointStatus.ENABLED:
        house.now += timedelta(hours=1)
        await webhook_service.deliver_due(house.gateway, silent, now=house.now)
    await webhook_service.deliver_due(house.gateway, silent, now=house.now + timedelta(hours=9))
    [told] = await written(house, MailKind.ENDPOINT_DISABLED)
    await deliver(house, post)
    [letter] = [letter for letter in post.letters if letter.id == told.id]
    assert letter.recipient == "ops@almanac.example"
    assert endpoint().url.encode() in letter.message.replace(b"=\r\n", b"")


async def _endpoint(house: House) -> Any:
    async with house.gateway.books.read() as conn:
        return (await webhooks.load(conn, [endpoint().id]))[endpoint().id]


async def test_a_merchant_without_an_address_is_not_written_to(small_house: House) -> None:
    async with small_house.gateway.books.write() as conn:
        await mail_queue.tell_merchant(
            conn,
            small_house.gateway,
            f.SCOPE,
            MailKind.ENDPOINT_DISABLED,
            about="we_1",
            occasion="we_1:1",
            now=small_house.now,
        )
    assert await written(small_house) == []
