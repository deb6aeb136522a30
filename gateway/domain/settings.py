"""What a merchant decides once for all of its subscriptions (ST-61, ST-77). The operator's defaults fill the gaps.

A setting is read when something begins (a period, an attempt), and what follows keeps it: a later change moves only
what begins later (ST-66).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.branding import Branding, Locale
from gateway.domain.dunning import RetryPolicy
from gateway.domain.errors import InvalidRequest

UPCOMING_DAYS_MAX: Final = 45
FINALIZATION_DELAY_MAX: Final = timedelta(days=3)
GRACE_DAYS_MAX: Final = 90
ALLOWANCE_NOTICE_MAX: Final = 12
"""As many as an open-ended mandate asks a wallet to allow (SX-24)."""

REMINDERS_MAX: Final = 3
INVOICE_REMINDER_DAYS: Final = (-10, 60)
"""First and last day of a reminder, counted from the due date (ST-69)."""

APPROVAL_REMINDER_DAYS: Final = (1, 7)
DUE_DAYS_MAX: Final = 365
OVERDUE_DAYS: Final = (30, 60, 90)


class OverdueAction(StrEnum):
    """What becomes of a subscription that was reminded often enough (ST-70, ST-71)."""

    CANCEL = "cancel"
    UNPAID = "unpaid"
    LEAVE = "leave"


class MailKind(StrEnum):
    """Mails that a merchant may switch on or off; `sign_in` alone is its reader's to ask for."""

    UPCOMING = "upcoming"
    PAYMENT_FAILED = "payment_failed"
    APPROVAL_NEEDED = "approval_needed"
    ALLOWANCE_RUNNING_OUT = "allowance_running_out"
    RECEIPT = "receipt"
    TRIAL_ENDING = "trial_ending"
    INVOICE = "invoice"
    INVOICE_REMINDER = "invoice_reminder"
    CANCELED = "canceled"
    ENDPOINT_DISABLED = "endpoint_disabled"
    SIGN_IN = "sign_in"


def _within(value: int, low: int, high: int, param: str) -> None:
    if not low <= value <= high:
        raise InvalidRequest(f"{param} must be between {low} and {high}.", code="parameter_invalid", param=param)


def _days(days: tuple[int, ...], low: int, high: int, param: str) -> None:
    if len(days) > REMINDERS_MAX:
        raise InvalidRequest(f"{param} takes at most {REMINDERS_MAX} days.", code="parameter_invalid", param=param)
    for index, day in enumerate(days):
        _within(day, low, high, f"{param}[{index}]")
    if list(days) != sorted(set(days)):
        raise InvalidRequest(f"{param} must rise from day to day.", code="parameter_invalid", param=param)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendInvoiceSettings:
    """Invoices that are paid by link: due date, reminders around it, and what happens long after it (ST-69, ST-70)."""

    due_days: int = 30
    reminder_days: tuple[int, ...] = ()
    overdue_days: int | None = None
    overdue_action: OverdueAction = OverdueAction.LEAVE

    def __post_init__(self) -> None:
        _within(self.due_days, 0, DUE_DAYS_MAX, "send_invoice[due_days]")
        _days(self.reminder_days, *INVOICE_REMINDER_DAYS, "send_invoice[reminder_days]")
        if self.overdue_days is not None and self.overdue_days not in OVERDUE_DAYS:
            raise InvalidRequest(
                "send_invoice[overdue_days] must be 30, 60 or 90.",
                code="parameter_invalid",
                param="send_invoice[overdue_days]",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSettings:
    """Reminders to sign or to allow, in days after it was asked for, and what happens after the last (ST-71)."""

    reminder_days: tuple[int, ...] = ()
    action: OverdueAction = OverdueAction.LEAVE

    def __post_init__(self) -> None:
        _days(self.reminder_days, *APPROVAL_REMINDER_DAYS, "approvals[reminder_days]")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """A merchant's decisions; None leaves one to the operator.

    Attributes:
        upcoming_days: how long before a renewal it is announced (C09).
        grace_period_days: a subscription that is not paid for so long is canceled (C14, SX-13); None = never.
        mails: kinds of mail that are switched on or off; what is not named is on, where the operator sends mail at all.
        locale: language of mails and documents to customers who prefer none.
        allowance_notice_renewals: with so many renewals left it is said that an allowance runs out (ST-67).
        one_trial_per_wallet: a wallet gets one trial of a product (SX-08).

    Raises:
        InvalidRequest: a value is out of its range.
    """

    upcoming_days: int = 3
    finalization_delay_seconds: int | None = None
    retries: RetryPolicy | None = None
    grace_period_days: int | None = None
    one_trial_per_wallet: bool = True
    allowance_notice_renewals: int = 2
    send_invoice: SendInvoiceSettings = field(default_factory=SendInvoiceSettings)
    approvals: ApprovalSettings = field(default_factory=ApprovalSettings)
    branding: Branding = field(default_factory=Branding)
    mails: Mapping[MailKind, bool] = field(default_factory=dict)
    locale: Locale = Locale.EN

    def __post_init__(self) -> None:
        _within(self.upcoming_days, 1, UPCOMING_DAYS_MAX, "upcoming_days")
        if self.finalization_delay_seconds is not None:
            longest = int(FINALIZATION_DELAY_MAX.total_seconds())
            _within(self.finalization_delay_seconds, 0, longest, "finalization_delay_seconds")
        _within(self.allowance_notice_renewals, 0, ALLOWANCE_NOTICE_MAX, "allowance_notice_renewals")
        if self.grace_period_days is not None:
            _within(self.grace_period_days, 1, GRACE_DAYS_MAX, "grace_period_days")

    @property
    def upcoming_notice(self) -> timedelta:
        """How long before a renewal it is announced."""
        return timedelta(days=self.upcoming_days)

    def wants(self, kind: MailKind) -> bool:
        """Whether mails of this kind are sent (SX-18)."""
        return self.mails.get(kind, True)

    @property
    def grace_period(self) -> timedelta | None:
        """How long a subscription may stay unpaid; None = for ever."""
        return None if self.grace_period_days is None else timedelta(days=self.grace_period_days)
