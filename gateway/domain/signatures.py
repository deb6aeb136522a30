"""Both webhook signature standards, made from one secret. Pure: no clock, no I/O; verifying is the receiver's part.

The secret is `whsec_<base64>`. Stripe's scheme takes the whole text as the key, Standard Webhooks the decoded bytes,
so the official libraries of both accept the same delivery.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  (a prefix, not a secret)
SECRET_BYTES_MIN: Final = 24  # Standard Webhooks asks for 24 to 64 bytes
SECRET_BYTES_MAX: Final = 64

STRIPE_HEADER: Final = "Stripe-Signature"
ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"


def headers(*, message_id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """Signature headers of one delivery attempt.

    Args:
        message_id: the event's id; the same for every attempt, so that a receiver can tell repetitions.
        timestamp: unix seconds of this attempt; receivers refuse what is some minutes old.
        body: the exact bytes that are sent.
        secrets: every secret that is active now, newest first; each adds a signature of its own to both headers.

    Raises:
        ValueError: no secret, a secret of another form, or an id with a dot (it would make the signed text ambiguous).
    """
    if not secrets:
        raise ValueError("at least one secret must sign")
    if "." in message_id:
        raise ValueError(f"message id {message_id!r} holds a dot, which separates the signed parts")
    stripe = [f"v1={stripe_signature(secret, timestamp, body)}" for secret in secrets]
    standard = [f"v1,{standard_signature(secret, message_id, timestamp, body)}" for secret in secrets]
    return {
        STRIPE_HEADER: ",".join((f"t={timestamp}", *stripe)),
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(standard),
    }


def stripe_signature(secret: str, timestamp: int, body: bytes) -> str:
    """Hex HMAC-SHA256 over `{timestamp}.{body}`; the key is the secret as text, prefix included."""
    return hmac.digest(secret.encode(), b"%d.%b" % (timestamp, body), "sha256").hex()


def standard_signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Base64 HMAC-SHA256 over `{id}.{timestamp}.{body}`; the key is what the secret decodes to."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return base64.b64encode(hmac.digest(secret_key(secret), signed, "sha256")).decode("ascii")


def new_secret(entropy: bytes) -> str:
    """The secret that `entropy` (24 to 64 random bytes) stands for.

    Raises:
        ValueError: another number of bytes.
    """
    if not SECRET_BYTES_MIN <= len(entropy) <= SECRET_BYTES_MAX:
        raise ValueError(f"a secret holds {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, not {len(entropy)}")
    return SECRET_PREFIX + base64.b64encode(entropy).decode("ascii")


def secret_key(secret: str) -> bytes:
    """The bytes that `secret` decodes to. No message shows the secret.

    Raises:
        ValueError: not `whsec_` and padded base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a webhook secret begins with {SECRET_PREFIX}")
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"a webhook secret is {SECRET_PREFIX} followed by base64") from None
