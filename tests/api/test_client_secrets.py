"""A publishable key with the client secret of one intent: that intent may be seen and confirmed, and nothing else."""

from typing import Any

import pytest

from gateway.api.resources import ENDPOINTS
from gateway.domain.api_key import KeyKind
from tests import factories
from tests.api.desk import OTHER, Desk
from tests.services.house import signer

WALLET = signer(0x61)


async def _intent(desk: Desk) -> Any:
    made = await desk.subscription(WALLET)
    return (await desk.get(f"/v1/charge_intents/{made['latest_charge_intent']}")).json()


@pytest.mark.parametrize("root", ["charge_intents", "payment_intents"])
async def test_ST_11_a_client_secret_opens_its_intent_to_a_browser(desk: Desk, root: str) -> None:
    house, key = desk.house, await desk.minted(kind=KeyKind.PUBLISHABLE)
    house.chain.fund(factories.TOKEN, WALLET.address, 10**9, 10**9)
    house.chain.mine()
    intent = await _intent(desk)
    url, secret = f"/v1/{root}/{intent['id']}", intent["client_secret"]
    seen = await desk.get(f"{url}?client_secret={secret}", key=key)
    assert (seen.status_code, seen.json()["id"]) == (200, intent["id"])
    document = intent["next_action"]["approve_allowance"]["eip712"]
    body = {"client_secret": secret, "signature": "0x" + WALLET.sign_typed_data(document).hex()}
    confirmed = await desk.post(f"{url}/confirm", body, key=key, headers={"Idempotency-Key": "a browser's"})
    assert confirmed.status_code == 200, confirmed.text
    await house.pump()
    after = await desk.get(f"{url}?client_secret={secret}", key=key)
    assert after.json()["status"] == "succeeded"


async def test_ST_11_a_client_secret_opens_its_setup_intent(desk: Desk) -> None:
    key = await desk.minted(kind=KeyKind.PUBLISHABLE)
    made = await desk.subscription(WALLET, trial_period_days=14, expand=["pending_setup_intent"])
    setup = made["pending_setup_intent"]
    url, secret = f"/v1/setup_intents/{setup['id']}", setup["client_secret"]
    assert (await desk.get(f"{url}?client_secret={secret}", key=key)).status_code == 200
    document = setup["next_action"]["approve_allowance"]["eip712"]
    body = {"client_secret": secret, "signature": "0x" + WALLET.sign_typed_data(document).hex()}
    assert (await desk.post(f"{url}/confirm", body, key=key)).json()["status"] == "processing"
    assert (await desk.post(f"{url}/confirm", body | {"client_secret": "x"}, key=key)).status_code == 404


async def test_ST_11_without_the_right_secret_an_intent_looks_as_if_it_were_not_there(desk: Desk) -> None:
    intent, other = await _intent(desk), await _intent(desk)
    url = f"/v1/charge_intents/{intent['id']}"
    own = await desk.minted(kind=KeyKind.PUBLISHABLE)
    foreign = await desk.minted(kind=KeyKind.PUBLISHABLE, account_id=OTHER)
    live = await desk.minted(kind=KeyKind.PUBLISHABLE, livemode=True)
    before = await desk.rows()
    missing = (await desk.get(f"/v1/charge_intents/{factories.numbered('ci', 9)}?client_secret=x", key=own)).json()
    for key, secret in (
        (own, None),
        (own, other["client_secret"]),
        (own, intent["client_secret"][:-1]),
        (foreign, intent["client_secret"]),
        (live, intent["client_secret"]),
    ):
        query = "" if secret is None else f"?client_secret={secret}"
        answer = await desk.get(url + query, key=key)
        expected = missing["error"]["message"].replace(factories.numbered("ci", 9), intent["id"])
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, expected)
        body = {} if secret is None else {"client_secret": secret}
        assert (await desk.post(f"{url}/confirm", body, key=key)).status_code == 404
    wide = await desk.get(f"{url}?client_secret={intent['client_secret']}&expand[]=customer", key=own)
    assert (wide.status_code, wide.json()["error"]["param"]) == (400, "expand")
    assert await desk.rows() == before


async def test_ST_11_a_publishable_key_opens_no_other_route(small_desk: Desk) -> None:
    key = await small_desk.minted(kind=KeyKind.PUBLISHABLE)
    opened = set()
    for endpoint in ENDPOINTS:
        path = endpoint.path
        for name in ("id", "payment_method", "transaction"):
            path = path.replace(f"{{{name}:str}}", "x")
        for method in endpoint.methods:
            answer = await small_desk.send(method, path, key=key)
            if answer.status_code != 403:
                opened.add(endpoint.path)
    intents = ("charge_intents", "payment_intents", "setup_intents")
    assert opened == {f"/v1/{root}/{{id:str}}{end}" for root in intents for end in ("", "/confirm")}


async def test_ST_11_a_browser_is_told_no_stored_answer_of_the_merchant(small_desk: Desk) -> None:
    intent = await _intent(small_desk)
    url, headers = f"/v1/charge_intents/{intent['id']}/confirm", {"Idempotency-Key": "the merchant's"}
    first = await small_desk.post(url, {}, headers=headers)
    again = await small_desk.post(url, {}, headers=headers)
    assert first.json() == again.json()
    key = await small_desk.minted(kind=KeyKind.PUBLISHABLE)
    assert (await small_desk.post(url, {}, key=key, headers=headers)).status_code == 404
