"""Who is written to about what, and what becomes of a mail that nobody takes."""

from datetime import timedelta

import pytest

from gateway.domain import mail as rules
from gateway.domain.events import EventType
from gateway.domain.failure import FailureCode, failed
from gateway.domain.invoice import BillingReason
from gateway.domain.mail import Mail, Status
from gateway.domain.settings import AccountSettings, MailKind
from gateway.domain.transition import StatusReason
from tests import factories as f


def mail(kind: MailKind = MailKind.RECEIPT, **changes: object) -> Mail:
    values: dict[str, object] = {
        "id": f.numbered("mail", 1),
        "scope": f.SCOPE,
        "kind": kind,
        "dedupe_key": "receipt:evt_1",
        "created_at": f.NOW,
        "object_id": f.INVOICE_ID,
        "customer_id": f.CUSTOMER_ID,
        "next_attempt_at": f.NOW,
    }
    return Mail(**{**values, **changes})  # type: ignore[arg-type]


def test_ST_60_a_receipt_tells_of_money_that_moved_and_of_nothing_else() -> None:
    assert rules.kind_of(EventType.INVOICE_PAID, f.invoice(amount_paid=1_000)) is MailKind.RECEIPT
    assert rules.kind_of(EventType.INVOICE_PAID, f.invoice(amount_paid=0)) is None
    assert rules.kind_of(EventType.INVOICE_FINALIZED, f.invoice()) is None
    assert rules.kind_of(EventType.CHARGE_SUCCEEDED, f.charge()) is None


@pytest.mark.parametrize("code", FailureCode)
def test_SX_17_a_customer_is_told_of_what_the_customer_can_do_something_about(code: FailureCode) -> None:
    reason = failed(code, {})
    told = rules.kind_of(EventType.INVOICE_PAYMENT_FAILED, f.invoice(reason=reason)) is MailKind.PAYMENT_FAILED
    assert told == (reason.action.value in {"customer_action", "new_payment_method"})


def test_ST_72_a_trial_that_ends_by_itself_is_announced_and_one_that_is_cancelled_is_not() -> None:
    trial = f.subscription(trial_start=f.NOW, trial_end=f.NOW + timedelta(days=14))
    kind = EventType.SUBSCRIPTION_TRIAL_WILL_END
    assert rules.kind_of(kind, trial) is MailKind.TRIAL_ENDING
    assert rules.kind_of(kind, f.subscription(trial_start=f.NOW, cancel_at_period_end=True)) is None


def test_the_end_of_what_never_began_is_no_news() -> None:
    ended = EventType.SUBSCRIPTION_DELETED
    assert rules.kind_of(ended, f.subscription(activated_at=f.NOW)) is MailKind.CANCELED
    assert rules.kind_of(ended, f.subscription(activated_at=None, trial_start=None)) is None


def test_ST_67_a_renewal_of_nothing_and_the_end_of_a_trial_are_not_announced_as_renewals() -> None:
    renewal = f.invoice(period_index=2)
    assert rules.kind_of(EventType.INVOICE_UPCOMING, renewal) is MailKind.UPCOMING
    assert rules.kind_of(EventType.INVOICE_UPCOMING, f.invoice(period_index=2, total=0)) is None
    assert rules.kind_of(EventType.INVOICE_UPCOMING, f.invoice(period_index=1)) is None


def test_ST_71_who_has_just_subscribed_gets_time_to_approve_before_a_mail() -> None:
    first = f.invoice(billing_reason=BillingReason.SUBSCRIPTION_CREATE)
    later = f.invoice(billing_reason=BillingReason.SUBSCRIPTION_CYCLE)
    kind = EventType.INVOICE_PAYMENT_ACTION_REQUIRED
    assert rules.first_attempt_at(kind, first, f.NOW) == f.NOW + rules.APPROVAL_PATIENCE
    assert rules.first_attempt_at(kind, later, f.NOW) == f.NOW
    assert rules.first_attempt_at(EventType.INVOICE_PAID, first, f.NOW) == f.NOW


def test_ST_69_ST_71_reminders_are_sent_at_once_and_under_the_switch_of_what_they_remind_of() -> None:
    waiting = f.invoice(reason=failed(FailureCode.INSUFFICIENT_ALLOWANCE, {}))
    reminder = EventType.INVOICE_APPROVAL_REMINDER
    assert rules.kind_of(reminder, waiting) is MailKind.APPROVAL_NEEDED
    assert rules.first_attempt_at(reminder, waiting, f.NOW) == f.NOW
    assert rules.kind_of(EventType.INVOICE_SENT, f.invoice()) is MailKind.INVOICE
    for due in (EventType.INVOICE_WILL_BE_DUE, EventType.INVOICE_OVERDUE):
        assert rules.kind_of(due, f.invoice()) is MailKind.INVOICE_REMINDER
        assert rules.kind_of(due, f.invoice(amount_paid=1_000)) is None


def test_delays_double_up_to_two_hours() -> None:
    delays = [rules.retry_delay(attempts) for attempts in range(1, 40)]
    assert delays[:4] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert delays[-1] == rules.RETRY_DELAY_MAX
    assert delays == sorted(delays)


@pytest.mark.parametrize("kind", MailKind)
def test_a_mail_that_nobody_takes_ends_when_it_would_tell_of_the_past(kind: MailKind) -> None:
    waiting, now = mail(kind), f.NOW
    while waiting.status is Status.PENDING:
        assert waiting.next_attempt_at is not None
        now = waiting.next_attempt_at
        waiting = rules.deferred(waiting, "no route to host", now)
    assert (waiting.status, waiting.next_attempt_at, waiting.last_error) == (Status.FAILED, None, "no route to host")
    assert rules.lifetime(kind) - rules.RETRY_DELAY_MAX <= now - f.NOW <= rules.lifetime(kind)


def test_what_ended_waits_for_nothing() -> None:
    taken = rules.sent(mail(last_error="busy"), "ada@example.com", f.NOW)
    assert (taken.status, taken.next_attempt_at, taken.attempts, taken.last_error) == (Status.SENT, None, 1, None)
    refused = rules.refused(mail(), "550 no such user" * 100, "ada@example.com")
    assert (refused.status, refused.next_attempt_at, refused.recipient) == (Status.FAILED, None, "ada@example.com")
    assert len(refused.last_error or "") == rules.ERROR_LENGTH_MAX
    assert rules.drop(mail(), "paid").status is Status.DROPPED


def test_SX_18_every_kind_is_on_until_the_merchant_switches_it_off() -> None:
    assert all(AccountSettings().wants(kind) for kind in MailKind)
    quiet = AccountSettings(mails={MailKind.RECEIPT: False})
    assert [kind for kind in MailKind if not quiet.wants(kind)] == [MailKind.RECEIPT]


def test_a_reason_that_asks_nothing_of_the_customer_asks_for_no_approval() -> None:
    reason = StatusReason("rpc_unavailable")
    assert rules.kind_of(EventType.INVOICE_PAYMENT_ACTION_REQUIRED, f.invoice(reason=reason)) is None
