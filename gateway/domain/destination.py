"""Where a merchant may send us: which URLs may be webhook endpoints, and which addresses may be dialled. Pure.

An endpoint is a URL that strangers choose and our server then calls, so everything that is not clearly a public host
is refused: at registration by what the URL says, and again at every dial by the address it resolved to (names change,
and a name may resolve to anything). The lists are our own and name what is public instead of asking
`ipaddress.is_global`, which calls several spellings of loopback global.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from gateway.domain.errors import InvalidRequest

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

URL_LENGTH_MAX: Final = 2048  # what proxies and servers commonly accept
_HOST_LENGTH_MAX: Final = 253  # RFC 1035
_PORT_UNPRIVILEGED_MIN: Final = 1024
_PORTS_BELOW: Final = frozenset({80, 443})
_PORTS_OF_OTHER_PROTOCOLS: Final = frozenset(
    {1433, 1521, 1719, 1720, 1723, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061, 5432, 5672}
    | {5900, 5984, 6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 7000, 7001, 8500, 9042, 9092}
    | {9200, 9300, 10080, 10250, 10255, 11211, 27017}
)
"""Databases, brokers, cluster managers, and the ports that browsers refuse: nobody receives webhooks there."""

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_URL_CHARACTERS: Final = re.compile(r"[!-\[\]-~]+")  # printable ASCII without space and backslash
_PRIVATE_SUFFIXES: Final = frozenset(
    {"localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "arpa"}
    | {"invalid", "test", "onion", "alt"}
)
"""Last labels that never name a public host (RFC 6761, 6762, 7686, 8375, 9476; `internal` is reserved by ICANN).
`example` is left out: it resolves to nothing, and documents are full of it."""


def _networks(*texts: str) -> tuple[_IpNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
"""The only global unicast space that was ever given out; NAT64, mapped, unique local and link-local lie outside."""

_REFUSED: Final = _networks(
    "0.0.0.0/8",  # "this host"
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is a cloud's metadata service
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # a cloud's host agent on a public address
    "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata service of most clouds
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # IETF protocol assignments
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",  # private
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    "2001::/23",  # Teredo, benchmarks, ORCHID and other protocol assignments
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4: carries any IPv4 address
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
)
_PRIVATE: Final = _networks("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
"""What `allow_private` adds: one's own machine and network, and nothing else."""
_NEVER: Final = _networks("fd00:ec2::/32")
"""Metadata services inside a private range."""
_ISATAP_MARKS: Final = frozenset({b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe"})  # RFC 5214: an IPv4 address follows


def is_dialable(address: IpAddress, *, allow_private: bool) -> bool:
    """Whether a webhook may be sent to `address`; `allow_private` is the operator's word for development."""
    if allow_private and _in_any(address, _PRIVATE) and not _in_any(address, _NEVER):
        return True
    if isinstance(address, ipaddress.IPv6Address) and not _is_plain_public(address):
        return False
    return not _in_any(address, _REFUSED)


def check_url(url: str, *, allow_private: bool, livemode: bool) -> None:
    """Accept an absolute http(s) URL of a public host; in live mode only https.

    `allow_private` accepts names and addresses of the operator's own machine and network besides, for development.

    Raises:
        InvalidRequest: with the rule that is broken; nothing was resolved or called.
    """
    if len(url) > URL_LENGTH_MAX:
        raise _refused(f"it is longer than {URL_LENGTH_MAX} characters")
    if not _URL_CHARACTERS.fullmatch(url):
        raise _refused("it holds characters other than printable ASCII; write international names in punycode")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("it cannot be read as a URL") from None
    _check_form(parts, livemode=livemode)
    _check_port(port)
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        _check_literal(host, allow_private=allow_private)
    else:
        _check_name(host, allow_private=allow_private)


def _check_form(parts: SplitResult, *, livemode: bool) -> None:
    if parts.scheme not in {"http", "https"}:
        raise _refused("it must begin with https:// (or http:// in test mode)")
    if livemode and parts.scheme != "https":
        raise _refused("live mode sends to https:// only")
    if "@" in parts.netloc:
        raise _refused("it must not hold a user name or password")
    if parts.fragment:
        raise _refused("it must not hold a fragment")
    if not parts.hostname or "%" in parts.netloc:
        raise _refused("it names no host")


def _check_port(port: int | None) -> None:
    if port is None or port in _PORTS_BELOW:
        return
    if port < _PORT_UNPRIVILEGED_MIN or port in _PORTS_OF_OTHER_PROTOCOLS:
        raise _refused(f"port {port} is not one that receives webhooks")


def _check_literal(text: str, *, allow_private: bool) -> None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _refused("its address cannot be read") from None
    if not is_dialable(address, allow_private=allow_private):
        raise _refused("its address is not public")


def _check_name(host: str, *, allow_private: bool) -> None:
    labels = host.split(".")
    if len(host) > _HOST_LENGTH_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("its host is not a valid name")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        _check_literal(host, allow_private=allow_private)  # 2130706433, 127.1 and 0x7f.0.0.1 are no strict IPv4
        return
    if allow_private:
        return
    if len(labels) == 1 or labels[-1] in _PRIVATE_SUFFIXES:
        raise _refused("its host is not a public name")


def _is_plain_public(address: ipaddress.IPv6Address) -> bool:
    return address in _PUBLIC_V6 and address.packed[8:12] not in _ISATAP_MARKS and address.scope_id is None


def _in_any(address: IpAddress, networks: tuple[_IpNetwork, ...]) -> bool:
    return any(address in network for network in networks)


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"This URL cannot be a webhook endpoint: {why}.", code="url_invalid", param="url")
