"""Chasing an open invoice: when somebody is reminded of it, when it is past due, and what happens long after.

The plan is made when the invoice is sent (ST-69, ST-70) or when the wallet is first asked (ST-71), from the settings as
they are then: changing them later moves only later plans (ST-66).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.settings import APPROVAL_REMINDER_DAYS, ApprovalSettings, OverdueAction, SendInvoiceSettings


class Ask(StrEnum):
    """What is waited for: the customer's transfer, or the wallet's approval."""

    PAYMENT = "payment"
    APPROVAL = "approval"


APPROVAL_WAIT: Final = timedelta(days=1)
"""From the last reminder to approve until the action."""


class Step(StrEnum):
    """What a moment of a plan asks for."""

    REMIND = "remind"
    OVERDUE = "overdue"
    ACT = "act"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chase:
    """What is still to happen to an open invoice that nobody pays.

    Attributes:
        reminders: moments of the reminders to come, rising.
        sent: how many were sent.
        overdue_at: when it becomes past due; None when it is, or never does.
        act_at: when `action` is taken; None when that is done, or nothing is to be done.
    """

    ask: Ask
    reminders: tuple[datetime, ...] = ()
    sent: int = 0
    overdue_at: datetime | None = None
    act_at: datetime | None = None
    action: OverdueAction = OverdueAction.LEAVE

    @property
    def wake_at(self) -> datetime | None:
        """When something of it falls due next."""
        moments = (*self.reminders[:1], self.overdue_at, self.act_at)
        return min((moment for moment in moments if moment is not None), default=None)


def of_payment(settings: SendInvoiceSettings, sent_at: datetime, due_at: datetime) -> Chase:
    """The plan of an invoice that was sent. Reminders of moments before it was sent are left out."""
    moments = (due_at + timedelta(days=day) for day in settings.reminder_days)
    acts = settings.overdue_days is not None and settings.overdue_action is not OverdueAction.LEAVE
    return Chase(
        ask=Ask.PAYMENT,
        reminders=tuple(moment for moment in moments if moment > sent_at),
        overdue_at=due_at,
        act_at=due_at + timedelta(days=settings.overdue_days or 0) if acts else None,
        action=settings.overdue_action if acts else OverdueAction.LEAVE,
    )


def of_approval(settings: ApprovalSettings, asked_at: datetime) -> Chase | None:
    """The plan of an invoice whose wallet has to approve or sign first; None when nothing is to happen.

    The action follows a day after the last reminder, or after the last day on which one could have been.
    """
    acts = settings.action is not OverdueAction.LEAVE
    if not settings.reminder_days and not acts:
        return None
    last = settings.reminder_days[-1] if settings.reminder_days else APPROVAL_REMINDER_DAYS[1]
    return Chase(
        ask=Ask.APPROVAL,
        reminders=tuple(asked_at + timedelta(days=day) for day in settings.reminder_days),
        act_at=asked_at + timedelta(days=last) + APPROVAL_WAIT if acts else None,
        action=settings.action,
    )


def take_due(chase: Chase, now: datetime) -> tuple[Chase, frozenset[Step]]:
    """What is due now, and the plan without it. Of several missed reminders one is sent: the others are too late."""
    steps = set()
    missed = [moment for moment in chase.reminders if moment <= now]
    after = replace(chase, reminders=chase.reminders[len(missed) :])
    if missed:
        steps.add(Step.REMIND)
    if chase.overdue_at is not None and chase.overdue_at <= now:
        steps.add(Step.OVERDUE)
        after = replace(after, overdue_at=None)
    if chase.act_at is not None and chase.act_at <= now:
        steps.add(Step.ACT)
        after = replace(after, act_at=None)
    return after, frozenset(steps)


def counted(chase: Chase) -> Chase:
    """One more reminder was sent."""
    return replace(chase, sent=chase.sent + 1)
