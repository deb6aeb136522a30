"""A merchant's settings on the wire."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from gateway.domain.catalog import Account
from gateway.domain.dunning import RetryMode


class RetriesObject(Struct, frozen=True, kw_only=True):
    """When a failed renewal is tried again; `days` from each attempt to the next."""

    mode: str
    days: Sequence[int]
    window_days: int | None
    on_exhausted: str
    restart: str


class SendInvoiceObject(Struct, frozen=True, kw_only=True):
    """Invoices that are paid by link."""

    due_days: int
    reminder_days: Sequence[int]
    overdue_days: int | None
    overdue_action: str


class ApprovalsObject(Struct, frozen=True, kw_only=True):
    """Reminders to sign or to allow."""

    reminder_days: Sequence[int]
    action: str


class BrandingObject(Struct, frozen=True, kw_only=True):
    """How mails and hosted pages look."""

    name: str | None
    logo_url: str | None
    icon: str | None
    color: str | None
    support_email: str | None
    update_url: str | None
    cancel_url: str | None


class SettingsObject(Struct, frozen=True, kw_only=True):
    """What a merchant decides for all of its subscriptions; null leaves it to the operator."""

    object: Literal["account_settings"] = "account_settings"
    account: str
    upcoming_days: int
    finalization_delay_seconds: int | None
    grace_period_days: int | None
    one_trial_per_wallet: bool
    allowance_notice_renewals: int
    retries: RetriesObject | None
    send_invoice: SendInvoiceObject
    approvals: ApprovalsObject
    branding: BrandingObject
    mails: Mapping[str, bool]
    locale: str


def settings(account: Account, _related: object = None) -> SettingsObject:
    """Render an account's settings."""
    value = account.settings
    retries, invoices, approvals, branding = value.retries, value.send_invoice, value.approvals, value.branding
    return SettingsObject(
        account=account.id,
        upcoming_days=value.upcoming_days,
        finalization_delay_seconds=value.finalization_delay_seconds,
        grace_period_days=value.grace_period_days,
        one_trial_per_wallet=value.one_trial_per_wallet,
        allowance_notice_renewals=value.allowance_notice_renewals,
        retries=None
        if retries is None
        else RetriesObject(
            mode=retries.mode.value,
            days=retries.days,
            window_days=sum(retries.days) if retries.mode is RetryMode.SMART else None,
            on_exhausted=retries.on_exhausted.value,
            restart=retries.restart.value,
        ),
        send_invoice=SendInvoiceObject(
            due_days=invoices.due_days,
            reminder_days=invoices.reminder_days,
            overdue_days=invoices.overdue_days,
            overdue_action=invoices.overdue_action.value,
        ),
        approvals=ApprovalsObject(reminder_days=approvals.reminder_days, action=approvals.action.value),
        branding=BrandingObject(
            name=branding.name,
            logo_url=branding.logo_url,
            icon=branding.icon,
            color=branding.color,
            support_email=branding.support_email,
            update_url=branding.update_url,
            cancel_url=branding.cancel_url,
        ),
        mails={kind.value: on for kind, on in sorted(value.mails.items())},
        locale=value.locale.value,
    )
