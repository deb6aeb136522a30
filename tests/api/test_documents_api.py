"""Invoices as documents over HTTP: whoever has the address, and nobody else."""

import pytest

from tests import factories as f
from tests.api.desk import Desk


async def paid_invoice(desk: Desk) -> dict[str, str]:
    subscription = await desk.house.active()
    made: dict[str, str] = (await desk.get(f"/v1/invoices/{subscription.latest_invoice_id}")).json()
    return made


async def test_ST_60_an_invoice_names_the_address_of_its_document_which_needs_no_key(desk: Desk) -> None:
    invoice = await paid_invoice(desk)
    url = invoice["invoice_pdf"]
    assert url == invoice["hosted_invoice_url"] + "/pdf"
    assert url.startswith(f"http://localhost/i/{invoice['id']}/")
    assert desk.key not in url
    answer = await desk.http.get(url.removeprefix("http://localhost"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == f'inline; filename="{invoice["number"]}.pdf"'
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"%PDF-")
    again = await desk.http.get(url.removeprefix("http://localhost"))
    assert again.content == answer.content


@pytest.mark.parametrize(
    "path",
    [
        "/i/{id}/wrong/pdf",
        "/i/{id}/{token}x/pdf",
        "/i/{id}/{shorter}/pdf",
        "/i/{other}/{token}/pdf",
        "/i/in_none/{token}/pdf",
        "/i/{id}/%F0%9F%A6%84/pdf",
        "/i/..%2F..%2Fv1/{token}/pdf",
        "/i/{id}/" + "a" * 300 + "/pdf",
    ],
)
async def test_a_wrong_address_answers_as_one_that_never_was(small_desk: Desk, path: str) -> None:
    invoice = await paid_invoice(small_desk)
    token = invoice["invoice_pdf"].split("/")[-2]
    other = await small_desk.house.subscribe(2)
    address = path.format(id=invoice["id"], token=token, shorter=token[:-1], other=other.latest_invoice_id)
    answer = await small_desk.http.get(address)
    never = await small_desk.http.get(f"/i/{f.numbered('in', 9)}/nothing/pdf")
    assert answer.status_code == never.status_code == 404
    if "%2F" not in path:
        assert answer.content == never.content


async def test_a_token_is_long_and_of_one_invoice_only(small_desk: Desk) -> None:
    first = await paid_invoice(small_desk)
    second = (await small_desk.house.active(2)).latest_invoice_id
    one, other = [
        (await small_desk.get(f"/v1/invoices/{key}")).json()["invoice_pdf"].split("/")[-2]
        for key in (first["id"], second)
    ]
    assert one != other
    assert min(len(one), len(other)) >= 32


async def test_a_draft_has_no_document(small_desk: Desk) -> None:
    subscription = await small_desk.house.active()
    await small_desk.house.go_to(subscription.period_end)
    draft = await small_desk.house.invoice(subscription)
    assert draft.status == "draft"
    assert (await small_desk.get(f"/v1/invoices/{draft.id}")).json()["invoice_pdf"] is None
    assert (await small_desk.get(f"/v1/invoices/{draft.id}")).json()["hosted_invoice_url"] is None
    assert (await small_desk.http.get(f"/i/{draft.id}/None/pdf")).status_code == 404


async def test_a_void_invoice_keeps_its_document(small_desk: Desk) -> None:
    opened = await small_desk.house.subscribe()
    voided = await small_desk.made(f"/v1/invoices/{opened.latest_invoice_id}/void", {})
    answer = await small_desk.http.get(voided["invoice_pdf"].removeprefix("http://localhost"))
    assert answer.status_code == 200
    assert voided["status"] == "void"
