"""Which invoice a transfer pays, how it is divided, and what sending does to a subscription in every status."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.primitives import Address, Transferred
from gateway.domain import audit, push, sending
from gateway.domain.charge import Status as ChargeStatus
from gateway.domain.errors import IllegalTransition, InvalidRequest
from gateway.domain.invoice import BillingReason, Invoice
from gateway.domain.invoice import Status as InvoiceStatus
from gateway.domain.money import Token
from gateway.domain.push import Circumstances, Doubt, Status
from gateway.domain.reminder import Ask, Chase
from gateway.domain.subscription import CollectionMethod
from gateway.domain.subscription import Status as SubscriptionStatus
from gateway.domain.transition import StatusReason
from tests import factories as f
from tests.happenings import push_payment

WHY = StatusReason("a reason")
DAI = Token(chain_id=f.CHAIN_ID, address=f.some_address(5), symbol="DAI", decimals=18, currency="usd")
COARSE = replace(DAI, symbol="GUSD", decimals=2)
CUSTOMER = f.CUSTOMER_ID


def bill(number: int = 1, total: int = 1000, **changes: Any) -> Invoice:
    """A sent invoice that is open."""
    sent = {"collection_method": CollectionMethod.SEND_INVOICE, "payee": f.PAYEE, "push_reference": 40 + number}
    lines = (f.invoice_line(amount=total),)
    return f.invoice(**({"id": f.numbered("in", number), "total": total, "lines": lines} | sent | changes))


def transfer(amount: int, token: Token = f.USDC, sender: Address = f.WALLET) -> Transferred:
    return Transferred(at=f.position(7), token=token.address, sender=sender, recipient=f.PAYEE, amount=amount)


class TestReferences:
    @pytest.mark.parametrize(("token", "amount"), [(f.USDC, 10_000_041), (DAI, 10_000_041 * 10**12)])
    def test_an_amount_to_send_names_its_invoice(self, token: Token, amount: int) -> None:
        assert push.amount_to_send(bill(), token) == amount
        assert push.read_reference(amount, token) == (1000, 41)
        assert push.is_named(bill(), token, 1000, 41)

    def test_a_token_without_spare_digits_carries_no_reference(self) -> None:
        assert push.amount_to_send(bill(), COARSE) == 1000
        assert push.read_reference(1000, COARSE) is None

    @pytest.mark.parametrize("amount", [10_000_000, 10**19, 10_000_041 * 10**12 + 1])
    def test_other_amounts_name_nothing(self, amount: int) -> None:
        token = f.USDC if amount == 10_000_000 else DAI
        assert push.read_reference(amount, token) is None

    @given(owed=st.integers(1, 10**10), reference=st.integers(1, push.REFERENCES))
    def test_every_amount_and_reference_is_read_as_it_was_written(self, owed: int, reference: int) -> None:
        invoice = bill(total=owed, push_reference=reference)
        for token in (f.USDC, DAI):
            assert push.read_reference(push.amount_to_send(invoice, token), token) == (owed, reference)


class TestDividing:
    @given(
        owed=st.lists(st.integers(1, 5000), min_size=1, max_size=5),
        units=st.integers(10_000, 200_000_000),
        token=st.sampled_from([f.USDC, DAI]),
    )
    def test_every_base_unit_goes_somewhere_and_no_invoice_gets_more_than_it_owes(
        self, owed: list[int], units: int, token: Token
    ) -> None:
        units *= 10 ** (token.decimals - 6)
        invoices = [bill(number, total) for number, total in enumerate(owed, 1)]
        worth = units // 10 ** (token.decimals - 2)
        divided = push.divide(invoices, worth, units, token)
        assert sum(part.token_amount for part in divided.parts) + divided.credit_token_amount == units
        assert sum(part.amount for part in divided.parts) + divided.credit == worth
        assert all(0 < part.amount <= part.invoice.amount_remaining for part in divided.parts)
        paid_up = [part.invoice.id for part in divided.parts if part.amount == part.invoice.amount_remaining]
        assert paid_up == [invoice.id for invoice in invoices][: len(paid_up)]
        assert divided.credit == 0 or len(paid_up) == len(invoices)


class TestRecognising:
    def doubt(self, amount: int, **known: Any) -> Doubt | None:
        return push.recognise(transfer(amount), f.USDC, Circumstances(**known)).doubt

    def paid(self, amount: int, **known: Any) -> list[tuple[str, int]]:
        found = push.recognise(transfer(amount), f.USDC, Circumstances(**known)).application
        assert found is not None
        return [(part.invoice.id, part.amount) for part in found.parts]

    def test_a_named_invoice_is_paid_without_knowing_the_sender(self) -> None:
        assert self.paid(10_000_041, referenced=[bill()]) == [(bill().id, 1000)]

    def test_two_invoices_of_one_name_are_in_doubt(self) -> None:
        twins = [bill(1), bill(2, push_reference=41)]
        assert self.doubt(10_000_041, referenced=twins) is Doubt.AMBIGUOUS_AMOUNT

    @pytest.mark.parametrize("status", [InvoiceStatus.PAID, InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE])
    def test_a_named_invoice_that_is_closed_is_in_doubt(self, status: InvoiceStatus) -> None:
        assert self.doubt(10_000_041, referenced=[bill(status=status)]) is Doubt.INVOICE_CLOSED

    def test_an_unknown_sender_pays_nothing(self) -> None:
        assert self.doubt(10_000_000, owed=[bill()]) is Doubt.UNKNOWN_PAYER

    def test_an_invoice_in_another_currency_is_not_owed_in_this_token(self) -> None:
        known = {"payers": [CUSTOMER], "owed": [bill(currency="eur")]}
        assert self.doubt(10_000_000, **known) is Doubt.NO_OPEN_INVOICE

    def test_an_invoice_that_was_never_sent_takes_no_transfer(self) -> None:
        pulled = bill(collection_method=CollectionMethod.CHARGE_AUTOMATICALLY, payee=None, push_reference=None)
        assert self.doubt(10_000_000, payers=[CUSTOMER], owed=[pulled]) is Doubt.NO_OPEN_INVOICE

    def test_C04_a_pulled_invoice_that_was_sent_takes_exactly_what_it_owes(self) -> None:
        pulled = bill(collection_method=CollectionMethod.CHARGE_AUTOMATICALLY)
        known = {"payers": [CUSTOMER], "owed": [pulled]}
        assert self.paid(10_000_000, **known) == [(pulled.id, 1000)]
        assert self.doubt(9_990_000, **known) is Doubt.NO_OPEN_INVOICE
        assert self.doubt(10_010_000, **known) is Doubt.NO_OPEN_INVOICE

    def test_the_invoice_of_exactly_this_amount_goes_before_older_ones(self) -> None:
        known = {"payers": [CUSTOMER], "owed": [bill(1, 700), bill(2, 1000)]}
        assert self.paid(10_000_000, **known) == [(f.numbered("in", 2), 1000)]

    def test_what_may_be_moving_by_a_pull_is_in_doubt(self) -> None:
        known = {"payers": [CUSTOMER], "owed": [bill()], "pulled": {bill().id}}
        assert self.doubt(10_000_000, **known) is Doubt.PULL_IN_FLIGHT


class TestThePayment:
    @pytest.mark.parametrize("status", Status)
    def test_only_an_unmatched_one_may_be_applied_or_dismissed(self, status: Status) -> None:
        payment = push_payment(status=status)
        application = push.divide([bill()], payment.amount, payment.token_amount, f.USDC)
        if status is Status.UNMATCHED:
            assert push.apply(payment, application, f.NOW).value.status is Status.APPLIED
            assert push.dismiss(payment, f.NOW).value.status is Status.DISMISSED
            return
        with pytest.raises(IllegalTransition):
            push.apply(payment, application, f.NOW)
        with pytest.raises(IllegalTransition):
            push.dismiss(payment, f.NOW)


class TestTheAudit:
    def findings(self, payment: push.PushPayment, collected: int, shown: int | None) -> list[str]:
        charge = f.charge(status=ChargeStatus.SUCCEEDED, token_amount=collected, push_payment_id=payment.id)
        place = (payment.block_number, payment.log_index)
        transferred = {} if shown is None else {place: shown}
        return [str(found.finding) for found in audit.wrong_pushes([payment], [charge], transferred)]

    def test_a_payment_that_is_divided_whole_and_stands_on_the_chain_is_in_order(self) -> None:
        payment = push_payment(status=Status.APPLIED, credited_token_amount=3_000_000)
        assert self.findings(payment, 7_000_000, 10_000_000) == []

    def test_units_that_went_nowhere_or_came_from_nowhere_are_found(self) -> None:
        payment = push_payment(status=Status.APPLIED)
        assert self.findings(payment, 9_999_999, 10_000_000) == ["divided_wrong"]

    @pytest.mark.parametrize("shown", [None, 9_999_999])
    def test_a_payment_that_the_chain_does_not_show_is_found(self, shown: int | None) -> None:
        assert self.findings(push_payment(status=Status.APPLIED), 10_000_000, shown) == ["orphan_push"]


class TestSendingInEveryStatus:
    @pytest.mark.parametrize("status", SubscriptionStatus)
    def test_ST_76_sending_gives_credit_only_to_what_waits_for_its_first_payment(
        self, status: SubscriptionStatus
    ) -> None:
        change = sending.give_credit(f.subscription(status=status), bill(), f.NOW)
        waits = status in {SubscriptionStatus.PENDING, SubscriptionStatus.INCOMPLETE, SubscriptionStatus.TRIALING}
        assert (change is not None) is waits
        assert change is None or (change.value.status, change.value.expires_at) == (SubscriptionStatus.ACTIVE, None)

    @pytest.mark.parametrize("status", SubscriptionStatus)
    @pytest.mark.parametrize("owes", [False, True])
    def test_ST_44_a_payment_makes_good_what_owes_nothing_else(self, status: SubscriptionStatus, *, owes: bool) -> None:
        paid = bill(status=InvoiceStatus.PAID, billing_reason=BillingReason.SUBSCRIPTION_CYCLE)
        change = sending.thank(f.subscription(status=status), paid, f.NOW, owes=owes)
        late = {SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID, SubscriptionStatus.TRIALING}
        always = {SubscriptionStatus.PENDING, SubscriptionStatus.INCOMPLETE, SubscriptionStatus.ACTIVE}
        assert (change is not None) is (status in always or (status in late and not owes))
        assert change is None or change.value.status is SubscriptionStatus.ACTIVE

    @pytest.mark.parametrize("status", InvoiceStatus)
    def test_only_an_open_invoice_can_be_sent_and_takes_a_part(self, status: InvoiceStatus) -> None:
        invoice = bill(status=status)
        if status is InvoiceStatus.OPEN:
            assert sending.send(invoice, payee=f.PAYEE, reference=7, now=f.NOW).value.push_reference == 41
            assert sending.receive(invoice, 400, WHY, f.NOW).value.amount_remaining == 600
            return
        with pytest.raises(InvalidRequest):
            sending.send(invoice, payee=f.PAYEE, reference=7, now=f.NOW)
        with pytest.raises(ValueError, match="no part"):
            sending.receive(invoice, 400, WHY, f.NOW)

    @pytest.mark.parametrize("amount", [0, -1, 1000, 1001])
    def test_a_part_is_less_than_the_whole(self, amount: int) -> None:
        with pytest.raises(ValueError, match="no part"):
            sending.receive(bill(), amount, WHY, f.NOW)

    def test_ST_69_an_open_invoice_wakes_when_something_of_its_plan_is_due(self) -> None:
        plan = Chase(ask=Ask.PAYMENT, overdue_at=f.NOW + timedelta(days=2))
        assert bill(chase=plan).wake_at == f.NOW + timedelta(days=2)
        assert bill(chase=plan, auto_advance=False).wake_at is None
        assert bill(chase=plan, status=InvoiceStatus.PAID).wake_at is None
