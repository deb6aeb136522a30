"""The portal: what was proved at sign-in, tickets that are spent on it, how long it holds (SX-19, SX-20).

What is read for a payer crosses merchants. It has a scope of its own, `PayerScope`, that names what was proved, and no
function that takes it reads beyond that.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chain.primitives import Address

IDLE: Final = timedelta(hours=1)
"""A session that is not used for so long is over: somebody left the machine."""

LIFE: Final = timedelta(hours=12)
"""However much it is used, a session ends after this."""

SEEN_STEP: Final = timedelta(minutes=1)
"""How exactly it is written down when a session was used last: not at every click."""

NONCE_LIFE: Final = timedelta(minutes=10)
"""How long a wallet may take to sign; people read what they sign."""

LINK_LIFE: Final = timedelta(minutes=15)
LINKS_MAX: Final = 3
"""Links to one address within `LINK_LIFE`: nobody's mailbox is filled by strangers."""

SESSION_LINK_LIFE: Final = timedelta(minutes=5)
"""How long the URL of a `billing_portal.session` waits to be opened."""


class TicketKind(StrEnum):
    """What a ticket is good for, once: a nonce that a wallet signs, a link in a mail, a URL that a merchant made."""

    NONCE = "nonce"
    LINK = "link"
    URL = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayerScope:
    """Whose rows may be read, of whatever merchant: exactly one of wallet, e-mail address and customer was proved.

    Attributes:
        wallet: who signed; its mandates are its own, whoever asked for them.
        chain_id: where a contract gave its word for the wallet; None: its own key signed, which counts on every chain.
        email: lower case; a mail to it was read.
        customer_id: whom a merchant sent here.
    """

    wallet: Address | None = None
    chain_id: int | None = None
    email: str | None = None
    customer_id: str | None = None

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.wallet, self.email, self.customer_id)) != 1:
            raise ValueError("a payer has proved exactly one thing")
        if self.chain_id is not None and self.wallet is None:
            raise ValueError("only a wallet is of a chain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Something that is good for one sign-in. Only the hash of its secret is kept.

    Attributes:
        digest: None for a link whose mail was not written yet.
        payer: who it signs in; None for a nonce, where the signature says it.
        configuration_id, return_url: what the merchant's URL asked for.
    """

    id: str
    kind: TicketKind
    digest: bytes | None
    created_at: datetime
    expires_at: datetime
    payer: PayerScope | None = None
    language: str | None = None
    return_url: str | None = None
    configuration_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalSession:
    """A browser that is signed in; only the hash of what its cookie holds is kept."""

    digest: bytes
    payer: PayerScope
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    language: str | None = None
    return_url: str | None = None
    configuration_id: str | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it holds no more."""
        return now >= min(self.expires_at, self.seen_at + IDLE)

    def seen(self, now: datetime) -> "PortalSession":
        """It is used at `now`; the same value where that is known well enough."""
        return replace(self, seen_at=now) if now - self.seen_at >= SEEN_STEP else self


def begin(ticket: Ticket, payer: PayerScope, digest: bytes, now: datetime) -> PortalSession:
    """The session that a spent ticket opens."""
    return PortalSession(
        digest=digest,
        payer=payer,
        created_at=now,
        seen_at=now,
        expires_at=now + LIFE,
        language=ticket.language,
        return_url=ticket.return_url,
        configuration_id=ticket.configuration_id,
    )
