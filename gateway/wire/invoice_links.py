"""Addresses of an invoice's page and document; they exist from the moment it is finalised."""

from gateway.domain.invoice import Invoice


def page_url(value: Invoice, public_url: str) -> str | None:
    """Where anybody who has the address sees and pays the invoice; None while it is a draft."""
    return None if value.access_token is None else f"{public_url}/i/{value.id}/{value.access_token}"


def document_url(value: Invoice, public_url: str) -> str | None:
    """Where anybody who has the address finds the invoice as a document; None while it is a draft."""
    page = page_url(value, public_url)
    return None if page is None else f"{page}/pdf"
