"""Restricted keys, their ends and their use; and what the audit log says of all that."""

import json
from datetime import timedelta
from typing import Any

import pytest

from gateway.api import permissions
from gateway.api.expand import _FIELDS
from gateway.api.resources import ENDPOINTS
from gateway.db import accounts, acts
from gateway.domain.act import ActKind
from gateway.domain.api_key import KeyKind
from gateway.domain.catalog import ApiKey
from gateway.domain.errors import InvalidRequest
from gateway.domain.permission import Level, Resource
from gateway.services import api_keys
from tests import factories as f
from tests.api.desk import PEPPER, Desk
from tests.services.house import signer


async def restricted(desk: Desk, **allowed: Level) -> str:
    return await desk.minted(
        kind=KeyKind.RESTRICTED, permissions={Resource(name): level for name, level in allowed.items()}
    )


async def stored(desk: Desk, key: str) -> ApiKey:
    async with desk.house.gateway.books.read() as conn:
        return next(one for one in await accounts.keys_of(conn, f.ACCOUNT_ID) if one.last4 == key[-4:])


async def test_a_missing_permission_is_named_in_the_words_of_stripe(small_desk: Desk) -> None:
    key = await restricted(small_desk, customers=Level.READ)
    assert (await small_desk.get("/v1/customers", key=key)).status_code == 200
    refused = await small_desk.post("/v1/customers", {"name": "Ada"}, key=key)
    assert (refused.status_code, refused.json()["error"]) == (
        403,
        {
            "type": "invalid_request_error",
            "code": "more_permissions_required",
            "message": f"The provided key 'rk_test_****{key[-4:]}' does not have the required permissions for this "
            f"endpoint on account '{f.ACCOUNT_ID}'. Having the 'customers:write' permission would allow this request "
            "to continue.",
            "param": None,
            "decline_code": None,
            "doc_url": None,
        },
    )


async def test_the_stream_of_events_needs_its_permission_as_the_list_does(small_desk: Desk) -> None:
    key = await restricted(small_desk, customers=Level.WRITE)
    for url in ("/v1/events", "/v1/events/stream"):
        refused = await small_desk.get(url, key=key)
        assert (refused.status_code, "'events:read'" in refused.text) == (403, True)


async def test_writing_includes_reading(small_desk: Desk) -> None:
    key = await restricted(small_desk, products=Level.WRITE)
    made = await small_desk.post("/v1/products", {"name": "Almanac"}, key=key)
    assert (await small_desk.get(f"/v1/products/{made.json()['id']}", key=key)).status_code == 200


async def test_what_may_not_be_read_may_not_be_expanded(small_desk: Desk) -> None:
    made = await small_desk.subscription(signer(1))
    url = f"/v1/subscriptions/{made['id']}?expand[]=latest_invoice.charge_intent"
    narrow = await restricted(small_desk, subscriptions=Level.READ, invoices=Level.READ)
    assert "charge_intents:read" in (await small_desk.get(url, key=narrow)).json()["error"]["message"]
    wide = await restricted(small_desk, **dict.fromkeys(("subscriptions", "invoices", "charge_intents"), Level.READ))
    assert (await small_desk.get(url, key=wide)).json()["latest_invoice"]["charge_intent"]["object"] == "charge_intent"


def test_every_kind_of_object_has_its_permission() -> None:
    assert {endpoint.kind for endpoint in ENDPOINTS} <= set(permissions.OF_KIND)
    expanded = {target for fields in _FIELDS.values() for target in _targets(fields)}
    assert expanded <= set(permissions.OF_KIND)
    assert set(permissions.OF_KIND.values()) == set(Resource)


def _targets(fields: Any) -> set[str]:
    return {fields} if isinstance(fields, str) else set().union(*(_targets(below) for below in fields.values()))


async def test_a_rotated_key_goes_on_until_its_overlap_ends(desk: Desk) -> None:
    house, key = desk.house, await restricted(desk, customers=Level.READ)
    async with house.gateway.books.write() as conn:
        old, new, fresh = await api_keys.rotate(
            conn, (await stored(desk, key)).id, overlap=timedelta(hours=24), pepper=PEPPER, now=house.now
        )
    assert (old.replaced_by, old.expires_at) == (new.id, house.now + timedelta(hours=24))
    assert new.permissions == old.permissions == {Resource.CUSTOMERS: Level.READ}
    statuses = []
    for passed in (timedelta(0), timedelta(hours=24) - timedelta(seconds=1), timedelta(seconds=1)):
        house.now += passed
        statuses.append([(await desk.get("/v1/customers", key=one)).status_code for one in (key, fresh)])
    assert statuses == [[200, 200], [200, 200], [401, 200]]


