"""URLs of merchants' pages that browsers are sent to."""

from urllib.parse import urlsplit

from gateway.domain.errors import InvalidRequest


def merchant_url(text: str, param: str, *, livemode: bool) -> str:
    """A page of the merchant's that a browser may be sent to: https, or http as well in test mode.

    Raises:
        InvalidRequest: it is none.
    """
    parts = urlsplit(text.replace("{CHECKOUT_SESSION_ID}", "x"))
    schemes = {"https"} if livemode else {"https", "http"}
    if parts.scheme not in schemes or not parts.hostname or not text.isascii() or not text.isprintable() or " " in text:
        allowed = " or ".join(f"{scheme}://" for scheme in sorted(schemes, reverse=True))
        raise InvalidRequest(
            f"{param} must be a whole URL that begins with {allowed}.", code="url_invalid", param=param
        )
    return text
