"""`/v1/events` and deliveries over HTTP: filters, the order after a number, every try, sending again."""

from typing import Any

import pytest

from gateway.db import webhooks
from gateway.domain.webhook import QUICK_RETRY_DELAY
from gateway.services.ports import HttpFault
from gateway.services.webhooks import deliver_due
from tests.api.desk import Desk
from tests.services.test_webhooks import Receiver

MISSING = "evt_00000000000000000000000000"
URL = "https://shop.example/hook"


async def endpoint(desk: Desk, **body: Any) -> Any:
    return await desk.made("/v1/webhook_endpoints", {"url": URL, "enabled_events": ["*"], **body})


async def happen(desk: Desk, count: int = 1) -> None:
    for number in range(count):
        await desk.made("/v1/customers", {"name": f"n{number}"})


async def listed(desk: Desk, query: str = "") -> list[Any]:
    answer = await desk.get(f"/v1/events?limit=100{query}")
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["data"]
    return found


async def deliver(desk: Desk, http: Receiver) -> None:
    while await deliver_due(desk.house.gateway, http, now=desk.house.now):
        pass


async def test_R5_after_a_number_events_come_in_their_order_without_a_gap(desk: Desk) -> None:
    await happen(desk, 7)
    await desk.made("/v1/products", {"name": "Tea"})
    seen: list[int] = []
    position, more = 0, True
    while more:
        page = (await desk.get(f"/v1/events?after_sequence={position}&limit=3")).json()
        seen += [each["sequence"] for each in page["data"]]
        position, more = seen[-1], page["has_more"]
    assert seen == list(range(1, 9))
    assert await listed(desk, "&after_sequence=8") == []
    of_type = await listed(desk, "&after_sequence=2&types[]=product.*&types[]=price.created")
    assert [each["type"] for each in of_type] == ["product.created"]


async def test_delivery_success_tells_what_an_endpoint_has_not_accepted(desk: Desk) -> None:
    await endpoint(desk)
    await happen(desk, 2)
    http = Receiver()
    await deliver(desk, http)
    http.answers[URL] = 500
    await happen(desk)
    await deliver(desk, http)
    bad, *good = await listed(desk)
    assert [each["id"] for each in await listed(desk, "&delivery_success=false")] == [bad["id"]]
    assert [each["id"] for each in await listed(desk, "&delivery_success=true")] == [each["id"] for each in good]
    assert (bad["pending_webhooks"], good[0]["pending_webhooks"]) == (1, 0)
    back = await listed(desk, f"&ending_before={good[-1]['id']}")
    assert [each["id"] for each in back] == [bad["id"], *(each["id"] for each in good[:-1])]
    exactly = bad["created"]
    assert len(await listed(desk, f"&created={exactly}")) == 3
    assert await listed(desk, f"&created[gt]={exactly}") == []


async def test_every_try_is_on_the_api_with_its_status_latency_and_first_bytes(desk: Desk) -> None:
    made = await endpoint(desk)
    await happen(desk)
    http = Receiver(answers={URL: 500})
    await deliver(desk, http)
    desk.house.now += QUICK_RETRY_DELAY
    http.answers[URL] = HttpFault.TIMEOUT
    await deliver(desk, http)
    desk.house.now += QUICK_RETRY_DELAY
    http.answers.clear()
    await deliver(desk, http)
    [event] = await listed(desk)
    [of_event] = (await desk.get(f"/v1/events/{event['id']}/deliveries")).json()["data"]
    [to_endpoint] = (await desk.get(f"/v1/webhook_endpoints/{made['id']}/deliveries")).json()["data"]
    assert of_event == to_endpoint
    assert (of_event["status"], of_event["attempt_count"], of_event["next_attempt"]) == ("delivered", 3, None)
    assert [
        (each["status_code"], each["error"], each["latency_ms"], each["answer"]) for each in of_event["attempts"]
    ] == [
        (500, None, 7, "words"),
        (None, "timeout: scripted", 5, ""),
        (200, None, 7, "words"),
    ]
    path = f"/v1/webhook_endpoints/{made['id']}/deliveries"
    assert (await desk.get(f"{path}?status=failed")).json()["data"] == []
    assert (await desk.get(f"{path}?status=delivered")).json()["data"] == [of_event]


