"""What merchants decided, with the operator's defaults where they did not; and changing it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from gateway.db import accounts
from gateway.db.engine import Connection
from gateway.domain.act import ActKind
from gateway.domain.catalog import Account
from gateway.domain.dunning import RetryPolicy
from gateway.domain.errors import NotFound
from gateway.domain.settings import AccountSettings, ApprovalSettings
from gateway.services import acts
from gateway.services.acts import Actor
from gateway.services.gateway import Gateway


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for whatever a merchant's subscription begins now."""

    finalization_delay: timedelta
    retries: RetryPolicy
    grace: timedelta | None
    notice: timedelta
    allowance_notice: int
    approvals: ApprovalSettings


def policy_of(gateway: Gateway, settings: AccountSettings) -> Policy:
    """A merchant's policy."""
    delay = settings.finalization_delay_seconds
    return Policy(
        finalization_delay=gateway.finalization_delay if delay is None else timedelta(seconds=delay),
        retries=settings.retries or gateway.retry_policy,
        grace=settings.grace_period,
        notice=settings.upcoming_notice,
        allowance_notice=settings.allowance_notice_renewals,
        approvals=settings.approvals,
    )


async def policies(conn: Connection, gateway: Gateway, account_ids: Iterable[str]) -> Mapping[str, Policy]:
    """Policies of merchants, by account."""
    ids = sorted(set(account_ids))
    found = await accounts.get_many(conn, ids) if ids else {}
    return {key: policy_of(gateway, account.settings) for key, account in found.items()}


async def change(
    conn: Connection,
    *,
    account_id: str,
    changed: Callable[[AccountSettings], AccountSettings],
    now: datetime,
    actor: Actor,
) -> Account:
    """Change settings as `changed` says. They hold for what begins from now on (ST-66).

    The audit log says what they were and are.

    Raises:
        NotFound: there is no such merchant.
    """
    before = await accounts.get(conn, account_id, lock=True)
    if before is None:
        raise NotFound("account", account_id)
    after = replace(before, settings=changed(before.settings))
    await accounts.save(conn, after)
    was, now_is = (msgspec.to_builtins(value.settings) for value in (before, after))
    differs = {name: {"was": was[name], "is": now_is[name]} for name in now_is if was[name] != now_is[name]}
    if differs:
        await acts.note(
            conn, ActKind.SETTINGS_CHANGED, account_id, actor=actor, now=now, account_id=account_id, details=differs
        )
    return after
