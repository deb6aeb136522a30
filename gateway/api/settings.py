"""`/v1/account/settings`: what a merchant decides once for all of its subscriptions (ST-61, ST-77)."""

from dataclasses import replace
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from gateway.api.endpoint import UPDATE, Call, Endpoint, Retrieve, reads, writes
from gateway.api.fields import Text, Word, given
from gateway.api.forms import Params
from gateway.domain.branding import Branding, Locale
from gateway.domain.dunning import OnRetriesExhausted, Restart, RetryPolicy
from gateway.domain.errors import InvalidRequest
from gateway.domain.settings import (
    AccountSettings,
    ApprovalSettings,
    MailKind,
    OverdueAction,
    SendInvoiceSettings,
)
from gateway.services import settings as services
from gateway.wire.settings import SettingsObject, settings

_KIND: Final = "account_settings"
_Action = Literal["cancel", "unpaid", "leave"]


class RetriesParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`days` for fixed retries (up to three), `window_days` for smart ones (up to 31).

    `restart` says what makes us try again after the last one: another wallet, or also the old one when it can pay.
    """

    mode: Literal["fixed", "smart"] = "fixed"
    days: list[int] | None = None
    window_days: int | None = None
    on_exhausted: Literal["unpaid", "canceled", "past_due"] = "unpaid"
    restart: Literal["new_payment_method", "wallet_restored"] = "new_payment_method"


class SendInvoiceParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Due date, reminders around it, and what happens 30, 60 or 90 days after it."""

    due_days: int = 30
    reminder_days: list[int] | None = None
    overdue_days: int | None = None
    overdue_action: _Action = "leave"


class ApprovalsParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reminders to sign or to allow, one to seven days after it was asked for."""

    reminder_days: list[int] | None = None
    action: _Action = "leave"


class BrandingParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How mails and hosted pages look."""

    name: Word | None = None
    logo_url: Text | None = None
    icon: Text | None = None
    color: Word | None = None
    support_email: Word | None = None
    update_url: Text | None = None
    cancel_url: Text | None = None


class MailsParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Kinds of mail to switch on or off; what is not named stays as it is."""

    upcoming: bool | None = None
    payment_failed: bool | None = None
    approval_needed: bool | None = None
    allowance_running_out: bool | None = None
    receipt: bool | None = None
    trial_ending: bool | None = None
    invoice: bool | None = None
    invoice_reminder: bool | None = None
    canceled: bool | None = None
    endpoint_disabled: bool | None = None


class UpdateSettings(Params, frozen=True, kw_only=True):
    """What to change. A group that is given replaces the whole group; an empty value leaves it to the operator."""

    upcoming_days: int | UnsetType = UNSET
    finalization_delay_seconds: int | UnsetType | None = UNSET
    grace_period_days: int | UnsetType | None = UNSET
    one_trial_per_wallet: bool | UnsetType = UNSET
    allowance_notice_renewals: int | UnsetType = UNSET
    retries: RetriesParams | UnsetType | None = UNSET
    send_invoice: SendInvoiceParams | UnsetType = UNSET
    approvals: ApprovalsParams | UnsetType = UNSET
    branding: BrandingParams | UnsetType = UNSET
    mails: MailsParams | UnsetType = UNSET
    locale: Literal["en", "de"] | UnsetType = UNSET


def _retries(body: RetriesParams | None) -> RetryPolicy | None:
    if body is None:
        return None
    wrong = "days" if body.mode == "smart" else "window_days"
    if getattr(body, wrong) is not None:
        raise InvalidRequest(
            f"retries[{wrong}] does not go with mode '{body.mode}'.",
            code="parameter_conflict",
            param=f"retries[{wrong}]",
        )
    exhausted, restart = OnRetriesExhausted(body.on_exhausted), Restart(body.restart)
    try:
        if body.mode == "smart":
            return RetryPolicy.smart(14 if body.window_days is None else body.window_days, exhausted, restart)
        return RetryPolicy((1, 1, 1) if body.days is None else tuple(body.days), exhausted, restart=restart)
    except InvalidRequest as error:
        param = "retries[window_days]" if body.mode == "smart" else "retries[days]"
        raise InvalidRequest(error.message, code=error.code, param=param) from None


def _changed(before: AccountSettings, body: UpdateSettings) -> AccountSettings:
    values: dict[str, Any] = {name: getattr(body, name) for name in given(body, without=frozenset({"expand"}))}
    if not isinstance(body.retries, UnsetType):
        values["retries"] = _retries(body.retries)
    if not isinstance(body.send_invoice, UnsetType):
        values["send_invoice"] = SendInvoiceSettings(
            due_days=body.send_invoice.due_days,
            reminder_days=tuple(body.send_invoice.reminder_days or ()),
            overdue_days=body.send_invoice.overdue_days,
            overdue_action=OverdueAction(body.send_invoice.overdue_action),
        )
    if not isinstance(body.approvals, UnsetType):
        values["approvals"] = ApprovalSettings(
            reminder_days=tuple(body.approvals.reminder_days or ()), action=OverdueAction(body.approvals.action)
        )
    if not isinstance(body.branding, UnsetType):
        named = {name: getattr(body.branding, name) for name in body.branding.__struct_fields__}
        values["branding"] = Branding(**{name: value or None for name, value in named.items()})
    if not isinstance(body.mails, UnsetType):
        switches = {MailKind(name): getattr(body.mails, name) for name in body.mails.__struct_fields__}
        values["mails"] = {**before.mails, **{kind: on for kind, on in switches.items() if on is not None}}
    if not isinstance(body.locale, UnsetType):
        values["locale"] = Locale(body.locale)
    return replace(before, **values)


@reads("/v1/account/settings", kind=_KIND, params=Retrieve, answer=SettingsObject)
async def retrieve(call: Call, _: Retrieve) -> SettingsObject:
    """Retrieve the account's settings."""
    return settings(call.caller.account)


@writes("/v1/account/settings", kind=_KIND, params=UpdateSettings, answer=SettingsObject, methods=UPDATE)
async def update(call: Call, body: UpdateSettings) -> SettingsObject:
    """Change the account's settings; they hold for what begins from now on."""
    after = await services.change(
        call.conn,
        account_id=call.caller.account.id,
        changed=lambda before: _changed(before, body),
        now=call.now,
        actor=call.actor,
    )
    return settings(after)


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (retrieve, update)