async def test_deliveries_are_cut_into_pages(small_desk: Desk) -> None:
    made = await endpoint(small_desk)
    await happen(small_desk, 5)
    path = f"/v1/webhook_endpoints/{made['id']}/deliveries?limit=2"
    found: list[str] = []
    after = ""
    for _ in range(3):
        page = (await small_desk.get(path + after)).json()
        found += [each["event"] for each in page["data"]]
        after = f"&starting_after={page['data'][-1]['id']}"
    assert not page["has_more"]
    assert found == [each["id"] for each in await listed(small_desk)]


async def test_an_event_is_sent_again(small_desk: Desk) -> None:
    made = await endpoint(small_desk)
    await happen(small_desk)
    http = Receiver()
    await deliver(small_desk, http)
    [event] = await listed(small_desk)
    small_desk.rung.clear()
    again = await small_desk.made(f"/v1/events/{event['id']}/retry", {"webhook_endpoint": made["id"]})
    assert (again["id"], again["pending_webhooks"], small_desk.rung) == (event["id"], 1, ["webhooks"])
    await deliver(small_desk, http)
    await small_desk.made(f"/v1/events/{event['id']}/retry")
    await deliver(small_desk, http)
    assert http.ids() == [event["id"]] * 3


async def test_an_endpoint_is_brought_up_to_date(small_desk: Desk) -> None:
    await happen(small_desk, 3)
    made = await endpoint(small_desk)
    answer = await small_desk.made(f"/v1/webhook_endpoints/{made['id']}/replay", {"after_sequence": 1})
    assert answer == {
        "object": "webhook_replay",
        "has_more": False,
        "last_sequence": 3,
        "queued": 2,
        "webhook_endpoint": made["id"],
    }
    http = Receiver()
    await deliver(small_desk, http)
    newest = [each["id"] for each in await listed(small_desk)]
    assert http.ids() == [newest[1], newest[0]]
    by_id = await small_desk.made(f"/v1/webhook_endpoints/{made['id']}/replay", {"events": [newest[2], newest[0]]})
    assert (by_id["queued"], by_id["last_sequence"]) == (2, 3)
    up_to = await small_desk.made(
        f"/v1/webhook_endpoints/{made['id']}/replay", {"up_to_sequence": 2, "delivered": True}
    )
    assert (up_to["queued"], up_to["last_sequence"]) == (1, 2), "number 1 already waits"


async def test_a_secret_that_leaked_is_gone_at_once(small_desk: Desk) -> None:
    made = await endpoint(small_desk, api_version="2020-08-27")
    assert made["api_version"] == "2020-08-27"
    path = f"/v1/webhook_endpoints/{made['id']}"
    day = await small_desk.made(f"{path}/rotate_secret")
    assert day["previous_secret_expires_at"] == int(small_desk.house.now.timestamp()) + 86_400
    hour = await small_desk.made(f"{path}/rotate_secret", {"overlap_seconds": 3_600})
    assert hour["previous_secret_expires_at"] == int(small_desk.house.now.timestamp()) + 3_600
    now = await small_desk.made(f"{path}/rotate_secret", {"overlap_seconds": 0})
    assert now["previous_secret_expires_at"] is None
    async with small_desk.house.gateway.books.read() as conn:
        [kept] = (await webhooks.load(conn, [made["id"]])).values()
    assert kept.secrets(small_desk.house.now) == (now["secret"],)


BAD_READS = [
    ("both-types", "/v1/events?type=a&types[]=b", 400, "parameter_conflict", "types"),
    ("both-ends", "/v1/events?after_sequence=1&ending_before=evt_1", 400, "parameter_conflict", "ending_before"),
    ("after-and-created", "/v1/events?after_sequence=1&created=5", 400, "parameter_conflict", "created"),
    ("after-and-success", "/v1/events?after_sequence=1&delivery_success=true", 400, "parameter_conflict",
     "delivery_success"),
    ("negative", "/v1/events?after_sequence=-1", 400, "parameter_invalid", "after_sequence"),
    ("no-number", "/v1/events?after_sequence=x", 400, "parameter_invalid", "after_sequence"),
    ("success", "/v1/events?delivery_success=perhaps", 400, "parameter_invalid", "delivery_success"),
    ("deliveries-of-nothing", f"/v1/events/{MISSING}/deliveries", 404, "resource_missing", "id"),
    ("deliveries-to-nothing", "/v1/webhook_endpoints/we_x/deliveries", 404, "resource_missing", "id"),
    ("after-nothing", "/v1/webhook_endpoints/{id}/deliveries?starting_after=whd_x", 400, "resource_missing",
     "starting_after"),
    ("unknown-status", "/v1/webhook_endpoints/we_x/deliveries?status=lost", 400, "parameter_invalid", "status"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status", "code", "param"), [case[1:] for case in BAD_READS], ids=[case[0] for case in BAD_READS]
)
async def test_a_bad_question_has_one_precise_answer(
    small_desk: Desk, path: str, status: int, code: str, param: str | None
) -> None:
    made = await endpoint(small_desk)
    answer = await small_desk.get(path.format(id=made["id"]))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("param")) == (status, code, param), answer.text


