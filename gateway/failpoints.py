"""Named places at which a test may kill this process: one before and one after every commit and every foreign call.

Nothing belongs here but the names and the kill. A failpoint does nothing unless an entry point armed it, and only
entry points may arm: production code calls `failpoint` and never learns whether it is armed.
"""

import os
import signal
from enum import StrEnum, unique


@unique
class Failpoint(StrEnum):
    """Every failpoint, in the order of the charging path.

    `…_written` stands inside the transaction, before its commit; `…_committed` right after the commit; a name that
    tells of the outside world (`sending`, `sent`, `read`) stands beside the call itself.
    """

    RENEWAL_WRITTEN = "renewal.written"
    RENEWAL_COMMITTED = "renewal.committed"
    INVOICE_WRITTEN = "invoice.written"
    INVOICE_COMMITTED = "invoice.committed"
    CHARGE_SIMULATED = "charge.simulated"
    CHARGE_SIGNED = "charge.signed"
    CHARGE_COMMITTED = "charge.committed"
    TRANSACTION_SENDING = "transaction.sending"
    TRANSACTION_SENT = "transaction.sent"
    TRANSACTION_SEND_COMMITTED = "transaction.send_committed"
    REPLACEMENT_SIGNED = "replacement.signed"
    REPLACEMENT_COMMITTED = "replacement.committed"
    RECEIPTS_READ = "receipts.read"
    TRANSACTION_STATUS_WRITTEN = "transaction.status_written"
    TRANSACTION_STATUS_COMMITTED = "transaction.status_committed"
    BLOCKS_READ = "blocks.read"
    BLOCKS_WRITTEN = "blocks.written"
    BLOCKS_COMMITTED = "blocks.committed"
    SETTLEMENT_WRITTEN = "settlement.written"
    SETTLEMENT_COMMITTED = "settlement.committed"
    DELIVERY_CLAIMED = "delivery.claimed"
    DELIVERY_SENT = "delivery.sent"
    DELIVERY_WRITTEN = "delivery.written"
    DELIVERY_COMMITTED = "delivery.committed"
    MAIL_CLAIMED = "mail.claimed"
    MAIL_POSTED = "mail.posted"
    MAIL_COMMITTED = "mail.committed"


_armed: dict[Failpoint, int] = {}
"""Remaining passes until the kill; empty in every process that is not under such a test."""


def arm(name: Failpoint, nth: int = 1) -> None:
    """Kill this process when `name` is passed for the `nth` time from now. For entry points only.

    Raises:
        ValueError: `nth` is below 1.
    """
    if nth < 1:
        raise ValueError(f"nth counts from 1, not {nth}")
    _armed[name] = nth


def arm_from(text: str) -> None:
    """Arm what `text` says: `name` or `name:nth`, as an entry point finds it in its configuration.

    Raises:
        ValueError: there is no such failpoint, or `nth` is not a positive number.
    """
    name, _, nth = text.partition(":")
    arm(Failpoint(name), int(nth) if nth else 1)


def failpoint(name: Failpoint) -> None:
    """Die here by SIGKILL if this pass was armed: no handler runs, no buffer is flushed, no transaction is closed."""
    if not _armed:
        return
    left = _armed.get(name)
    if left is None:
        return
    if left > 1:
        _armed[name] = left - 1
        return
    os.kill(os.getpid(), signal.SIGKILL)
