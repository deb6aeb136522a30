"""Money, retries, event profiles, ids, metadata, API keys, webhook retries."""

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import api_key, metadata, money, webhook
from gateway.domain.api_key import KeyKind
from gateway.domain.dunning import RetryPolicy
from gateway.domain.errors import InvalidRequest
from gateway.domain.events import EventProfile, EventType, public_type
from gateway.domain.failure import FailureCode, action_of, uses_a_retry
from gateway.domain.ids import new_id
from gateway.domain.transition import Action
from gateway.domain.webhook import DeliveryStatus, EndpointStatus
from tests import factories
from tests.factories import NOW, USDC


def token(decimals: int, currency: str = "usd") -> money.Token:
    return money.Token(chain_id=1, address=factories.TOKEN, symbol="T", decimals=decimals, currency=currency)


def test_minor_units_become_base_units_of_a_pegged_token() -> None:
    assert money.to_base_units(1234, "usd", USDC) == 12_340_000
    assert money.to_base_units(1, "usd", token(18)) == 10**16
    assert money.to_base_units(500, "jpy", token(6, "jpy")) == 500_000_000
    assert money.to_base_units(1500, "kwd", token(2, "kwd")) == 150


def test_an_amount_that_the_token_cannot_express_is_refused_and_not_rounded() -> None:
    with pytest.raises(InvalidRequest) as refused:
        money.to_base_units(1501, "kwd", token(2, "kwd"))
    assert refused.value.code == "amount_not_representable"


def test_a_token_settles_only_the_currency_it_is_pegged_to() -> None:
    with pytest.raises(InvalidRequest) as refused:
        money.to_base_units(100, "eur", USDC)
    assert refused.value.code == "token_currency_mismatch"


@given(st.integers(0, money.AMOUNT_MAX), st.integers(0, 24))
def test_conversion_is_exact_or_refused(amount: int, decimals: int) -> None:
    try:
        base = money.to_base_units(amount, "usd", token(decimals))
    except InvalidRequest:
        assert decimals < 2
        assert amount % 10 ** (2 - decimals)
    else:
        assert base * 100 == amount * 10**decimals


@pytest.mark.parametrize("code", ["usd", "EUR", "Jpy"])
def test_PM_04_currencies_are_iso_4217_in_any_case(code: str) -> None:
    assert money.currency(code) == code.lower()