BAD_WRITES = [
    ("retry-nothing", f"/v1/events/{MISSING}/retry", {}, 404, "resource_missing", "id"),
    ("retry-to-nothing", "/v1/events/{event}/retry", {"webhook_endpoint": "we_x"}, 400, "resource_missing",
     "webhook_endpoint"),
    ("retry-to-a-deaf-one", "/v1/events/{event}/retry", {"webhook_endpoint": "{deaf}"}, 400, "event_not_enabled",
     "webhook_endpoint"),
    ("retry-to-a-disabled-one", "/v1/events/{event}/retry", {"webhook_endpoint": "{off}"}, 400,
     "webhook_endpoint_disabled", None),
    ("replay-to-nothing", "/v1/webhook_endpoints/we_x/replay", {}, 404, "resource_missing", "id"),
    ("replay-to-a-disabled-one", "/v1/webhook_endpoints/{off}/replay", {}, 400, "webhook_endpoint_disabled", None),
    ("replay-of-nothing", "/v1/webhook_endpoints/{deaf}/replay", {"events": [MISSING]}, 400, "resource_missing",
     "events[0]"),
    ("replay-both", "/v1/webhook_endpoints/{deaf}/replay", {"events": [MISSING], "up_to_sequence": 1}, 400,
     "parameter_conflict", "events"),
    ("replay-no-list", "/v1/webhook_endpoints/{deaf}/replay", {"events": []}, 400, "parameter_invalid", "events"),
    ("replay-unknown", "/v1/webhook_endpoints/{deaf}/replay", {"since": 1}, 400, "parameter_unknown", "since"),
    ("overlap-too-long", "/v1/webhook_endpoints/{deaf}/rotate_secret", {"overlap_seconds": 604_801}, 400,
     "parameter_invalid", "overlap_seconds"),
    ("version", "/v1/webhook_endpoints", {"url": URL, "enabled_events": ["*"], "api_version": "newest"}, 400,
     "parameter_invalid", "api_version"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [case[1:] for case in BAD_WRITES],
    ids=[case[0] for case in BAD_WRITES],
)
async def test_a_bad_request_changes_nothing(  # noqa: PLR0917
    small_desk: Desk, path: str, body: Any, status: int, code: str, param: str | None
) -> None:
    deaf = await endpoint(small_desk, enabled_events=["invoice.paid"])
    off = await endpoint(small_desk)
    await small_desk.made(f"/v1/webhook_endpoints/{off['id']}", {"disabled": True})
    await happen(small_desk)
    [event] = await listed(small_desk)
    names = {"event": event["id"], "deaf": deaf["id"], "off": off["id"]}
    before = await small_desk.rows()
    filled = {key: value.format(**names) if isinstance(value, str) else value for key, value in body.items()}
    answer = await small_desk.post(path.format(**names), filled)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("param")) == (status, code, param), answer.text
    assert await small_desk.rows() == before


async def test_nobody_sees_or_sends_what_is_somebody_elses(small_desk: Desk) -> None:
    made = await endpoint(small_desk)
    await happen(small_desk)
    [event] = await listed(small_desk)
    before = await small_desk.rows()
    for key in (small_desk.other_key, small_desk.live_key):
        assert (await small_desk.get("/v1/events?after_sequence=0", key=key)).json()["data"] == []
        for method, path in (
            ("GET", f"/v1/events/{event['id']}/deliveries"),
            ("GET", f"/v1/webhook_endpoints/{made['id']}/deliveries"),
            ("POST", f"/v1/events/{event['id']}/retry"),
            ("POST", f"/v1/webhook_endpoints/{made['id']}/replay"),
        ):
            theirs = await small_desk.send(method, path, key=key)
            nobodys = await small_desk.send(
                method, path.replace(event["id"], MISSING).replace(made["id"], "we_x"), key=key
            )
            assert theirs.status_code == nobodys.status_code == 404
    assert await small_desk.rows() == before