async def test_a_key_is_rotated_once_and_never_beyond_its_own_end(small_desk: Desk) -> None:
    desk, now = small_desk, small_desk.house.now
    key = await desk.minted(expires_at=now + timedelta(hours=1))
    key_id = (await stored(desk, key)).id
    async with desk.house.gateway.books.write() as conn:
        old, new, _ = await api_keys.rotate(conn, key_id, overlap=timedelta(days=1), pepper=PEPPER, now=now)
        assert old.expires_at == new.expires_at == now + timedelta(hours=1)
        with pytest.raises(InvalidRequest, match="rotated already"):
            await api_keys.rotate(conn, key_id, overlap=timedelta(0), pepper=PEPPER, now=now)
        with pytest.raises(InvalidRequest, match="at most 30 days"):
            await api_keys.rotate(conn, new.id, overlap=timedelta(days=31), pepper=PEPPER, now=now)
        with pytest.raises(InvalidRequest, match="moment has passed"):
            await api_keys.expire(conn, new.id, at=now, now=now)


async def test_a_revoked_key_opens_nothing_from_the_next_request_on(small_desk: Desk) -> None:
    desk = small_desk
    key = await restricted(desk, customers=Level.READ)
    async with desk.house.gateway.books.write() as conn:
        await api_keys.revoke(conn, (await stored(desk, key)).id, now=desk.house.now)
        with pytest.raises(InvalidRequest, match="opens nothing any more"):
            await api_keys.revoke(conn, (await stored(desk, key)).id, now=desk.house.now)
    assert (await desk.get("/v1/customers", key=key)).status_code == 401


async def test_the_last_use_is_written_at_most_once_a_minute(desk: Desk) -> None:
    house, key = desk.house, await desk.minted()
    assert (await stored(desk, key)).used_at is None
    first = house.now
    await desk.get("/v1/account", key=key)
    assert (await stored(desk, key)).used_at == first
    house.now += timedelta(seconds=59)
    await desk.get("/v1/account", key=key)
    assert (await stored(desk, key)).used_at == first
    house.now += timedelta(seconds=1)
    assert (await desk.get("/v1/customers/cus_none", key=key)).status_code == 404
    assert (await stored(desk, key)).used_at == house.now


async def test_the_audit_log_names_every_privileged_act_and_no_secret(small_desk: Desk) -> None:
    desk, house = small_desk, small_desk.house
    secrets = [desk.key, await restricted(desk, customers=Level.READ)]
    async with house.gateway.books.write() as conn:
        key_id = (await stored(desk, secrets[1])).id
        old, new, fresh = await api_keys.rotate(conn, key_id, overlap=timedelta(0), pepper=PEPPER, now=house.now)
        await api_keys.expire(conn, new.id, at=house.now + timedelta(days=9), now=house.now)
        await api_keys.revoke(conn, new.id, now=house.now)
    secrets.append(fresh)
    body = {"url": "https://example.com/hook?token=hidden-in-the-address", "enabled_events": ["*"]}
    made = await desk.made("/v1/webhook_endpoints", body)
    rotated = await desk.post(f"/v1/webhook_endpoints/{made['id']}/rotate_secret")
    secrets += [made["secret"], rotated.json()["secret"], "hidden-in-the-address"]
    await desk.post("/v1/account/settings", {"upcoming_days": 9})
    await desk.post("/v1/account/settings", {"upcoming_days": 9})
    await desk.send("DELETE", f"/v1/webhook_endpoints/{made['id']}")
    async with house.gateway.books.read() as conn:
        found = (await acts.newest(conn, limit=100, account_id=f.ACCOUNT_ID))[::-1]
    about = [(act.kind, act.object_id) for act in found if act.kind is not ActKind.KEY_CREATED]
    assert about == [
        (ActKind.KEY_ROTATED, old.id),
        (ActKind.KEY_EXPIRY_SET, new.id),
        (ActKind.KEY_REVOKED, new.id),
        (ActKind.ENDPOINT_CREATED, made["id"]),
        (ActKind.ENDPOINT_SECRET_ROTATED, made["id"]),
        (ActKind.SETTINGS_CHANGED, f.ACCOUNT_ID),
        (ActKind.ENDPOINT_DELETED, made["id"]),
    ]
    by_key = {act.actor for act in found[-4:]}
    assert by_key == {(await stored(desk, desk.key)).id}
    assert found[-2].details == {"upcoming_days": {"was": 3, "is": 9}}
    assert found[-3].request_id == rotated.headers["Request-Id"]
    text = json.dumps([repr(act) for act in found])
    for secret in secrets:
        assert secret not in text
        assert secret[-20:] not in text


async def test_an_act_that_fails_leaves_no_line(small_desk: Desk) -> None:
    before = await small_desk.rows()
    refused = await small_desk.post("/v1/webhook_endpoints", {"url": "https://10.0.0.1/", "enabled_events": ["*"]})
    assert refused.status_code == 400
    assert await small_desk.rows() == before
