"""Looks, language and switches of mail: `/v1/account/settings`."""

from typing import Any

import pytest

from tests.api.desk import Desk

PATH = "/v1/account/settings"
ICON = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAIUlEQVR42mMQgYL/UIDO"
    "ZxghCnBJwPgjRcFoehhND0h8AKaSJh/rHtJaAAAAAElFTkSuQmCC"
)
LOOKS = {
    "name": "Ada & Söhne",
    "logo_url": "https://shop.example/logo.png",
    "icon": ICON,
    "color": "#A1B2C3",
    "support_email": "help@shop.example",
    "update_url": "https://shop.example/pay",
    "cancel_url": "https://shop.example/leave",
}


async def test_ST_68_looks_are_kept_and_cleared(desk: Desk) -> None:
    made = await desk.made(PATH, {"branding": LOOKS, "locale": "de"})
    assert made["branding"] == LOOKS
    assert made["locale"] == "de"
    assert (await desk.get(PATH)).json() == made
    cleared = await desk.form(PATH, "branding[name]=")
    assert set(cleared.json()["branding"].values()) == {None}
    assert cleared.json()["locale"] == "de"


async def test_SX_18_kinds_of_mail_are_switched_one_by_one(desk: Desk) -> None:
    await desk.made(PATH, {"mails": {"receipt": False, "canceled": False}})
    made = await desk.made(PATH, {"mails": {"receipt": True, "endpoint_disabled": False, "invoice_reminder": True}})
    assert made["mails"] == {"canceled": False, "endpoint_disabled": False, "invoice_reminder": True, "receipt": True}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"branding": {"name": "Ada\nBcc: eve@example.com"}}, "branding[name]"),
        ({"branding": {"name": "x" * 101}}, "branding[name]"),
        ({"branding": {"logo_url": "http://x.example/l.png"}}, "branding[logo_url]"),
        ({"branding": {"logo_url": "https://x.example/'><script>"}}, "branding[logo_url]"),
        ({"branding": {"update_url": "javascript:alert(1)"}}, "branding[update_url]"),
        ({"branding": {"cancel_url": "https://user:pw@x.example/"}}, "branding[cancel_url]"),
        ({"branding": {"support_email": "a@b.example, c@d.example"}}, "branding[support_email]"),
        ({"branding": {"color": "#12345"}}, "branding[color]"),
        ({"branding": {"icon": "https://shop.example/logo.png"}}, "branding[icon]"),
        ({"branding": {"icon": "data:image/svg+xml;base64,PHN2Zy8+"}}, "branding[icon]"),
        ({"branding": {"icon": "data:image/png;base64,PHN2Zy8+"}}, "branding[icon]"),
        ({"branding": {"icon": "data:image/png;base64," + "A" * 1_600}}, "branding[icon]"),
        ({"branding": {"font": "Comic Sans"}}, "branding[font]"),
        ({"mails": {"spam": True}}, "mails[spam]"),
        ({"mails": {"receipt": "perhaps"}}, "mails[receipt]"),
        ({"locale": "xx"}, "locale"),
        ({"locale": None}, "locale"),
    ],
    ids=str,
)
async def test_SX_18_ST_68_bad_settings_get_one_precise_error_and_change_nothing(
    small_desk: Desk, body: Any, param: str
) -> None:
    before = (await small_desk.get(PATH)).json()
    answer = await small_desk.post(PATH, {"upcoming_days": 9, **body})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param
    assert (await small_desk.get(PATH)).json() == before
