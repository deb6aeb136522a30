"""Shapes: the same bytes for the same facts, snapshots untouched, old and new places filled alike."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chain.checksum import checksum
from gateway.db.events import EventRecord
from gateway.domain import charge_intent as intents
from gateway.domain import mandate as mandates
from gateway.domain.charge_intent import Status
from gateway.domain.events import EventType
from gateway.domain.transition import Action, StatusReason
from gateway.wire import payments, render, webhook
from gateway.wire.related import Related
from tests import factories
from tests.factories import NOW

EVERY_KIND = [
    factories.account(),
    factories.customer(),
    factories.product(),
    factories.price(),
    factories.payment_method(),
    factories.mandate(),
    factories.subscription(),
    factories.invoice(),
    factories.charge_intent(),
    factories.charge(),
    factories.setup_intent(),
    factories.webhook_endpoint(),
    factories.clock(),
]
RELATED = Related(
    prices={factories.PRICE_ID: factories.price()},
    intents={factories.INVOICE_ID: factories.charge_intent()},
    mandates={factories.MANDATE_ID: factories.mandate()},
    tokens={(factories.CHAIN_ID, factories.TOKEN): factories.USDC},
)


def shape(value: Any, related: Related = RELATED) -> Any:
    return msgspec.json.decode(render.encode(value, related))


@pytest.mark.parametrize("value", EVERY_KIND, ids=render.kind)
def test_every_kind_has_a_shape_that_names_it_and_is_the_same_each_time(value: Any) -> None:
    rendered = shape(value)
    assert (rendered["object"], rendered["id"]) == (render.kind(value), value.id)
    assert render.encode(value, RELATED) == render.encode(replace(value), RELATED)
    assert shape(value, Related())["id"] == value.id


@pytest.mark.parametrize("value", EVERY_KIND, ids=render.kind)
def test_no_shape_shows_a_secret(value: Any) -> None:
    text = render.encode(value, RELATED).decode()
    assert "whsec_" not in text
    assert (b"\x11" * 65).hex() not in text


def test_everything_with_a_status_says_why() -> None:
    reason = StatusReason("insufficient_balance", Action.CUSTOMER_ACTION, {"missing": "3200000"})
    for value in (factories.subscription(), factories.invoice(), factories.charge_intent(), factories.charge(),
                  factories.mandate(), factories.clock(), factories.setup_intent()):  # fmt: skip
        rendered = shape(replace(value, reason=reason))  # type: ignore[type-var]
        assert rendered["status_reason"] == {
            "code": "insufficient_balance",
            "action": "customer_action",
            "evidence": {"missing": "3200000"},
        }


def test_ST_09_FR_08_the_intent_stands_in_the_old_places_and_in_the_new() -> None:
    invoice, subscription = shape(factories.invoice()), shape(factories.subscription())
    [payment] = invoice["payments"]["data"]
    assert {
        invoice["charge_intent"],
        invoice["payment_intent"],
        payment["payment"]["charge_intent"],
        payment["payment"]["payment_intent"],
        subscription["latest_charge_intent"],
    } == {factories.INTENT_ID}
    [item] = subscription["items"]["data"]
    assert (item["current_period_start"], item["current_period_end"]) == (
        subscription["current_period_start"],
        subscription["current_period_end"],
    )
    assert item["price"]["id"] == item["plan"]["id"] == factories.PRICE_ID


@pytest.mark.parametrize("status", list(Status))
def test_C07_ST_13_ST_05_the_alias_renders_stripes_word(status: Status) -> None:
    alias = payments.payment_intent(factories.charge_intent(status=status), RELATED)
    own = payments.charge_intent(factories.charge_intent(status=status), RELATED)
    assert (alias.object, own.object, own.status) == ("payment_intent", "charge_intent", status)
    translated = {Status.FAILED: "requires_payment_method", Status.REVERSED: "requires_payment_method"}
    assert alias.status == translated.get(status, status)


@pytest.mark.parametrize("status", list(Status))
def test_ST_54_C07_an_event_of_an_intent_has_the_shape_of_the_name_that_it_is_heard_under(status: Status) -> None:
    value = factories.charge_intent(status=status)
    record = EventRecord(
        id="evt_1",
        scope=factories.SCOPE,
        type=EventType.CHARGE_INTENT_CREATED,
        object_kind="charge_intent",
        object_id=value.id,
        at=NOW,
        snapshot=render.encode(value, RELATED),
        sequence=1,
        object_sequence=1,
    )
    own = msgspec.json.decode(webhook.event(record, "charge_intent.created"))["data"]["object"]
    alias = msgspec.json.decode(webhook.event(record, "payment_intent.created"))["data"]["object"]
    assert own == shape(value)
    assert alias == msgspec.json.decode(msgspec.json.encode(payments.payment_intent(value, RELATED)))


def test_ST_14_FR_02_the_wallet_is_asked_while_it_has_not_signed() -> None:
    document = {"primaryType": "Mandate"}
    related = replace(RELATED, typed_data={factories.MANDATE_ID: document})
    action = shape(factories.charge_intent(), related)["next_action"]
    asked = action["approve_allowance"]
    assert action["type"] == "approve_allowance"
    assert (asked["spender"], asked["symbol"], asked["eip712"]) == (checksum(factories.CONTRACT), "USDC", document)
    assert int(asked["amount"]) == 12 * factories.mandate_terms().amount
    signed = replace(RELATED, mandates={factories.MANDATE_ID: factories.signed_mandate()})
    assert shape(factories.charge_intent(), signed)["next_action"] is None


def test_SX_24_the_allowance_that_is_asked_for_is_bounded() -> None:
    assert mandates.allowance_to_ask(factories.mandate_terms(periods=5, amount=7)) == 35
    assert mandates.allowance_to_ask(factories.mandate_terms(periods=0, amount=7)) == 84


def test_a_failed_attempt_says_what_failed_in_words() -> None:
    reason = StatusReason("insufficient_balance", Action.CUSTOMER_ACTION, {})
    failed = factories.charge_intent(status=Status.FAILED, reason=reason, latest_charge_id=factories.CHARGE_ID)
    error = shape(failed)["last_payment_error"]
    assert (error["type"], error["decline_code"], error["charge"]) == (
        "card_error",
        "insufficient_balance",
        factories.CHARGE_ID,
    )
    assert shape(factories.processing_intent())["last_payment_error"] is None


def test_ST_56_the_invoice_keeps_its_booleans() -> None:
    tried = replace(RELATED, intents={factories.INVOICE_ID: factories.processing_intent()})
    assert (shape(factories.invoice())["paid"], shape(factories.invoice())["attempted"]) == (False, False)
    assert shape(factories.invoice(), tried)["attempted"] is True


def test_previous_attributes_are_the_changed_top_level_fields() -> None:
    before = factories.subscription()
    after = replace(before, cancel_at_period_end=True, metadata={"a": "b"})
    changed = render.changed(render.encode(before, RELATED), render.encode(after, RELATED))
    assert changed is not None
    assert msgspec.json.decode(changed) == {"cancel_at_period_end": False, "metadata": {}}
    assert render.changed(render.encode(before, RELATED), render.encode(before, RELATED)) is None


def test_an_envelope_carries_the_stored_bytes_as_they_are() -> None:
    snapshot = b'{"id":"cus_1",  "odd":"spacing \\u00e4"}'
    record = EventRecord(
        id="evt_1",
        scope=factories.SCOPE,
        type=EventType.CUSTOMER_UPDATED,
        object_kind="customer",
        object_id="cus_1",
        at=NOW,
        snapshot=snapshot,
        previous=b'{"name":null}',
        request_id="req_1",
        sequence=7,
        object_sequence=2,
    )
    envelope = webhook.event(record, "customer.updated")
    assert snapshot in envelope
    assert envelope == webhook.event(record, "customer.updated")
    read = msgspec.json.decode(envelope)
    assert (read["type"], read["sequence"], read["object_sequence"], read["livemode"]) == (
        "customer.updated", 7, 2, False,
    )  # fmt: skip
    assert read["data"]["previous_attributes"] == {"name": None}
    assert read["request"] == {"id": "req_1", "idempotency_key": None}
    without = msgspec.json.decode(webhook.event(replace(record, previous=None), "customer.updated"))
    assert "previous_attributes" not in without["data"]


def test_the_next_attempt_stands_on_intent_and_invoice() -> None:
    at = NOW + timedelta(days=1)
    failed: intents.ChargeIntent = factories.charge_intent(status=Status.FAILED, next_attempt_at=at)
    related = replace(RELATED, intents={factories.INVOICE_ID: failed})
    assert shape(factories.invoice(), related)["next_payment_attempt"] == int(at.timestamp())
    assert shape(failed)["next_payment_attempt"] == int(at.timestamp())
