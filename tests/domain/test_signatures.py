"""One secret, two standards, each accepted by its official library as it is."""

import time
from datetime import UTC, datetime

import pytest
import standardwebhooks
import stripe

from gateway.domain import signatures

SECRET = signatures.new_secret(bytes(range(32)))
OLD_SECRET = signatures.new_secret(bytes(range(32, 64)))
BODY = '{"id":"evt_1","object":"event","note":"ünï"}'.encode()


def signed(*secrets: str, body: bytes = BODY) -> dict[str, str]:
    return dict(
        signatures.headers(message_id="evt_1", timestamp=int(time.time()), body=body, secrets=secrets or (SECRET,))
    )


def test_the_stripe_library_accepts_a_delivery() -> None:
    event = stripe.Webhook.construct_event(BODY, signed()["Stripe-Signature"], SECRET)
    assert event["id"] == "evt_1"


def test_the_standard_webhooks_library_accepts_the_same_delivery() -> None:
    assert standardwebhooks.Webhook(SECRET).verify(BODY, signed())["id"] == "evt_1"


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_while_rotating_both_secrets_are_accepted_by_both_libraries(secret: str) -> None:
    headers = signed(SECRET, OLD_SECRET)
    stripe.Webhook.construct_event(BODY, headers["Stripe-Signature"], secret)
    # The reference library reads the signatures up to the first that fits.
    standardwebhooks.Webhook(secret).verify(BODY, headers)


def test_a_changed_body_is_refused_by_both_libraries() -> None:
    headers, changed = signed(), BODY.replace(b"evt_1", b"evt_2")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(changed, headers["Stripe-Signature"], SECRET)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(changed, headers)


def test_our_standard_signature_is_the_one_the_reference_library_makes() -> None:
    at = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
    reference = standardwebhooks.Webhook(SECRET).sign("evt_1", at, BODY.decode())
    assert reference == "v1," + signatures.standard_signature(SECRET, "evt_1", int(at.timestamp()), BODY)


def test_a_dot_in_the_id_is_refused_because_it_would_make_the_signed_text_ambiguous() -> None:
    with pytest.raises(ValueError, match="dot"):
        signatures.headers(message_id="evt.1", timestamp=1, body=BODY, secrets=(SECRET,))


def test_no_secret_no_delivery() -> None:
    with pytest.raises(ValueError, match="at least one"):
        signatures.headers(message_id="evt_1", timestamp=1, body=BODY, secrets=())


@pytest.mark.parametrize("secret", ["", "plain", "whsec_%%%", "whsec_abc"])
def test_a_malformed_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="webhook secret") as caught:
        signatures.headers(message_id="evt_1", timestamp=1, body=BODY, secrets=(secret,))
    assert "%%%" not in str(caught.value)


@pytest.mark.parametrize("count", [0, 23, 65])
def test_a_secret_is_as_long_as_the_standard_asks(count: int) -> None:
    with pytest.raises(ValueError, match="24 to 64"):
        signatures.new_secret(bytes(count))