@pytest.mark.parametrize("code", ["", "us", "usdc", "xyz", "u$d"])
def test_PM_04_other_codes_are_refused(code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        money.currency(code)
    assert (refused.value.code, refused.value.param) == ("invalid_currency", "currency")


def test_FR_13_three_retries_a_day_apart_and_then_none() -> None:
    planned = [RetryPolicy().next_attempt_at(attempts, NOW, since=NOW) for attempts in range(1, 6)]
    assert planned == [NOW + timedelta(days=1)] * 3 + [None, None]


@pytest.mark.parametrize("days", [(1, 1, 1, 1), (0,), (-1,), (30, 2)], ids=str)
def test_ST_63_ST_64_schedules_beyond_the_limits_are_refused(days: tuple[int, ...]) -> None:
    with pytest.raises(InvalidRequest):
        RetryPolicy(days=days)


def test_C05_only_what_the_payer_can_mend_uses_up_a_retry() -> None:
    counting = {code for code in FailureCode if uses_a_retry(code)}
    assert counting == {
        code for code in FailureCode if action_of(code) in {Action.CUSTOMER_ACTION, Action.NEW_PAYMENT_METHOD}
    }
    waiting = {"rpc_unavailable", "gas_too_high", "operator_unfunded", "nonce_conflict", "tx_dropped", "confirming"}
    assert not counting & {FailureCode(code) for code in waiting}


def test_C06_a_profile_hears_of_a_new_subscription_exactly_once() -> None:
    opened, created = EventType.SUBSCRIPTION_OPENED, EventType.SUBSCRIPTION_CREATED
    heard = {profile: [public_type(written, profile) for written in (opened, created)] for profile in EventProfile}
    assert heard == {EventProfile.DEFAULT: [None, created], EventProfile.STRIPE: [created, None]}


def test_ST_54_the_stripe_profile_hears_of_charge_intents_as_payment_intents() -> None:
    heard = public_type(EventType.CHARGE_INTENT_PAYMENT_FAILED, EventProfile.STRIPE)
    assert heard == "payment_intent.payment_failed"
    assert public_type(EventType.CHARGE_FAILED, EventProfile.STRIPE) == "charge.failed"
    by_name = factories.webhook_endpoint(profile=EventProfile.STRIPE, enabled_events=("payment_intent.succeeded",))
    assert by_name.hears(EventType.CHARGE_INTENT_SUCCEEDED) == "payment_intent.succeeded"
    assert by_name.hears(EventType.CHARGE_INTENT_CREATED) is None


@pytest.mark.parametrize("written", [kind for kind in EventType if "subscription.opened" not in kind])
def test_other_events_keep_their_names_for_the_default_profile(written: EventType) -> None:
    assert public_type(written, EventProfile.DEFAULT) == written


def test_ids_of_one_millisecond_sort_in_the_order_of_their_making() -> None:
    made = [new_id("evt", NOW) for _ in range(5_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert re.fullmatch(r"evt_[0-9a-hjkmnp-tv-z]{26}", made[0])


def test_ids_of_later_moments_sort_later() -> None:
    assert new_id("sub", NOW) < new_id("sub", NOW + timedelta(milliseconds=1)) < new_id("sub", NOW + timedelta(days=99))


def test_ids_made_in_threads_are_unique() -> None:
    made: list[str] = []

    def make() -> None:
        made.extend(new_id("ch", NOW) for _ in range(500))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 2_000


def test_metadata_is_merged_key_by_key() -> None:
    assert metadata.merge({"a": "1", "b": "2"}, {"b": None, "c": "3"}) == {"a": "1", "c": "3"}
    assert metadata.merge({"a": "1"}, None) == {}


@pytest.mark.parametrize(
    ("given_metadata", "param"),
    [
        ({"": "x"}, "metadata[]"),
        ({"k" * 41: "x"}, f"metadata[{'k' * 40}]"),
        ({"a[b]": "x"}, "metadata[a[b]]"),
        ({"a": "x" * 501}, "metadata[a]"),
        ({f"k{n}": "x" for n in range(51)}, "metadata"),
    ],
    ids=["empty-key", "long-key", "brackets", "long-value", "too-many"],
)
def test_metadata_beyond_its_limits_is_refused(given_metadata: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        metadata.merge({}, given_metadata)
    assert refused.value.param == param


@given(st.binary(min_size=32, max_size=32), st.sampled_from(KeyKind), st.sampled_from(["test", "live"]))
def test_keys_have_their_form_and_a_checksum_that_notices_one_wrong_letter(
    entropy: bytes, kind: KeyKind, mode: str
) -> None:
    key = api_key.form_key(kind, livemode=mode == "live", entropy=entropy)
    assert re.fullmatch(r"(sk|pk|rk)_(test|live)_[a-zA-Z0-9]{24,}", key)
    assert api_key.is_well_formed(key)
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    assert not api_key.is_well_formed(wrong)
    assert key[8:-4] not in api_key.shown(key)


def test_a_key_is_stored_as_an_hmac_under_the_pepper() -> None:
    key = api_key.form_key(KeyKind.SECRET, livemode=False, entropy=b"\x07" * 32)
    assert api_key.digest(key, b"one pepper") != api_key.digest(key, b"another pepper")
    assert key.encode() not in api_key.digest(key, b"one pepper")


def test_SX_04_C13_one_try_and_five_quick_retries_then_a_tail_of_72_hours() -> None:
    delivery = factories.delivery()
    at = NOW
    waits: list[timedelta] = []
    while delivery.status is DeliveryStatus.PENDING:
        delivery = webhook.failed(delivery, 500, "HTTP 500", at)
        if delivery.next_attempt_at is not None:
            waits.append(delivery.next_attempt_at - at)
            at = delivery.next_attempt_at
    assert waits[:5] == [timedelta(seconds=1)] * 5
    assert waits[5:] == sorted(waits[5:])
    assert max(waits) == webhook.TAIL_DELAY_MAX
    assert delivery.status is DeliveryStatus.FAILED
    assert timedelta(hours=60) < at - NOW <= webhook.GIVE_UP_AFTER


def test_two_secrets_sign_while_a_rotation_overlaps() -> None:
    rotated = webhook.rotate_secret(factories.webhook_endpoint(secret="whsec_b2xk"), "whsec_bmV3", NOW)
    assert rotated.secrets(NOW) == ("whsec_bmV3", "whsec_b2xk")
    assert rotated.secrets(NOW + webhook.ROTATION_OVERLAP) == ("whsec_bmV3",)


def test_an_endpoint_hears_what_it_asked_for_while_it_is_enabled() -> None:
    some = factories.webhook_endpoint(enabled_events=("invoice.paid",))
    assert some.hears(EventType.INVOICE_PAID) == "invoice.paid"
    assert some.hears(EventType.INVOICE_CREATED) is None
    disabled = factories.webhook_endpoint(status=EndpointStatus.DISABLED)
    assert disabled.hears(EventType.INVOICE_PAID) is None
