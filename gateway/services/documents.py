"""Documents of invoices, for whoever has their address: the token in it is compared here, and stands for a key."""

import secrets

from gateway.db import accounts, catalog, charge_intents, charges, invoices, tax_rates
from gateway.db.engine import Connection
from gateway.domain.charge import Status as ChargeStatus
from gateway.letters.document import Sheet
from gateway.letters.language import language
from gateway.letters.page import brand_of
from gateway.services import payments_shown
from gateway.services.gateway import Gateway


async def sheet_of(conn: Connection, gateway: Gateway, invoice_id: str, access_token: str) -> Sheet | None:
    """What the document of an invoice is made of; None when there is no such invoice, or the token is another one."""
    invoice = (await invoices.load(conn, [invoice_id])).get(invoice_id)
    if invoice is None or invoice.access_token is None:
        return None
    if not secrets.compare_digest(invoice.access_token.encode(), access_token.encode()):
        return None
    merchant = (await accounts.get_many(conn, [invoice.scope.account_id]))[invoice.scope.account_id]
    customers = await catalog.load_customers(conn, [invoice.customer_id])
    intent = (await charge_intents.of_invoices(conn, [invoice.id])).get(invoice.id)
    charge_id = None if intent is None else intent.latest_charge_id
    charge = None if charge_id is None else (await charges.load(conn, [charge_id])).get(charge_id)
    settled = charge if charge is not None and charge.status is ChargeStatus.SUCCEEDED else None
    agreed = await payments_shown.mandates_of(conn, [settled]) if settled is not None else {}
    rate_ids = sorted({part.rate_id for line in invoice.lines for part in line.tax_amounts})
    return Sheet(
        invoice=invoice,
        brand=brand_of(merchant),
        language=language(merchant.settings.locale),
        customer=customers.get(invoice.customer_id),
        names=await payments_shown.names_of(conn, [line.price_id for line in invoice.lines if line.price_id]),
        rates=await tax_rates.shelf.load(conn, rate_ids) if rate_ids else {},
        payment=None if settled is None else payments_shown.payment_of(gateway, settled, agreed, merchant),
        refunded=0 if settled is None else settled.amount_refunded,
    )
